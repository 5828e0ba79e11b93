//! What has to be there first: std for the targets, and a nightly toolchain with Miri and the sources of std.

use crate::step;
use std::process::Command;

/// The command that adds those of the targets that the toolchain lacks, if it lacks any.
pub fn targets(names: &[&str]) -> Option<Command> {
    let missing: Vec<_> = names.iter().filter(|name| !has_target(name)).collect();
    if missing.is_empty() {
        return None;
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add"]).args(missing);
    add.current_dir(step::root());
    Some(add)
}

/// What to do where that fails.
pub const NO_TARGETS: &str = "Rust's std for some targets is missing, and rustup did not add it. \
    Install rustup (https://rustup.rs), or your distribution's std for these targets.";

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
fn nightly() -> bool {
    step::succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]))
}

/// Whether there is one with the sources of std, which are added if only these are missing.
pub fn nightly_source() -> bool {
    nightly_with(&["rust-src"])
}

/// The same with Miri.
pub fn miri() -> bool {
    nightly_with(&["miri", "rust-src"])
}

fn nightly_with(components: &[&str]) -> bool {
    let mut add = Command::new("rustup");
    add.args(["component", "add", "--toolchain", "nightly"])
        .args(components);
    nightly() && (has(components) || step::succeeds(&mut add) && has(components))
}

fn has(components: &[&str]) -> bool {
    let list = Command::new("rustup")
        .args(["component", "list", "--installed", "--toolchain", "nightly"])
        .output();
    list.is_ok_and(|list| {
        let names = String::from_utf8_lossy(&list.stdout);
        let is_there = |component: &&str| names.lines().any(|name| name.starts_with(*component));
        components.iter().all(is_there)
    })
}

/// The command that builds the runner for wasm32-wasip1 executables.
pub fn runner() -> Command {
    step::cargo(&[
        "build",
        "--release",
        "--package",
        "wasm-tests",
        "--bin",
        "wasm-runner",
    ])
}
