//! All tests.

use crate::{exhaustive, fuzz, setup, step, suites, unsafe_code};
use anyhow::Result;
use std::process::Command;

/// The targets of guests that the tests build.
const GUEST_TARGETS: [&str; 4] = [
    "wasm32-unknown-unknown",
    "wasm32-wasip1",
    "wasm32-wasip1-threads",
    "wasm32-wasip2",
];

/// Other systems, for which the crate must compile.
const OTHER_SYSTEMS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

/// The features under test. `surrealism` is tested in guests, which need more.
const FEATURES: &str = "allocator-api2";

/// Features that change what the allocator does, and the files of tests that say whether it still does what it must.
const MODES: [(&str, &[&str]); 2] = [
    (
        "checked",
        &[
            "allocator_api",
            "boundaries",
            "checked",
            "controller",
            "exhaustion",
            "global",
            "misuse",
            "misuse_handler",
            "model",
            "threads",
        ],
    ),
    (
        "zero-on-free",
        &["controller", "misuse", "model", "threads", "zero_on_free"],
    ),
];

/// The same for wasm32-wasip1: what is in a test of the mode's own, and what may differ there.
const MODES_OF_GUESTS: [(&str, &[&str]); 2] = [
    ("checked", &["checked", "global", "misuse"]),
    ("zero-on-free", &["zero_on_free"]),
];

/// Linear memory for the tests that fill it, in pages: 256 MiB. The host then refuses `memory.grow` long before 4 GiB.
const SMALL_MEMORY: &str = "4096";

pub fn run() -> Result<()> {
    setup::targets(&GUEST_TARGETS)?;
    step::run(
        "tests, native",
        &mut step::cargo(&["test", "--features", FEATURES]),
    )?;
    for (mode, tests) in MODES {
        step::run(
            &format!("tests of {mode}, native"),
            &mut of_mode(mode, tests),
        )?;
        step::run(
            &format!("examples of {mode}, native"),
            &mut step::cargo(&["test", "--features", &features_of(mode), "--doc"]),
        )?;
    }
    setup::runner()?;
    for (mode, tests) in MODES_OF_GUESTS {
        step::run(
            &format!("tests of {mode}, wasm32-wasip1 under wasmtime"),
            of_mode(mode, tests).args(["--target", "wasm32-wasip1"]),
        )?;
    }
    step::run(
        "tests, wasm32-wasip1 under wasmtime",
        &mut step::cargo(&["test", "--features", FEATURES, "--target", "wasm32-wasip1"]),
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
    step::run(
        "C and C++ guests, and their functions natively",
        &mut step::cargo(&["test", "--release", "--package", "pageslab-c"]),
    )?;
    suites::run()?;
    exhaustive::run()?;
    fuzz::run(&fuzz::Options::default())?;
    unsafe_code::run()?;
    step::run(
        "the lock in every interleaving of a few threads",
        &mut step::cargo(&["test", "--release", "--package", "lock-check"]),
    )?;
    compile_elsewhere()?;
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

/// The tests of a mode.
fn of_mode(mode: &str, tests: &[&str]) -> Command {
    let mut cargo = step::cargo(&["test", "--features", &features_of(mode), "--lib"]);
    for test in tests {
        cargo.args(["--test", test]);
    }
    cargo
}

fn features_of(mode: &str) -> String {
    format!("{FEATURES},{mode}")
}

/// Where nothing can be run here: other systems, and the target feature `atomics`, for which std must be built.
fn compile_elsewhere() -> Result<()> {
    setup::targets(&OTHER_SYSTEMS)?;
    for target in OTHER_SYSTEMS {
        let check = ["check", "--package", "pageslab", "--features", FEATURES];
        let mut cargo = step::cargo(&check);
        step::run(
            &format!("compiling for {target}"),
            cargo.args(["--target", target]),
        )?;
    }
    if !setup::miri() {
        eprintln!(
            "\n==> SKIPPED: compiling for wasm32-unknown-unknown with atomics, which needs nightly"
        );
        return Ok(());
    }
    let check = ["+nightly", "check", "--package", "pageslab"];
    step::run(
        "compiling for wasm32-unknown-unknown with atomics",
        step::cargo(&check)
            .args([
                "--target",
                "wasm32-unknown-unknown",
                "-Zbuild-std=core,alloc",
            ])
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
                "-Ctarget-feature=+atomics",
            ),
    )
}
