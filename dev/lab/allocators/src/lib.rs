//! The allocators that the benchmarks compare, each built and configured as its users would: one static each.
//!
//! [`Global`] is whatever a feature has made the global allocator of this build (`dev/lab/guest`); with the feature
//! `side-by-side`, [`visit_all`] has several in one program (`benches/allocators.rs`).
//!
//! On wasm32 nothing here needs std, so that `dev/lab/size` can do without it too.

#![no_std]

extern crate alloc;
#[cfg(any(feature = "side-by-side", not(target_arch = "wasm32")))]
extern crate std;

#[cfg(any(
    all(target_arch = "wasm32", feature = "jemalloc"),
    all(
        not(target_arch = "wasm32"),
        any(
            feature = "rlsf-small",
            feature = "lol-alloc",
            feature = "picoalloc",
            feature = "rusty-alloc",
            feature = "talc-arena"
        )
    )
))]
compile_error!("this allocator is not for this target, whose own it would leave in its place");

#[cfg(feature = "limit")]
mod limit;
#[cfg(any(
    feature = "limit",
    all(not(target_arch = "wasm32"), any(feature = "rlsf", feature = "talc"))
))]
mod memory;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(all(
    target_arch = "wasm32",
    any(feature = "picoalloc", feature = "talc-arena")
))]
mod space;

use core::alloc::{GlobalAlloc, Layout};

/// The program's global allocator.
pub struct Global;

// SAFETY: these functions are the global allocator, with the same contract.
unsafe impl GlobalAlloc for Global {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { alloc::alloc::alloc(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { alloc::alloc::dealloc(ptr, layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { alloc::alloc::realloc(ptr, layout, new_size) }
    }
}

/// Declares each allocator's static, and makes it the global allocator if only its feature is chosen.
macro_rules! allocators {
    ($($feature:literal, $name:ident: $type:ty = $new:expr;)*) => {$(
        #[cfg(feature = $feature)]
        #[cfg_attr(not(feature = "side-by-side"), global_allocator)]
        static $name: $type = $new;
    )*};
}

allocators! {
    "limit", LIMIT: limit::Limit = limit::Limit::new();
    "mimalloc-v2", MIMALLOC_V2: mimalloc::MiMalloc = mimalloc::MiMalloc;
    "mimalloc-v3", MIMALLOC_V3: mimalloc::MiMalloc = mimalloc::MiMalloc;
}

#[cfg(target_arch = "wasm32")]
allocators! {
    "pageslab", PAGESLAB: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();
    "dlmalloc", DLMALLOC: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
    "talc", TALC: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
    "rlsf", RLSF: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();
    "rlsf-small", RLSF_SMALL: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
    "rusty-alloc", RUSTY_ALLOC: rusty_alloc_api::RustyAlloc = rusty_alloc_api::RustyAlloc;
    "talc-arena", TALC_ARENA: talc::wasm::WasmArenaTalc =
        // SAFETY: nothing else uses the arena.
        unsafe { talc::wasm::new_wasm_arena_allocator(&raw mut space::ARENA) };
    "picoalloc", PICOALLOC: picoalloc::Mutex<picoalloc::Allocator<space::Space>> =
        picoalloc::Mutex::new(picoalloc::Allocator::new(space::Space::new()));
    // What its documentation gives for programs of one thread
    "lol-alloc", LOL_ALLOC: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
        // SAFETY: the lab's guests have one thread.
        unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };
}

#[cfg(not(target_arch = "wasm32"))]
allocators! {
    "pageslab", PAGESLAB: native::PageSlab = native::PageSlab::new();
    "dlmalloc", DLMALLOC: native::Dlmalloc = native::Dlmalloc::new();
    "talc", TALC: native::Talc = native::Talc::new();
    "rlsf", RLSF: native::Rlsf = native::Rlsf::new();
    "jemalloc", JEMALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
}

#[cfg(feature = "side-by-side")]
pub use side_by_side::{Visitor, visit_all};

#[cfg(feature = "side-by-side")]
mod side_by_side {
    use std::alloc::{GlobalAlloc, System};

    /// Calls `visit` with each allocator in turn.
    pub trait Visitor {
        fn visit<A: GlobalAlloc + Sync>(&mut self, name: &'static str, allocator: &'static A);
    }

    /// On wasm32-wasip1 wasi-libc's dlmalloc, on Linux glibc's malloc.
    static SYSTEM: System = System;

    pub fn visit_all(visitor: &mut impl Visitor) {
        visitor.visit("pageslab", &super::PAGESLAB);
        visitor.visit("limit", &super::LIMIT);
        visitor.visit("dlmalloc", &super::DLMALLOC);
        visitor.visit("talc", &super::TALC);
        visitor.visit("rlsf", &super::RLSF);
        visitor.visit("system", &SYSTEM);
    }
}
