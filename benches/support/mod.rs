//! What the benchmarks share: the allocators, the workloads, and the traces.

pub mod allocators;
mod limit;
mod memory;
mod trace;
mod traces;
pub mod workloads;
