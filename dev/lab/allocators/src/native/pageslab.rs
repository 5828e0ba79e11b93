//! pageslab's controller on a reserved mapping.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{OnceCell, UnsafeCell};
use core::ptr::null_mut;
use pageslab::{LinearMemory, MemoryController, ReservedMemory};

pub struct PageSlab(OnceCell<(UnsafeCell<pageslab::PageSlab<ReservedMemory>>, *mut u8)>);

// SAFETY: the benchmarks are single-threaded.
unsafe impl Sync for PageSlab {}

impl PageSlab {
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "see SAFETY")]
    fn heap(&self) -> (&mut pageslab::PageSlab<ReservedMemory>, *mut u8) {
        let (heap, base) = self.0.get_or_init(|| {
            let mut memory = ReservedMemory::new(65_536);
            // The first page is given away, since some offset must be none.
            memory.grow(1);
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
