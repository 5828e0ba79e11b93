//! When a heap gives back what it only keeps, starts over, and asks for pages: what callers see in figures alone, since
//! every one of these decisions is right.

extern crate std;

use super::*;
use crate::ReservedMemory;
use crate::map::FRAMES_PER_PAGE;
use crate::slab::MAX_SLOTS;
use std::vec::Vec;

type Heap = PageSlab<ReservedMemory>;

const LEN: u32 = 40;
const CLASS: usize = class_of(LEN) as usize;

/// The longest run that may be cached, and the shortest that may not, in bytes.
const CACHED: u32 = MAX_CACHED_FRAMES * FRAME;
const LONG: u32 = CACHED + 1;

fn heap() -> Heap {
    Heap::new(ReservedMemory::new(1024))
}

fn alloc(heap: &mut Heap, len: u32) -> u32 {
    heap.alloc(len).expect("there is memory")
}

fn free(heap: &mut Heap, ptr: u32, len: u32) {
    heap.free(ptr, len).expect("it is live");
    heap.check_invariants();
}

/// Allocates the blocks of this many of the largest slabs and of some smaller ones.
fn fill(heap: &mut Heap, slabs: u32) -> Vec<u32> {
    (0..(slabs + 2) * MAX_SLOTS)
        .map(|_| alloc(heap, LEN))
        .collect()
}

#[test]
fn a_heap_without_live_blocks_is_idle_after_enough_cuts() {
    for (cuts, is_idle) in [(MIN_CUTS - 1, false), (MIN_CUTS, true)] {
        let mut heap = heap();
        let slot = alloc(&mut heap, LEN);
        let run = alloc(&mut heap, CACHED);
        free(&mut heap, slot, LEN);
        heap.cuts = cuts;
        free(&mut heap, run, CACHED);
        assert_eq!(heap.is_idle, is_idle, "{cuts}");
        assert_eq!(heap.current[CLASS].is_empty(), is_idle);
    }
}

#[test]
fn a_heap_with_a_live_block_is_not_idle_until_that_is_freed() {
    let mut heap = heap();
    let slot = alloc(&mut heap, LEN);
    let run = alloc(&mut heap, CACHED);
    heap.cuts = MIN_CUTS;
    free(&mut heap, run, CACHED);
    // The slab was retired, so that its last block counts.
    assert!(heap.current[CLASS].is_empty() && !heap.is_idle);
    free(&mut heap, slot, LEN);
    assert!(heap.is_idle);
}

#[test]
fn an_idle_heap_starts_over_but_not_twice_in_a_row() {
    let mut heap = heap();
    for is_first in [true, false] {
        // More than one slab of descriptors describes.
        let blocks = fill(&mut heap, MAX_SLOTS);
        for ptr in blocks {
            heap.free(ptr, LEN).expect("it is live");
        }
        heap.check_invariants();
        assert_eq!(heap.is_idle, is_first);
        let ptr = alloc(&mut heap, LEN);
        assert!(!heap.is_idle);
        assert_eq!(heap.is_fresh, is_first);
        if is_first {
            // The map lies at the front, and right behind it what came first.
            let map = heap.runs.map();
            assert_eq!(map.home(heap.memory().address(0)), Some(1));
            assert_eq!(map.frame_of(ptr), Some(1 + map.frames()));
        }
        heap.free(ptr, LEN).expect("it is live");
    }
}

/// A heap that keeps an empty slab, and has room for what comes.
fn with_empty_slab() -> Heap {
    let mut heap = heap();
    let room = alloc(&mut heap, 4 * LONG);
    let blocks = fill(&mut heap, 1);
    free(&mut heap, room, 4 * LONG);
    for ptr in blocks {
        heap.free(ptr, LEN).expect("it is live");
    }
    assert!(heap.empty > 0);
    heap
}

#[test]
fn a_long_run_that_comes_or_goes_makes_the_heap_give_up_what_it_keeps() {
    for (len, is_kept) in [(CACHED, true), (LONG, false)] {
        let mut heap = with_empty_slab();
        let pages = heap.pages();
        let run = alloc(&mut heap, len);
        assert_eq!(heap.empty > 0, is_kept, "alloc of {len}");
        assert_eq!(heap.pages(), pages);

        let blocks = fill(&mut heap, 1);
        // The last two, so that the heap is not idle then.
        let (live, freed) = blocks.split_at(2);
        for &ptr in freed {
            heap.free(ptr, LEN).expect("it is live");
        }
        assert!(heap.empty > 0);
        free(&mut heap, run, len);
        assert_eq!(heap.empty > 0, is_kept, "free of {len}");
        for &ptr in live {
            free(&mut heap, ptr, LEN);
        }
    }
}

#[test]
fn memory_grows_by_no_more_than_what_is_missing() {
    for align in [1, 4] {
        let mut heap = heap();
        // A map that need not move.
        let first = alloc(&mut heap, 8 * PAGE);
        free(&mut heap, first, 8 * PAGE);
        let (head, kind, tail) = heap.runs.tiles().last().expect("there are runs");
        assert_eq!((kind, head + tail), (Kind::Free, heap.runs.map().count()));
        let pages = heap.pages();
        let frames = tail + FRAMES_PER_PAGE + 1 - align;
        heap.alloc_aligned(frames * FRAME, align * FRAME)
            .expect("there is memory");
        assert_eq!(heap.pages(), pages + 1, "{align}");
        heap.check_invariants();
    }
}

#[test]
fn alignments_up_to_a_frame_are_those_of_slots() {
    let mut heap = heap();
    for (len, align, is_slot) in [
        (1, FRAME, true),
        (1, 2 * FRAME, false),
        (MAX_SLOT, GRANULE, true),
        (MAX_SLOT, FRAME, true),
        (MAX_SLOT + 1, GRANULE, false),
    ] {
        let ptr = heap.alloc_aligned(len, align).expect("there is memory");
        assert_eq!(!heap.slab_of(ptr).is_empty(), is_slot, "{len} at {align}");
    }
}

#[test]
fn a_block_moves_once_it_would_fill_less_than_half_of_its_slot_or_more_than_all_of_it() {
    for (new_len, moves) in [(1025, true), (1024, false), (512, false), (511, true)] {
        let mut heap = heap();
        let ptr = alloc(&mut heap, 1000);
        let new = heap.realloc(ptr, 1000, new_len).expect("there is memory");
        assert_eq!(new != ptr, moves, "{new_len}");
        free(&mut heap, new, new_len);
    }
}

#[test]
fn a_block_is_freed_at_an_alignment_that_it_has() {
    let mut heap = heap();
    let ptr = heap.alloc_aligned(100, 64).expect("there is memory");
    let (align, none) = (ptr & ptr.wrapping_neg(), ptr + 64);
    let invalid = |align| Err(Error::InvalidAlignment { align });
    assert_eq!(heap.free_aligned(ptr, 100, 2 * align), invalid(2 * align));
    assert_eq!(heap.free_aligned(ptr, 100, 3), invalid(3));
    assert_eq!(
        heap.free_aligned(none, 100, 1),
        Err(Error::InvalidPointer { ptr: none })
    );
    let none = ptr + 8;
    assert_eq!(
        heap.free_aligned(none, 100, 16),
        Err(Error::InvalidPointer { ptr: none })
    );
    assert_eq!(heap.free_aligned(ptr, 100, align), Ok(()));
    assert_eq!(heap.live().count(), 0);
}
