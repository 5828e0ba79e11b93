//! Short blocks: slots of slabs, of which a class has one current one, some partial ones and at most one vacant one.
//!
//! A vacant slab is kept since most programs soon want it again. All are given back before memory grows.

use crate::frames::entry::Kind;
use crate::frames::growth::GUARD_FRAMES;
use crate::frames::runs::LOOK;
use crate::heap::pending::Pending;
use crate::heap::state::{Heap, ZEROES};
use crate::hooks::CHECKED;
use crate::memory::LinearMemory;
use crate::sizes::class::CLASSES;
use crate::sizes::geometry::FRAME;
use crate::slabs::shape;
use crate::slabs::slab::{DESCRIPTOR, SlabPtr};
use core::num::NonZeroU32;
use core::sync::atomic::{Ordering, compiler_fence};

/// The most frames of descriptors that are made at once.
const MAX_DESCRIPTOR_FRAMES: u32 = 16;

/// A number of rounds that the compiler does not know, so that it does not write a loop out round by round.
fn rolled(rounds: usize) -> usize {
    core::hint::black_box(rounds)
}

impl<M: LinearMemory> Heap<M> {
    /// Allocates a slot of this class.
    #[inline(always)]
    pub(super) fn alloc_slot(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        debug_assert!((class as usize) < CLASSES);
        // SAFETY: callers pass the class of a length of at most `MAX_SLOT`, below `CLASSES`.
        let slab = unsafe { *self.current.get_unchecked(class as usize) };
        match slab.pop(len) {
            Some(ptr) => Some(ptr),
            None => self.alloc_from_another(class, len),
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_from_another(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        loop {
            let ptr = self.change(|heap| heap.alloc_from_next(class, len))?;
            if ptr.is_some() || !self.get_memory() {
                return ptr;
            }
        }
    }

    /// Makes another slab the current one, unless what was pending is a slot of this one, and allocates from it.
    fn alloc_from_next(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        let index = class as usize;
        self.settle();
        let mut full = self.current[index];
        if let Some(ptr) = full.pop(len) {
            return Some(ptr);
        }
        let mut slab = if let Some(slab) = self.partial[index] {
            self.unlink(slab);
            slab
        } else if let Some(slab) = self.vacant[index].take() {
            slab
        } else {
            self.make(class)?
        };
        slab.appoint();
        self.current[index] = slab;
        if !full.is_empty() {
            full.watch();
        }
        slab.pop(len)
    }

    /// Frees the live slot of this length, if there is one.
    #[inline(always)]
    pub(crate) fn free_in_slab(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            return false;
        }
        let found = self.runs.map.entry_of(ptr);
        let Some((slab, slot)) = found.and_then(|entry| entry.find(ptr, len)) else {
            return false;
        };
        if ZEROES {
            // A call that is stopped must not leave a live block without its bytes.
            return self
                .change(|heap| {
                    slab.mark_freed(slot);
                    heap.erase(ptr, len);
                    heap.push_slot(slab, slot);
                })
                .is_some();
        }
        // In this order a call that is stopped in between has lost a slot, and no more.
        slab.mark_freed(slot);
        compiler_fence(Ordering::SeqCst);
        let before = self.pending.replace(slab, slot);
        compiler_fence(Ordering::SeqCst);
        if !before.slab.push(before.slot) {
            self.push_pending(before);
        }
        true
    }

    /// Makes a slot free for which its slab watches. In a poisoned heap it is lost.
    #[cold]
    #[inline(never)]
    fn push_pending(&mut self, pending: Pending) {
        if !pending.slab.is_empty() {
            self.change(|heap| heap.relist(pending.slab, pending.slot));
        }
    }

    /// Makes the slot free that is pending, if one is. Within a change.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let Pending { slab, slot } = core::mem::replace(&mut self.pending, Pending::NONE);
        if !slab.is_empty() {
            self.push_slot(slab, slot);
        }
    }

    /// Makes a slot free that was freed. Within a change.
    pub(crate) fn push_slot(&mut self, slab: SlabPtr, slot: u32) {
        if !slab.push(slot) {
            self.relist(slab, slot);
        }
    }

    /// Makes a slot free for which its slab watches, and moves the slab to where it belongs then.
    #[inline(never)]
    fn relist(&mut self, mut slab: SlabPtr, slot: u32) {
        let index = slab.class() as usize;
        let was_full = slab.is_full();
        slab.push_watched(slot);
        if was_full {
            let mut current = self.current[index];
            if current.is_full() {
                // The next allocation of the class would take it from the list at once.
                slab.appoint();
                self.current[index] = slab;
                if !current.is_empty() {
                    current.watch();
                }
                return;
            }
            slab.watch();
            if !slab.is_vacant() {
                self.link(slab);
                return;
            }
        } else {
            self.unlink(slab);
        }
        if self.vacant[index].is_none() {
            self.vacant[index] = Some(slab);
        } else {
            self.destroy(slab);
        }
    }

