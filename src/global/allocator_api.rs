//! [`Allocator`] of allocator-api2, the stable mirror of std's: for collections that take an allocator.
//!
//! Every call is one of `GlobalAlloc`, of no bytes as well: an empty block is an allocation like others.

use super::GlobalPageSlab;
use allocator_api2::alloc::{AllocError, Allocator, Layout};
use core::alloc::GlobalAlloc as _;
use core::ptr::NonNull;

/// The `size` bytes at an address, or an error for null.
fn block(address: *mut u8, size: usize) -> Result<NonNull<[u8]>, AllocError> {
    let start = NonNull::new(address).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(start, size))
}

/// Changes a block's size, and its place if its alignment changes.
///
/// # Safety
///
/// As for `Allocator::grow` or `Allocator::shrink`.
unsafe fn resize(
    heap: &GlobalPageSlab,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if ptr.addr().get() % new.align() == 0 {
        if let Ok(layout) = Layout::from_size_align(old.size(), new.align()) {
            // SAFETY: the caller's promise: the block is live and has the old layout. Its alignment does as well.
            let moved = unsafe { heap.realloc(ptr.as_ptr(), layout, new.size()) };
            return block(moved, new.size());
        }
    }
    // Before anything is copied.
    heap.expect_live(ptr.as_ptr(), old.size());
    let moved = heap.allocate(new)?;
    let len = old.size().min(new.size());
    // SAFETY: both blocks are live and have this many bytes, and one is new.
    unsafe {
        ptr.copy_to_nonoverlapping(moved.cast(), len);
        heap.deallocate(ptr, old);
    }
    Ok(moved)
}

/// The handle may be copied in any way, and the blocks outlive it: the heap is the module's.
///
/// ```
/// use allocator_api2::vec::Vec;
/// use pageslab::GlobalPageSlab;
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// let mut numbers = Vec::new_in(&HEAP);
/// numbers.extend([1, 2, 3]);
/// assert_eq!(numbers, [1, 2, 3]);
/// ```
// SAFETY: blocks stay until they are freed, whatever becomes of the handle.
unsafe impl Allocator for GlobalPageSlab {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: this allocator has a meaning for layouts of no bytes, too.
        block(unsafe { self.alloc(layout) }, layout.size())
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as in `allocate`.
        block(unsafe { self.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.dealloc(ptr.as_ptr(), layout) }
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise.
        unsafe { resize(self, ptr, old, new) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, and the new block has the bytes behind the old size.
        unsafe {
            let block = resize(self, ptr, old, new)?;
            let start = block.cast::<u8>().add(old.size());
            start.write_bytes(0, new.size() - old.size());
            Ok(block)
        }
    }

    #[inline]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise.
        unsafe { resize(self, ptr, old, new) }
    }
}
