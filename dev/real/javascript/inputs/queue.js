// Promises, generators and weak references: jobs of a queue that wait for one another.
"use strict";

const log = [];

function* numbers(limit) {
  for (let n = 0; n < limit; n++) yield (n * 17 + round) % 101;
}

class Queue {
  #jobs = [];
  #running = 0;
  constructor(limit) {
    this.limit = limit;
  }
  add(job) {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ job, resolve, reject });
      this.#start();
    });
  }
  #start() {
    while (this.#running < this.limit && this.#jobs.length > 0) {
      const { job, resolve, reject } = this.#jobs.shift();
      this.#running++;
      job().then(resolve, reject).finally(() => {
        this.#running--;
        this.#start();
      });
    }
  }
}

const cache = new WeakMap();
const work = async (request) => {
  await null;
  if (request.number % 13 === 0) throw new RangeError(`not ${request.number}`);
  const answer = { of: request.number, list: [...numbers(request.number % 20)] };
  cache.set(request, answer);
  await Promise.resolve();
  return cache.get(request);
};

(async () => {
  const queue = new Queue(4);
  const requests = [...numbers(700)].map((number) => ({ number }));
  const settled = await Promise.allSettled(requests.map((request) => queue.add(() => work(request))));
  for (const { status, value, reason } of settled) {
    log.push(status === "fulfilled" ? value.of + value.list.length : reason.message);
  }
  let sum = 0;
  for await (const number of (async function* () { yield* numbers(300); })()) sum += number;
  globalThis.answer = [log.join(), sum].join(";");
})();
