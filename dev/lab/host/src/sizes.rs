//! The size of the code, in three kinds of modules: one with nothing but an allocator and three functions that call it
//! (`dev/lab/size`), after `wasm-opt -Oz`; the guest with the whole programs; and a small program that counts words (`dev/lab/words`).

use crate::modules::{cargo_build, environments, features_of};
use crate::progress::step;
use crate::results::{Module, Size};
use anyhow::{Context, Result};
use lab_toolchain::size::{SMALLEST, optimized, stripped, wasm_opt};
use std::path::Path;

/// The profiles with which the word counter is built.
const WORDS: [(Module, &str); 2] = [(Module::Words, "lab"), (Module::SmallWords, "small")];

/// What no feature chooses: std's default allocator.
const DEFAULT: &str = "wasi-libc";

/// The size of each allocator's smallest module. Those in C need wasi-libc, and rusty_alloc needs
/// std, neither of which is in such a module: they have none.
/// An error if nothing can be measured, for want of `wasm-opt`.
pub fn smallest(names: &[&str]) -> Result<Vec<Size>> {
    let wasm_opt = wasm_opt()?;
    let names = names.iter().filter(|name| !needs_more(name));
    let sizes = names.map(|&name| {
        let build = || {
            let features = features_of(name, false);
            let arguments = [&SMALLEST[..], &["--features", &features]].concat();
            optimized(&wasm_opt, &cargo_build(&arguments, &[])?, name)
        };
        sized(name, Module::Smallest, 0, build())
    });
    Ok(sizes.collect())
}

/// The size of each allocator's module with the whole programs.
pub fn programs(modules: &[(&str, &Path)]) -> Vec<Size> {
    let sizes = modules
        .iter()
        .map(|(name, module)| sized(name, Module::Programs, 0, stripped(module)));
    sizes.collect()
}

/// The size of the word counter in each allocator, and with std's default one. An error if that has none.
pub fn words(names: &[&str]) -> Result<Vec<Size>> {
    let environment = environments();
    let mut sizes = Vec::new();
    for (module, profile) in WORDS {
        step(&format!("the word counter, with profile {profile}"));
        let build = |name: &str| {
            let features = features_of(name, false);
            let mut arguments = vec!["--profile", profile, "--package", "lab-words"];
            arguments.extend(["--target", "wasm32-wasip1", "--features", &features]);
            stripped(&cargo_build(&arguments, &environment(name)?)?)
        };
        let default = build(DEFAULT).context("with std's default allocator")?;
        sizes.extend(
            names
                .iter()
                .map(|name| sized(name, module, default, build(name))),
        );
    }
    Ok(sizes)
}

fn sized(allocator: &str, module: Module, default: u64, bytes: Result<u64>) -> Size {
    Size {
        allocator: allocator.into(),
        module,
        default,
        outcome: bytes.map_err(|error| format!("{error:#}")),
    }
}

/// Whether it needs a C library, or std.
fn needs_more(name: &str) -> bool {
    name.starts_with("mimalloc") || [DEFAULT, "rusty-alloc"].contains(&name)
}
