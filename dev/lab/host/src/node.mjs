// One guest module of the lab under Node, with node:wasi: answers the host's questions (node.rs), one a line, as
// dev/lab/guest/src/native.rs does natively. Each instance is what guest.rs makes under wasmtime: inputs and tables lie in
// pages added at the end of memory, random numbers are the same on every run, and ticks are nobody's.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { WASI } from "node:wasi";

const PAGE = 65536;
/** Bytes of a place in a table, in the guest. */
const PLACE = 12;
/** Milliseconds until V8 has compiled what is hot for the last time: see node.rs. */
const WARM_UP = 100;

const module = new WebAssembly.Module(readFileSync(process.argv[2]));

/** A new instance's exports. What it prints goes to stderr: stdout has the answers. */
function instantiate() {
  const wasi = new WASI({ version: "preview1", stdout: 2 });
  let instance;
  const random_get = (at, length) => {
    const bytes = new Uint8Array(instance.exports.memory.buffer, at, length);
    bytes.forEach((_, index) => (bytes[index] = index));
    return 0;
  };
  const wasi_snapshot_preview1 = { ...wasi.wasiImport, random_get };
  instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1, lab: { tick() {} } });
  wasi.initialize(instance);
  return instance.exports;
}

/** Room for this many bytes, in pages that the guest leaves alone: its address. */
function room(exports, bytes) {
  return exports.memory.grow(Math.ceil(bytes / PAGE)) * PAGE;
}

/** The address of what is in a file. */
function input(exports, file) {
  const bytes = readFileSync(file);
  const at = room(exports, bytes.length);
  new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
  return at;
}

/** A workload in a new instance, ready to run so many times. */
function load({ kind, size, count, slots, file, number }) {
  const exports = instantiate();
  switch (kind) {
    case "pairs_constant":
      return (repeats) => exports.pairs_constant(count * repeats);
    case "pairs":
      return (repeats) => exports.pairs(size, count * repeats);
    case "growth":
      return (repeats) => exports.growth(size, repeats);
    case "batch": {
      const order = input(exports, file);
      const table = room(exports, count * PLACE);
      return (repeats) => exports.batch(size, order, count, table, repeats);
    }
    case "script": {
      const steps = input(exports, file);
      const table = room(exports, slots * PLACE);
      return (repeats) => exports.script(steps, count, table, slots, repeats);
    }
    default:
      throw new Error(`there is no workload ${kind}`);
  }
}

let workload;

function answer(question) {
  const [verb, rest] = question.split(/ (.*)/s);
  if (verb === "load") {
    // The last one's memory first, so that none is collected while another is measured.
    workload = undefined;
    globalThis.gc();
    workload = load(JSON.parse(rest));
    const end = performance.now() + WARM_UP;
    while (performance.now() < end) workload(1);
    return "loaded";
  }
  const start = process.hrtime.bigint();
  workload(Number(rest));
  return process.hrtime.bigint() - start;
}

for await (const question of createInterface({ input: process.stdin })) {
  let line;
  try {
    line = String(answer(question));
  } catch (error) {
    line = `failed: ${error?.message ?? String(error)}`.split("\n")[0];
  }
  process.stdout.write(`${line}\n`);
}
