// What is done with the guest, in Node and in Chromium: rounds of random calls whose every answer is checked, misuse
// that must trap, and another round.
//
// The rounds are all the same. After each, as many allocations are live as after the first. What is kept for speed lies elsewhere
// each time, so after some rounds a few more pages are held; then they stay as many.

const SETTLING = 8;
const ROUNDS = 24;
const STEPS = 500;
const MIB = 2 ** 20;
const ASCII = [..."ab cd"];
const UNICODE = [..."a é€😀"];

// Returns one line: what was done, or what failed. `guest` has the functions of `examples/bindgen`, and `wasm` is what
// its module exports.
function exercise(guest, wasm) {
    try {
        let calls = round(guest);
        const live = guest.live();
        const first = guest.pages();
        let pages = first;
        const repeat = (settles) => {
            calls += round(guest);
            check("live", guest.live(), live);
            if (settles) pages = guest.pages();
            check("pages", guest.pages(), pages);
        };

        for (let i = 1; i < ROUNDS; i++) repeat(i < SETTLING);
        check("few more pages", pages <= first + first / 8, true);
        misuse(wasm);
        repeat();
        return `exercise passed: ${calls} calls, ${live} live, ${pages} pages`;
    } catch (error) {
        return `exercise failed: ${error.stack}`;
    }
}

// Returns the number of calls.
function round(guest) {
    const random = new Random();
    const held = [];
    let calls = 0;
    const answers = (name, argument, expected) => {
        calls++;
        check(name, guest[name](argument), expected);
    };
    const release = (index) => {
        calls++;
        held.splice(index, 1)[0].tally.free();
    };

    const steps = [
        () => {
            const text = random.text();
            answers("reverse", text, [...text].reverse().join(""));
        },
        () => {
            const text = random.text();
            answers("words", text, text.split(" "));
        },
        () => {
            const words = random.list(10, () => random.text());
            answers("join", words, words.length ? words.join(" ") : undefined);
        },
        () => {
            const bytes = Uint8Array.from(random.list(random.len(), () => random.below(3)));
            answers("without_zeros", bytes, bytes.filter((byte) => byte !== 0));
        },
        () => {
            const numbers = Float64Array.from(random.list(random.len() / 8, () => random.below(100) / 10));
            let sum = 0;
            answers("running_sums", numbers, numbers.map((number) => (sum += number)));
        },
        () => {
            calls++;
            held.push({ tally: new guest.Tally(), counts: new Map() });
        },
        () => {
            for (const { tally, counts } of held) {
                const word = `é${random.below(50)}`.repeat(random.below(20));
                counts.set(word, (counts.get(word) ?? 0) + 1);
                calls++;
                check("add", tally.add(word), counts.get(word));
            }
        },
        () => {
            if (held.length > 0) release(random.below(held.length));
        },
    ];

    for (let i = 0; i < STEPS; i++) random.of(steps)();
    while (held.length > 0) release(0);
    // No random length is sure to be the longest.
    const longest = "€".repeat(MIB / 3);
    answers("reverse", longest, longest);
    return calls;
}

// Frees and reallocations of what is no such block: each traps, and changes nothing.
function misuse(wasm) {
    const ptr = wasm.__wbindgen_malloc(24, 1);
    traps("a shorter length", () => wasm.__wbindgen_free(ptr, 23, 1));
    traps("a longer length", () => wasm.__wbindgen_free(ptr, 25, 1));
    traps("a pointer into the block", () => wasm.__wbindgen_free(ptr + 8, 16, 1));
    traps("a pointer out of nowhere", () => wasm.__wbindgen_free(0xffff_fff0, 24, 1));
    traps("a wrong length to realloc", () => wasm.__wbindgen_realloc(ptr, 23, 100, 1));
    wasm.__wbindgen_free(ptr, 24, 1);
    traps("a second free", () => wasm.__wbindgen_free(ptr, 24, 1));
}

function traps(what, call) {
    try {
        call();
    } catch (error) {
        if (error instanceof WebAssembly.RuntimeError && error.message.includes("unreachable")) return;
        throw error;
    }
    throw new Error(`${what} does not trap`);
}

// Answers are numbers, strings or nothing, or arrays of them.
function check(name, actual, expected) {
    const same =
        actual === expected ||
        (actual?.length === expected?.length &&
            typeof actual === "object" &&
            actual.every((value, i) => value === expected[i]));
    if (!same) {
        const short = (value) => String(value).slice(0, 100);
        throw new Error(`${name}: ${short(actual)} instead of ${short(expected)}`);
    }
}

// Numbers that are the same in each run: a linear congruential generator.
class Random {
    state = 1;

    // An integer below `limit`.
    below(limit) {
        this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
        return Math.floor((this.state / 2 ** 32) * limit);
    }

    of(choices) {
        return choices[this.below(choices.length)];
    }

    // A length: mostly of a few bytes to 2 KiB, seldom up to a MiB.
    len() {
        const longest = this.below(50) === 0 ? MIB : 2 ** this.below(12);
        return this.below(longest);
    }

    // Fewer values than `limit`.
    list(limit, value) {
        return Array.from({ length: this.below(limit) }, value);
    }

    text() {
        const alphabet = this.of([ASCII, UNICODE]);
        return this.list(this.len(), () => this.of(alphabet)).join("");
    }
}
