//! A memory allocator for WebAssembly guests: quick on the hot path, and careful with whatever it is given
//! back.
//!
//! A guest in linear memory (a plugin, a database function, an edge handler) serves a host that it does not
//! control, which calls `alloc` and `free` with any numbers it likes. pageslab answers every such call in
//! constant time (but for growing memory, and for the last search before memory is exhausted) and checks every `free` exactly: a wrong length, a pointer into the middle of a block, a
//! second free or a pointer out of nowhere is an [`Error`], and changes nothing.
//!
//! # Use
//!
//! As the global allocator of a guest, in one line, on every wasm32 target, with and without threads, and natively:
//!
//! ```
//! # #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))] {
//! use pageslab::GlobalPageSlab;
//!
//! #[global_allocator]
//! static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
//! # }
//! ```
//!
//! For a host that allocates and frees in the guest, one more line exports an ABI on the same heap; [`export_abi!`] has
//! the list:
//!
//! ```
//! pageslab::export_abi!(alloc_free);
//! # fn main() {}
//! ```
//!
//! As a controller for memory that a host asks for, behind the [`MemoryController`] trait:
//!
//! ```
//! # #[cfg(unix)] {
//! use pageslab::{Error, MemoryController, PageSlab, ReservedMemory};
//!
//! // In a guest: `PageSlab::new(WasmMemory::new())`.
//! let mut heap = PageSlab::new(ReservedMemory::new(1024));
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
//! ```text
//! linear memory   pages of 64 KiB, which memory.grow adds            memory, reserved
//!   frames        1 KiB, 64 to a page; one map entry each             map
//!     runs        neighbouring frames: free, live, or internal        runs
//!       slabs     a run cut into equal slots of one size class        slab, class
//!         slots   up to 8 KiB; longer allocations are runs            controller
//! ```
//!
//! Each line is a file that knows those above it, and not those below. `global` has the one heap of a module: behind a
//! lock where threads are, as the global allocator, as a controller, and as the guest ABIs that hosts call.
//!
//! **Free slots are bits, and lengths lie outside of the slots.** A slab has at most 63 slots: one word says which
//! of them are free, and a *cell* of two bytes per slot holds the length that its owner asked for. `alloc` takes the
//! word's lowest bit and writes the cell. `free` finds the slab (one entry of the frame map) and the slot (one
//! multiplication, which also tells whether the pointer is to a slot's start), compares the cell with the given
//! length, tests the bit, and sets it. What fails goes to a cold path, which finds out why. Nothing is counted and
//! nothing walks a list.
//!
//! **Slabs begin small.** The first slab of a class has one frame, or one slot; each one after it is twice as large,
//! up to 63 slots or 32 KiB, unless only less is free without growing memory.
//!
//! **Lengths above 8 KiB are runs** of exactly the frames they need. Free runs are joined with their free
//! neighbours and found through a bitmap over bins of lengths. A run grows in place into free frames behind
//! it, or into new pages at the end of memory.
//!
//! **Nothing is kept that is needed elsewhere.** Slabs and runs that were freed are kept as they are for a
//! while, a bounded number of them, because they are usually wanted again. Before memory grows, all of them
//! are given up.
//!
//! **Metadata is out of reach.** Descriptors, cells and the frame map lie in runs of their own, behind a
//! guard of one unused frame: an overflow of a guest's block must be longer than 1 KiB before it can reach
//! the nearest metadata, and then only from the block right in front of it.
//!
//! **Other parties may grow the same memory.** Their pages are marked as foreign in the map, and no pointer
//! into them is ever accepted.
//!
//! The pages in `docs/` tell what was measured on the way.

#![no_std]
#![warn(missing_docs, clippy::undocumented_unsafe_blocks)]
#![cfg_attr(
    all(
        target_arch = "wasm32",
        target_feature = "atomics",
        not(target_os = "wasi")
    ),
    feature(stdarch_wasm_atomic_wait)
)]

// From the lowest layer to the highest: each knows those before it, and no other.
mod checked;
mod controller;
mod error;
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
#[cfg(feature = "surrealism")]
mod surrealism;

#[cfg(feature = "checked")]
pub use checked::mode::State;
#[cfg(feature = "checked")]
pub use checked::report::{Damage, Report, Usage};
pub use controller::{MemoryController, PageSlab};
pub use error::{Error, Result};
#[cfg(any(
    target_arch = "wasm32",
    all(any(unix, windows), target_pointer_width = "64")
))]
pub use global::{GlobalController, GlobalPageSlab, MisuseHandler, abi, report_and_trap};
#[cfg(target_arch = "wasm32")]
pub use memory::WasmMemory;
#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
pub use memory::reserved::ReservedMemory;
pub use memory::{LinearMemory, MAX_PAGES, PAGE};
