//! The feature `zero-on-free`: whatever a guest gives back holds nothing of what it wrote, in freed slots and runs, behind
//! blocks that became shorter, and where blocks were before they moved.
#![cfg(feature = "zero-on-free")]

mod support;

use pageslab::{LinearMemory as _, MemoryController as _, PageSlab};
use support::{FRAME, Random, Scripted, rounds};

const SECRET: u8 = 0x5E;

/// How many bytes of the heap's memory are the secret's, in live blocks and outside of them.
fn secrets(heap: &PageSlab<Scripted>) -> usize {
    let pages = heap.memory().granted().into_iter().flatten();
    pages
        .map(|page| {
            let start = heap.memory().address(page * support::PAGE);
            // SAFETY: the page is the heap's, and nobody has a reference to a part of it.
            let bytes = unsafe { core::slice::from_raw_parts(start, support::PAGE as usize) };
            // In eights: metadata may well have a byte like it.
            let eights = bytes.chunks_exact(8);
            eights.filter(|eight| **eight == [SECRET; 8]).count() * 8
        })
        .sum()
}

fn alloc(heap: &mut PageSlab<Scripted>, len: u32) -> u32 {
    let ptr = heap.alloc(len).expect("there is memory");
    heap.mut_mem(ptr, len).fill(SECRET);
    ptr
}

#[test]
fn nothing_is_left_of_a_freed_block() {
    for len in [8, 16, 104, 1024, 5000, 8192, 9 * FRAME, 100_000] {
        let mut heap = PageSlab::new(Scripted::new());
        let ptr = alloc(&mut heap, len);
        assert_eq!(secrets(&heap), len as usize);
        heap.free(ptr, len).expect("it is live");
        assert_eq!(secrets(&heap), 0, "{len} bytes");
    }
}

#[test]
fn nothing_is_left_behind_a_block_that_became_shorter_or_moved() {
    for (from, to) in [
        (64, 40),
        (64, 8),
        (64, 200),
        (5000, 8),
        (20_000, 9000),
        (20_000, 80),
        (20_000, 40_000),
        (20_000, 400_000),
    ] {
        let mut heap = PageSlab::new(Scripted::new());
        let ptr = alloc(&mut heap, from);
        // So that it cannot grow where it is.
        let other = heap.alloc(from).expect("there is memory");
        heap.realloc(ptr, from, to).expect("there is memory");
        assert_eq!(secrets(&heap), from.min(to) as usize, "{from} to {to}");
        heap.free(other, from).expect("it is live");
    }
}

#[test]
fn nothing_is_left_of_any_of_many_blocks() {
    let mut heap = PageSlab::new(Scripted::new());
    let mut random = Random::new(1);
    let mut live = Vec::new();
    for _ in 0..rounds(2000, 100) {
        let len = random.len();
        match random.below(3) {
            0 if !live.is_empty() => {
                let (ptr, len) = live.swap_remove(random.below(live.len() as u32) as usize);
                heap.free(ptr, len).expect("it is live");
            }
            1 if !live.is_empty() => {
                let at = random.below(live.len() as u32) as usize;
                let (ptr, old) = live[at];
                let new = heap.realloc(ptr, old, len).expect("there is memory");
                heap.mut_mem(new, len).fill(SECRET);
                live[at] = (new, len);
            }
            _ => live.push((alloc(&mut heap, len), len)),
        }
    }
    for (ptr, len) in live {
        heap.free(ptr, len).expect("it is live");
    }
    assert_eq!(secrets(&heap), 0);
}
