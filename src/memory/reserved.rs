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
    /// ```
    /// use pageslab::{LinearMemory, ReservedMemory};
    ///
    /// let mut memory = ReservedMemory::new(2);
    /// assert_eq!(memory.grow(2), Some(0));
    /// assert_eq!(memory.grow(1), None);
    /// ```
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

    /// The same, reserved when it grows for the first time. If the system refuses, half as much is reserved, and so on: the memory
    /// is then full sooner.
    ///
    /// ```
    /// use pageslab::{LinearMemory, MAX_PAGES, ReservedMemory};
    ///
    /// let mut memory = ReservedMemory::lazy(MAX_PAGES);
    /// assert_eq!(memory.size(), 0);
    /// assert_eq!(memory.grow(1), Some(0));
    /// ```
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

    /// Reserves all of it.
    fn reserve(&mut self) -> bool {
        self.base = system::reserve(self.reserved());
        !self.base.is_null()
    }

    /// Reserves as much as the system grants, if anything.
    #[cold]
    fn reserve_less(&mut self) {
        let all = self.max;
        while !self.reserve() {
            if self.max <= 1 {
                self.max = all;
                return;
            }
            self.max /= 2;
        }
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
        if self.base.is_null() {
            self.reserve_less();
        }
        let previous = self.size;
        if pages > self.max - previous || self.base.is_null() {
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

    /// That what is reserved needs no room in memory and swap, for systems that count it.
    #[cfg(not(any(target_os = "freebsd", target_os = "dragonfly")))]
    const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    const NO_RESERVE: libc::c_int = 0;

    /// Null if the system refuses.
    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | NO_RESERVE;
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
#[cfg(windows)]
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

/// Miri maps no memory without access. So the memory is the C library's, all of it, and zeroed as it grows. It is not Rust's, since
/// the global allocator may be the one that asks.
#[cfg(all(unix, miri))]
mod system {
    use crate::memory::PAGE;
    use core::ptr::null_mut;

    /// Null if the system refuses.
    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        let mut start = null_mut();
        // SAFETY: the pointer can be written, and the alignment is a power of two.
        unsafe { libc::posix_memalign(&mut start, PAGE as usize, bytes) };
        start.cast()
    }

    /// # Safety
    ///
    /// The bytes are reserved, and begin and end at pages.
    pub(super) unsafe fn commit(start: *mut u8, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { start.write_bytes(0, bytes) };
        true
    }

    /// # Safety
    ///
    /// `reserve` returned `start`, and nothing refers to what is reserved there.
    pub(super) unsafe fn release(start: *mut u8, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { libc::free(start.cast()) };
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
