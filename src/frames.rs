//! Frames: what each part of linear memory is. From the map of single frames to runs of free ones, and to new pages.
//!
//! A *frame* is 1 KiB, 64 to a page. Of slabs this layer knows what the map keeps for each of their frames.

pub(crate) mod bins;
mod bitmap;
pub(crate) mod entry;
pub(crate) mod growth;
pub(crate) mod map;
pub(crate) mod runs;
