//! `mut_mem` for any range within one live block, and its panic, a trap, for all others.

use crate::{
    controller::Controller,
    module::{PAGE, gave_up},
};

const NO_BLOCK: &str = "mut_mem: no live allocation holds the";
const PAST_END: &str = "run past the";

/// Reading and writing these bytes must trap, with this panic, and change nothing.
#[track_caller]
fn panics(controller: &mut Controller, ptr: u32, len: u32, message: &str) {
    for _ in 0..2 {
        let read = controller.guest.try_call::<_, u64>("heap_read", (ptr, len));
        assert!(gave_up(read), "{len} bytes at {ptr:#x} were read");
        let panic = controller.guest.last_panic();
        assert!(panic.contains(message), "{panic}");
        let write = controller
            .guest
            .try_call::<_, ()>("heap_write", (ptr, len, 0xAA));
        assert!(gave_up(write), "{len} bytes at {ptr:#x} were written");
        let panic = controller.guest.last_panic();
        assert!(panic.contains(message), "{panic}");
    }
    controller.check();
}

/// Lengths of a slot that is full, of slots that are not, and of runs.
const LENS: [u32; 6] = [16, 20, 1000, 5000, 10_000, 200_000];

#[test]
fn any_range_within_a_live_block_can_be_read_and_written() {
    for len in LENS {
        let mut controller = Controller::new();
        let ptr = controller.alloc(len);
        controller.alloc(len);
        for (from, part) in [
            (0, len),
            (0, 4),
            (4, len - 4),
            (len / 2, 3),
            (len - 1, 1),
            (0, 0),
            (len, 0),
        ] {
            let bytes = controller.bytes_mut(ptr + from, part);
            let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
            let read: u64 = controller.guest.call("heap_read", (ptr + from, part));
            assert_eq!(read, sum, "{part} bytes at {from} of {len}");
        }
        controller.check();
        controller
            .guest
            .call::<_, ()>("heap_write", (ptr + 1, len - 2, 0x5A));
        assert!(
            controller
                .bytes_mut(ptr + 1, len - 2)
                .iter()
                .all(|&byte| byte == 0x5A)
        );
        assert_eq!(controller.try_free(ptr, len), Ok(()));
    }
}

#[test]
fn a_freed_block_panics() {
    for len in LENS {
        let mut controller = Controller::new();
        controller.alloc(len);
        let ptr = controller.alloc(len);
        controller.alloc(len);
        controller.free(ptr);
        for (from, part) in [(0, len), (0, 1), (len - 1, 1)] {
            panics(&mut controller, ptr + from, part, NO_BLOCK);
        }
    }
}

#[test]
fn a_range_across_two_blocks_panics() {
    // Lengths without any slack behind them.
    for len in [16, 64, 1024, 8192, 16 * 1024] {
        let mut controller = Controller::new();
        let mut ptrs: Vec<_> = (0..8).map(|_| controller.alloc(len)).collect();
        ptrs.sort_unstable();
        let neighbours = ptrs.windows(2).find(|pair| pair[0] + len == pair[1]);
        let ptr = neighbours.expect("two of eight blocks are neighbours")[0];
        for (from, part) in [(0, len + 1), (0, 2 * len), (len - 1, 2), (1, len)] {
            panics(&mut controller, ptr + from, part, PAST_END);
        }
    }
}

#[test]
fn a_range_past_the_length_asked_for_panics() {
    for len in [0, 1, 17, 1000, 8100, 10_000, 200_000] {
        let mut controller = Controller::new();
        let ptr = controller.alloc(len);
        for (from, part) in [(0, len + 1), (len, 1), (len / 2, len), (0, PAGE * 16)] {
            if from + part > len {
                panics(&mut controller, ptr + from, part, PAST_END);
            }
        }
    }
}

#[test]
fn a_range_that_wraps_around_panics() {
    for len in LENS {
        let mut controller = Controller::new();
        let ptr = controller.alloc(len);
        for part in [
            u32::MAX,
            1 << 31,
            ptr.wrapping_neg(),
            ptr.wrapping_neg() + 1,
            ptr.wrapping_neg() + len,
        ] {
            panics(&mut controller, ptr, part, PAST_END);
            panics(&mut controller, ptr + len - 1, part, PAST_END);
        }
    }
}

#[test]
fn bytes_that_are_not_the_heaps_panic() {
    let mut controller = Controller::new();
    controller.alloc(100);
    controller.grow_foreign(2);
    controller.alloc(200_000);
    let foreign = controller.foreign()[0].start;
    let statics = controller.guest.heap_base() - 64;
    let end = controller.guest.pages() * PAGE;
    for ptr in [
        0,
        1,
        PAGE,
        statics,
        foreign,
        foreign + PAGE,
        end,
        u32::MAX - 3,
    ] {
        for len in [1, 4, 100, u32::MAX] {
            panics(&mut controller, ptr, len, NO_BLOCK);
        }
    }
}
