//! The heap: slabs of each class, long blocks, and what a pointer is. Everything but the public types, and checked mode.

mod check;
mod find;
mod long;
mod realloc;
mod slots;
mod snapshot;
mod state;
mod stats;
#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(any(miri, feature = "checked", pageslab_geometry = "tiny"))
))]
mod tests;

pub(crate) use find::NoBytes;
pub(crate) use state::Heap;
pub use stats::{ClassStats, Stats};
