//! Checked mode as a host finds it: the statuses and exports that only it has, what is refused by them and left as it is,
//! and what a guest for WASI writes to stderr. Each misuse is a test.

use crate::plugin::{module_with, open, open_wasi};
use guest_collections::Random;
use pageslab::abi::alloc_free::{DOUBLE_FREE, LENGTH_MISMATCH, OK, OVERFLOW, WRITE_AFTER_FREE};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use wasm_tests::host::{Abi, Plugin, Result};
use wasmtime::Module;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

static GUEST: LazyLock<Module> =
    LazyLock::new(|| module_with("guest-abi", "checked", "wasm32-unknown-unknown"));
static GUEST_WITH_STDERR: LazyLock<Module> =
    LazyLock::new(|| module_with("guest-abi", "checked", "wasm32-wasip1"));

/// Lengths of slots and of runs: with much slack and, but for checked mode, with none.
const LENS: [u32; 12] = [0, 1, 7, 8, 16, 24, 100, 1024, 5000, 8192, 20_000, 100_000];

/// For so many frees a freed block waits, if it and these have no more than so many bytes.
const QUARANTINE: u32 = 64;
const QUARANTINE_BYTES: u32 = 1 << 20;

/// A guest in checked mode, whose host writes where it likes.
struct Guest<T: 'static>(Plugin<T>);

impl<T> Guest<T> {
    /// A block that is filled with a byte.
    fn alloc(&mut self, len: u32, byte: u8) -> u32 {
        let ptr = self.try_alloc(len);
        assert_ne!(ptr, 0, "{len} bytes");
        self.bytes(ptr, len).fill(byte);
        ptr
    }

    fn try_alloc(&mut self, len: u32) -> u32 {
        self.0.call("__alloc", (len, 1)).expect("it never traps")
    }

    fn free(&mut self, ptr: u32, len: u32) -> u32 {
        self.0.call("__free", (ptr, len)).expect("it never traps")
    }

    fn bytes(&mut self, ptr: u32, len: u32) -> &mut [u8] {
        self.0.bytes_mut(ptr, len).expect("it is in memory")
    }

    /// Changes each of these bytes. Done twice, nothing has changed.
    fn flip(&mut self, ptr: u32, len: u32) {
        for byte in self.bytes(ptr, len) {
            *byte = !*byte;
        }
    }

    fn heap_check(&mut self) -> u32 {
        self.0.call("__heap_check", ()).expect("it never traps")
    }

    fn heap_leaks(&mut self) -> u32 {
        self.0.call("__heap_leaks", ()).expect("it never traps")
    }

    fn set_tag(&mut self, tag: u32) {
        self.0.call("set_tag", tag).expect("it never traps")
    }

    /// Traps unless all invariants of the heap hold.
    fn check(&mut self) {
        self.0.call("check", ()).expect("the invariants hold")
    }
}

fn guest() -> Guest<()> {
    Guest(open(&GUEST, Abi::AllocFree))
}

fn guest_with_stderr() -> (Guest<WasiP1Ctx>, MemoryOutputPipe) {
    let (plugin, stderr) = open_wasi(&GUEST_WITH_STDERR, Abi::AllocFree);
    (Guest(plugin), stderr)
}

/// Tries a misuse on a live block of each length, which has a neighbour on either side. These are left alone.
fn on_each_block(misuse: impl Fn(&mut Guest<()>, u32, u32)) {
    for len in LENS {
        let mut guest = guest();
        let [before, ptr, after] = [1, 2, 3].map(|byte| guest.alloc(len, byte));
        misuse(&mut guest, ptr, len);
        guest.check();
        for (neighbour, byte) in [(before, 1), (after, 3)] {
            assert!(guest.bytes(neighbour, len).iter().all(|&is| is == byte));
            assert_eq!(guest.free(neighbour, len), OK);
        }
    }
}

/// Whatever would give the block up is refused, and the block stays live, until the bytes are as they were.
fn an_overflow_of(written: u32) {
    on_each_block(|guest, ptr, len| {
        assert_eq!(guest.heap_check(), OK);
        guest.flip(ptr + len, written);
        for _ in 0..2 {
            assert_eq!(guest.free(ptr, len), OVERFLOW, "{len} bytes");
            let refused: u32 = guest.0.call("__sr_free", (ptr, len)).expect("no trap");
            assert_eq!(refused, 0);
            // To it no bytes are no block.
            for new_len in [0, len + 1].into_iter().filter(|_| len > 0) {
                let realloc: Result<u32> = guest.0.call("cabi_realloc", (ptr, len, 1, new_len));
                realloc.expect_err("it would give the block up");
            }
            assert_eq!(guest.heap_check(), OVERFLOW);
            // A wrong length is told first.
            assert_eq!(guest.free(ptr, len + 1), LENGTH_MISMATCH);
        }
        assert_eq!(guest.heap_leaks(), 3);
        assert!(guest.bytes(ptr, len).iter().all(|&byte| byte == 2));

        guest.flip(ptr + len, written);
        assert_eq!(guest.heap_check(), OK);
        assert_eq!(guest.free(ptr, len), OK);
        assert_eq!(guest.heap_leaks(), 2);
    });
}

