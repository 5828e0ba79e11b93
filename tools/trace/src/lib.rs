//! Recorded calls of an allocator: what one program asked for, in order, so that other allocators can be asked the same.
//!
//! [`Trace`] and [`Encoder`] are the format of a file, which `format` tells; [`Step`] and [`Packed`] are what a replay follows.

mod format;
mod step;

pub use format::{Encoder, Op, Trace, TraceError};
pub use step::{MAX_SLOTS, Packed, Step};
