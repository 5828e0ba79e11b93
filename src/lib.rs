#![no_std]
mod check;
mod class;
mod controller;
mod error;
mod map;
mod memory;
mod runs;
mod slab;
pub use controller::{MemoryController, PageSlab};
pub use error::{Error, Result};
#[cfg(target_arch = "wasm32")]
pub use memory::WasmMemory;
pub use memory::{LinearMemory, MAX_PAGES, PAGE};
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
mod global;
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
pub use global::GlobalPageSlab;
#[cfg(unix)]
mod reserved;
#[cfg(unix)]
pub use reserved::ReservedMemory;
