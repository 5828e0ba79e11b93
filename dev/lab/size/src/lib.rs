//! The guest whose size is measured: the global allocator and three functions that call it, in a module without
//! std. It exists on wasm32-unknown-unknown only.
//!
//! This is how talc measures itself and its peers (`wasm-size` in its repository), so that the figures can be
//! compared with those: every block is aligned to 8, this crate is compiled for size and the allocators' crates
//! for speed (the profile `size`), and `wasm-opt -Oz` comes after.

#![cfg(all(target_family = "wasm", target_os = "unknown"))]
#![no_std]

extern crate alloc as alloc_crate;

use alloc_crate::alloc as global;
use core::alloc::Layout;
use core::panic::PanicInfo;
// The allocator is that crate's.
use lab_allocators as _;

const ALIGN: usize = 8;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}

/// # Safety
///
/// `size` is neither 0 nor more than half of the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn alloc(size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { global::alloc(Layout::from_size_align_unchecked(size, ALIGN)) }
}

/// # Safety
///
/// `ptr` is a live block of `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(ptr: *mut u8, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { global::dealloc(ptr, Layout::from_size_align_unchecked(size, ALIGN)) }
}

/// # Safety
///
/// `ptr` is a live block of `old_size` bytes; `new_size` as in [`alloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(ptr: *mut u8, old_size: usize, new_size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        global::realloc(
            ptr,
            Layout::from_size_align_unchecked(old_size, ALIGN),
            new_size,
        )
    }
}

#[cfg(not(any(
    feature = "pageslab",
    feature = "limit",
    feature = "dlmalloc",
    feature = "talc",
    feature = "rlsf",
    feature = "rlsf-small",
    feature = "lol-alloc",
    feature = "picoalloc",
    feature = "talc-arena"
)))]
mod empty {
    //! The allocator that refuses everything.

    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::null_mut;

    struct Empty;

    #[global_allocator]
    static EMPTY: Empty = Empty;

    // SAFETY: no block is ever handed out.
    unsafe impl GlobalAlloc for Empty {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }
}
