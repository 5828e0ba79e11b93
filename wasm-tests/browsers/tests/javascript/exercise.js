// The README's lines on the example that they belong to, and a guest with `export_abi!(messages)`, which is asked after a misuse.

// Returns one line: what was done, or what failed.
function exercise(example, abi) {
    const open = (bytes) => new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    try {
        check("the README's text", readme(open(example)), "HELLO");
        const said = messages(open(abi));
        return `exercise passed: ${said}`;
    } catch (error) {
        return `exercise failed: ${error.stack}`;
    }
}

// Returns what the guest has said last.
function messages(guest) {
    check("before", message(guest), "");
    const ptr = guest.__alloc(24, 1) >>> 0;
    check("freed", guest.__free(ptr, 24), 0);
    check("freed twice", guest.__free(ptr, 24), 3);
    check("the status", guest.__heap_status(), 3);
    check("said", /^the allocation at 0x\w+ .*was freed before/.test(message(guest)), true);

    let trapped = false;
    try {
        guest.cabi_realloc(ptr + 8, 5, 1, 10);
    } catch (error) {
        trapped = error instanceof WebAssembly.RuntimeError;
    }
    check("trapped", trapped, true);
    // The instance works on, and tells.
    const said = message(guest);
    check("said after a trap", said.startsWith("no allocation starts at 0x"), true);
    return said;
}

function message(guest) {
    const word = BigInt.asUintN(64, guest.__heap_message());
    const [at, length] = [Number(word >> 32n), Number(word & 0xffffffffn)];
    return new TextDecoder().decode(new Uint8Array(guest.memory.buffer, at, length));
}

function check(what, actual, expected) {
    if (actual !== expected) throw new Error(`${what}: ${actual}, not ${expected}`);
}
