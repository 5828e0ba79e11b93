//! The size of the code: a module with nothing but an allocator and three functions that call it (`lab/size`),
//! after `wasm-opt -Oz`.

use crate::modules::{cargo_build, features_of};
use crate::progress::step;
use crate::results::Size;
use anyhow::{Context, Result};
use lab_toolchain::{fetch, lab, on_path, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version from npm: the figures depend on it a little.
const BINARYEN: &str = "binaryen@132.0.0";

/// The size of each allocator's module, in bytes. Those in C need wasi-libc, which is not in such a module, and have none.
/// An error if nothing can be measured, for want of `wasm-opt`.
pub fn measure(names: &[&str]) -> Result<Vec<Size>> {
    let optimizer = optimizer()?;
    let names = names.iter().filter(|name| !in_c(name));
    let sizes = names.map(|&name| Size {
        allocator: name.to_string(),
        outcome: size(name, &optimizer).map_err(|error| format!("{error:#}")),
    });
    Ok(sizes.collect())
}

fn size(name: &str, optimizer: &Path) -> Result<u64> {
    let features = features_of(name, false);
    let module = cargo_build(
        &[
            "--profile",
            "size",
            "--package",
            "lab-size",
            "--target",
            "wasm32-unknown-unknown",
            "--features",
            &features,
        ],
        &[],
    )?;
    let directory = lab("sizes");
    std::fs::create_dir_all(&directory)?;
    let small = directory.join(format!("{name}.wasm"));
    run(Command::new(optimizer)
        .arg("-Oz")
        .arg(module)
        .arg("-o")
        .arg(&small))?;
    Ok(small.metadata()?.len())
}

fn in_c(name: &str) -> bool {
    name.starts_with("mimalloc") || name == "wasi-libc"
}

/// `wasm-opt`: the one that is there, or npm's.
fn optimizer() -> Result<PathBuf> {
    if let Some(installed) = on_path("wasm-opt") {
        return Ok(installed);
    }
    let directory = lab("binaryen");
    let program = directory.join("node_modules/.bin/wasm-opt");
    if program.is_file() {
        return Ok(program);
    }
    let npm =
        on_path("npm").context("there is neither wasm-opt (binaryen) nor npm to fetch it with")?;
    step("fetching wasm-opt (binaryen, from npm)");
    std::fs::create_dir_all(&directory)?;
    fetch(
        Command::new(npm)
            .args(["install", "--no-save", "--no-audit", "--no-fund"])
            .args(["--fetch-retries=1", "--prefix"])
            .arg(&directory)
            .arg(BINARYEN),
    )
    .context("npm cannot fetch wasm-opt (binaryen)")?;
    Ok(program)
}
