//! talc on one mapping, which it is given whole.

use crate::memory::{Memory, PAGE};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::OnceCell;
use core::ptr::null_mut;

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
            let start = Memory::new().grow(Memory::PAGES).unwrap_or(null_mut());
            let heap = TalcHeap::new(talc::source::Manual);
            // SAFETY: the pages are talc's alone, for good.
            let claimed = unsafe { heap.claim(start, Memory::PAGES * PAGE) };
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
