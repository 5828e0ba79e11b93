//! `cargo xtask replay`: builds the modules in which `pageslab bench` replays a guest's calls (`tools/cli/replay`). They are the lab's
//! guest, one for each allocator, and are kept in the repository: whoever installs `pageslab` needs no target for WebAssembly.
//!
//! To be run when pageslab has become faster or slower, before a release, and when dlmalloc or talc have a new version.

use crate::{setup, step};
use anyhow::{Context as _, Result};
use std::{env, fs};

const TARGET: &str = "wasm32-unknown-unknown";

const ALLOCATORS: [&str; 3] = ["dlmalloc", "pageslab", "talc"];

pub fn run() -> Result<()> {
    if let Some(mut add) = setup::targets(&[TARGET]) {
        step::run("adding the target", &mut add).context(setup::NO_TARGETS)?;
    }
    let built = step::target().join("replay");
    // The panics in a module name source files. Nobody need know where these were.
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| home + "/.cargo"));
    let home = home.context("there is no home directory")?;
    let flags = format!(
        "-Cstrip=symbols --remap-path-prefix={home}/registry/src=registry --remap-path-prefix={}=.",
        step::root().display()
    );
    for allocator in ALLOCATORS {
        let mut cargo = step::cargo(&["build", "--profile", "lab", "--package", "lab-guest"]);
        cargo
            .args(["--lib", "--features", allocator, "--target", TARGET])
            .arg("--target-dir")
            .arg(&built)
            .env("RUSTFLAGS", &flags);
        step::run(&format!("building the module with {allocator}"), &mut cargo)?;
        let module = built.join(TARGET).join("lab/lab_guest.wasm");
        let kept = step::root().join("tools/cli/replay").join(allocator);
        let wasm =
            fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        fs::write(kept.with_extension("wasm"), wasm).context("cannot keep the module")?;
    }
    Ok(())
}
