//! Reallocation: in place where there is room, else by moving.

use crate::frames::runs::frames_of;
use crate::heap::long::is_slice_len;
use crate::heap::state::{Heap, ZEROES};
use crate::hooks::CHECKED;
use crate::memory::{LinearMemory, PAGE};
use crate::sizes::class::{GRANULE, MAX_SLOT};
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, FRAMES_PER_PAGE};
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use static_assertions::const_assert;

/// Up to this length blocks are copied in a loop here: a copy by the engine costs more to begin.
const MAX_COPIED: u32 = 128;

/// A block of more frames than this is very long.
const VERY_LONG: u32 = FRAMES_PER_PAGE;

/// Whether what lies behind a block must not get into another's slack: a pattern, or what is to be erased.
const COPIES_EXACTLY: bool = CHECKED || ZEROES;

/// What is copied at a time: of any contents, initialized or not.
type Copied = [MaybeUninit<u64>; 2];

const_assert!(GRANULE as usize % size_of::<Copied>() == 0);

impl<M: LinearMemory> Heap<M> {
    /// Changes the length of the live block of `old_len` bytes, and aligns it to `align` if it moves it. `None` if there is no
    /// such block, or no memory: then nothing has changed.
    #[inline]
    pub(crate) fn realloc(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<NonZeroU32> {
        let found = self.runs.map.entry_of(ptr);
        let Some((slab, slot)) = found.and_then(|entry| entry.find(ptr, old_len)) else {
            return self.realloc_long(ptr, old_len, new_len, align);
        };
        let size = slab.slot_size();
        // A block that would fill less than half of its slot rather moves to a smaller one.
        if new_len > size || new_len < size / 2 {
            let moved = self.move_block(ptr, old_len, new_len, align);
            if moved.is_some() || new_len > size {
                return moved;
            }
        }
        if ZEROES {
            self.change(|heap| {
                heap.erase_tail(ptr, old_len, new_len);
                slab.set_len(slot, new_len);
            })?;
        } else {
            slab.set_len(slot, new_len);
        }
        NonZeroU32::new(ptr)
    }

    #[cold]
    #[inline(never)]
    fn realloc_long(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<NonZeroU32> {
        let (_, from) = self.live_run(ptr, old_len)?;
        if align > PAGE || !is_slice_len(new_len) || self.is_changing {
            return None;
        }
        let to = frames_of(new_len);
        // A block that would fill less than a frame rather moves to a slot.
        if new_len < old_len.min(FRAME) {
            let moved = self.move_block(ptr, old_len, new_len, align);
            return moved.or_else(|| self.resize(ptr, from, old_len, new_len));
        }
        loop {
            let resized = self.resize(ptr, from, old_len, new_len);
            if resized.is_some() {
                return resized;
            }
            // What is only kept for speed gives way before a very long block is copied.
            if from > VERY_LONG && self.change(Self::reclaim)? {
                continue;
            }
            // Where it fits without more memory; else memory grows behind the heap's last run.
            if let Some(new) = self.take_long(new_len, align, 0) {
                return Some(self.move_to(new, ptr, old_len, new_len));
            }
            self.runs.want(to - from);
            if !self.runs.is_last((ptr >> FRAME_SHIFT) + from) || !self.grow(true) {
                let new = self.alloc_uncommon(new_len, align)?;
                return Some(self.move_to(new, ptr, old_len, new_len));
            }
        }
    }

    /// Changes the length of a live run of `from` frames where it is, if there is room.
    #[inline(never)]
    fn resize(&mut self, ptr: u32, from: u32, old_len: u32, new_len: u32) -> Option<NonZeroU32> {
        let (head, to) = (ptr >> FRAME_SHIFT, frames_of(new_len));
        self.change(|heap| {
            let resized = heap.runs.resize(head, from, to);
            if resized {
                heap.erase_tail(ptr, old_len, new_len);
                heap.set_live(head, to, new_len);
            }
            resized.then(|| NonZeroU32::new(ptr))
        })??
    }

    /// Overwrites what a block loses when it becomes shorter, if it does and that is asked for.
    #[inline(always)]
    fn erase_tail(&self, ptr: u32, old_len: u32, new_len: u32) {
        if new_len < old_len {
            self.erase(ptr + new_len, old_len - new_len);
        }
    }

    /// Allocates anew, copies and frees the old block.
    #[cold]
    #[inline(never)]
    fn move_block(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<NonZeroU32> {
        // The old block could not be freed.
        if self.is_changing {
            return None;
        }
        // A block that grows will often grow again.
        let is_long = new_len > MAX_SLOT && is_slice_len(new_len) && align <= PAGE;
        let roomy = if new_len > old_len && is_long {
            self.take_long(new_len, align, 0)
        } else {
            None
        };
        let new = match roomy {
            Some(new) => new,
            None => self.alloc_uncommon(new_len, align)?,
        };
        Some(self.move_to(new, ptr, old_len, new_len))
    }

    /// Moves a live block to another.
    #[inline(never)]
    fn move_to(&mut self, new: NonZeroU32, ptr: u32, old_len: u32, new_len: u32) -> NonZeroU32 {
        self.copy(ptr, new.get(), old_len.min(new_len));
        self.free(ptr, old_len);
        new
    }

    /// Copies the first bytes of one live allocation to another, and perhaps a few more that neither uses: blocks
    /// have room for whole granules.
    pub(crate) fn copy(&self, from: u32, to: u32, len: u32) {
        let (mut from, mut to) = (self.address(from), self.address(to));
        // SAFETY: callers pass two live allocations of this heap of at least this many bytes, which do not overlap.
        // Slots and runs are aligned to granules and whole numbers of them, so the last granule is within both.
        unsafe {
            if COPIES_EXACTLY || len > MAX_COPIED {
                to.copy_from_nonoverlapping(from, len as usize);
                return;
            }
            let end = from.add(len as usize);
            while from < end {
                to.cast::<Copied>().write(from.cast::<Copied>().read());
                (from, to) = (from.add(size_of::<Copied>()), to.add(size_of::<Copied>()));
            }
        }
    }
}
