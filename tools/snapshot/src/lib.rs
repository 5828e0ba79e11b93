//! Snapshots of the heaps of guests that have [pageslab](https://docs.rs/pageslab) as their allocator.
//!
//! A [`Snapshot`] has every run and slab of a heap, and the length of every block. It comes from one of two places:
//!
//! - the guest writes it (`PageSlab::snapshot`), and [`Snapshot::decode`] reads what it wrote;
//! - a host reads it straight out of the guest's memory, with [`Snapshot::read`]: the guest has the line
//!   `pageslab::export_abi!(snapshot);`, and need not run. So this works with an instance that trapped, was stopped, or is poisoned.
//!
//! Nothing is believed: any bytes give an [`Error`], or a heap whose parts fit together.
//!
//! ```
//! use pageslab::{MemoryController, PageSlab, ReservedMemory};
//! use pageslab_snapshot::{Diff, Snapshot};
//!
//! let mut heap = PageSlab::new(ReservedMemory::new(256));
//! let take = |heap: &PageSlab<_>| {
//!     let mut bytes = vec![0; heap.snapshot(&mut []).unwrap()];
//!     heap.snapshot(&mut bytes).unwrap();
//!     Snapshot::decode(&bytes).unwrap()
//! };
//! let before = take(&heap);
//! heap.alloc(100)?;
//! heap.alloc(100)?;
//! let diff = Diff::new(&before, &take(&heap));
//! assert_eq!((diff.added[0].len, diff.added[0].blocks), (100, 2));
//! # Ok::<(), pageslab::Error>(())
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod bytes;
mod decode;
mod diff;
mod encode;
mod memory;
mod summary;

pub use diff::{Change, Diff, Group};
pub use memory::GuestMemory;
pub use summary::{ClassSummary, Summary};

use bitvec::array::BitArray;
use bitvec::order::Lsb0;
use serde::Serialize;
use std::ops::Range;

/// Bytes in a page of linear memory.
pub const PAGE: u64 = 65_536;

/// A set of slots of one slab: bit `i` is slot `i`. (On targets with 32 bits, such as wasm32, there are no sets of longer words.)
pub type Slots = BitArray<[u32; 2], Lsb0>;

pub(crate) fn slots(word: u64) -> Slots {
    Slots::new([word as u32, (word >> 32) as u32])
}

pub(crate) fn word(slots: Slots) -> u64 {
    let [low, high] = slots.into_inner();
    u64::from(high) << 32 | u64::from(low)
}

/// A heap at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Whether the guest was built with checked mode: only then there are histories.
    pub is_checked: bool,
    /// Whether a call was stopped in the midst of a change. Then some runs may be [`What::Unknown`].
    pub is_poisoned: bool,
    /// The size of the guest's memory, in pages of 64 KiB.
    pub memory_pages: u32,
    /// How many of them are the heap's.
    pub pages: u32,
    /// How many may be.
    pub limit: u32,
    /// How often memory has grown for the heap.
    pub growths: u32,
    /// How often it did not when the heap needed more.
    pub refused_growths: u32,
    /// What lies where, one behind the other, from the heap's first page to its last.
    pub runs: Vec<Run>,
}

/// Some frames of 1 KiB that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Run {
    /// Where it begins in linear memory, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u64,
    /// What it is.
    pub what: What,
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum What {
    /// Others' memory.
    Foreign,
    /// Free.
    Free,
    /// One long block.
    Block {
        /// Its length, as asked for, in bytes.
        len: u32,
        /// Who has it, in checked mode.
        past: Option<Past>,
    },
    /// Slots of one size class.
    Slab(Slab),
    /// The heap's own.
    Metadata,
    /// A freed block, or evidence, that checked mode holds.
    Held {
        /// Who had it.
        past: Option<Past>,
    },
    /// What cannot be told, in a poisoned heap.
    Unknown,
}

/// A run cut into slots of one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Slab {
    /// The size class, from 0 on.
    pub class: u8,
    /// The length of a slot, in bytes.
    pub slot_size: u32,
    /// How many slots there are.
    pub slots: u32,
    /// Which are live. What is neither live nor free is held by checked mode, or was lost by a call that was stopped.
    #[serde(serialize_with = "as_word")]
    pub live: Slots,
    /// Which are free.
    #[serde(serialize_with = "as_word")]
    pub free: Slots,
    /// The lengths of the live ones, as asked for, in their order.
    pub lens: Vec<u32>,
    /// Who has or had each slot, in checked mode; else empty.
    pub pasts: Vec<Option<Past>>,
}

