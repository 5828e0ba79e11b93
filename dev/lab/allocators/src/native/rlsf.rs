//! rlsf without its lock, with the parameters of its global allocator, on one mapping that grows.

use super::alone::Alone;
use crate::memory::{Memory, PAGE};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use rlsf::{FlexSource, FlexTlsf};

const LEVELS: usize = usize::BITS as usize;

pub type Rlsf = Alone<FlexTlsf<Pool, usize, usize, LEVELS, LEVELS>>;

pub struct Pool(Memory);

// SAFETY: the memory's pages are disjoint, and those of two calls adjoin.
unsafe impl FlexSource for Pool {
    unsafe fn alloc(&mut self, min_size: usize) -> Option<NonNull<[u8]>> {
        let pages = min_size.div_ceil(PAGE);
        let start = NonNull::new(self.0.grow(pages)?)?;
        Some(NonNull::slice_from_raw_parts(start, pages * PAGE))
    }

    unsafe fn realloc_inplace_grow(
        &mut self,
        pool: NonNull<[u8]>,
        min_len: usize,
    ) -> Option<usize> {
        let pages = (min_len - pool.len()).div_ceil(PAGE);
        self.0.grow(pages)?;
        Some(pool.len() + pages * PAGE)
    }

    fn supports_realloc_inplace_grow(&self) -> bool {
        true
    }

    fn is_contiguous_growable(&self) -> bool {
        true
    }

    fn min_align(&self) -> usize {
        PAGE
    }
}

impl Rlsf {
    pub const fn new() -> Self {
        Self::with(FlexTlsf::new(Pool(Memory::new())))
    }
}

fn address(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(null_mut(), NonNull::as_ptr)
}

// SAFETY: rlsf's own.
unsafe impl GlobalAlloc for Rlsf {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        address(self.heap().allocate(layout))
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; a block is not null.
        unsafe {
            self.heap()
                .deallocate(NonNull::new_unchecked(ptr), layout.align())
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; a block is not null.
        unsafe {
            let new = Layout::from_size_align_unchecked(new_size, layout.align());
            address(self.heap().reallocate(NonNull::new_unchecked(ptr), new))
        }
    }
}
