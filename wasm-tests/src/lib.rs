//! The host side of `pageslab`'s tests: what it takes to run a WebAssembly guest and to say what
//! the run cost. The `wasm-runner` binary is its command line.

pub mod guest;
