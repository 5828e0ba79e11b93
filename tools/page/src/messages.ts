/** What the page and its two workers tell each other: the runner has the guest, the reader has snapshots. */

/** A heap in numbers, as the decoder sums it up. Sizes are in bytes. */
export interface Figures {
  is_checked: boolean;
  is_poisoned: boolean;
  memory_pages: number;
  pages: number;
  growths: number;
  refused_growths: number;
  fragmentation: number;
  live_blocks: number;
  live_bytes: number;
  block_bytes: number;
  slab_bytes: number;
  free_bytes: number;
  longest_free: number;
  metadata_bytes: number;
}

/** A slot of a page, or a run in it that is not cut into slots. */
export interface Item {
  run: number;
  kind: number;
  state: "live" | "free" | "held" | "metadata" | "unknown" | "foreign";
  offset: number;
  room: number;
  len: number | null;
  past: { len: number; allocated_by: number; freed_by: number } | null;
}

/** A heap at one moment. */
export interface Moment {
  /** Seconds of a command's run, or steps of a guest that is called step by step. */
  at: number;
  figures: Figures;
  /** For each page of memory what it is, and how full, of 255. */
  map: Uint8Array;
  /** The same workload's memory with other allocators, in bytes. */
  others: number[];
  /** The snapshot file, until there is no room for it any more. */
  snapshot: Uint8Array | null;
}

/** What the demos are compared with. */
export const OTHERS = ["dlmalloc", "talc"];

export type Demo = "steady" | "leak" | "misuse";

export type ToRunner =
  | { type: "demo"; demo: Demo; isCompared: boolean; isPaused: boolean }
  | { type: "run"; name: string; module: ArrayBuffer; args: string[]; isPaused: boolean }
  | { type: "pause" }
  | { type: "go" }
  | { type: "step" };

export type FromRunner =
  /** Whether it is called step by step, so that it can be paused. */
  | { type: "started"; isStepped: boolean }
  | { type: "moment"; moment: Moment }
  | { type: "paused" }
  | { type: "output"; lines: string[] }
  | { type: "misuse"; lines: string[] }
  | { type: "ended"; how: string }
  /** It did not even start. */
  | { type: "refused"; why: string };

export interface ToReader {
  id: number;
  snapshot: Uint8Array;
  /** The page whose slots are wanted. */
  page: number | null;
}

export type FromReader = { id: number } & (
  | { figures: Figures; map: Uint8Array; items: Item[] | null }
  | { error: string }
);
