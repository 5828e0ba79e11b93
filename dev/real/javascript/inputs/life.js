// Arrays of numbers: Conway's Life in bytes, a matrix product in floats, a sieve.
"use strict";

const SIDE = 48;
let cells = new Uint8Array(SIDE * SIDE);
let state = 99 + round;
for (let at = 0; at < cells.length; at++) {
  state = (state * 1103515245 + 12345) % 2147483648;
  cells[at] = state < 800000000 ? 1 : 0;
}

const step = (old) => {
  const next = new Uint8Array(old.length);
  for (let y = 0; y < SIDE; y++) {
    const above = ((y + SIDE - 1) % SIDE) * SIDE;
    const here = y * SIDE;
    const below = ((y + 1) % SIDE) * SIDE;
    for (let x = 0; x < SIDE; x++) {
      const left = (x + SIDE - 1) % SIDE;
      const right = (x + 1) % SIDE;
      const count =
        old[above + left] + old[above + x] + old[above + right] +
        old[here + left] + old[here + right] +
        old[below + left] + old[below + x] + old[below + right];
      next[here + x] = count === 3 || (count === 2 && old[here + x]) ? 1 : 0;
    }
  }
  return next;
};
const populations = [];
for (let generation = 0; generation < 12; generation++) {
  cells = step(cells);
  populations.push(cells.reduce((sum, cell) => sum + cell, 0));
}

const N = 24;
const matrix = (seed) => Array.from({ length: N }, (_, y) => Float64Array.from({ length: N }, (_, x) => ((x * y + seed) % 11) / 8));
const multiply = (a, b) => a.map((row) => row.map((_, x) => row.reduce((sum, value, k) => sum + value * b[k][x], 0)));
const product = multiply(matrix(round), matrix(3));
const trace = product.reduce((sum, row, at) => sum + row[at], 0);

const composite = [];
const primes = [];
for (let n = 2; n < 8000; n++) {
  if (composite[n]) continue;
  primes.push(n);
  for (let multiple = n * n; multiple < 8000; multiple += n) composite[multiple] = true;
}

globalThis.answer = [populations, trace, primes.length, primes.at(-1), 2n ** 200n % BigInt(primes.at(-1))].join(";");
