//! A heap that fills linear memory to its last page: natively all 4 GiB, in a guest as much as the runner permits.
//!
//! In a guest this is a file of its own, and one test, since afterwards there is no memory for others.
#![cfg(not(miri))]

mod support;

use pageslab::{Error, LinearMemory, MemoryController as _, PageSlab};
use support::{FRAME, PAGE, memory};

/// Lengths with which memory is filled, each until no more of it fits.
const LENS: [u32; 9] = [
    64 << 20,
    16 << 20,
    1 << 20,
    5 * PAGE,
    60_000,
    9 * FRAME,
    4096,
    1024,
    16,
];

/// More blocks than there will be: in a guest, this allocation must not come when memory is full.
const MANY: usize = 50_000;

/// How many pages may be left that a full heap of `pages` cannot grow into, since its map would need them all.
fn most_left(pages: u32) -> u32 {
    pages / 32
}

/// Allocates until memory is exhausted, and writes to the first and the last byte of each block.
fn fill(heap: &mut PageSlab<impl LinearMemory>, blocks: &mut Vec<(u32, u32)>) {
    for len in LENS {
        let error = loop {
            match heap.alloc(len) {
                Ok(ptr) => {
                    let bytes = heap.mut_mem(ptr, len);
                    (bytes[0], bytes[len as usize - 1]) = (1, 2);
                    blocks.push((ptr, len));
                    assert!(blocks.len() < MANY, "memory does not end");
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::OutOfMemory { len });
    }
}

/// Fills memory and frees it again, twice, with the same result.
fn assert_fills_twice<M: LinearMemory>(heap: &mut PageSlab<M>, blocks: &mut Vec<(u32, u32)>) {
    fill(heap, blocks);
    heap.check_invariants();
    assert!(heap.live().count() == blocks.len());
    let pages = heap.pages();
    let longest = blocks.iter().filter(|block| block.1 == LENS[0]).count();

    let &(top, top_len) = blocks.iter().max().expect("there are blocks");
    for given in [
        0,
        top_len - 1,
        top_len + 1,
        top.wrapping_neg(),
        top.wrapping_neg() + 1,
        u32::MAX,
    ] {
        if given != top_len {
            let mismatch = Error::LengthMismatch {
                ptr: top,
                allocated: top_len,
                given,
            };
            assert_eq!(heap.free(top, given), Err(mismatch));
            assert_eq!(heap.realloc(top, given, 1), Err(mismatch));
        }
    }
    let bytes: u64 = blocks.iter().map(|&(_, len)| u64::from(len)).sum();
    assert!(
        bytes > u64::from(pages) * u64::from(PAGE) / 10 * 9,
        "only {bytes} bytes in {pages} pages"
    );

    for (ptr, len) in blocks.drain(..) {
        let bytes = heap.mut_mem(ptr, len);
        assert_eq!(
            (bytes[0], bytes[len as usize - 1]),
            (1, 2),
            "{len} bytes at {ptr:#x}"
        );
        assert_eq!(heap.free(ptr, len), Ok(()));
    }
    heap.check_invariants();
    fill(heap, blocks);
    assert_eq!(heap.pages(), pages);
    let again = blocks.iter().filter(|block| block.1 == LENS[0]).count();
    assert!(
        again >= longest,
        "{again} of the longest blocks, and {longest} before"
    );
    for (ptr, len) in blocks.drain(..) {
        assert_eq!(heap.free(ptr, len), Ok(()));
    }
}

#[cfg(target_family = "wasm")]
#[test]
fn is_filled_until_grow_is_refused_and_goes_on() {
    // What the standard library needs to report the result.
    let reserve = vec![0u8; 1 << 20];
    let mut blocks = Vec::with_capacity(MANY);
    let mut heap = PageSlab::new(memory());
    fill(&mut heap, &mut blocks);
    let is_refused = |_: &u32| core::arch::wasm32::memory_grow::<0>(1) == usize::MAX;
    let left = (0..).find(is_refused).expect("memory ends");
    assert!(
        left <= most_left(heap.pages()),
        "{left} pages are left behind {}",
        heap.pages()
    );
    for (ptr, len) in blocks.drain(..) {
        assert_eq!(heap.free(ptr, len), Ok(()));
    }
    // Now every grow is refused.
    assert_fills_twice(&mut heap, &mut blocks);
    drop(reserve);
}

#[cfg(not(target_family = "wasm"))]
mod of_4_gib {
    use super::*;
    use pageslab::MAX_PAGES;
    use support::{Model, Scripted};

    #[test]
    fn is_filled_to_the_last_page_and_goes_on() {
        let mut heap = PageSlab::new(memory());
        assert_fills_twice(&mut heap, &mut Vec::with_capacity(MANY));
        assert!(
            MAX_PAGES - heap.pages() <= most_left(MAX_PAGES),
            "{} pages",
            heap.pages()
        );
    }

    #[test]
    fn is_filled_behind_another_party_and_goes_on() {
        let memory = Scripted::new();
        memory.foreign_grows(65_000);
        let mut heap = PageSlab::new(memory.clone());
        assert_fills_twice(&mut heap, &mut Vec::with_capacity(MANY));
        assert!(
            536 - heap.pages() <= most_left(536),
            "{} pages",
            heap.pages()
        );
        memory.assert_foreign_untouched();
    }

    /// Rust's rules for pointers, and whatever computes `ptr + len`, ask for it: the end of a block is an address, and not 0.
    #[test]
    fn ends_behind_the_last_block_that_there_can_be() {
        for align in [1, 4096, PAGE] {
            let memory = Scripted::new();
            memory.foreign_grows(65_520);
            let mut model = Model::new(memory);
            while model.try_alloc(9 * FRAME, Some(align)).is_ok() {}
            while model.try_alloc(4096, None).is_ok() {}
            while model.try_alloc(512, None).is_ok() {}
            let (ptr, mut len) = model.live().next_back().expect("there are blocks");
            while model.try_realloc(ptr, len + FRAME) == Ok(ptr) {
                len += FRAME;
            }
            let (ptr, len) = model.live().next_back().expect("there are blocks");
            let end = u64::from(ptr) + u64::from(len);
            assert!(end <= (1 << 32) - 16, "a block ends at {end:#x}");
            assert!(end > (1 << 32) - u64::from(PAGE), "memory ends at {end:#x}");
            model.touch(ptr, len - 1, 1);
            model.check_contents();
            model.free_all(|_| ());
            model.assert_works();
        }
    }

    #[test]
    fn holds_one_block_of_3_gib() {
        const LEN: u32 = 3 << 30;
        let mut heap = PageSlab::new(memory());
        let ptr = heap.alloc(LEN).expect("3 GiB fit into 4");
        heap.mut_mem(ptr, LEN)[LEN as usize - 1] = 7;
        assert_eq!(heap.alloc(LEN), Err(Error::OutOfMemory { len: LEN }));
        assert_eq!(heap.realloc(ptr, LEN, LEN - PAGE), Ok(ptr));
        assert_eq!(heap.free(ptr, LEN - PAGE), Ok(()));
        assert!(heap.alloc(LEN).is_ok(), "what was freed fits again");
        heap.check_invariants();
    }

    #[test]
    fn holds_no_block_that_leaves_no_room_for_the_map() {
        let mut heap = PageSlab::new(memory());
        for len in [
            u32::MAX,
            u32::MAX - 15,
            u32::MAX - PAGE,
            u32::MAX - (1 << 20),
        ] {
            assert_eq!(heap.alloc(len), Err(Error::OutOfMemory { len }));
            assert_eq!(
                heap.alloc_aligned(len, PAGE),
                Err(Error::OutOfMemory { len })
            );
        }
        assert_eq!(heap.pages(), 0);
        assert!(heap.alloc(100).is_ok());
    }
}
