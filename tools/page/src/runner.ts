/**
 * The worker that runs a guest, and reads its heap in between.
 *
 * A guest is a command of WASI 0.1, whose heap is read when it calls WASI and when it ends; or it exports `step() -> u32`, which is
 * called until it returns 0, and between whose calls it can be paused. The guest runs nothing for it. To stop one that does not
 * end by itself, the page ends this worker.
 */

import checked from "module:checked";
import dlmalloc from "module:dlmalloc";
import guests from "module:guests";
import talc from "module:talc";
import { Decoder } from "./decoder";
import { Wasi } from "./wasi";
import type { Demo, FromRunner, ToRunner } from "./messages";

/** Milliseconds between two steps, and at least between two moments. */
const STEP = 50;
const INTERVAL = 50;

/** A guest has three quarters of the time: its heap is read less often if that takes long. */
const SHARE = 3;

type Exports = Record<string, unknown> & { memory: WebAssembly.Memory };

interface Options {
  name: string;
  args: string[];
  /** The export that is called, if the guest is no command. */
  step: string;
  isPaused: boolean;
}

interface Other {
  memory: WebAssembly.Memory;
  step(): number;
}

/** One that is no guest for this page, and why. */
class Refusal extends Error {}

class Run {
  private at = 0;
  private next = 0;
  private isPaused = false;
  private isOver = false;
  /** How many lines about misuse were sent. */
  private told = 0;
  /** The same guest with other allocators, which makes each step, too. */
  private others: Other[] = [];

  private constructor(
    private readonly exports: Exports,
    private readonly decoder: Decoder,
    private readonly wasi: Wasi,
    /** Of one that is called step by step. */
    private readonly step: (() => number) | undefined,
  ) {}

  /** Starts a demo. A misuse is nothing that other allocators survive, so that it is not compared. */
  static async demo(demo: Demo, isCompared: boolean, isPaused: boolean): Promise<Run> {
    const others = isCompared && demo !== "misuse" ? [dlmalloc, talc] : [];
    const instances = others.map(async (bytes) => {
      const { instance } = await WebAssembly.instantiate(bytes);
      const { memory, [demo]: step } = instance.exports;
      return { memory, step } as unknown as Other;
    });
    const options = { name: demo, args: [], step: demo, isPaused };
    return Run.start(demo === "misuse" ? checked : guests, options, await Promise.all(instances));
  }

  static async start(bytes: BufferSource, options: Options, others: Other[] = []): Promise<Run> {
    const { name, args, step: stepName } = options;
    const module = await compile(bytes);
    const exported = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
    if (exported.get("__pageslab_heap") !== "global" || exported.get("memory") !== "memory") {
      throw new Refusal(
        "The guest does not export __pageslab_heap, so its heap cannot be found. " +
          "Add this line to it: pageslab::export_abi!(snapshot);",
      );
    }
    if (exported.get("_start") !== "function" && exported.get(stepName) !== "function") {
      throw new Refusal("The guest is no command of WASI 0.1, and does not export step() -> u32.");
    }
    let run: Run | undefined;
    const wasi = new Wasi([name, ...args], () => run?.sample(false));
    const foreign = WebAssembly.Module.imports(module).find(({ module, name }) => !wasi.has(module, name));
    if (foreign) {
      throw new Refusal(`The guest imports ${foreign.module}.${foreign.name}, which this page does not have.`);
    }
    const instance = await WebAssembly.instantiate(module, wasi.imports());
    const exports = instance.exports as Exports;
    const decoder = await Decoder.create(() => exports.memory);
    const isCommand = typeof exports["_start"] === "function";
    run = new Run(exports, decoder, wasi, isCommand ? undefined : (exports[stepName] as () => number));
    run.others = others;
    wasi.attach(exports);
    run.first(options.isPaused);
    return run;
  }

  private first(isPaused: boolean): void {
    send({ type: "started", isStepped: this.step !== undefined });
    if (this.step) {
      this.guarded(() => {
        (this.exports["_initialize"] as (() => void) | undefined)?.();
        this.sample(true);
        if (isPaused) {
          this.pause();
        } else {
          this.later();
        }
      });
    } else {
      this.guarded(() => {
        this.next = 0;
        const code = this.wasi.command(this.exports["_start"] as () => void);
        this.end(`It has ended with exit code ${code}.`);
      });
    }
  }

