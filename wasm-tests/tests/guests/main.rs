//! Guests for `wasm32-unknown-unknown`, and the hosts that drive them, use them up and abuse them.
//!
//! `module.rs` builds the guests (`wasm-tests/guests`) and instantiates them; `controller.rs` is a
//! host's view of the guest that has a memory controller. The other files are tests.

mod collections;
mod constant_time;
mod controller;
mod exhaustion;
mod freed_blocks;
mod global_misuse;
mod limits;
mod module;
mod mut_mem;
mod rubbish;
