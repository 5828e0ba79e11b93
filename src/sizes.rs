//! Sizes: the constants of which a heap is made, and the size classes. The lowest layer: it knows no memory.

pub(crate) mod class;
pub(crate) mod geometry;
