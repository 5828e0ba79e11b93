//! What a heap keeps and gives back, and when it grows: what callers see in figures alone, since every one of these decisions is
//! right.

extern crate std;

use crate::frames::entry::Kind;
use crate::sizes::class::{GRANULE, MAX_SLOT, class_of};
use crate::sizes::geometry::FRAME;
use crate::{Error, MemoryController as _, PAGE, PageSlab, ReservedMemory};
use std::vec::Vec;

type Heap = PageSlab<ReservedMemory>;

const LEN: u32 = 40;
const CLASS: usize = class_of(LEN) as usize;

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

#[test]
fn the_lowest_slot_that_is_free_comes_first() {
    let mut heap = heap();
    let [first, second, third] = [(); 3].map(|()| alloc(&mut heap, LEN));
    free(&mut heap, second, LEN);
    free(&mut heap, first, LEN);
    assert_eq!(alloc(&mut heap, LEN), first);
    assert_eq!(alloc(&mut heap, LEN), second);
    assert!(alloc(&mut heap, LEN) > third);
}

/// The vacant slabs of a class.
fn vacant(heap: &Heap, class: usize) -> usize {
    let slabs = heap.heap.slabs().map(|(_, slab)| slab);
    let of_class = slabs.filter(|slab| slab.class() as usize == class && slab.is_vacant());
    of_class
        .filter(|&slab| heap.heap.current[class] != slab)
        .count()
}

fn with_vacant_slabs() -> Heap {
    let mut heap = heap();
    let blocks: Vec<_> = (0..300).map(|_| alloc(&mut heap, LEN)).collect();
    for ptr in blocks {
        heap.free(ptr, LEN).expect("it is live");
    }
    heap.check_invariants();
    assert!(vacant(&heap, CLASS) > 2);
    heap
}

#[test]
fn vacant_slabs_are_had_again_and_given_back_for_a_slab_of_another_class() {
    let mut heap = with_vacant_slabs();
    let before = vacant(&heap, CLASS);
    let slots = heap.heap.current[CLASS].slots();
    for _ in 0..=slots {
        alloc(&mut heap, LEN);
    }
    assert_eq!(vacant(&heap, CLASS), before - 1);
    alloc(&mut heap, 1000);
    assert_eq!(vacant(&heap, CLASS), 0);
    heap.check_invariants();
}

#[test]
fn vacant_slabs_are_kept_while_there_is_room_for_long_blocks_and_given_back_before_memory_grows() {
    let mut heap = with_vacant_slabs();
    let before = vacant(&heap, CLASS);
    let end = heap.heap.tiles().last();
    let Some((_, Kind::Free, free)) = end else {
        panic!("there is no free end");
    };
    alloc(&mut heap, free * FRAME);
    assert_eq!(vacant(&heap, CLASS), before);
    let pages = heap.pages();
    alloc(&mut heap, 9 * FRAME);
    assert_eq!(vacant(&heap, CLASS), 0);
    assert_eq!(heap.pages(), pages);
    heap.check_invariants();
}

#[test]
fn a_long_block_comes_and_goes_without_a_change_of_slabs_or_pages() {
    let mut heap = with_vacant_slabs();
    let ptr = alloc(&mut heap, 5 * PAGE);
    free(&mut heap, ptr, 5 * PAGE);
    let blocks: Vec<_> = (0..300).map(|_| alloc(&mut heap, LEN)).collect();
    for ptr in blocks {
        heap.free(ptr, LEN).expect("it is live");
    }
    let (before, pages) = (vacant(&heap, CLASS), heap.pages());
    for len in [9000, 5 * PAGE, PAGE] {
        let ptr = alloc(&mut heap, len);
        free(&mut heap, ptr, len);
    }
    assert_eq!((vacant(&heap, CLASS), heap.pages()), (before, pages));
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
        assert_eq!(
            heap.heap.slab_of(ptr).is_some(),
            is_slot,
            "{len} at {align}"
        );
    }
}

#[test]
fn an_over_aligned_block_has_the_smallest_slot_that_is_a_multiple() {
    for (len, align, slot) in [
        (4160, 64, 5120),
        (520, 32, 640),
        (1100, 128, 1280),
        (24, 64, 64),
    ] {
        let mut heap = heap();
        let ptr = heap.alloc_aligned(len, align).expect("there is memory");
        let slab = heap.heap.slab_of(ptr).expect("it is in a slab");
        assert_eq!(slab.slot_size(), slot, "{len} at {align}");
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

#[test]
fn the_slot_that_was_freed_last_is_forgotten_with_its_slab() {
    let mut heap = heap();
    let ptr = alloc(&mut heap, LEN);
    heap.free(ptr, LEN).expect("it is live");
    assert_eq!(heap.heap.last_freed.ptr, ptr);
    assert_eq!(
        heap.free(ptr, LEN),
        Err(Error::DoubleFree { ptr, len: LEN })
    );
    assert!(
        heap.heap
            .change(crate::heap::state::Heap::reclaim)
            .is_some()
    );
    assert_eq!(heap.heap.last_freed.ptr, 0);
    heap.check_invariants();
    // Its frames are had by others, in which the old pointer is to the beginning of no block.
    let long = alloc(&mut heap, 9000);
    assert_eq!(long / FRAME, ptr / FRAME);
    assert!(heap.free(ptr, LEN).is_err());
    assert!(heap.free(0, LEN).is_err());
    free(&mut heap, long, 9000);
}

#[test]
fn a_long_block_that_shrinks_to_less_than_a_frame_moves_to_a_slot() {
    let mut heap = heap();
    let ptr = alloc(&mut heap, 9000);
    let short = heap.realloc(ptr, 9000, LEN).expect("there is memory");
    assert!(heap.heap.slab_of(short).is_some());
    heap.check_invariants();
    // Of a whole frame it stays a run, where it is.
    let ptr = alloc(&mut heap, 9000);
    assert_eq!(heap.realloc(ptr, 9000, FRAME), Ok(ptr));
}

#[test]
fn a_block_that_grows_out_of_its_slot_goes_to_the_free_end_and_a_new_one_to_a_hole() {
    let mut heap = heap();
    let [hole, _after] = [9000; 2].map(|len| alloc(&mut heap, len));
    let short = alloc(&mut heap, 8000);
    free(&mut heap, hole, 9000);
    // The hole is no longer what was freed last, and waits in its bin.
    alloc(&mut heap, 10_000);
    let grown = heap.realloc(short, 8000, 9000).expect("there is memory");
    assert_ne!(grown, hole);
    assert_eq!(alloc(&mut heap, 9000), hole);
    heap.check_invariants();
}
