//! A guest with one `PageSlab`, on which its host calls whatever it wants.
//!
//! The guest's own collections live on std's default allocator, which calls `memory.grow` too: a
//! foreign party in the same memory. `exports.rs` has the module's exports; this file has what
//! crosses the border, for both sides.

#[cfg(target_arch = "wasm32")]
mod exports;

/// Why the controller refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    OutOfMemory,
    InvalidAlignment,
    InvalidPointer,
    LengthMismatch,
    DoubleFree,
}

/// All refusals; each has its place here, from 1 on, as its code.
const CODES: [Refusal; 5] = [
    Refusal::OutOfMemory,
    Refusal::InvalidAlignment,
    Refusal::InvalidPointer,
    Refusal::LengthMismatch,
    Refusal::DoubleFree,
];

/// One word for a call's result: a pointer in the lower half, or a refusal's code in the upper one.
pub fn pack(result: Result<u32, Refusal>) -> u64 {
    match result {
        Ok(ptr) => u64::from(ptr),
        Err(refusal) => (refusal as u64 + 1) << 32,
    }
}

/// The result that was packed into this word.
///
/// # Panics
///
/// If [`pack`] does not make this word of anything.
pub fn unpack(word: u64) -> Result<u32, Refusal> {
    match (word >> 32) as usize {
        0 => Ok(word as u32),
        code => Err(CODES[code - 1]),
    }
}
