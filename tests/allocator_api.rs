//! Collections that take an allocator, on the module's heap.

#![cfg(all(feature = "allocator-api2-02", not(miri)))]

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use pageslab::GlobalPageSlab;

static HEAP: GlobalPageSlab = GlobalPageSlab::new();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

#[test]
fn vectors_grow_shrink_and_are_freed() {
    let mut numbers = Vec::new_in(&HEAP);
    for n in 0..100_000u64 {
        numbers.push(n);
    }
    numbers.truncate(10);
    numbers.shrink_to_fit();
    assert!(numbers.iter().copied().eq(0..10));
    let address = numbers.as_mut_ptr().cast();
    assert_eq!(HEAP.len_of(address), Ok(80));
    drop(numbers);
    // Another test may have its memory by now, but none has a block of this length.
    assert_ne!(HEAP.len_of(address), Ok(80));
}

#[test]
fn boxes_are_of_the_heap() {
    let mut boxed = Box::new_in([7u8; 5000], &HEAP);
    assert_eq!(HEAP.len_of(boxed.as_mut_ptr()), Ok(5000));
}

#[test]
fn blocks_change_their_alignment_when_they_grow() {
    for (old_align, new_align) in [(1, 1), (1, 4096), (4096, 1), (8, 65_536)] {
        for (old_size, new_size) in [(0, 10), (10, 20), (100, 9000), (9000, 50_000)] {
            let (old, new) = (layout(old_size, old_align), layout(new_size, new_align));
            // SAFETY: each block is live, has the layout that is given for it, and is written within its bytes.
            unsafe {
                let block = HEAP
                    .allocate_zeroed(old)
                    .expect("there is memory")
                    .cast::<u8>();
                block.write_bytes(3, old_size);
                let block = HEAP.grow_zeroed(block, old, new).expect("there is memory");
                assert_eq!(block.len(), new_size);
                assert!(block.cast::<u8>().addr().get() % new_align == 0);
                let bytes = block.as_ref();
                assert!(bytes[..old_size].iter().all(|&byte| byte == 3));
                assert!(bytes[old_size..].iter().all(|&byte| byte == 0));
                let block = HEAP
                    .shrink(block.cast(), new, old)
                    .expect("there is memory");
                assert!(block.as_ref().iter().all(|&byte| byte == 3));
                HEAP.deallocate(block.cast(), old);
            }
        }
    }
}