/// Who had some memory last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Past {
    /// The length that was asked for, in bytes.
    pub len: u32,
    /// The tag of who allocated it.
    pub allocated_by: u16,
    /// The tag of who freed it, if it was freed.
    pub freed_by: u16,
}

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Block {
    /// The pointer to it.
    pub ptr: u64,
    /// Its length, as asked for, in bytes.
    pub len: u32,
    /// The length of its slot or run.
    pub room: u64,
    /// Its size class, or `None` for a long block.
    pub class: Option<u8>,
    /// The tag of who allocated it, in checked mode.
    pub tag: Option<u16>,
}

impl Snapshot {
    /// The live blocks, in the order of their pointers.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        self.runs.iter().flat_map(Run::blocks)
    }

    /// Where whole pages of 64 KiB are free, in bytes of linear memory. A host can give what backs them to its system, as after a spike
    /// (`madvise` with `MADV_DONTNEED`): whatever their bytes are then, the heap takes them as they come. It must do so before the guest
    /// runs again. None in checked mode, which verifies what is in free memory, and of a poisoned heap.
    pub fn free_pages(&self) -> impl Iterator<Item = Range<u64>> {
        let may = !self.is_checked && !self.is_poisoned;
        let free = self.free().filter(move |_| may);
        let pages = free.map(|free| free.start.next_multiple_of(PAGE)..free.end - free.end % PAGE);
        pages.filter(|pages| !pages.is_empty())
    }

    /// Where free runs are, in bytes of linear memory. Neighbours are one, though the heap joins a block that was freed only later.
    fn free(&self) -> impl Iterator<Item = Range<u64>> {
        let runs = self.runs.iter().filter(|run| run.what == What::Free);
        let mut runs = runs.map(|run| run.offset..run.offset + run.len).peekable();
        std::iter::from_fn(move || {
            let mut free = runs.next()?;
            while let Some(next) = runs.next_if(|next| next.start == free.end) {
                free.end = next.end;
            }
            Some(free)
        })
    }
}

impl Run {
    /// The live blocks in it.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        let long = match &self.what {
            What::Block { len, past } => Some(Block {
                ptr: self.offset,
                len: *len,
                room: self.len,
                class: None,
                tag: past.map(|past| past.allocated_by),
            }),
            _ => None,
        };
        let slab = match &self.what {
            What::Slab(slab) => Some(slab),
            _ => None,
        };
        let slots = slab.into_iter().flat_map(|slab| {
            let live = slab.live.iter_ones().zip(&slab.lens);
            live.map(|(slot, &len)| Block {
                ptr: self.offset + slot as u64 * u64::from(slab.slot_size),
                len,
                room: slab.slot_size.into(),
                class: Some(slab.class),
                tag: slab
                    .pasts
                    .get(slot)
                    .copied()
                    .flatten()
                    .map(|past| past.allocated_by),
            })
        });
        long.into_iter().chain(slots)
    }
}

fn as_word<S: serde::Serializer>(slots: &Slots, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(word(*slots))
}

/// Why some bytes are no snapshot, or a memory has no heap that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// They do not begin as a snapshot does, or as what `export_abi!(snapshot)` exports.
    #[error("this is no snapshot of a pageslab heap")]
    NoSnapshot,
    /// A later version wrote them.
    #[error("version {0} of the format is not known here")]
    Version(u16),
    /// They end too soon.
    #[error("the snapshot is cut short at {at} bytes")]
    CutShort {
        /// Where more was expected.
        at: usize,
    },
    /// There is more than a snapshot.
    #[error("{0} bytes follow the snapshot")]
    TooLong(usize),
    /// A part does not fit to the others.
    #[error("at {offset:#x}: {what}")]
    Inconsistent {
        /// Where in the guest's memory.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The heap points to outside of the memory.
    #[error("the heap names {address:#x}, which is not in memory")]
    OutOfMemory {
        /// The address.
        address: u64,
    },
}
