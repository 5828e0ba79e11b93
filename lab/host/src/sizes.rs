//! The size of the code: a module with nothing but an allocator and three functions that call it (`lab/size`),
//! after `wasm-opt -Oz`.

use crate::modules::{cargo_build, features_of};
use crate::results::Size;
use anyhow::Result;
use lab_toolchain::size::{SMALLEST, optimized, wasm_opt};
use std::path::Path;

/// The size of each allocator's module, in bytes. Those in C need wasi-libc, which is not in such a module, and have none.
/// An error if nothing can be measured, for want of `wasm-opt`.
pub fn measure(names: &[&str]) -> Result<Vec<Size>> {
    let wasm_opt = wasm_opt()?;
    let names = names.iter().filter(|name| !in_c(name));
    let sizes = names.map(|&name| Size {
        allocator: name.to_string(),
        outcome: size(name, &wasm_opt).map_err(|error| format!("{error:#}")),
    });
    Ok(sizes.collect())
}

fn size(name: &str, wasm_opt: &Path) -> Result<u64> {
    let features = features_of(name, false);
    let arguments = [&SMALLEST[..], &["--features", &features]].concat();
    optimized(wasm_opt, &cargo_build(&arguments, &[])?, name)
}

fn in_c(name: &str) -> bool {
    name.starts_with("mimalloc") || name == "wasi-libc"
}