    fn link(&mut self, mut slab: SlabPtr) {
        let next = self.partial[slab.class() as usize].replace(slab);
        if let Some(mut next) = next {
            next.get_mut().previous = Some(slab);
        }
        slab.get_mut().next = next;
        slab.get_mut().previous = None;
    }

    #[inline(never)]
    fn unlink(&mut self, slab: SlabPtr) {
        let (next, previous) = (slab.next(), slab.previous());
        if let Some(mut next) = next {
            next.get_mut().previous = previous;
        }
        match previous {
            Some(mut previous) => previous.get_mut().next = next,
            None => self.partial[slab.class() as usize] = next,
        }
    }

    /// Makes a slab, twice as large as the current one. Where no room is left for that, a smaller one fits into what is free rather
    /// than that memory grows.
    fn make(&mut self, class: u32) -> Option<SlabPtr> {
        let slab = self.take_descriptor()?;
        let mut previous = self.current[class as usize].slots();
        loop {
            let frames = shape::frames(class, previous);
            if let Some(head) = self.runs.take(frames, 1, LOOK) {
                slab.describe(class, head, frames);
                // Only now: from here on the slab's pointers are looked at, even if this call goes no further.
                compiler_fence(Ordering::SeqCst);
                for frame in head..head + frames {
                    self.runs.map.entry_mut(frame).set_slab(slab);
                }
                return Some(slab);
            }
            if previous == 0 {
                self.put_descriptor(slab);
                return None;
            }
            previous /= 2;
        }
    }

    /// Gives a vacant slab, which is in no list, back to the runs.
    #[inline(never)]
    fn destroy(&mut self, slab: SlabPtr) {
        let head = slab.head();
        let frames = self.runs.map.entry(head).tag.frames();
        for frame in head..head + frames {
            self.runs.map.entry_mut(frame).clear_slab();
        }
        // Before the descriptor becomes another's.
        compiler_fence(Ordering::SeqCst);
        self.put_descriptor(slab);
        self.runs.release(head, frames);
    }

    fn take_descriptor(&mut self) -> Option<SlabPtr> {
        if self.descriptors.is_none() {
            self.make_descriptors()?;
        }
        let slab = self.descriptors?;
        self.descriptors = slab.next();
        Some(slab)
    }

    fn put_descriptor(&mut self, mut slab: SlabPtr) {
        slab.get_mut().next = self.descriptors.replace(slab);
    }

    /// Makes a run of descriptors, twice as many as the last time, or as many as there is room for.
    #[inline(never)]
    fn make_descriptors(&mut self) -> Option<()> {
        let mut frames = self.descriptor_frames;
        let head = loop {
            if let Some(head) = self.runs.take(GUARD_FRAMES + frames, 1, LOOK) {
                break head;
            }
            frames /= 2;
            if frames == 0 {
                return None;
            }
        };
        self.descriptor_frames = (frames * 2).min(MAX_DESCRIPTOR_FRAMES);
        let mut address = self.runs.address(head + GUARD_FRAMES);
        for _ in 0..frames * FRAME / DESCRIPTOR {
            // SAFETY: the run is new and internal, and holds as many descriptors behind its guard.
            unsafe {
                self.put_descriptor(SlabPtr::at(address));
                address = address.add(DESCRIPTOR as usize);
            }
        }
        Some(())
    }

    /// Gives back whatever is only kept for speed: when nothing else will do. Whether there was any.
    pub(super) fn reclaim(&mut self) -> bool {
        self.settle();
        let mut any = false;
        for index in 0..rolled(CLASSES) {
            if let Some(slab) = self.vacant[index].take() {
                self.destroy(slab);
                any = true;
            }
            let current = self.current[index];
            if current.is_vacant() && !current.is_empty() {
                self.current[index] = SlabPtr::EMPTY;
                self.destroy(current);
                any = true;
            }
        }
        any
    }

    /// All slabs, each with the first frame of the run that is its.
    pub(crate) fn slabs(&self) -> impl Iterator<Item = (u32, SlabPtr)> {
        let internal = self.tiles().filter(|&(_, kind, _)| kind == Kind::Internal);
        internal.filter_map(|(head, _, _)| Some((head, self.runs.map.entry(head).slab()?)))
    }
}

