//! The global allocator: one heap in the module's own memory, behind [`GlobalAlloc`].
//!
//! Present where exactly one thread can call it: on wasm32 without the `atomics` target feature.

use crate::controller::PageSlab;
use crate::memory::WasmMemory;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::num::NonZeroU32;
use core::ptr::null_mut;

/// A [`PageSlab`] in the module's memory, as the global allocator of a guest.
///
/// ```
/// use pageslab::GlobalPageSlab;
///
/// #[global_allocator]
/// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
///
/// assert_eq!(vec![1, 2, 3].len(), 3);
/// ```
///
/// `GlobalAlloc` cannot return an error from `dealloc`: a pointer or a layout that is wrong traps, with
/// `unreachable`, and has changed nothing. `realloc` with a wrong pointer or layout traps too. A layout
/// aligned to more than a page is refused with null.
pub struct GlobalPageSlab {
    heap: UnsafeCell<PageSlab<WasmMemory>>,
}

impl GlobalPageSlab {
    /// An allocator with no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            heap: UnsafeCell::new(PageSlab::new(WasmMemory::new())),
        }
    }

    /// How many pages of 64 KiB the heap holds.
    pub fn pages(&self) -> u32 {
        self.heap().pages()
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "private, and see SAFETY")]
    fn heap(&self) -> &mut PageSlab<WasmMemory> {
        // SAFETY: there is one thread (this file's condition), no method of the heap calls back, and each
        // method here uses the reference only until it returns: no two references live at once.
        unsafe { &mut *self.heap.get() }
    }
}

impl Default for GlobalPageSlab {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: without `atomics`, a module runs on one thread.
unsafe impl Sync for GlobalPageSlab {}

// SAFETY: blocks are those of `PageSlab`, disjoint and aligned as asked, and stay until they are freed; no
// method unwinds.
unsafe impl GlobalAlloc for GlobalPageSlab {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let ptr = self
            .heap()
            .alloc_at(layout.size() as u32, layout.align() as u32);
        ptr.map_or(0, NonZeroU32::get) as *mut u8
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if !self.heap().free_at(ptr as u32, size_of(layout)) {
            trap();
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match self.heap().realloc_at(
            ptr as u32,
            size_of(layout),
            new_size as u32,
            layout.align() as u32,
        ) {
            Ok(ptr) => ptr as *mut u8,
            Err(crate::Error::OutOfMemory { .. }) => null_mut(),
            Err(_) => trap(),
        }
    }
}

/// A layout's size, of which the compiler is told what holds for each: so that nothing need be checked.
#[inline(always)]
fn size_of(layout: Layout) -> u32 {
    // SAFETY: this is an invariant of `Layout`.
    unsafe { core::hint::assert_unchecked(layout.size() <= isize::MAX as usize) };
    layout.size() as u32
}

#[cold]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}
