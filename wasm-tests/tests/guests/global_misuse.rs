//! Misuse of the global allocator, which has no errors to return: it must trap and change nothing.

use crate::module::{Instance, PAGE, gave_up};
use guest_collections::Random;

/// A guest, and a block of it that is live all the time.
struct Misused {
    guest: Instance,
    kept: u32,
}

const KEPT: u32 = 100;
const ALIGN: u32 = 8;

impl Misused {
    fn new() -> Self {
        let mut guest = Instance::collections();
        let kept = guest.call("global_alloc", (KEPT, ALIGN));
        Self { guest, kept }
    }

    fn alloc(&mut self, len: u32) -> u32 {
        self.guest.call("global_alloc", (len, ALIGN))
    }

    fn dealloc(&mut self, ptr: u32, len: u32) {
        self.guest.call("global_dealloc", (ptr, len, ALIGN))
    }

    /// Both `dealloc` and `realloc` must trap, and leave everything as it was.
    #[track_caller]
    fn refuses(&mut self, ptr: u32, len: u32) {
        let before = self.guest.grown_bytes().to_vec();
        let dealloc = self
            .guest
            .try_call::<_, ()>("global_dealloc", (ptr, len, ALIGN));
        assert!(gave_up(dealloc), "dealloc of {len} bytes at {ptr:#x}");
        for new_len in [0, 1, len, 5000, 1 << 30] {
            let realloc = self
                .guest
                .try_call::<_, u32>("global_realloc", (ptr, len, ALIGN, new_len));
            assert!(
                gave_up(realloc),
                "realloc of {len} bytes at {ptr:#x} to {new_len}"
            );
        }
        assert!(
            self.guest.grown_bytes() == before,
            "a refused call has changed memory"
        );
    }

    /// Valid calls succeed.
    #[track_caller]
    fn works(&mut self) {
        for len in [1, 90, 3000, 40_000] {
            let ptr = self.alloc(len);
            let moved = self
                .guest
                .call("global_realloc", (ptr, len, ALIGN, 2 * len));
            self.dealloc(moved, 2 * len);
        }
        self.kept = self
            .guest
            .call("global_realloc", (self.kept, KEPT, ALIGN, KEPT));
    }
}

#[test]
fn a_free_of_what_was_freed_traps() {
    for len in [1, 16, 200, 3000, 9000, 200_000] {
        let mut misused = Misused::new();
        let ptr = misused.alloc(len);
        misused.dealloc(ptr, len);
        misused.refuses(ptr, len);
        misused.works();
    }
}

#[test]
fn a_free_of_what_realloc_moved_traps() {
    for (len, new_len) in [(20, 500), (500, 20), (3000, 100_000), (100_000, 50)] {
        let mut misused = Misused::new();
        let ptr = misused.alloc(len);
        misused.alloc(len);
        let moved: u32 = misused
            .guest
            .call("global_realloc", (ptr, len, ALIGN, new_len));
        assert_ne!(moved, ptr);
        misused.refuses(ptr, len);
        misused.dealloc(moved, new_len);
        misused.works();
    }
}

#[test]
fn a_layout_of_another_size_traps() {
    for len in [1, 16, 200, 3000, 9000, 200_000] {
        let mut misused = Misused::new();
        let ptr = misused.alloc(len);
        for wrong in [
            0,
            len - 1,
            len + 1,
            len.next_power_of_two() + 1,
            len + 0x1_0000,
            0x7FFF_FFF0,
        ] {
            if wrong != len {
                misused.refuses(ptr, wrong);
            }
        }
        misused.dealloc(ptr, len);
        misused.works();
    }
}

#[test]
fn a_pointer_that_is_not_the_allocators_traps() {
    let mut misused = Misused::new();
    let (stack, end) = (PAGE, misused.guest.pages() * PAGE);
    let statics = misused.guest.heap_base() - 64;
    for ptr in [
        0,
        8,
        16,
        stack,
        statics,
        end - PAGE,
        end - 16,
        end,
        end + PAGE,
        1 << 31,
        u32::MAX - 15,
    ] {
        misused.refuses(ptr, KEPT);
    }
    misused.works();
}

#[test]
fn a_pointer_into_a_block_traps() {
    for len in [100, 3000, 9000, 200_000] {
        let mut misused = Misused::new();
        let ptr = misused.alloc(len);
        for inside in [1, 8, 16, len / 2, len - 1] {
            misused.refuses(ptr + inside, len);
            misused.refuses(ptr + inside, len - inside);
        }
        misused.dealloc(ptr, len);
        misused.works();
    }
}

#[test]
fn rubbish_traps() {
    let mut misused = Misused::new();
    let mut random = Random::new(12);
    let end = misused.guest.pages() * PAGE;
    for _ in 0..300 {
        let ptr = match random.below(3) {
            0 => random.word(),
            1 => random.below(end) & !15,
            _ => misused.kept.wrapping_add(random.below(64)).wrapping_sub(32),
        };
        let len = match random.below(2) {
            0 => random.below(1 << 31),
            _ => random.below(200),
        };
        // A layout's size, rounded up to its alignment, is less than 2^31.
        if (ptr, len) != (misused.kept, KEPT) && len < 0x7FFF_FFF0 {
            misused.refuses(ptr, len);
        }
    }
    misused.works();
}
