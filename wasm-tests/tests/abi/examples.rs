//! The examples, as a user would run them.

use crate::plugin::{module, open};
use wasm_tests::host::Abi;

#[test]
fn alloc_free_shouts() {
    let mut plugin = open(
        &module("example-alloc-free", "wasm32-unknown-unknown"),
        Abi::AllocFree,
    );
    for text in ["hello", "", "grün", &"long ".repeat(30_000), "x"] {
        let given = plugin.give(text.as_bytes(), 1).expect("there is memory");
        let answer: u64 = plugin.call("shout", given.hand_over()).expect("no trap");
        let answer = plugin
            .adopt((answer >> 32) as u32, answer as u32, 1)
            .expect("it is in memory");
        let read = plugin.read(&answer).expect("it is in memory");
        assert_eq!(read, text.to_uppercase().as_bytes());
        plugin.free(answer).expect("it is live");
    }
}

#[test]
fn alloc_free_keeps_nothing() {
    let mut plugin = open(
        &module("example-alloc-free", "wasm32-unknown-unknown"),
        Abi::AllocFree,
    );
    let mut shout = |text: &str| {
        let given = plugin.give(text.as_bytes(), 1).expect("there is memory");
        let answer: u64 = plugin.call("shout", given.hand_over()).expect("no trap");
        let answer = plugin.adopt((answer >> 32) as u32, answer as u32, 1);
        plugin
            .free(answer.expect("it is in memory"))
            .expect("it is live");
        plugin.memory_len()
    };
    let before = ["", "x", "hello"].map(&mut shout)[2];
    for _ in 0..10_000 {
        for text in ["", "x", "hello"] {
            assert_eq!(shout(text), before, "of {text:?}");
        }
    }
}

#[test]
fn alloc_free_traps_when_it_is_given_a_block_that_is_none() {
    let mut plugin = open(
        &module("example-alloc-free", "wasm32-unknown-unknown"),
        Abi::AllocFree,
    );
    let (ptr, len) = plugin.give(b"hello", 1).expect("memory").hand_over();
    for (ptr, len) in [(ptr, len - 1), (ptr + 1, len), (ptr, 0x7fff_ffff)] {
        plugin
            .call::<_, u64>("shout", (ptr, len))
            .expect_err("it is no block");
    }
    plugin
        .call::<_, u64>("shout", (ptr, len))
        .expect("it still is one");
}
