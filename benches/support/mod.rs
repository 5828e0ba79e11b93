//! What the benchmarks share: the allocators, the workloads, and the traces.

#![allow(dead_code, reason = "each bench uses its part")]

pub mod allocators;
mod limit;
mod memory;
mod trace;
mod traces;
pub mod workloads;
