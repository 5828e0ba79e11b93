//! The host side of `pageslab`'s tests: what it takes to run a WebAssembly guest and to say what
//! the run cost. The `wasm-runner` binary is its command line.

// Cargo's runner for wasm32-wasip1 is this crate, run by another Cargo. That one must build it for
// the host, and would not if the first were told its target by the environment they share.
#[cfg(target_family = "wasm")]
compile_error!(
    "`wasm-tests` runs on the host: unset CARGO_BUILD_TARGET, and use `--target` instead"
);

#[cfg(not(target_family = "wasm"))]
pub mod guest;
#[cfg(not(target_family = "wasm"))]
pub mod modules;
