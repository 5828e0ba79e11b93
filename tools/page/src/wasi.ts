/** What a guest imports: WASI 0.1 without files. Each call of it is a moment at which the guest's heap can be read. */

import { ConsoleStdout, File, OpenFile, WASI, WASIProcExit } from "@bjorn3/browser_wasi_shim";

const MODULE = "wasi_snapshot_preview1";

/** What pageslab's lines on stderr begin with. */
const MISUSE = "pageslab: ";

/** The lines of output that are kept until they are sent, and those about misuse: a guest can say more. */
const MAX_LINES = 200;

export class Wasi {
  readonly misuse: string[] = [];
  private lines: string[] = [];
  private readonly wasi: WASI;
  private readonly start = performance.now();

  constructor(args: string[], private readonly called: () => void) {
    const stdout = ConsoleStdout.lineBuffered((line) => this.keep(line));
    const stderr = ConsoleStdout.lineBuffered((line) => {
      this.keep(line);
      if (line.startsWith(MISUSE) && this.misuse.length < MAX_LINES) {
        this.misuse.push(line.slice(MISUSE.length));
      }
    });
    this.wasi = new WASI(args, [], [new OpenFile(new File([])), stdout, stderr], { debug: false });
  }

  has(module: string, name: string): boolean {
    return module === MODULE && name in this.wasi.wasiImport;
  }

  imports(): WebAssembly.Imports {
    const functions = Object.entries(this.wasi.wasiImport).map(([name, run]) => {
      const noted = (...args: unknown[]) => {
        this.called();
        return run(...args);
      };
      return [name, noted] as const;
    });
    return { [MODULE]: Object.fromEntries(functions) };
  }

  attach(exports: { memory: WebAssembly.Memory }): void {
    this.wasi.inst = { exports };
  }

  /** Runs a command, and returns its exit code. */
  command(start: () => void): number {
    try {
      start();
      return 0;
    } catch (error) {
      if (error instanceof WASIProcExit) {
        return error.code;
      }
      throw error;
    }
  }

  seconds(): number {
    return (performance.now() - this.start) / 1000;
  }

  /** The output since this was called last. */
  takeLines(): string[] {
    const lines = this.lines;
    this.lines = [];
    return lines;
  }

  private keep(line: string): void {
    this.lines.push(line);
    if (this.lines.length > MAX_LINES) {
      this.lines.shift();
    }
  }
}
