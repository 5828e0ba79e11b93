//! What checked mode asks of the layers below it, in one place: slack behind blocks, a pattern in free memory, and room for a
//! history. Without the feature `checked` all of it is nothing, to the last byte.
//!
//! The mode itself is in `checked`, above the heap.

use crate::memory::{LinearMemory, PAGE};

/// Whether the mode is on.
pub(crate) const CHECKED: bool = cfg!(feature = "checked");

/// The least number of bytes between the end of a block and the end of its slot or run.
pub(crate) const SLACK: u32 = if CHECKED { 8 } else { 0 };

/// What memory that is nobody's is filled with. Odd, so that no aligned pointer is made of it, and no letter.
pub(crate) const PATTERN: u8 = 0xA5;

/// What is known of the block that has some memory, or had it last. Nothing, unless the mode is on. All bytes are zero if
/// nobody had it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct History([Past; CHECKED as usize]);

/// Who had some memory.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Past {
    /// One more than the length that was asked for last, or 0 if there was no block.
    len_and_one: u32,
    /// The tag of who allocated it, and of who freed it.
    pub(crate) allocated_by: u16,
    pub(crate) freed_by: u16,
}

impl Past {
    pub(crate) const fn new(len: u32, allocated_by: u16, freed_by: u16) -> Self {
        Self {
            len_and_one: len + 1,
            allocated_by,
            freed_by,
        }
    }

    /// The length that was asked for last.
    pub(crate) const fn len(&self) -> u32 {
        self.len_and_one - 1
    }
}

impl History {
    /// That of memory that had no block.
    #[cfg(feature = "checked")]
    pub(crate) const NONE: Self = Self(
        [Past {
            len_and_one: 0,
            allocated_by: 0,
            freed_by: 0,
        }; CHECKED as usize],
    );

    pub(crate) const fn new(past: Past) -> Self {
        Self([past; CHECKED as usize])
    }

    /// Who had the memory, if anybody had.
    pub(crate) fn past(&self) -> Option<Past> {
        let past = self.0.first().copied();
        past.filter(|past| past.len_and_one != 0)
    }
}

/// Fills memory that is nobody's, if the mode is on.
pub(crate) fn fill<M: LinearMemory>(memory: &M, ptr: u32, len: u64) {
    if CHECKED {
        // New pages may be more than what one pointer reaches.
        for at in (0..len).step_by(PAGE as usize) {
            let piece = (len - at).min(PAGE.into()) as usize;
            let address = memory.address(ptr + at as u32);
            // SAFETY: callers name memory of their heap that is no metadata and no live block's, or not any more.
            unsafe { address.write_bytes(PATTERN, piece) };
        }
    }
}

/// Whether nobody wrote to memory that is nobody's, if the mode is on.
pub(crate) fn is_clean<M: LinearMemory>(memory: &M, ptr: u32, len: u32) -> bool {
    !CHECKED
        || (ptr..ptr + len).all(|ptr| {
            // SAFETY: callers name memory of their heap that is no metadata and no live block's. It was filled.
            let byte = unsafe { memory.address(ptr).read() };
            byte == PATTERN
        })
}
