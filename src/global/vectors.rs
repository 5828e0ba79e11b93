//! A host's blocks as vectors, and vectors as a host's blocks.
//!
//! Nothing is copied if this heap is the program's global allocator. Else a vector is another allocator's, which must not
//! free a block of this heap; so then bytes are copied from the one to the other.

extern crate alloc;

use super::{GlobalPageSlab, with_heap};
use crate::memory::LinearMemory as _;
use crate::{Error, MemoryController as _, Result};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::hint::black_box;

/// Blocks that change hands (feature `alloc`): pointers are offsets, as a host has them.
impl GlobalPageSlab {
    /// Takes over the block of `len` bytes at `ptr`, which a host hands over: a vector of exactly these, without a copy if
    /// this heap is the global allocator. A block of no bytes is freed.
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, abi::alloc_free};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// # use pageslab::MemoryController as _;
    /// # let (ptr, empty) = (alloc_free::alloc(5, 1), alloc_free::alloc(0, 1));
    /// # unsafe { ALLOCATOR.controller() }.mut_mem(ptr, 5).fill(7);
    /// // SAFETY: they are the host's.
    /// unsafe {
    ///     assert!(ALLOCATOR.take(ptr, 6).is_err());
    ///     assert_eq!(ALLOCATOR.take(ptr, 5)?, [7; 5]);
    ///     assert!(ALLOCATOR.take(empty, 0)?.is_empty());
    /// }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`MemoryController::free`](crate::MemoryController::free): then nothing has changed. [`Error::OutOfMemory`] if memory
    /// is so short that this method cannot find out which allocator is the global one, or cannot copy.
    ///
    /// # Safety
    ///
    /// The block, if there is one, is the host's, which has initialized it. It is no value of the guest's, and nobody else uses it: a
    /// host must not hand it over once more while the vector lives. (From outside of the program it can write all of memory,
    /// so whatever it has allocated is initialized.)
    pub unsafe fn take(&self, ptr: u32, len: u32) -> Result<Vec<u8>> {
        let address = with_heap(|heap| {
            heap.expect_live(ptr, len)?;
            Ok(heap.memory().address(ptr))
        })?;
        if len > 0 && is_global()? {
            // SAFETY: the caller's promise. The block is live, as long as this, and of the allocator that vectors have.
            return Ok(unsafe { Vec::from_raw_parts(address, len as usize, len as usize) });
        }
        // SAFETY: the caller's promise. The block is live and as long as this.
        let bytes = copied(unsafe { core::slice::from_raw_parts(address, len as usize) })?;
        with_heap(|heap| heap.free(ptr, len))?;
        Ok(bytes)
    }

    /// Hands the bytes of a vector over to a host: in a block of exactly their number, even if there are none, which the host
    /// frees. Returns the pointer in the upper half, and the length in the lower.
    ///
    /// They are not copied if this heap is the global allocator, unless the vector's capacity is far more than its length.
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, abi::alloc_free};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// for bytes in [Vec::new(), vec![7; 5], Vec::with_capacity(100)] {
    ///     let given = ALLOCATOR.give(bytes)?;
    ///     // SAFETY: nobody uses it.
    ///     let status = unsafe { alloc_free::free((given >> 32) as u32, given as u32) };
    ///     assert_eq!(status, alloc_free::OK);
    /// }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`MemoryController::alloc`](crate::MemoryController::alloc), if a block is needed. The vector is dropped.
    pub fn give(&self, mut bytes: Vec<u8>) -> Result<u64> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let capacity = u32::try_from(bytes.capacity()).unwrap_or(u32::MAX);
        let shrunk = with_heap(|heap| {
            let ptr = heap.offset_of(bytes.as_mut_ptr());
            heap.expect_live(ptr, capacity).ok()?;
            // A vector of no capacity has no block, though one may be where it points to.
            match capacity {
                0 => None,
                _ if capacity == len => Some(Ok(ptr)),
                _ => Some(heap.realloc(ptr, capacity, len)),
            }
        });
        let ptr = if let Some(shrunk) = shrunk {
            let ptr = shrunk?;
            core::mem::forget(bytes);
            ptr
        } else {
            with_heap(|heap| {
                let ptr = heap.alloc(len)?;
                // SAFETY: the block is new, and has as many bytes: none has as many as `u32::MAX`.
                unsafe {
                    let block = heap.memory().address(ptr);
                    block.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                }
                Ok(ptr)
            })?
        };
        Ok(u64::from(ptr) << 32 | u64::from(len))
    }
}

/// A vector with these bytes.
fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let len = bytes.len() as u32;
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Error::OutOfMemory { len })?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Whether vectors are on this heap: whether what is allocated globally is, just as it was asked for.
fn is_global() -> Result<bool> {
    const BYTE: Layout = Layout::new::<u8>();

    // SAFETY: the layout has a byte.
    let block = black_box(unsafe { alloc::alloc::alloc(BYTE) });
    if block.is_null() {
        return Err(Error::OutOfMemory { len: 1 });
    }
    let is_here = with_heap(|heap| heap.len_at(heap.offset_of(block))) == Ok(1);
    // SAFETY: it was just allocated with this layout.
    unsafe { alloc::alloc::dealloc(block, BYTE) };
    Ok(is_here)
}
