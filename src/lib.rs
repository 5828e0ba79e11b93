//! A memory allocator for WebAssembly guests that checks every free, and is faster than those that do not.
//!
//! A guest in linear memory (a plugin, a database function, an edge handler) serves a host that it does not control, which calls
//! `alloc` and `free` with any numbers. Each `free` is checked exactly: a wrong length, a pointer into the middle of a block, a
//! second free, or a pointer out of nowhere is an [`Error`], and changes nothing.
//!
//! [`guide::guest`], [`guide::host`] and [`guide::c`] say how to use it.
//!
//! # Use
//!
//! As the global allocator of a guest, in one line, on all wasm32 targets but Emscripten, with and without threads, and natively:
//!
//! ```
//! # #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))] {
//! use pageslab::GlobalPageSlab;
//!
//! #[global_allocator]
//! static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
//! # assert_eq!(ALLOCATOR.len_of(String::from("guest").as_mut_ptr()), Ok(5));
//! # }
//! ```
//!
//! For a host that allocates and frees in the guest, one more line exports an ABI on the same heap; [`export_abi!`] has
//! the list:
//!
//! ```
//! pageslab::export_abi!(alloc_free);
//! # #[cfg(target_arch = "wasm32")] {
//! # unsafe extern "C" { safe fn __alloc(len: u32, align: u32) -> u32; }
//! # assert_ne!(__alloc(24, 8), 0);
//! # }
//! ```
//!
//! As a controller for memory that a host asks for, behind the [`MemoryController`] trait:
//!
//! ```
//! # #[cfg(target_arch = "wasm32")] {
//! use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
//!
//! let mut heap = PageSlab::new(WasmMemory::new());
//! let ptr = heap.alloc(24)?;
//! heap.mut_mem(ptr, 24).fill(7);
//! assert_eq!(heap.free(ptr, 32), Err(Error::LengthMismatch { ptr, allocated: 24, given: 32 }));
//! heap.free(ptr, 24)?;
//! # }
//! # Ok::<(), pageslab::Error>(())
//! ```
//!
//! # Design
//!
//! From the lowest layer to the highest. Each is a file or a folder, and knows those above it here:
//!
//! ```text
//! bits         a word, read as the set that it is
//! sizes        constants, and the size classes
//! memory       linear memory: pages of 64 KiB, which memory.grow adds
//! hooks        what checked mode needs in the layers that follow
//! slabs        a slab: a run cut into equal slots of one size class
//! frames       frames of 1 KiB, 64 to a page; their map; runs of neighbouring frames; growth
//! heap         slots of up to 8 KiB from slabs, longer blocks as runs, and what a pointer is
//! checked      checked mode, as methods of the controller's type: these two know each other
//! controller   the trait, and the type that implements it
//! explanation  an error with what the heap knows of it
//! global       the one heap of a module
//! ```
//!
//! `global` has it behind a lock where threads are: as the global allocator, as a controller, and as
//! the guest ABIs that hosts call.
//!
//! **Free slots are bits, and lengths lie outside of the slots.** One word of a slab says which of
//! its slots are free. A *cell* of two bytes per slot holds the length that its owner asked for, or
//! says that it was freed. `alloc` takes the word's lowest bit and writes the cell. `free` finds the
//! slab by the frame map, and the slot by one multiplication, which also tells whether the pointer is
//! to a slot's start. Then it compares the cell with the given length: a free slot's cell equals none.
//! It marks the cell as freed, and sets the bit. What fails goes to a cold path, which finds out why.
//! None of this counts anything, or walks a list.
//!
//! **Slabs begin small.** The first slab of a class has one frame, or one slot. Each one after it is
//! twice as large, up to 63 slots or 16 KiB, unless only less is free without growing memory.
//!
//! **Lengths above 8 KiB are runs** of exactly the frames they need. Free runs are joined with their
//! free neighbours, that of the block freed last when another run is wanted or freed. They are found by a bitmap over bins: one for each length below 64
//! frames, then eight per doubling. The free *end* of the heap is in no bin, and used last. A run
//! grows in place into free frames behind it, or into new pages at the end of memory.
//!
//! **Nothing is kept that is needed elsewhere.** Slabs without live slots are kept, because they are
//! usually wanted again. When a slab of another class is made, and before memory grows, all of them
//! are given back.
//!
//! **Metadata is out of reach.** Descriptors, cells and the frame map lie in runs of their own, behind
//! a guard of one unused frame. An overflow of a guest's block must be longer than 1 KiB before it can
//! reach the nearest metadata, and then only from the block right in front of it.
//!
//! **Other parties may grow the same memory.** The map is a page table, of which only the root ever
//! moves. A page of theirs costs one null pointer in it, and no pointer into such a page is accepted.
//!
//! `docs/design.md` draws the ways of a length and of a pointer, and has the reasons for all of this.

#![no_std]
#![warn(missing_docs, clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "wasm64")]
compile_error!("pageslab does not support wasm64: its pointers are offsets of 32 bits");
#[cfg(target_os = "emscripten")]
compile_error!(
    "pageslab does not support Emscripten: its `sbrk` takes all that memory has grown by as its own, pages of this heap included"
);
#[cfg(all(
    target_arch = "wasm32",
    target_feature = "atomics",
    not(pageslab_threads)
))]
compile_error!(
    "pageslab has no lock, though the target feature `atomics` is on: set it in RUSTFLAGS or in `build.rustflags`, not in a profile"
);

pub mod guide;

#[cfg(all(doctest, feature = "alloc", target_pointer_width = "64"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod bits;
mod checked;
mod controller;
mod error;
mod explanation;
mod frames;
mod heap;
mod hooks;
mod invariant;
mod memory;
mod sizes;
mod slabs;
// On wasm32, and natively where there is address space for a memory of 4 GiB.
#[cfg(any(
    target_arch = "wasm32",
    all(any(unix, windows), target_pointer_width = "64")
))]
mod global;
#[cfg(feature = "surrealism-01")]
mod surrealism;

#[cfg(feature = "checked")]
pub use checked::mode::State;
#[cfg(feature = "checked")]
pub use checked::report::{Damage, Report, Usage};
pub use controller::{MemoryController, PageSlab};
pub use error::{Error, Result};
pub use explanation::Explanation;
#[cfg(any(
    target_arch = "wasm32",
    all(any(unix, windows), target_pointer_width = "64")
))]
pub use global::{
    GlobalController, GlobalPageSlab, MisuseHandler, abi, explain, panic_on_misuse, report_and_trap,
};
pub use heap::{ClassStats, Stats};
#[cfg(target_arch = "wasm32")]
pub use memory::WasmMemory;
#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
pub use memory::reserved::ReservedMemory;
pub use memory::{LinearMemory, MAX_PAGES, PAGE};