  pause(): void {
    if (this.step && !this.isOver) {
      this.isPaused = true;
      this.sample(true);
      send({ type: "paused" });
    }
  }

  go(): void {
    if (this.isPaused) {
      this.isPaused = false;
      this.later();
    }
  }

  /** One step of a guest that is paused. */
  single(): void {
    if (this.isPaused) {
      this.advance(true);
    }
  }

  private later(): void {
    setTimeout(() => {
      if (!this.isPaused && !this.isOver) {
        this.advance(false);
        this.later();
      }
    }, STEP);
  }

  private advance(isShown: boolean): void {
    this.guarded(() => {
      if (this.isOver || !this.step) {
        return;
      }
      this.at += 1;
      const more = this.step();
      for (const other of this.others) {
        other.step();
      }
      if (more === 0) {
        this.end("It has done all that it had to do.");
      } else {
        this.sample(isShown);
      }
    });
  }

  /** Runs some of the guest, which may trap. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.wasi.misuse.length === 0) {
        this.wasi.misuse.push(...this.message());
      }
      this.end(`It has trapped: ${text(error)}.`);
    }
  }

  /** What the guest tells of a misuse where it has no stderr. */
  private message(): string[] {
    const ask = this.exports["__heap_message"] as (() => bigint) | undefined;
    try {
      const answer = ask?.() ?? 0n;
      const [ptr, len] = [Number(answer >> 32n & 0xffff_ffffn), Number(answer & 0xffff_ffffn)];
      const bytes = new Uint8Array(this.exports.memory.buffer, ptr, len);
      return new TextDecoder().decode(bytes.slice()).split("\n").filter(Boolean);
    } catch {
      return [];
    }
  }

  private end(how: string): void {
    this.isOver = true;
    this.sample(true);
    send({ type: "ended", how });
  }

  /** Sends what the heap is now, if it is wanted or if it is time. */
  private sample(isWanted: boolean): void {
    const start = performance.now();
    if (!isWanted && start < this.next) {
      return;
    }
    const { misuse } = this.wasi;
    if (misuse.length > this.told) {
      this.told = misuse.length;
      send({ type: "misuse", lines: misuse });
    }
    const lines = this.wasi.takeLines();
    if (lines.length > 0) {
      send({ type: "output", lines });
    }
    try {
      const address = (this.exports["__pageslab_heap"] as WebAssembly.Global<"i32">).value;
      const figures = this.decoder.read(address);
      const [map, snapshot] = [this.decoder.map(), this.decoder.encode()];
      const others = this.others.map(({ memory }) => memory.buffer.byteLength);
      const at = this.step ? this.at : this.wasi.seconds();
      send({ type: "moment", moment: { at, figures, map, others, snapshot } }, [map.buffer, snapshot.buffer]);
    } catch (error) {
      send({ type: "output", lines: [`The heap cannot be read: ${text(error)}`] });
    }
    const end = performance.now();
    this.next = end + Math.max(INTERVAL, (end - start) * SHARE);
  }
}

async function compile(bytes: BufferSource): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const head = ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
    const isComponent = new Uint8Array(head, 0, Math.min(8, head.byteLength))[6] === 1;
    throw new Refusal(
      isComponent
        ? "This is a component. Build the guest for wasm32-wasip1 instead."
        : `This is no WebAssembly module: ${text(error)}`,
    );
  }
}

export function startRunner(): void {
  let run: Run | undefined;
  onmessage = async ({ data }: MessageEvent<ToRunner>) => {
    try {
      switch (data.type) {
        case "demo":
          run = await Run.demo(data.demo, data.isCompared, data.isPaused);
          break;
        case "run":
          run = await Run.start(data.module, { ...data, step: "step" });
          break;
        case "pause":
          run?.pause();
          break;
        case "go":
          run?.go();
          break;
        case "step":
          run?.single();
          break;
      }
    } catch (error) {
      send({ type: "refused", why: error instanceof Refusal ? error.message : `It cannot be started: ${text(error)}` });
    }
  };
}

function send(message: FromRunner, transferred: Transferable[] = []): void {
  postMessage(message, { transfer: transferred });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
