/**
 * What the page shows, apart from how: the guest that runs or the snapshot that was opened, its moments, and which moment and page
 * the user looks at. Whoever shows it is told of changes, at most once a frame.
 */

import workerText from "text:worker";
import { History } from "./history";
import type { Demo, FromReader, FromRunner, Item, Moment, ToReader, ToRunner } from "./messages";

/** What becomes of a guest. */
export type Status = "nothing" | "starting" | "running" | "paused" | "over";

const MAX_LINES = 200;

/** A file that is longer is read by no browser at once. */
const MAX_FILE = 1 << 30;

const script = URL.createObjectURL(new Blob([workerText], { type: "text/javascript" }));

export class Session {
  status: Status = "nothing";
  /** What is shown. */
  name = "";
  isStepped = false;
  /** What became of it, in a sentence. */
  told = "Choose a demo or a file.";
  error = "";
  misuse: string[] = [];
  output: string[] = [];
  history = new History();
  /** The moment that the user looks at, or the last. */
  private chosen: Moment | null = null;
  /** The page that the user looks at, and what is in it. */
  page: number | null = null;
  items: Item[] | null = null;

  private runner: Worker | null = null;
  private readonly reader: Worker;
  /** The question to the reader that is open, and whether another is to follow. */
  private asked = 0;
  private isOpen = false;
  private isStale = false;
  private answered: (answer: FromReader) => void = () => {};
  private isTold = false;

  constructor(private readonly changed: () => void) {
    this.reader = new Worker(script, { name: "reader" });
    this.reader.onmessage = ({ data }: MessageEvent<FromReader>) => {
      if (data.id === this.asked) {
        this.answered(data);
      }
    };
  }

  get moment(): Moment | null {
    return this.chosen ?? this.history.last ?? null;
  }

  /** The place of the moment among all. */
  get place(): number {
    const { moments } = this.history;
    return this.chosen ? Math.max(0, moments.indexOf(this.chosen)) : moments.length - 1;
  }

  demo(demo: Demo, isCompared: boolean, isPaused: boolean): void {
    this.run(`the demo “${demo}”`, { type: "demo", demo, isCompared, isPaused });
  }

  /** A guest or a snapshot: what it begins with tells which. */
  async open(file: File, args: string[], isPaused: boolean): Promise<void> {
    this.reset(file.name);
    this.status = "starting";
    if (file.size > MAX_FILE) {
      this.refuse("The file is too long for this page.");
      return;
    }
    const bytes = await file.arrayBuffer();
    const magic = new TextDecoder("latin1").decode(bytes.slice(0, 4));
    if (magic === "\0asm") {
      this.run(file.name, { type: "run", name: file.name, module: bytes, args, isPaused }, [bytes]);
    } else {
      this.openSnapshot(new Uint8Array(bytes));
    }
  }

  pause(): void {
    this.tell({ type: "pause" });
  }

  go(): void {
    this.tell({ type: "go" });
    this.status = "running";
    this.told = "The guest runs.";
    this.chosen = null;
    this.change();
  }

  step(): void {
    this.chosen = null;
    this.tell({ type: "step" });
  }

  /** A guest that does not end by itself ends with its worker. */
  stop(): void {
    this.runner?.terminate();
    this.runner = null;
    this.status = "over";
    this.told = "You have stopped the guest.";
    this.change();
  }

  /** Looks at the moment at this place; the last one is the one that follows the guest. */
  show(place: number): void {
    const { moments } = this.history;
    this.chosen = place >= moments.length - 1 ? null : (moments[place] ?? null);
    this.look();
    this.change();
  }

  zoom(page: number | null): void {
    this.page = page;
    this.items = null;
    this.look();
    this.change();
  }

  private run(name: string, message: ToRunner, transferred: Transferable[] = []): void {
    this.reset(name);
    this.status = "starting";
    this.told = "The guest starts.";
    this.runner = new Worker(script, { name: "runner" });
    this.runner.onmessage = ({ data }: MessageEvent<FromRunner>) => this.receive(data);
    // As when there is no memory for it.
    this.runner.onerror = () => this.refuse("The guest's worker has failed.");
    this.runner.postMessage(message, transferred);
    this.change();
  }

  private reset(name: string): void {
    this.runner?.terminate();
    this.runner = null;
    this.asked += 1;
    this.isOpen = false;
    this.isStale = false;
    Object.assign(this, { name, isStepped: false, told: "", error: "", misuse: [], output: [] });
    Object.assign(this, { history: new History(), chosen: null, page: null, items: null });
  }

  private receive(message: FromRunner): void {
    switch (message.type) {
      case "started":
        this.status = "running";
        this.told = "The guest runs.";
        this.isStepped = message.isStepped;
        break;
      case "moment":
        this.history.push(message.moment);
        this.look();
        break;
      case "paused":
        this.status = "paused";
        this.told = "The guest is paused.";
        break;
      case "output":
        this.output = [...this.output, ...message.lines].slice(-MAX_LINES);
        break;
      case "misuse":
        this.misuse = message.lines;
        break;
      case "ended":
        this.status = "over";
        this.told = message.how;
        break;
      case "refused":
        this.refuse(message.why);
        break;
    }
    this.change();
  }

  private refuse(why: string): void {
    this.error = why;
    this.status = "over";
    this.told = "";
    this.change();
  }

  private openSnapshot(snapshot: Uint8Array): void {
    this.ask({ snapshot, page: null }, (answer) => {
      if ("error" in answer) {
        this.refuse(`This file is neither a WebAssembly module nor a snapshot: ${answer.error}.`);
        return;
      }
      const { figures, map } = answer;
      this.history.push({ at: 0, figures, map, others: [], snapshot });
      this.status = "over";
      this.told = "This is a snapshot.";
      this.change();
    });
  }

  /** Has the page read at which the user looks. While one is read, only the latest wish is kept. */
  private look(): void {
    const { page, moment } = this;
    if (page === null || !moment) {
      return;
    }
    if (!moment.snapshot) {
      this.items = null;
      return;
    }
    if (this.isOpen) {
      this.isStale = true;
      return;
    }
    this.ask({ snapshot: moment.snapshot, page }, (answer) => {
      if ("items" in answer && this.page === page) {
        this.items = answer.items;
      }
      if (this.isStale) {
        this.isStale = false;
        this.look();
      }
      this.change();
    });
  }

  private ask(question: Omit<ToReader, "id">, answered: (answer: FromReader) => void): void {
    this.asked += 1;
    this.isOpen = true;
    this.answered = (answer) => {
      this.isOpen = false;
      answered(answer);
    };
    this.reader.postMessage({ id: this.asked, ...question });
  }

  private tell(message: ToRunner): void {
    this.runner?.postMessage(message);
  }

  private change(): void {
    if (!this.isTold) {
      this.isTold = true;
      requestAnimationFrame(() => {
        this.isTold = false;
        this.changed();
      });
    }
  }
}
