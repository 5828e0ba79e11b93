//! All tests.

use crate::{setup, step};
use anyhow::Result;

/// Linear memory for the tests that fill it, in pages: 256 MiB. The host then refuses `memory.grow` long before 4 GiB.
const SMALL_MEMORY: &str = "4096";

pub fn run() -> Result<()> {
    setup::targets(&["wasm32-wasip1", "wasm32-unknown-unknown"])?;
    step::run("tests, native", &mut step::cargo(&["test"]))?;
    setup::runner()?;
    step::run(
        "tests, wasm32-wasip1 under wasmtime",
        &mut step::cargo(&["test", "--target", "wasm32-wasip1"]),
    )?;
    step::run(
        "a full memory, wasm32-wasip1 in 256 MiB",
        step::cargo(&["test", "--target", "wasm32-wasip1", "--test", "full_memory"])
            .env("WASM_MAX_MEMORY_PAGES", SMALL_MEMORY),
    )?;
    step::run(
        "guests driven by a host",
        &mut step::cargo(&["test", "--release", "--package", "wasm-tests"]),
    )?;
    if setup::miri() {
        // The suite's other files take Miri many minutes each.
        let tests = ["+nightly", "miri", "test", "--lib", "--test", "controller"];
        step::run("tests under miri", &mut step::cargo(&tests))?;
    } else {
        eprintln!(
            "\n==> SKIPPED: the tests under miri. They need a nightly toolchain: rustup toolchain install nightly --component miri,rust-src"
        );
    }
    Ok(())
}
