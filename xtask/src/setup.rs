//! What has to be there first: std for the targets, a nightly toolchain with miri and the sources of std, and the runner.

use crate::step;
use anyhow::{Result, bail};
use std::process::Command;

/// Adds those of the targets that the toolchain lacks.
pub fn targets(names: &[&str]) -> Result<()> {
    let missing: Vec<_> = names
        .iter()
        .copied()
        .filter(|name| !has_target(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("rustup");
    command
        .args(["target", "add"])
        .args(&missing)
        .current_dir(step::root());
    if let Err(error) = step::run(&format!("adding {}", missing.join(" and ")), &mut command) {
        bail!(
            "the Rust targets {0} are missing and rustup did not add them ({error}).\n\
             Install rustup (https://rustup.rs) and run `rustup target add {0}`, or install your distribution's std for these targets.",
            missing.join(" ")
        );
    }
    Ok(())
}

/// Whether std for this target is installed, by rustup or otherwise.
fn has_target(name: &str) -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", name])
        .current_dir(step::root())
        .output();
    output.is_ok_and(|output| {
        let directory = String::from_utf8_lossy(&output.stdout);
        std::fs::read_dir(directory.trim()).is_ok_and(|mut files| files.next().is_some())
    })
}

/// Whether there is a nightly toolchain.
pub fn nightly() -> bool {
    step::succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]))
}

/// Whether there is one with miri, which is added if only the component is missing.
pub fn miri() -> bool {
    let quiet = |arguments: &[&str]| step::succeeds(Command::new("rustup").args(arguments));
    nightly()
        && (quiet(&["run", "nightly", "cargo", "miri", "--version"])
            || quiet(&[
                "component",
                "add",
                "miri",
                "rust-src",
                "--toolchain",
                "nightly",
            ]))
}

/// Builds the runner for wasm32-wasip1 executables.
pub fn runner() -> Result<()> {
    step::run(
        "building the wasm runner (the first time with wasmtime: about seven minutes on two cores)",
        &mut step::cargo(&[
            "build",
            "--release",
            "--package",
            "wasm-tests",
            "--bin",
            "wasm-runner",
        ]),
    )
}
