//! The size of the code: a module with nothing but an allocator and three functions that call it (`lab/size`),
//! after `wasm-opt -Oz`.

use crate::modules::{cargo_build, features_of};
use crate::results::Size;
use anyhow::{Context, Result, ensure};
use lab_toolchain::{lab, on_path, run};
use std::path::PathBuf;
use std::process::Command;

/// The version from npm: the figures depend on it a little.
const BINARYEN: &str = "binaryen@132.0.0";

/// The size of each allocator's module, in bytes; `empty` is one that refuses everything.
pub fn measure(names: &[&str]) -> Vec<Size> {
    let optimizer = optimizer();
    let outcome = |name: &str| match &optimizer {
        Ok(optimizer) => size(name, optimizer).map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("{error:#}")),
    };
    names
        .iter()
        .map(|&name| Size {
            allocator: name.to_string(),
            outcome: outcome(name),
        })
        .collect()
}

fn size(name: &str, optimizer: &PathBuf) -> Result<u64> {
    ensure!(
        !in_c(name),
        "written in C: it needs wasi-libc, which is not in such a module"
    );
    let features = features_of(name, false);
    let module = cargo_build(
        &[
            "--quiet",
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
    eprintln!(
        "==> fetching wasm-opt (binaryen, from npm) into {}",
        directory.display()
    );
    let npm =
        on_path("npm").context("there is neither wasm-opt (binaryen) nor npm to fetch it with")?;
    std::fs::create_dir_all(&directory)?;
    run(Command::new(npm)
        .args(["install", "--no-save", "--prefix"])
        .arg(&directory)
        .arg(BINARYEN))
    .context("npm cannot fetch wasm-opt (binaryen)")?;
    Ok(program)
}
