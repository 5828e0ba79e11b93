//! The host side of `pageslab`'s tests.
//!
//! `guest` runs WASI commands and says what the run cost; the `wasm-runner` binary is its command line. `host` is how an
//! embedder works with a guest's memory. `modules` builds the guests, and `wasi` is what a store of a component holds.

// Cargo's runner for wasm32-wasip1 is this crate, run by another Cargo. That one must build it for
// the host, and would not if the first were told its target by the environment they share.
#[cfg(target_family = "wasm")]
compile_error!(
    "`wasm-tests` runs on the host: unset CARGO_BUILD_TARGET, and use `--target` instead"
);

#[cfg(not(target_family = "wasm"))]
pub mod guest;
#[cfg(not(target_family = "wasm"))]
pub mod host;
#[cfg(not(target_family = "wasm"))]
pub mod modules;
#[cfg(not(target_family = "wasm"))]
pub mod wasi;
