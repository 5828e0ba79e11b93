//! A simulated linear memory for native tests and tools: address space reserved, pages committed as it grows.

use crate::memory::{LinearMemory, MAX_PAGES, PAGE_SHIFT};
use core::ptr::null_mut;

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
    /// Where the reservation begins; null before there is one.
    base: *mut u8,
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
        let mut memory = Self::lazy(max_pages);
        assert!(
            memory.reserve(),
            "the system refused to reserve {max_pages} pages of address space"
        );
        memory
    }

    /// The same, reserved when it grows for the first time: that growing is what fails if the system refuses.
    ///
    /// # Panics
    ///
    /// If `max_pages` is more than [`MAX_PAGES`].
    #[must_use]
    pub const fn lazy(max_pages: u32) -> Self {
        assert!(
            max_pages <= MAX_PAGES,
            "a linear memory has at most 65,536 pages"
        );
        Self {
            base: null_mut(),
            size: 0,
            max: max_pages,
        }
    }

    /// Makes sure that there is a reservation.
    fn reserve(&mut self) -> bool {
        if self.base.is_null() {
            self.base = system::reserve(self.reserved());
        }
        !self.base.is_null()
    }

    /// The bytes of the reservation.
    fn reserved(&self) -> usize {
        bytes(self.max.max(1))
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        if !self.base.is_null() {
            // SAFETY: `reserve` reserved exactly this.
            unsafe { system::release(self.base, self.reserved()) };
        }
    }
}

// SAFETY: pages are committed, zeroed, in front of the reserved ones, and never given back before the value
// is dropped. The base does not change once there is a page.
unsafe impl LinearMemory for ReservedMemory {
    #[inline(always)]
    fn address(&self, offset: u32) -> *mut u8 {
        self.base.wrapping_add(offset as usize)
    }

    #[inline]
    fn size(&self) -> u32 {
        self.size
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let previous = self.size;
        if pages > self.max - previous || !self.reserve() {
            return None;
        }
        // SAFETY: `previous + pages` is within the reservation.
        let committed = unsafe { system::commit(self.base.add(bytes(previous)), bytes(pages)) };
        committed.then(|| self.size = previous + pages)?;
        Some(previous)
    }
}

fn bytes(pages: u32) -> usize {
    (pages as usize) << PAGE_SHIFT
}

#[cfg(all(unix, not(miri)))]
mod system {
    use crate::memory::PAGE;
    use core::ptr::null_mut;

    /// Null if the system refuses.
    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // One page more, since the system aligns to its own, smaller pages.
        let reserved = bytes + PAGE as usize;
        // SAFETY: a new mapping at an address that the system chooses touches nothing that exists.
        let start = unsafe { libc::mmap(null_mut(), reserved, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return null_mut();
        }
        let front = start.align_offset(PAGE as usize);
        // SAFETY: both parts are within the new mapping, before and behind the bytes that are kept.
        unsafe {
            if front > 0 {
                libc::munmap(start, front);
            }
            libc::munmap(start.byte_add(front + bytes), PAGE as usize - front);
            start.byte_add(front).cast()
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
    pub(super) unsafe fn release(start: *mut u8, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(start.cast(), bytes) };
    }
}

/// Windows reserves at multiples of 64 KiB.
#[cfg(all(windows, not(miri)))]
mod system {
    use core::ptr::null_mut;
    use windows_sys::Win32::System::Memory::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc,
        VirtualFree,
    };

    /// Null if the system refuses.
    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        // SAFETY: a new reservation at an address that the system chooses touches nothing that exists.
        unsafe { VirtualAlloc(null_mut(), bytes, MEM_RESERVE, PAGE_NOACCESS) }.cast()
    }

    /// # Safety
    ///
    /// The bytes are reserved, and begin and end at pages.
    pub(super) unsafe fn commit(start: *mut u8, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        bytes == 0
            || !unsafe { VirtualAlloc(start.cast(), bytes, MEM_COMMIT, PAGE_READWRITE) }.is_null()
    }

    /// # Safety
    ///
    /// `reserve` returned `start`, and nothing refers to what is reserved there.
    pub(super) unsafe fn release(start: *mut u8, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { VirtualFree(start.cast(), 0, MEM_RELEASE) };
    }
}

/// Miri maps no memory without access, so under it the whole memory is committed at once.
#[cfg(miri)]
mod system {
    extern crate alloc;
    use crate::memory::PAGE;
    use alloc::alloc::{Layout, alloc_zeroed, dealloc};
    use core::ptr::null_mut;

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, PAGE as usize).ok()
    }

    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        // SAFETY: the size is not zero.
        layout(bytes).map_or(null_mut(), |layout| unsafe { alloc_zeroed(layout) })
    }

    /// # Safety
    ///
    /// None: all is there.
    pub(super) unsafe fn commit(_: *mut u8, _: usize) -> bool {
        true
    }

    /// # Safety
    ///
    /// `reserve` returned `start` for this many bytes, and nothing refers to them.
    pub(super) unsafe fn release(start: *mut u8, bytes: usize) {
        if let Some(layout) = layout(bytes) {
            // SAFETY: `reserve` allocated with this layout.
            unsafe { dealloc(start, layout) };
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::memory::PAGE;

    #[test]
    fn grows_to_its_last_page_and_no_further() {
        let mut memory = ReservedMemory::new(3);
        assert_eq!(memory.grow(4), None);
        assert_eq!(memory.grow(2), Some(0));
        assert_eq!(memory.grow(2), None);
        assert_eq!(memory.grow(0), Some(2));
        assert_eq!(memory.grow(1), Some(2));
        assert_eq!(memory.grow(1), None);
        assert_eq!(memory.size(), 3);
        for at in [0, PAGE, 3 * PAGE - 1] {
            // SAFETY: it is a byte of one of the pages.
            unsafe {
                assert_eq!(memory.address(at).read(), 0);
                memory.address(at).write(1);
            }
        }
    }

    #[test]
    fn is_given_back_when_it_is_dropped() {
        // More than there is address space for.
        for _ in 0..1 << 16 {
            drop(ReservedMemory::new(MAX_PAGES));
        }
    }
}
