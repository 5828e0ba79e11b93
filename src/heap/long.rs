//! Long blocks: runs of frames, from the map alone.

use crate::frames::entry::{Kind, Tag};
use crate::frames::runs::{Head, LOOK, Runs, frames_of};
use crate::heap::state::Heap;
use crate::hooks::CHECKED;
use crate::memory::{LinearMemory, PAGE};
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, Frame};
use core::num::NonZeroU32;
use core::sync::atomic::{Ordering, compiler_fence};

/// Whether a slice of Rust's, or an object of C's, may be this long: on wasm32 not from 2^31 bytes on.
pub(super) const fn is_slice_len(len: u32) -> bool {
    len as usize <= isize::MAX as usize
}

impl<M> Heap<M> {
    /// The live run that begins at this pointer and has this length in bytes: its first frame, and its length
    /// in frames.
    pub(super) fn live_run(&self, ptr: u32, len: u32) -> Option<(Frame, u32)> {
        let entry = self.runs.map.entry_of(ptr)?;
        let is_right = ptr % FRAME == 0 && entry.tag.is(Kind::Live) && entry.len() == len;
        is_right.then(|| (ptr >> FRAME_SHIFT, entry.tag.frames()))
    }
}

impl<M: LinearMemory> Heap<M> {
    #[inline(never)]
    pub(super) fn alloc_long(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if align > PAGE || !is_slice_len(len) {
            return None;
        }
        let mut look = LOOK;
        if let Some(ptr) = self.take_parked(len, align)? {
            return Some(ptr);
        }
        loop {
            let ptr = self.take_long(len, align, look);
            // Before it gives up it looks at all runs, which is not in constant time.
            if ptr.is_some() || look != LOOK {
                return ptr;
            }
            if !self.get_memory() {
                look = u32::MAX;
            }
        }
    }

    /// Allocates the run of the block that was freed last, if it is as long. `None` if the heap is poisoned.
    #[inline(always)]
    fn take_parked(&mut self, len: u32, align: u32) -> Option<Option<NonZeroU32>> {
        self.take_run(len, align, Runs::take_parked)
    }

    /// Allocates a run of what is free, after a look at so many runs of each bin. After a look at none it is at the end of the heap,
    /// if there is room: for a block that grows, and will often grow again.
    #[inline(never)]
    pub(super) fn take_long(&mut self, len: u32, align: u32, look: u32) -> Option<NonZeroU32> {
        self.take_run(len, align, |runs, frames, align| {
            runs.take(frames, align, look)
        })?
    }

    /// Allocates the run that this finds, of so many frames, at a multiple of so many. `None` if the heap is poisoned.
    #[inline(always)]
    fn take_run(
        &mut self,
        len: u32,
        align: u32,
        take: impl FnOnce(&mut Runs<M>, u32, u32) -> Option<Head>,
    ) -> Option<Option<NonZeroU32>> {
        debug_assert!(align <= PAGE && is_slice_len(len));
        let (frames, align) = (frames_of(len), (align >> FRAME_SHIFT).max(1));
        self.change(|heap| {
            let head = take(&mut heap.runs, frames, align)?.get();
            heap.set_live(head, frames, len);
            NonZeroU32::new(head << FRAME_SHIFT)
        })
    }

    #[inline(never)]
    pub(super) fn set_live(&mut self, head: Frame, frames: u32, len: u32) {
        let entry = self.runs.map.entry_mut(head);
        entry.set_len(len);
        // A call that is stopped here leaves no live run of another length.
        compiler_fence(Ordering::SeqCst);
        entry.tag = Tag::new(Kind::Live, frames);
    }

    /// Frees a live run of this length. False, and nothing changes, if none is there.
    #[cold]
    #[inline(never)]
    pub(crate) fn free_long(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            return false;
        }
        let Some((head, frames)) = self.live_run(ptr, len) else {
            return false;
        };
        let freed = self.change(|heap| {
            heap.erase(ptr, len);
            heap.runs.park(head, frames);
        });
        freed.is_some()
    }
}
