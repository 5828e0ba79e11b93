/** The decoder, which is Rust: `tools/page/decoder` says what it answers. It reads a guest's memory without running the guest. */

import bytes from "module:decoder";
import type { Figures, Item } from "./messages";

interface Exports {
  memory: WebAssembly.Memory;
  __alloc(len: number, align: number): number;
  __free(ptr: number, len: number): number;
  heap_read(address: number): bigint;
  heap_decode(ptr: number, len: number): bigint;
  heap_encode(): bigint;
  heap_map(): bigint;
  heap_page(number: number): bigint;
}

const PAGE = 65536;

export class Decoder {
  private constructor(private readonly exports: Exports) {}

  /** `guest` is the memory that `read` reads. */
  static async create(guest: () => WebAssembly.Memory | undefined): Promise<Decoder> {
    let own: WebAssembly.Memory | undefined;
    // Views of both memories, until they grow: to make one takes longer than to copy a few bytes.
    let [from, to] = [new Uint8Array(), new Uint8Array()];
    const imports = {
      guest: {
        memory_pages: () => {
          const buffer = guest()?.buffer ?? new ArrayBuffer(0);
          from = from.buffer === buffer ? from : new Uint8Array(buffer);
          return from.length / PAGE;
        },
        memory_copy: (address: number, into: number, len: number) => {
          if (own && to.buffer !== own.buffer) {
            to = new Uint8Array(own.buffer);
          }
          // Addresses are unsigned.
          [address, into] = [address >>> 0, into >>> 0];
          for (let at = 0; at < len; at += 1) {
            to[into + at] = from[address + at] ?? 0;
          }
        },
      },
    };
    const { instance } = await WebAssembly.instantiate(bytes, imports);
    const exports = instance.exports as unknown as Exports;
    own = exports.memory;
    return new Decoder(exports);
  }

  /** Reads the guest's heap, of which the guest exports the address. */
  read(address: number): Figures {
    return this.figures(this.exports.heap_read(address));
  }

  decode(snapshot: Uint8Array): Figures {
    const ptr = this.exports.__alloc(snapshot.length, 1);
    if (!ptr) {
      throw new Error("the snapshot is too long for this page");
    }
    new Uint8Array(this.exports.memory.buffer, ptr >>> 0, snapshot.length).set(snapshot);
    return this.figures(this.exports.heap_decode(ptr, snapshot.length));
  }

  encode(): Uint8Array<ArrayBuffer> {
    return this.take(this.exports.heap_encode());
  }

  map(): Uint8Array<ArrayBuffer> {
    return this.take(this.exports.heap_map());
  }

  page(number: number): Item[] {
    return this.json(this.exports.heap_page(number)) as Item[];
  }

  private figures(answer: bigint): Figures {
    const result = this.json(answer) as { Ok: Figures } | { Err: string };
    if ("Err" in result) {
      throw new Error(result.Err);
    }
    return result.Ok;
  }

  private json(answer: bigint): unknown {
    const bytes = this.take(answer);
    if (bytes.length === 0) {
      throw new Error("the heap is too large for this page");
    }
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  /** Copies an answer, and frees it. */
  private take(answer: bigint): Uint8Array<ArrayBuffer> {
    const ptr = Number(answer >> 32n & 0xffff_ffffn);
    const len = Number(answer & 0xffff_ffffn);
    const bytes = new Uint8Array(this.exports.memory.buffer, ptr, len).slice();
    if (ptr !== 0) {
      this.exports.__free(ptr, len);
    }
    return bytes;
  }
}
