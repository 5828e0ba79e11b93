// Threads of JavaScript that share a guest's memory and heap: workers, and the main one, where a browser lets no code wait.

const STACK = 65536;
const WORKERS = 3;
const PAIRS = 1_000_000;

// What each worker runs. `listen` and `post` are its host's.
const WORKER = `
    let guest;
    listen((data) => {
        if (guest === undefined) {
            guest = new WebAssembly.Instance(data.module, { env: { memory: data.memory } }).exports;
            guest.__stack_pointer.value = data.stack;
            post("ready");
        } else {
            post(guest.pairs(data.mark, data.pairs));
        }
    });
`;

// Returns one line: what was done, or what failed. `start` starts a worker with this source.
async function exercise(bytes, start) {
    try {
        const module = new WebAssembly.Module(bytes);
        const memory = new WebAssembly.Memory({ initial: 32, maximum: 1024, shared: true });
        const main = new WebAssembly.Instance(module, { env: { memory } }).exports;
        const stacks = [];
        const workers = [];
        for (let number = 0; number < WORKERS; number += 1) {
            stacks.push(main.__alloc(STACK, 16) >>> 0);
            workers.push(start(WORKER));
            await workers[number].ask({ module, memory, stack: stacks[number] + STACK });
        }
        // All at once, this thread among them.
        const answers = workers.map((worker, number) => worker.ask({ mark: number + 1, pairs: PAIRS }));
        check("wrong in the main thread", main.pairs(WORKERS + 1, PAIRS), 0);
        for (const [number, answer] of answers.entries()) {
            check(`wrong in worker ${number}`, await answer, 0);
        }
        for (const stack of stacks) {
            check("the stack is freed", main.__free(stack, STACK), 0);
        }
        check("live at the end", main.live(), 0);
        return `exercise passed: ${WORKERS + 1} threads, ${PAIRS} pairs each`;
    } catch (error) {
        return `exercise failed: ${error.stack}`;
    }
}

function check(what, is, expected) {
    if (is !== expected) {
        throw new Error(`${what}: ${is}, not ${expected}`);
    }
}
