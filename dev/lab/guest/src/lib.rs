//! The guest of the benchmarks: exported loops over the module's global allocator, which a feature chooses.
//!
//! Inputs and tables lie in pages that the host has added to the memory, so that the allocator's own pages hold
//! only what the workload asked for. The host interleaves the allocators, one instance of this module each.

use core::alloc::{GlobalAlloc, Layout};
use lab_allocators::Global;
use lab_workloads::soak::Soak;
use lab_workloads::steps::{self, Packed, Place};

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
unsafe extern "C" {
    safe fn __wasm_call_ctors();
}

/// Makes the module a reactor, which the host may call any number of times: without it, the linker wraps each
/// export in constructors and destructors.
#[cfg(all(target_family = "wasm", target_os = "wasi"))]
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    __wasm_call_ctors();
}

/// # Safety
///
/// `count` values of `T` are at `at`, which the guest leaves alone.
unsafe fn slice<'a, T>(at: *mut T, count: u32) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(at, count as usize) }
}

#[unsafe(no_mangle)]
pub extern "C" fn pairs_constant(count: u32) {
    steps::pairs_constant(&Global, count);
}

#[unsafe(no_mangle)]
pub extern "C" fn pairs(size: u32, count: u32) {
    steps::pairs(&Global, size, count);
}

/// # Safety
///
/// The host has put `count` indexes at `order`, and left room for as many places at `table`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn batch(
    size: u32,
    order: *mut u32,
    count: u32,
    table: *mut Place,
    repeats: u32,
) {
    // SAFETY: the caller's promise.
    let (order, table) = unsafe { (slice(order, count), slice(table, count)) };
    for _ in 0..repeats {
        steps::batch(&Global, size, order, table);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn growth(end: u32, repeats: u32) {
    for _ in 0..repeats {
        steps::growth(&Global, end);
    }
}

/// # Safety
///
/// The host has put `count` steps at `at`, and `slots` empty places at `table`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn script(
    at: *mut Packed,
    count: u32,
    table: *mut Place,
    slots: u32,
    repeats: u32,
) {
    // SAFETY: the caller's promise.
    let (steps, table) = unsafe { (slice(at, count), slice(table, slots)) };
    for _ in 0..repeats {
        steps::script(&Global, steps, table);
        steps::clear(&Global, table);
    }
}

/// A script run once, whose blocks stay: a guest that has done its job and waits.
///
/// # Safety
///
/// As [`script`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn job(at: *mut Packed, count: u32, table: *mut Place, slots: u32) {
    // SAFETY: the caller's promise.
    let (steps, table) = unsafe { (slice(at, count), slice(table, slots)) };
    steps::script(&Global, steps, table);
}

/// # Safety
///
/// The host has left room for `slots` places at `table`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fill(table: *mut Place, slots: u32, seed: u64) {
    // SAFETY: the caller's promise.
    steps::fill(&Global, unsafe { slice(table, slots) }, seed);
}

/// # Safety
///
/// `table` has been filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn churn(table: *mut Place, slots: u32, count: u32, seed: u64) {
    // SAFETY: the caller's promise.
    steps::churn(&Global, unsafe { slice(table, slots) }, count, seed, || ());
}

/// # Safety
///
/// The host has left room for a soak at `at`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soak_begin(at: *mut Soak, target: u32, cycle: u64) {
    // SAFETY: the caller's promise.
    unsafe { at.write(Soak::new(target, cycle)) };
}

/// Goes on with a soak, and returns how many bytes are live.
///
/// # Safety
///
/// A soak was begun at `at`, and the host has left room for its `slots` places at `table`, empty at the beginning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soak(at: *mut Soak, table: *mut Place, slots: u32, count: u32) -> u64 {
    // SAFETY: the caller's promise.
    let (soak, table) = unsafe { (&mut *at, slice(table, slots)) };
    soak.run(&Global, table, count);
    soak.live()
}

/// A block of the global allocator for the host, which misuses it (`lab misuse`); null if there is none.
///
/// # Safety
///
/// `size` is not 0, and the two make a layout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocate(size: usize, align: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { Global.alloc(Layout::from_size_align_unchecked(size, align)) }
}

/// # Safety
///
/// `ptr` is a block of this layout, or what comes of it is to be seen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deallocate(ptr: *mut u8, size: usize, align: usize) {
    // SAFETY: the caller's promise.
    unsafe { Global.dealloc(ptr, Layout::from_size_align_unchecked(size, align)) }
}

#[cfg(target_family = "wasm")]
#[link(wasm_import_module = "lab")]
unsafe extern "C" {
    /// Tells the host that a call of the allocator begins or ends.
    safe fn tick();
}

/// As [`churn`], with a tick before `free`, between `free` and `alloc`, and after `alloc`.
///
/// # Safety
///
/// `table` has been filled.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn churn_observed(table: *mut Place, slots: u32, count: u32, seed: u64) {
    // SAFETY: the caller's promise.
    steps::churn(&Global, unsafe { slice(table, slots) }, count, seed, || {
        tick()
    });
}

/// Ticks in a row, which tell what a tick itself takes.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub extern "C" fn ticks(count: u32) {
    for _ in 0..count {
        tick();
    }
}

#[cfg(feature = "programs")]
mod programs {
    //! The whole programs, by their number.

    use lab_programs::PROGRAMS;
    use std::cell::RefCell;

    thread_local! {
        static INPUT: RefCell<String> = const { RefCell::new(String::new()) };
    }

    /// A program's name: its address, and its length in the upper half. 0 after the last program.
    #[unsafe(no_mangle)]
    pub extern "C" fn program_name(number: u32) -> u64 {
        let name = PROGRAMS
            .get(number as usize)
            .map_or("", |program| program.name);
        (name.len() as u64) << 32 | name.as_ptr().addr() as u32 as u64
    }

    /// Makes a program's input, which [`program`] then works on.
    #[unsafe(no_mangle)]
    pub extern "C" fn prepare(number: u32) {
        INPUT.set((PROGRAMS[number as usize].input)());
    }

    /// Runs a program on the input that was prepared, and returns a figure of what it did.
    #[unsafe(no_mangle)]
    pub extern "C" fn program(number: u32, repeats: u32) -> u64 {
        INPUT.with_borrow(|input| {
            let run = PROGRAMS[number as usize].run;
            (0..repeats).map(|_| run(input) as u64).sum()
        })
    }
}
