//! What an input is: a heap's surroundings, and what a guest, a host and another party do then.
//!
//! Numbers that name a block are taken modulo how many there are, and lengths are mostly short or beside a bound, so that
//! most inputs mean something. Knows no heap.

use crate::support::{FRAME, MAX_SLOT, PAGE};
use arbitrary::Arbitrary;
use pageslab::MAX_PAGES;

#[derive(Arbitrary, Debug)]
pub struct Input {
    /// The heap's limit, in pages.
    pub limit: u8,
    pub place: Place,
    /// How many pages the foreign party grows with each grow of the heap: after it, or before it.
    pub foreign: u8,
    pub foreign_is_first: bool,
    pub operations: Vec<Operation>,
}

/// Where in memory the heap begins, behind the foreign party's pages.
#[derive(Arbitrary, Debug)]
pub enum Place {
    Front,
    Behind(u8),
    /// Where offsets become negative for those who take them for signed.
    Middle(u8),
    /// So many pages before the end.
    End(u8),
}

#[derive(Arbitrary, Debug)]
pub enum Operation {
    /// Allocates one block, or several alike.
    Alloc {
        len: Len,
        align: Align,
        is_zeroed: bool,
        count: u8,
    },
    Free {
        block: u16,
    },
    /// Frees every so manieth block, from the first or the last on.
    FreeEvery {
        step: u8,
        is_backwards: bool,
    },
    Realloc {
        block: u16,
        len: Len,
    },
    /// Reallocates a block to a length near its own, again and again.
    Creep {
        block: u16,
        by: i16,
        times: u8,
    },
    /// Writes to a block.
    Write {
        block: u16,
    },
    /// Asks for bytes, of one block or of none.
    MutMem {
        pointer: Pointer,
        len: WrongLen,
    },
    /// Asks for a block's length.
    LenAt {
        pointer: Pointer,
    },
    /// Frees, if that is wrong.
    WrongFree {
        pointer: Pointer,
        len: WrongLen,
    },
    /// Reallocates, if that is wrong.
    WrongRealloc {
        pointer: Pointer,
        len: WrongLen,
        new_len: Len,
    },
    /// Frees or reallocates a block with an alignment that it does not have.
    Misalign {
        block: u16,
        align: Align,
    },
    /// Memory refuses the `n`-th grow from now on, and perhaps all that follow; or no more, for 0.
    Refuse {
        n: u8,
        all: bool,
    },
    ForeignGrow {
        pages: u8,
    },
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Len {
    Short(u8),
    Slot(u16),
    /// Beside a multiple of a granule, a frame or a page.
    Granules(u16, Beside),
    Frames(u8, Beside),
    Pages(u8, Beside),
    Any(u32),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Beside {
    Below,
    At,
    Above,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Align {
    /// A power of two, up to a page.
    Valid(u8),
    /// One of those that no interface takes.
    Invalid(u8),
    None,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Pointer {
    /// So far from a live block.
    Near(u16, i16),
    /// As far from it as its length.
    End(u16),
    /// What was returned at some time.
    Returned(u16),
    Frame(u16),
    Any(u32),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum WrongLen {
    /// The length of the block that the pointer is of or near.
    Same,
    Off(i8),
    /// That of the whole slot.
    Room,
    Of(Len),
    Max,
}

impl Len {
    pub fn get(self) -> u32 {
        match self {
            Self::Short(len) => len.into(),
            Self::Slot(len) => u32::from(len) % (MAX_SLOT + 2),
            Self::Granules(count, beside) => beside.of(16 * (1 + u32::from(count) % 512)),
            Self::Frames(count, beside) => beside.of(FRAME * (1 + u32::from(count) % 100)),
            Self::Pages(count, beside) => beside.of(PAGE * (1 + u32::from(count) % 8)),
            Self::Any(len) => len,
        }
    }
}

impl Beside {
    fn of(self, len: u32) -> u32 {
        match self {
            Self::Below => len - 1,
            Self::At => len,
            Self::Above => len + 1,
        }
    }
}

impl Align {
    pub fn get(self) -> u32 {
        const INVALID: [u32; 6] = [0, 3, 48, 65_537, 1 << 17, 1 << 31];
        match self {
            Self::Valid(shift) => 1 << (shift % 17),
            Self::Invalid(index) => INVALID[usize::from(index) % INVALID.len()],
            Self::None => 1,
        }
    }
}

impl Place {
    /// How many pages the foreign party has.
    pub fn pages(&self) -> u32 {
        match *self {
            Self::Front => 0,
            Self::Behind(pages) => pages.into(),
            Self::Middle(pages) => (MAX_PAGES / 2).saturating_sub(pages.into()),
            Self::End(pages) => MAX_PAGES - u32::from(pages % 64),
        }
    }
}
