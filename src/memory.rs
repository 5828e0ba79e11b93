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
pub const PAGE: u32 = 1 << PAGE_SHIFT;

/// Pages in a full 32-bit memory: 4 GiB.
pub const MAX_PAGES: u32 = 1 << (32 - PAGE_SHIFT);

/// A linear memory that can grow.
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
    fn address(&self, offset: u32) -> *mut u8;

    /// The current size, in pages.
    fn size(&self) -> u32;

    /// Adds `pages` pages at the end and returns the previous size in pages, or `None` if that is refused:
    /// then nothing changed.
    fn grow(&mut self, pages: u32) -> Option<u32>;

    /// The bytes that belong to the caller before memory has grown: none, unless an implementation has some. They are within the
    /// first [`size`](Self::size) pages, belong to the first caller alone, and need not be zero.
    fn initial(&mut self) -> Range<u32> {
        0..0
    }
}

/// The linear memory (index 0) of the WebAssembly module that this code is part of.
///
/// Several controllers may each have one: each uses the pages that its own `memory.grow` gave it.
#[cfg(target_arch = "wasm32")]
#[derive(Debug)]
pub struct WasmMemory(());

#[cfg(target_arch = "wasm32")]
impl WasmMemory {
    /// The module's memory.
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
