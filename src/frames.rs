//! Frames: what each part of linear memory is. From the map of single frames to runs of free ones, and to new pages.
//!
//! A *frame* is 1 KiB, 64 to a page. This layer knows the slabs only as numbers that the map keeps for them.

pub(crate) mod bins;
mod bitmap;
pub(crate) mod entry;
pub(crate) mod growth;
pub(crate) mod map;
pub(crate) mod runs;
