//! Slabs: runs of frames that are cut into slots of one size class. This layer knows one slab at a time, and no map.

pub(crate) mod shape;
pub(crate) mod slab;
