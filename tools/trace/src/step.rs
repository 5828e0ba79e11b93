//! A script: what is done, step by step, as plain words that a host can write into a guest's memory.

use crate::Op;

/// One step of a script. A *slot* is a place in a table of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Alloc { slot: u32, size: u32, align: u32 },
    Realloc { slot: u32, size: u32 },
    Free { slot: u32 },
}

/// A [`Step`] in two words: kind in bits 30 and 31, log2 of the alignment in bits 25 to 29, slot below; and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Packed(u32, u32);

/// The most slots that a script can have.
pub const MAX_SLOTS: u32 = 1 << ALIGN_SHIFT;

const KIND_SHIFT: u32 = 30;
const ALIGN_SHIFT: u32 = 25;
const SLOT: u32 = (1 << ALIGN_SHIFT) - 1;

impl From<Step> for Packed {
    fn from(step: Step) -> Self {
        match step {
            Step::Alloc { slot, size, align } => Self(slot | align.ilog2() << ALIGN_SHIFT, size),
            Step::Realloc { slot, size } => Self(slot | 1 << KIND_SHIFT, size),
            Step::Free { slot } => Self(slot | 2 << KIND_SHIFT, 0),
        }
    }
}

impl From<Packed> for Step {
    #[inline(always)]
    fn from(Packed(what, size): Packed) -> Self {
        let slot = what & SLOT;
        match what >> KIND_SHIFT {
            0 => Self::Alloc {
                slot,
                size,
                align: 1 << (what >> ALIGN_SHIFT),
            },
            1 => Self::Realloc { slot, size },
            _ => Self::Free { slot },
        }
    }
}

impl Packed {
    /// The words, as a guest has them in its memory.
    #[must_use]
    pub fn words(self) -> [u32; 2] {
        [self.0, self.1]
    }
}

impl From<Op> for Step {
    fn from(op: Op) -> Self {
        match op {
            Op::Alloc { id, size, align } => Self::Alloc {
                slot: id,
                size,
                align,
            },
            Op::Realloc { id, new_size } => Self::Realloc {
                slot: id,
                size: new_size,
            },
            Op::Free { id } => Self::Free { slot: id },
        }
    }
}
