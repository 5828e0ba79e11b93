//! A guest of whose module each thread of JavaScript has an instance of its own, all in one shared memory.
//!
//! It does without std, which would ask of each thread that its thread-local variables are set up first.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod exports;
