//! A simulated linear memory for native tests and tools: address space reserved, pages committed as it grows.

use crate::memory::{LinearMemory, MAX_PAGES, PAGE, PAGE_SHIFT};
use core::ptr::NonNull;

/// A linear memory of its own, outside of WebAssembly: a mapping reserved in one piece, of which a growing
/// front part can be used.
///
/// Starts with 0 pages. What is reserved but not grown into costs address space only, and traps when touched.
///
/// ```
/// use pageslab::{LinearMemory, ReservedMemory};
///
/// let mut memory = ReservedMemory::new(65_536); // 4 GiB
/// assert_eq!(memory.grow(2), Some(0));
/// assert_eq!(memory.size(), 2);
/// assert_eq!(memory.grow(65_535), None);
/// ```
#[derive(Debug)]
pub struct ReservedMemory {
    base: NonNull<u8>,
    size: u32,
    max: u32,
}

// SAFETY: it owns its mapping alone.
unsafe impl Send for ReservedMemory {}

impl ReservedMemory {
    /// Reserves a memory of up to `max_pages` pages of 64 KiB.
    ///
    /// # Panics
    ///
    /// If `max_pages` is more than [`MAX_PAGES`], or the system refuses the address space.
    #[must_use]
    pub fn new(max_pages: u32) -> Self {
        assert!(
            max_pages <= MAX_PAGES,
            "a linear memory has at most {MAX_PAGES} pages, not {max_pages}"
        );
        let base = system::reserve(bytes(max_pages.max(1)));
        let Some(base) = base else {
            panic!("the system refused to reserve {max_pages} pages of address space");
        };
        Self {
            base,
            size: 0,
            max: max_pages,
        }
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        // SAFETY: `new` reserved exactly this.
        unsafe { system::release(self.base, bytes(self.max.max(1))) };
    }
}

// SAFETY: pages are committed, zeroed, in front of the reserved ones, and never given back before the value
// is dropped.
unsafe impl LinearMemory for ReservedMemory {
    #[inline(always)]
    fn address(&self, offset: u32) -> *mut u8 {
        self.base.as_ptr().wrapping_add(offset as usize)
    }

    #[inline]
    fn size(&self) -> u32 {
        self.size
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let previous = self.size;
        if pages > self.max - previous {
            return None;
        }
        // SAFETY: `previous + pages` is within the reservation.
        let committed =
            unsafe { system::commit(self.base.as_ptr().add(bytes(previous)), bytes(pages)) };
        committed.then(|| self.size = previous + pages)?;
        Some(previous)
    }
}

fn bytes(pages: u32) -> usize {
    (pages as usize) << PAGE_SHIFT
}

#[cfg(not(miri))]
mod system {
    use super::{NonNull, PAGE};
    use core::ptr::null_mut;

    pub(super) fn reserve(bytes: usize) -> Option<NonNull<u8>> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // One page more, since the system aligns to its own, smaller pages.
        let reserved = bytes + PAGE as usize;
        // SAFETY: a new mapping at an address that the system chooses touches nothing that exists.
        let start = unsafe { libc::mmap(null_mut(), reserved, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let front = start.align_offset(PAGE as usize);
        // SAFETY: both parts are within the new mapping, before and behind the bytes that are kept.
        unsafe {
            if front > 0 {
                libc::munmap(start, front);
            }
            libc::munmap(start.byte_add(front + bytes), PAGE as usize - front);
            NonNull::new(start.byte_add(front).cast())
        }
    }

    /// # Safety
    ///
    /// The bytes are reserved, and begin and end at pages.
    pub(super) unsafe fn commit(start: *mut u8, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        bytes == 0
            || unsafe { libc::mprotect(start.cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) }
                == 0
    }

    /// # Safety
    ///
    /// `reserve` returned `start` for this many bytes, and nothing refers to them.
    pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }
}

/// Miri maps no memory without access, so under it the whole memory is committed at once.
#[cfg(miri)]
mod system {
    extern crate alloc;
    use super::{NonNull, PAGE};
    use alloc::alloc::{Layout, alloc_zeroed, dealloc};

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, PAGE as usize).ok()
    }

    pub(super) fn reserve(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)?) })
    }

    pub(super) unsafe fn commit(_: *mut u8, _: usize) -> bool {
        true
    }

    pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
        if let Some(layout) = layout(bytes) {
            // SAFETY: `reserve` allocated with this layout.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }
}
