//! What the tests share: memories that follow a script, a model of the heap, and random numbers that repeat.
#![allow(dead_code, unused_imports, reason = "each file of tests uses a part")]

mod memory;
mod model;
mod pattern;
mod random;

pub use memory::{Scripted, memory};
pub use model::Model;
pub use random::Random;

/// Bytes in a page of linear memory.
pub const PAGE: u32 = pageslab::PAGE;

/// Bytes in a frame, the unit of which runs are made.
pub const FRAME: u32 = 1024;

/// The longest length that is a slot of a slab.
pub const MAX_SLOT: u32 = 8192;

/// The bytes that an allocation of this length occupies: those of its slot, or of the frames of its run.
pub fn room(len: u32) -> u32 {
    match len {
        0..=16 => 16,
        // Eight classes in steps of 16, then four per doubling.
        17..=128 => len.next_multiple_of(16),
        129..=MAX_SLOT => len.next_multiple_of((len - 1).next_power_of_two() / 8),
        _ => len.next_multiple_of(FRAME),
    }
}

/// The lengths of all slots.
pub fn slot_sizes() -> Vec<u32> {
    let mut sizes: Vec<_> = (1..=MAX_SLOT).map(room).collect();
    sizes.dedup();
    sizes
}

/// As many rounds as given, or as few as Miri finishes in time.
pub const fn rounds(natively: u32, under_miri: u32) -> u32 {
    if cfg!(miri) { under_miri } else { natively }
}

/// The message with which `call` panics.
#[cfg(panic = "unwind")]
pub fn panic_message(call: impl FnOnce()) -> String {
    let payload =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("this must panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or("no message")
            .to_owned(),
    }
}
