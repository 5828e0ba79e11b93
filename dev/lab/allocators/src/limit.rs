//! `limit`: what an allocator costs that checks nothing and stores nothing: the physical limit to measure
//! against.
//!
//! A free list per power of two, linked through the free blocks themselves, as in Zig's `BrkAllocator`.
//! Blocks of up to a page are cut from pages of their class, longer ones are runs of a power-of-two number of
//! pages. Nothing is validated, split, joined or given back.

use crate::memory::{Memory, PAGE};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

const PAGE_SHIFT: u32 = PAGE.trailing_zeros();
const MIN_SHIFT: u32 = 4;
const CLASSES: usize = 32;

pub struct Limit(UnsafeCell<Lists>);

struct Lists {
    memory: Memory,
    /// The first free block of each power of two.
    free: [*mut u8; CLASSES],
    /// The next block that was never used, in a page of this class; at the start of a page: there is none.
    fresh: [*mut u8; CLASSES],
}

// SAFETY: the benchmarks are single-threaded.
unsafe impl Sync for Limit {}

/// log2 of the block's size.
#[inline(always)]
fn class(size: usize, align: usize) -> u32 {
    usize::BITS - (size.max(align).max(1 << MIN_SHIFT) - 1).leading_zeros()
}

impl Limit {
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Lists {
            memory: Memory::new(),
            free: [null_mut(); CLASSES],
            fresh: [null_mut(); CLASSES],
        }))
    }
}

#[cold]
#[inline(never)]
fn fresh(lists: &mut Lists, class: u32) -> *mut u8 {
    let size = 1usize << class;
    if class >= PAGE_SHIFT {
        return lists.memory.grow(size >> PAGE_SHIFT).unwrap_or(null_mut());
    }
    let next = &mut lists.fresh[class as usize];
    if next.addr().is_multiple_of(PAGE) {
        match lists.memory.grow(1) {
            Some(page) => *next = page,
            None => return null_mut(),
        }
    }
    let block = *next;
    *next = block.wrapping_add(size);
    block
}

// SAFETY: blocks of one class are disjoint, aligned to their size, and handed out once until freed.
unsafe impl GlobalAlloc for Limit {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class(layout.size(), layout.align());
        // SAFETY: single-threaded, and nothing here calls back; a class is below `CLASSES`; a listed block
        // holds the link to the next.
        unsafe {
            let lists = &mut *self.0.get();
            let free = lists.free.get_unchecked_mut(class as usize);
            let block = *free;
            if block.is_null() {
                return fresh(lists, class);
            }
            *free = block.cast::<*mut u8>().read();
            block
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let class = class(layout.size(), layout.align());
        // SAFETY: as in `alloc`; the block is at least 16 bytes.
        unsafe {
            let lists = &mut *self.0.get();
            let free = lists.free.get_unchecked_mut(class as usize);
            ptr.cast::<*mut u8>().write(*free);
            *free = ptr;
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if class(layout.size(), layout.align()) == class(new_size, layout.align()) {
            return ptr;
        }
        // SAFETY: the caller's layout is valid, and with it the new one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr.copy_to_nonoverlapping(new, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}
