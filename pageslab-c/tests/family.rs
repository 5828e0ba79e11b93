//! The functions, called natively as Rust functions: what each gives, and how each fails.

#![cfg(not(target_family = "wasm"))]

use pageslab_c::*;
use std::ffi::c_void;
use std::ptr::{null_mut, slice_from_raw_parts};

/// Lengths of slots and runs, and those beside a bound.
const LENGTHS: [usize; 11] = [0, 1, 15, 16, 24, 1000, 1024, 8192, 8193, 65_537, 3_000_000];

const EINVAL: i32 = 22;
const ENOMEM: i32 = 12;

/// The bytes of a block, to look at.
fn bytes<'a>(block: *mut c_void, len: usize) -> &'a [u8] {
    // SAFETY: callers pass live blocks of this length, all of which was written, and drop this before they free them.
    unsafe { &*slice_from_raw_parts(block.cast(), len) }
}

fn fill(block: *mut c_void, byte: u8, len: usize) {
    // SAFETY: callers pass live blocks of this length.
    unsafe { block.cast::<u8>().write_bytes(byte, len) };
}

fn len_of(block: *mut c_void) -> usize {
    // SAFETY: callers pass live blocks.
    unsafe { malloc_usable_size(block) }
}

#[test]
fn malloc_gives_aligned_blocks_of_exact_lengths() {
    let blocks = LENGTHS.map(|len| malloc(len));
    for (block, len) in blocks.into_iter().zip(LENGTHS) {
        assert!(!block.is_null() && block.addr() % 16 == 0);
        assert_eq!(len_of(block), len);
        fill(block, len as u8, len);
    }
    for (block, len) in blocks.into_iter().zip(LENGTHS) {
        assert!(bytes(block, len).iter().all(|&byte| byte == len as u8));
        // SAFETY: it is live, and not used any more.
        unsafe { free(block) };
    }
}

#[test]
fn empty_blocks_are_unlike_each_other() {
    let (one, other) = (malloc(0), malloc(0));
    assert!(!one.is_null() && !other.is_null() && one != other);
    // SAFETY: both are live, and not used any more.
    unsafe {
        free(one);
        free_sized(other, 0);
    }
}

#[test]
fn null_is_nothing() {
    // SAFETY: there is nothing to free.
    unsafe {
        free(null_mut());
        free_sized(null_mut(), 5);
        free_aligned_sized(null_mut(), 3, 5);
    }
    assert_eq!(len_of(null_mut()), 0);
}

#[test]
fn calloc_clears_what_was_used_before() {
    for len in LENGTHS {
        let dirty = malloc(len);
        fill(dirty, 0xFF, len);
        // SAFETY: it is live, and not used any more.
        unsafe { free(dirty) };
        let clean = calloc(1, len);
        assert_eq!(len_of(clean), len);
        assert!(bytes(clean, len).iter().all(|&byte| byte == 0));
        // SAFETY: as before.
        unsafe { free(clean) };
    }
}

#[test]
fn calloc_multiplies() {
    let block = calloc(7, 11);
    assert_eq!(len_of(block), 77);
    // SAFETY: it is live, and not used any more.
    unsafe { free(block) };
    assert!(calloc(usize::MAX / 2, 3).is_null());
    assert!(calloc(3, usize::MAX / 2).is_null());
}

#[test]
fn realloc_keeps_what_both_have_room_for() {
    for old in LENGTHS {
        for new in LENGTHS {
            let block = malloc(old);
            fill(block, 7, old);
            // SAFETY: it is live, and its pointer not used any more.
            let block = unsafe { realloc(block, new) };
            assert_eq!(len_of(block), new, "from {old}");
            assert!(bytes(block, old.min(new)).iter().all(|&byte| byte == 7));
            // SAFETY: it is live, and not used any more.
            unsafe { free_sized(block, new) };
        }
    }
}

#[test]
fn realloc_of_null_allocates() {
    // SAFETY: there is nothing to move, and the block is freed once.
    unsafe {
        let block = realloc(null_mut(), 33);
        assert_eq!(len_of(block), 33);
        let array = reallocarray(null_mut(), 3, 11);
        assert_eq!(len_of(array), 33);
        free(block);
        free(array);
    }
}

#[test]
fn a_realloc_that_fails_changes_nothing() {
    let block = malloc(40);
    fill(block, 7, 40);
    // SAFETY: the block is live throughout.
    unsafe {
        assert!(realloc(block, usize::MAX).is_null());
        assert!(realloc(block, isize::MAX as usize - 20).is_null());
        // Longer than the heap can be.
        assert!(realloc(block, 5 << 30).is_null());
        assert!(reallocarray(block, usize::MAX / 2, 3).is_null());
    }
    assert_eq!(len_of(block), 40);
    assert!(bytes(block, 40).iter().all(|&byte| byte == 7));
    // SAFETY: it is live, and not used any more.
    unsafe {
        let block = reallocarray(block, 10, 20);
        assert_eq!(len_of(block), 200);
        free(block);
    }
}

#[test]
fn what_is_too_long_is_refused() {
    for len in [5 << 30, isize::MAX as usize, usize::MAX] {
        assert!(malloc(len).is_null());
        assert!(calloc(1, len).is_null());
        assert!(aligned_alloc(64, len).is_null());
    }
}

#[test]
fn alignments_are_kept() {
    for align in (0..=16).map(|shift| 1 << shift) {
        for len in [0, 1, align, 3 * align + 1, 100_000] {
            let block = aligned_alloc(align, len);
            assert!(!block.is_null() && block.addr() % align == 0);
            assert_eq!(len_of(block), len);
            // SAFETY: it is live, and not used any more.
            unsafe { free_aligned_sized(block, align, len) };
            let block = memalign(align, len);
            assert!(!block.is_null() && block.addr() % align == 0);
            // SAFETY: as before.
            unsafe { free(block) };
        }
    }
}

#[test]
fn what_is_no_alignment_is_refused() {
    for align in [0, 3, 24, 1 << 17, usize::MAX] {
        assert!(aligned_alloc(align, 8).is_null());
        assert!(memalign(align, 8).is_null());
    }
}

#[test]
fn posix_memalign_says_what_is_wrong() {
    let nowhere: *mut c_void = null_mut();
    let mut out = nowhere;
    let mut call = |align, len| {
        out = nowhere;
        // SAFETY: the pointer can be written to.
        let code = unsafe { posix_memalign(&raw mut out, align, len) };
        (code, out)
    };
    for align in [0, 1, 4, 24, 1 << 17] {
        assert_eq!(call(align, 8), (EINVAL, nowhere), "{align}");
    }
    assert_eq!(call(64, usize::MAX), (ENOMEM, nowhere));
    assert_eq!(call(64, 5 << 30), (ENOMEM, nowhere));
    for align in [8, 64, 65_536] {
        let (code, block) = call(align, 100);
        assert_eq!(code, 0);
        assert!(!block.is_null() && block.addr() % align == 0);
        // SAFETY: it is live, and not used any more.
        unsafe { free(block) };
    }
}