#[test]
fn a_write_of_1_byte_past_a_block_is_an_overflow() {
    an_overflow_of(1);
}

#[test]
fn a_write_of_8_bytes_past_a_block_is_an_overflow() {
    an_overflow_of(8);
}

#[test]
fn a_write_after_free_is_found_by_a_check() {
    on_each_block(|guest, ptr, len| {
        assert_eq!(guest.free(ptr, len), OK);
        assert_eq!(guest.heap_check(), OK);
        for at in [0, len.saturating_sub(1)] {
            guest.flip(ptr + at, 1);
            assert_eq!(guest.heap_check(), WRITE_AFTER_FREE, "at {at} of {len}");
            assert_eq!(guest.heap_leaks(), 2);
            guest.flip(ptr + at, 1);
            assert_eq!(guest.heap_check(), OK);
        }
        assert_eq!(guest.free(ptr, len), DOUBLE_FREE);
    });
}

#[test]
fn memory_that_was_written_to_after_free_is_never_handed_out() {
    on_each_block(|guest, ptr, len| {
        assert_eq!(guest.free(ptr, len), OK);
        guest.flip(ptr + len / 2, 1);
        // It waits in the quarantine until so many others were freed.
        for number in 1..=QUARANTINE {
            let other = guest.alloc(200, 4);
            if number == QUARANTINE {
                assert_eq!(guest.free(other, 200), WRITE_AFTER_FREE, "{len} bytes");
            }
            assert_eq!(guest.free(other, 200), OK, "{len} bytes");
        }
        for _ in 0..100 {
            let distance = guest.alloc(len, 5).abs_diff(ptr);
            assert!(distance >= len.max(1), "{len} bytes at {ptr:#x}");
        }
        // It is kept as evidence.
        assert_eq!(guest.heap_check(), WRITE_AFTER_FREE);
        assert_eq!(guest.heap_leaks(), 102);
    });
}

#[test]
fn a_double_free_is_told_as_long_as_the_memory_waits() {
    for len in LENS {
        let mut guest = guest();
        // As many as wait, or as have the bytes that wait.
        let waiting = (QUARANTINE_BYTES / (len + 1024)).min(QUARANTINE);
        let blocks = (0..waiting).map(|_| {
            let ptr = guest.alloc(len, 1);
            assert_eq!(guest.free(ptr, len), OK);
            ptr
        });
        let blocks: BTreeSet<u32> = blocks.collect();
        assert_eq!(blocks.len(), waiting as usize, "one was handed out again");
        for ptr in blocks {
            assert_eq!(guest.free(ptr, len), DOUBLE_FREE, "{len} bytes");
        }
    }
}

#[test]
fn a_right_use_is_never_reported() {
    let mut guest = guest();
    let mut random = Random::new(8);
    let mut live = BTreeMap::new();
    for round in 0..3_000u32 {
        let len = random.pick(&LENS).saturating_sub(random.below(3));
        if random.below(3) < 2 && live.len() < 100 {
            live.insert(guest.alloc(len, round as u8), len);
        } else if let Some((ptr, len)) = live.pop_first() {
            assert_eq!(guest.free(ptr, len), OK);
        }
        if round % 100 == 0 {
            assert_eq!(guest.heap_check(), OK);
            assert_eq!(guest.heap_leaks(), live.len() as u32);
            guest.check();
        }
    }
    for (ptr, len) in live {
        assert_eq!(guest.free(ptr, len), OK);
    }
    assert_eq!((guest.heap_check(), guest.heap_leaks()), (OK, 0));
}

/// What was written to stderr since the guest was made.
fn text(stderr: &MemoryOutputPipe) -> String {
    String::from_utf8(stderr.contents().to_vec()).expect("it is a text")
}

