//! Native stand-ins, without locks, for allocators whose statics are for wasm32 only.

use crate::memory::{Source, source};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::{OnceCell, UnsafeCell};
use core::ptr::null_mut;
use pageslab::{LinearMemory, MemoryController};

pub struct PageSlab(OnceCell<(UnsafeCell<pageslab::PageSlab<Source>>, *mut u8)>);

// SAFETY: the benchmarks are single-threaded.
unsafe impl Sync for PageSlab {}

impl PageSlab {
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "see SAFETY")]
    fn heap(&self) -> (&mut pageslab::PageSlab<Source>, *mut u8) {
        let (heap, base) = self.0.get_or_init(|| {
            let memory = source();
            let base = memory.address(0);
            (UnsafeCell::new(pageslab::PageSlab::new(memory)), base)
        });
        // SAFETY: single-threaded, and no method of the heap calls back.
        (unsafe { &mut *heap.get() }, *base)
    }
}

// SAFETY: blocks are the controller's, as addresses.
unsafe impl GlobalAlloc for PageSlab {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (heap, base) = self.heap();
        match heap.alloc_aligned(layout.size() as u32, layout.align() as u32) {
            Ok(ptr) => base.wrapping_add(ptr as usize),
            Err(_) => null_mut(),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let (heap, base) = self.heap();
        if heap
            .free((ptr.addr() - base.addr()) as u32, layout.size() as u32)
            .is_err()
        {
            std::process::abort();
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (heap, base) = self.heap();
        if layout.align() > 16 {
            // The controller's `realloc` keeps an alignment of 16 only.
            // SAFETY: the caller's layout is valid, and with it the new one; the two blocks are disjoint.
            unsafe {
                let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
                if !new.is_null() {
                    ptr.copy_to_nonoverlapping(new, layout.size().min(new_size));
                    self.dealloc(ptr, layout);
                }
                return new;
            }
        }
        match heap.realloc(
            (ptr.addr() - base.addr()) as u32,
            layout.size() as u32,
            new_size as u32,
        ) {
            Ok(ptr) => base.wrapping_add(ptr as usize),
            Err(_) => null_mut(),
        }
    }
}

type TalcHeap = talc::TalcCell<talc::source::Manual>;

pub struct Talc(OnceCell<TalcHeap>);

// SAFETY: the benchmarks are single-threaded.
unsafe impl Sync for Talc {}

impl Talc {
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    #[inline(always)]
    fn heap(&self) -> &TalcHeap {
        self.0.get_or_init(|| {
            let mut memory = source();
            let pages = 65_535 - memory.size();
            let first = memory.grow(pages).unwrap_or(0);
            let start = memory.address(first << 16);
            core::mem::forget(memory);
            let heap = TalcHeap::new(talc::source::Manual);
            // SAFETY: the pages are talc's alone, for good.
            let claimed = unsafe { heap.claim(start, (pages as usize) << 16) };
            assert!(claimed.is_some(), "talc takes the memory that it is given");
            heap
        })
    }
}

// SAFETY: talc's own.
unsafe impl GlobalAlloc for Talc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.heap().alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.heap().dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.heap().realloc(ptr, layout, new_size) }
    }
}
