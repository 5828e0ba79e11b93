//! Linear memory: the one thing that the allocator asks of its platform.
//!
//! A WebAssembly memory is an array of 64 KiB pages that grows at its end and never shrinks
//! ([WebAssembly core specification, memory instructions][spec]). `WasmMemory` is the guest's own;
//! natively, `ReservedMemory` simulates one. This file knows pages and nothing finer.
//!
//! [spec]: https://webassembly.github.io/spec/core/exec/instructions.html#memory-instructions

#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
pub(crate) mod reserved;

use crate::sizes::geometry::GEOMETRY;
use core::ops::Range;

/// log2 of [`PAGE`].
pub(crate) const PAGE_SHIFT: u32 = GEOMETRY.page_shift;

/// Bytes in a WebAssembly page.
///
/// ```
/// assert_eq!(pageslab::PAGE, 65_536);
/// ```
pub const PAGE: u32 = 1 << PAGE_SHIFT;

/// Pages in a full 32-bit memory: 4 GiB.
///
/// ```
/// use pageslab::{MAX_PAGES, PAGE};
/// assert_eq!(u64::from(MAX_PAGES) * u64::from(PAGE), 1 << 32);
/// ```
pub const MAX_PAGES: u32 = 1 << (32 - PAGE_SHIFT);

/// A linear memory that can grow.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{LinearMemory, PAGE, WasmMemory};
///
/// let mut memory = WasmMemory::new();
/// let previous = memory.grow(1).expect("the host has memory");
/// assert_eq!(memory.size(), previous + 1);
/// // SAFETY: the new page belongs to this program alone.
/// assert_eq!(unsafe { memory.address(previous * PAGE).read() }, 0);
/// # }
/// ```
///
/// # Safety
///
/// An implementation promises, as long as the value lives:
/// - [`address`](Self::address) is `address(0)` plus the offset, does not change once there is a page, and is then
///   aligned to a page where the offset is; through it, the bytes of the first [`size`](Self::size) pages can be read and
///   written;
/// - the pages that [`grow`](Self::grow) adds are zeroed, follow the previous size, and belong to the caller
///   of `grow`: nobody else reads or writes them. Between two calls, *other* parties may have grown the memory
///   for themselves;
/// - the size never shrinks and never exceeds [`MAX_PAGES`].
pub unsafe trait LinearMemory {
    /// The address of the byte at an offset. For an offset at or behind the memory's end it can be taken but
    /// not used.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, WasmMemory};
    ///
    /// let memory = WasmMemory::new();
    /// assert_eq!(memory.address(100), memory.address(0).wrapping_add(100));
    /// # }
    /// ```
    fn address(&self, offset: u32) -> *mut u8;

    /// The current size, in pages.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, WasmMemory};
    ///
    /// let mut memory = WasmMemory::new();
    /// let before = memory.size();
    /// memory.grow(2);
    /// assert_eq!(memory.size(), before + 2);
    /// # }
    /// ```
    fn size(&self) -> u32;

    /// Adds `pages` pages at the end and returns the previous size in pages, or `None` if that is refused:
    /// then nothing changed.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, MAX_PAGES, WasmMemory};
    ///
    /// let mut memory = WasmMemory::new();
    /// let before = memory.size();
    /// assert_eq!(memory.grow(1), Some(before));
    /// assert_eq!(memory.grow(MAX_PAGES), None);
    /// assert_eq!(memory.size(), before + 1);
    /// # }
    /// ```
    fn grow(&mut self, pages: u32) -> Option<u32>;

    /// The bytes that belong to the caller before memory has grown: none, unless an implementation has some. They are within the
    /// first [`size`](Self::size) pages, belong to the first caller alone, and need not be zero.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, WasmMemory};
    ///
    /// assert!(WasmMemory::new().initial().is_empty());
    /// # }
    /// ```
    fn initial(&mut self) -> Range<u32> {
        0..0
    }
}

/// The linear memory (index 0) of the WebAssembly module that this code is part of.
///
/// Several controllers may each have one: each uses the pages that its own `memory.grow` gave it.
///
/// ```
/// use pageslab::{MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let mut other = PageSlab::new(WasmMemory::new());
/// assert_ne!(heap.alloc(24)?, other.alloc(24)?);
/// # Ok::<(), pageslab::Error>(())
/// ```
#[cfg(target_arch = "wasm32")]
#[derive(Debug)]
pub struct WasmMemory(());

#[cfg(target_arch = "wasm32")]
impl WasmMemory {
    /// The module's memory.
    ///
    /// ```
    /// use pageslab::{LinearMemory, WasmMemory};
    ///
    /// const MEMORY: WasmMemory = WasmMemory::new();
    /// // What the module started with, or more.
    /// assert!(MEMORY.size() > 0);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

#[cfg(target_arch = "wasm32")]
impl Default for WasmMemory {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the specification of `memory.size` and `memory.grow` is what the trait asks for: base 0, zeroed
// pages at the end, the previous size or -1. Whoever called `memory.grow` owns what it added; that is the
// convention between all parties.
#[cfg(target_arch = "wasm32")]
unsafe impl LinearMemory for WasmMemory {
    #[inline(always)]
    fn address(&self, offset: u32) -> *mut u8 {
        // Not an offset from a null pointer, which may not be read through: the engine, not this program,
        // made what is there.
        core::ptr::with_exposed_provenance_mut(offset as usize)
    }

    #[inline]
    fn size(&self) -> u32 {
        core::arch::wasm32::memory_size::<0>() as u32
    }

    #[inline]
    fn grow(&mut self, pages: u32) -> Option<u32> {
        let previous = core::arch::wasm32::memory_grow::<0>(pages as usize);
        (previous != usize::MAX).then_some(previous as u32)
    }
}