#[test]
fn leaks_are_counted_and_written_by_class_and_tag() {
    let (mut guest, stderr) = guest_with_stderr();
    assert_eq!(guest.heap_leaks(), 0);
    guest.alloc(20, 1);
    guest.set_tag(7);
    for len in [21, 22, 100_000] {
        guest.alloc(len, 1);
    }
    let freed = guest.alloc(23, 1);
    assert_eq!(guest.free(freed, 23), OK);
    assert_eq!(guest.heap_leaks(), 4);
    assert_eq!(
        text(&stderr),
        "pageslab: 1 live block of 20 bytes, in slots of 32\n\
         pageslab: 2 live blocks of 43 bytes, in slots of 32, allocated by tag 7\n\
         pageslab: 1 live block of 100000 bytes, in runs, allocated by tag 7\n"
    );
}

#[test]
fn an_overflow_that_the_guest_frees_traps_and_is_reported_with_who_allocated() {
    let (mut guest, stderr) = guest_with_stderr();
    guest.set_tag(7);
    let ptr = guest.alloc(20, 1);
    guest.set_tag(9);
    let slack = guest.bytes(ptr + 20, 1)[0];
    guest.bytes(ptr + 20, 1).fill(b'!');
    let freed: Result<u32> = guest.0.call("guest_free", (ptr, 20));
    freed.expect_err("GlobalAlloc has no errors");
    assert_eq!(
        text(&stderr),
        format!(
            "pageslab: overflow: byte 20 of the allocation at {ptr:#x}, which has 20 bytes, was written\n\
             pageslab: overflow: {ptr:#x}, live, 20 bytes asked for, in a slot of 32, allocated by tag 7; \
             1 byte was written, at 20: 21\n"
        )
    );
    guest.bytes(ptr + 20, 1).fill(slack);
    assert_eq!(guest.free(ptr, 20), OK);
    assert_eq!(guest.heap_check(), OK);
}

#[test]
fn a_write_after_free_is_reported_by_a_check_with_who_allocated_and_who_freed() {
    let (mut guest, stderr) = guest_with_stderr();
    guest.set_tag(7);
    let ptr = guest.alloc(40, 1);
    guest.set_tag(9);
    assert_eq!(guest.free(ptr, 40), OK);
    guest.bytes(ptr + 3, 2).copy_from_slice(b"ab");
    assert_eq!(guest.heap_check(), WRITE_AFTER_FREE);
    assert_eq!(
        text(&stderr),
        format!(
            "pageslab: write after free: byte 3 of the free memory at {ptr:#x} was written\n\
             pageslab: write after free: {ptr:#x}, freed, 40 bytes asked for, in a slot of 48, allocated by tag 7, \
             freed by tag 9; 2 bytes were written, from 3 to 4: 61 62\n"
        )
    );
}

#[test]
fn a_write_after_free_traps_when_the_guest_would_get_the_memory() {
    let (mut guest, stderr) = guest_with_stderr();
    guest.set_tag(7);
    let ptr = guest.alloc(2_000_000, 1);
    guest.set_tag(9);
    assert_eq!(guest.free(ptr, 2_000_000), OK);
    guest.bytes(ptr + 1_999_999, 1).fill(b'x');
    // It is too long to wait in the quarantine.
    let refused: Result<u32> = guest.0.call("guest_alloc", (2_000_000, 1));
    refused.expect_err("GlobalAlloc has no such error");
    assert_eq!(
        text(&stderr),
        format!(
            "pageslab: write after free: byte 1999999 of the free memory at {ptr:#x} was written\n\
             pageslab: write after free: {ptr:#x}, freed, 2000000 bytes asked for, in a run of 2000896, allocated by tag 7, \
             freed by tag 9; 1 byte was written, at 1999999: 78\n"
        )
    );
    let next: u32 = guest
        .0
        .call("guest_alloc", (2_000_000, 1))
        .expect("another");
    assert!(next.abs_diff(ptr) >= 2_000_000);
}

#[test]
fn a_double_free_by_the_guest_is_reported_with_who_freed_before() {
    let (mut guest, stderr) = guest_with_stderr();
    guest.set_tag(7);
    let ptr = guest.alloc(40, 1);
    guest.set_tag(9);
    let freed: Result<u32> = guest.0.call("guest_free", (ptr, 40));
    freed.expect("it is live");
    guest.set_tag(11);
    let again: Result<u32> = guest.0.call("guest_free", (ptr, 40));
    again.expect_err("it was freed");
    assert_eq!(
        text(&stderr),
        format!(
            "pageslab: the allocation at {ptr:#x} (length given: 40) was freed before\n\
             pageslab: {ptr:#x}, freed, 40 bytes asked for, in a slot of 48, allocated by tag 7, freed by tag 9\n"
        )
    );
}
