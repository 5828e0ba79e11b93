//! A guest of SurrealDB's host for WASI modules: repeats a list of strings, through upstream's `Transfer`.

use anyhow::Result;
use pageslab::GlobalPageSlab;
use surrealism_types::transfer::{Ptr, Transfer};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(surrealism);

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Hosts call this first. Without it, every call of an export would set up the C library again.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once.
    unsafe { __wasm_call_ctors() }
}

/// Takes a list that the host has transferred, and transfers the answer. 0 if the list cannot be read.
#[unsafe(no_mangle)]
extern "C" fn twice(list: u32) -> u32 {
    answer(list).map_or(0, u32::from)
}

fn answer(list: u32) -> Result<Ptr> {
    // SAFETY: the host has allocated the list with `__sr_alloc`, and hands it over.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let words: Vec<String> = Vec::receive(list.into(), &mut controller)?;
    let twice: Vec<String> = words.iter().chain(&words).cloned().collect();
    twice.transfer(&mut controller)
}
