//! What a pointer is: the block that it is to, or why it is to none. Reads the heap, and changes nothing.

use crate::Error;
use crate::frames::entry::Kind;
use crate::heap::state::Heap;
use crate::memory::LinearMemory;
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, Frame};
use crate::slabs::slab::{SlabPtr, Slot};
use core::ptr::slice_from_raw_parts_mut;

impl<M> Heap<M> {
    /// The slab that holds this byte.
    pub(crate) fn slab_of(&self, ptr: u32) -> Option<SlabPtr> {
        self.runs.map.entry_of(ptr)?.slab()
    }

    /// What the slot or the run is that begins at this pointer.
    fn slot_at(&self, ptr: u32) -> Option<Slot> {
        let entry = self.runs.map.entry_of(ptr)?;
        if let Some(slab) = entry.slab() {
            let slot = slab.slot_of(ptr);
            return (slot < slab.slots() && slab.ptr(slot) == ptr).then(|| slab.slot(slot));
        }
        if ptr % FRAME != 0 {
            return None;
        }
        Some(match () {
            () if entry.tag.is(Kind::Live) => Slot::Live { len: entry.len() },
            () if entry.tag.was_freed() => Slot::Freed,
            () => Slot::Fresh,
        })
    }

    /// Whether a live allocation of this length is at this pointer.
    pub(crate) fn is_live(&self, ptr: u32, len: u32) -> bool {
        self.slot_at(ptr) == Some(Slot::Live { len })
    }

    /// Why the allocation of `len` bytes at `ptr` cannot be freed. If there is one, and nothing is wrong with it: a mismatch.
    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&self, ptr: u32, len: u32) -> Error {
        if self.is_poisoned() {
            return Error::Poisoned;
        }
        match self.slot_at(ptr) {
            Some(Slot::Live { len: allocated }) => Error::LengthMismatch {
                ptr,
                allocated,
                given: len,
            },
            Some(Slot::Freed) => Error::DoubleFree { ptr, len },
            Some(Slot::Fresh) | None => Error::InvalidPointer { ptr },
        }
    }

    /// The first frame of the run that holds the byte at `ptr`.
    pub(crate) fn run_around(&self, ptr: u32) -> Option<Frame> {
        self.runs.map.entry_of(ptr)?;
        let mut frame = ptr >> FRAME_SHIFT;
        let is_inside = |frame| {
            matches!(
                self.runs.map.tag(frame).kind(),
                Kind::Interior | Kind::FreeTail
            )
        };
        while is_inside(frame) && !self.runs.is_end(frame) {
            frame -= 1;
        }
        Some(frame)
    }

    /// The live allocation that holds the byte at `ptr`, or that is empty and at `ptr`: its pointer and length.
    pub(crate) fn allocation_around(&self, ptr: u32) -> Option<(u32, u32)> {
        if let Some(slab) = self.slab_of(ptr) {
            let slot = slab.slot_of(ptr);
            if slot >= slab.slots() {
                return None;
            }
            return match slab.slot(slot) {
                Slot::Live { len } => Some((slab.ptr(slot), len)),
                _ => None,
            };
        }
        let frame = self.run_around(ptr)?;
        let entry = self.runs.map.entry(frame);
        let is_live = entry.tag.is(Kind::Live);
        is_live.then(|| (frame << FRAME_SHIFT, entry.len()))
    }

    /// The live allocations, as pointer and length, in the order of their pointers.
    pub(crate) fn live(&self) -> impl Iterator<Item = (u32, u32)> {
        self.tiles().flat_map(move |(head, kind, _)| {
            let run = (kind == Kind::Live)
                .then(|| (head << FRAME_SHIFT, self.runs.map.entry(head).len()));
            let is_slab = kind == Kind::Internal;
            let slab = is_slab.then(|| self.runs.map.entry(head).slab()).flatten();
            run.into_iter()
                .chain(slab.into_iter().flat_map(SlabPtr::live_slots))
        })
    }
}

impl<M: LinearMemory> Heap<M> {
    /// The `len` bytes at `ptr`, if they are all within one live allocation.
    pub(crate) fn bytes(&self, ptr: u32, len: u32) -> core::result::Result<*mut [u8], NoBytes> {
        let holds = |&(start, allocated): &(u32, u32)| {
            let offset = ptr - start;
            offset <= allocated && len <= allocated - offset
        };
        if self.is_poisoned() {
            return Err(NoBytes::Poisoned);
        }
        let around = self.allocation_around(ptr);
        // No bytes right behind a block are a part of it, even where another block begins.
        let before = || {
            self.allocation_around(ptr.checked_sub(1)?)
                .filter(|_| len == 0)
        };
        match around.filter(holds).or_else(|| before().filter(holds)) {
            Some(_) => Ok(slice_from_raw_parts_mut(self.address(ptr), len as usize)),
            None => Err(NoBytes::NotLive { ptr, len, around }),
        }
    }
}

/// Why no live allocation holds all of some bytes.
pub(crate) enum NoBytes {
    Poisoned,
    NotLive {
        ptr: u32,
        len: u32,
        /// The live allocation that holds the first of them.
        around: Option<(u32, u32)>,
    },
}

impl NoBytes {
    /// What `try_mut_mem` says about it.
    #[cold]
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Poisoned => Error::Poisoned,
            Self::NotLive {
                ptr,
                len,
                around: Some((start, allocated)),
            } => Error::LengthMismatch {
                ptr: start,
                allocated,
                given: (ptr - start).saturating_add(len),
            },
            Self::NotLive { ptr, .. } => Error::InvalidPointer { ptr },
        }
    }

    /// What `mut_mem` does about it.
    #[cold]
    #[inline(never)]
    pub(crate) fn panic(self) -> ! {
        match self {
            Self::Poisoned => panic!("mut_mem: {}", Error::Poisoned),
            Self::NotLive {
                ptr,
                len,
                around: Some((start, allocated)),
            } => panic!(
                "mut_mem: {len} bytes at {ptr:#x} run past the {allocated} bytes allocated at {start:#x}"
            ),
            Self::NotLive { ptr, len, .. } => {
                panic!("mut_mem: no live allocation holds the {len} bytes at {ptr:#x}")
            }
        }
    }
}
