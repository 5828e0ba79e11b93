//! O(1): no single call takes more instructions when more blocks are live. Instructions are counted by the engine, so the
//! figures are the same on every machine.

use crate::{controller::ALIGN, module::Instance};
use guest_collections::Random;
use guest_controller::unpack;

/// The most instructions that a single `alloc` and a single `free` executed.
#[derive(Debug)]
struct Slowest {
    alloc: u64,
    free: u64,
}

/// Fills a heap with `live` blocks of lengths below `longest`, and then exchanges random ones for others. Calls that grow
/// memory do not count.
fn slowest(live: usize, longest: u32) -> Slowest {
    let mut guest = Instance::counted_controller();
    let mut random = Random::new(live as u64);
    let mut blocks: Vec<(u32, u32)> = Vec::new();
    let mut slowest = Slowest { alloc: 0, free: 0 };
    for step in 0..live + 20_000 {
        let counts = step >= live;
        if counts {
            let place = random.below(live as u32) as usize;
            let (ptr, len) = blocks.swap_remove(place);
            let before = guest.instructions();
            let freed: u64 = guest.call("heap_free", (ptr, len));
            assert_eq!(unpack(freed), Ok(0));
            slowest.free = slowest.free.max(guest.instructions() - before);
        }
        let len = random.below(longest);
        let (before, pages) = (guest.instructions(), guest.pages());
        let ptr = unpack(guest.call("heap_alloc", (len, ALIGN))).expect("memory can grow");
        if counts && guest.pages() == pages {
            slowest.alloc = slowest.alloc.max(guest.instructions() - before);
        }
        blocks.push((ptr, len));
    }
    slowest
}

/// The slowest `alloc` makes a slab.
#[test]
fn small_blocks_take_no_more_instructions_however_many_there_are() {
    for live in [100, 1000, 10_000, 100_000] {
        let slowest = slowest(live, 72);
        assert!(slowest.alloc < 3000, "{slowest:?} with {live} blocks");
        assert!(slowest.free < 1000, "{slowest:?} with {live} blocks");
    }
}

/// The slowest `alloc` gives back all vacant slabs, each of which some `free` has made vacant.
#[test]
fn blocks_of_all_lengths_take_no_more_instructions_however_many_there_are() {
    for live in [100, 1000, 10_000] {
        let slowest = slowest(live, 9000);
        assert!(slowest.alloc < 40_000, "{slowest:?} with {live} blocks");
        assert!(slowest.free < 1000, "{slowest:?} with {live} blocks");
    }
}
