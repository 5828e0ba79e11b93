//! A guest whose global allocator is pageslab, and which works with std's collections.
//!
//! Each workload takes a seed and a size and returns a checksum of what its collections held. It
//! depends on no addresses, capacities, hash seeds or widths of `usize`, so the host, which has
//! this crate as a library, gets the same one natively from the system's allocator. The module has
//! more exports: see `allocator.rs`.

#[cfg(target_arch = "wasm32")]
mod allocator;
mod checksum;
mod random;
mod workloads;

pub use random::Random;
pub use workloads::{WORKLOADS, Workload};
