//! `malloc`, `free` and their family on pageslab: a static library that takes the place of wasi-libc's allocator in C
//! and C++ guests. The functions are [`pageslab::abi::c`]; `include/pageslab.h` tells of each what it checks.
//!
//! Natively a process keeps its own `malloc`: Rust calls them in this crate, and C by names that begin with `pageslab_`.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(all(target_arch = "wasm32", feature = "cpp"))]
mod cpp;
#[cfg(not(target_arch = "wasm32"))]
mod native;

#[cfg(not(target_arch = "wasm32"))]
pub use pageslab::abi::c::*;

// Its feature `c` exports them.
#[cfg(target_arch = "wasm32")]
extern crate pageslab as _;

#[cfg(all(target_arch = "wasm32", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
