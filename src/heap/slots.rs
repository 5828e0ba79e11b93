//! Short blocks: slots of slabs, of which a class has one current one, some partial and some vacant ones.
//!
//! Vacant slabs are kept since most programs soon want them again. All are given back when a slab of another class is made, and
//! before memory grows.

use crate::frames::entry::{Kind, Tag};
use crate::frames::runs::LOOK;
use crate::heap::state::{Heap, LastFreed, PLACES, ZEROES};
use crate::hooks::{CHECKED, fill, is_clean};
use crate::memory::LinearMemory;
use crate::sizes::class::CLASSES;
use crate::sizes::geometry::{FRAME_SHIFT, Frame};
use crate::slabs::shape::{self, DESCRIPTORS, GUARD_FRAMES};
use crate::slabs::slab::{DESCRIPTOR, SlabPtr};
use core::num::NonZeroU32;
use core::sync::atomic::{Ordering, compiler_fence};

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

    /// Makes another slab the current one of the class, whose current one is full, and allocates from it.
    fn alloc_from_next(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        let index = class as usize;
        let mut slab = if let Some(slab) = self.partial[index] {
            self.unlink(slab);
            slab
        } else if let Some(slab) = self.take_vacant(index) {
            slab
        } else {
            self.make(class)?
        };
        slab.appoint();
        let mut full = core::mem::replace(&mut self.current[index], slab);
        if !full.is_empty() {
            full.watch();
        }
        slab.pop(len)
    }

    /// The live slot of exactly `len` bytes at `ptr`, and its slab.
    #[inline(always)]
    fn find_slot(&mut self, ptr: u32, len: u32) -> Option<(SlabPtr, u32)> {
        let LastFreed { slab, slot, .. } = self.last_freed;
        if ptr == self.last_freed.ptr {
            return (ptr != 0 && slab.holds(slot, len)).then_some((slab, slot));
        }
        let (slab, slot) = self.runs.map.entry_of(ptr)?.find(ptr, len)?;
        // In this order a call that is stopped in between has forgotten it.
        self.last_freed.ptr = 0;
        compiler_fence(Ordering::SeqCst);
        self.last_freed.slab = slab;
        self.last_freed.slot = slot;
        compiler_fence(Ordering::SeqCst);
        self.last_freed.ptr = ptr;
        Some((slab, slot))
    }

    /// Frees the live slot of this length, if there is one.
    #[inline(always)]
    pub(crate) fn free_in_slab(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            return false;
        }
        let Some((slab, slot)) = self.find_slot(ptr, len) else {
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
        if !slab.push(slot) {
            self.free_watched(slab, slot);
        }
        true
    }

    /// Makes a slot free for which its slab watches. In a poisoned heap it is lost.
    #[cold]
    #[inline(never)]
    fn free_watched(&mut self, slab: SlabPtr, slot: u32) {
        self.change(|heap| heap.relist(slab, slot));
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
        slab.get_mut().next = self.vacant[index].replace(slab).unwrap_or(SlabPtr::EMPTY);
        self.with_vacant |= 1 << index;
    }

    fn take_vacant(&mut self, index: usize) -> Option<SlabPtr> {
        let slab = self.vacant[index]?;
        self.vacant[index] = Some(slab.next()).filter(|next| !next.is_empty());
        if self.vacant[index].is_none() {
            self.with_vacant &= !(1 << index);
        }
        Some(slab)
    }

    /// Gives the vacant slab back that comes first, if there is one.
    #[inline(never)]
    fn destroy_vacant(&mut self) -> bool {
        let slab = self.take_vacant(self.with_vacant.trailing_zeros() as usize % PLACES);
        slab.map(|slab| self.destroy(slab)).is_some()
    }

    /// Puts a slab at the front of its class's list, which is a ring.
    fn link(&mut self, mut slab: SlabPtr) {
        let list = &mut self.partial[slab.class() as usize];
        let mut next = list.unwrap_or(slab);
        let mut last = if list.is_some() {
            next.previous()
        } else {
            slab
        };
        *list = Some(slab);
        slab.get_mut().next = next;
        slab.get_mut().previous = last;
        next.get_mut().previous = slab;
        last.get_mut().next = slab;
    }

    #[inline(never)]
    fn unlink(&mut self, slab: SlabPtr) {
        let (mut next, mut previous) = (slab.next(), slab.previous());
        next.get_mut().previous = previous;
        previous.get_mut().next = next;
        let list = &mut self.partial[slab.class() as usize];
        if *list == Some(slab) {
            *list = (next != slab).then_some(next);
        }
    }

    /// Makes a slab, twice as large as the current one. Where no room is left for that, a smaller one fits into what is free rather
    /// than that memory grows.
    #[inline(never)]
    fn make(&mut self, class: u32) -> Option<SlabPtr> {
        let is_guests = class != DESCRIPTORS;
        // What is free is not cut up while vacant slabs of other classes lie in it.
        while is_guests && self.destroy_vacant() {}
        let mut wanted = shape::wanted_slots(class, self.current[class as usize].slots());
        let (head, frames) = loop {
            let frames = shape::frames(class, wanted);
            if let Some(head) = self.runs.take(frames, 1, LOOK) {
                let head = head.get();
                self.runs.set_internal(head, frames);
                if is_guests || self.is_untouched(head, frames) {
                    break (head, frames);
                }
                continue;
            }
            wanted /= 2;
            // A slab of descriptors has one for itself.
            if wanted <= u32::from(!is_guests) {
                return None;
            }
        };
        // A slab of descriptors is described by its own first slot.
        let slab = if is_guests {
            let slab = self.take_descriptor();
            if slab.is_none() {
                // Nobody has written to it.
                self.runs.release(head, frames);
            }
            slab?
        } else {
            // SAFETY: the run is new and internal, and holds at least one descriptor behind its guard.
            unsafe { SlabPtr::at(self.runs.address(head + GUARD_FRAMES)) }
        };
        slab.describe(class, head, frames);
        // Only now: from here on the slab's pointers are looked at, even if this call goes no further.
        compiler_fence(Ordering::SeqCst);
        self.runs.map.set_slab(head, frames, Some(slab));
        Some(slab)
    }

    /// Whether nobody wrote to this internal run while it was free, in checked mode; else it is held, as evidence.
    fn is_untouched(&mut self, head: Frame, frames: u32) -> bool {
        let clean = is_clean(
            &self.runs.memory,
            head << FRAME_SHIFT,
            frames << FRAME_SHIFT,
        );
        if !clean {
            self.runs.map.entry_mut(head).tag = Tag::new(Kind::Held, frames);
        }
        clean
    }

    /// Gives a vacant slab, which is in no list, back to the runs.
    #[inline(never)]
    fn destroy(&mut self, slab: SlabPtr) {
        let (head, frames) = (slab.head(), slab.frames());
        self.last_freed.ptr = 0;
        self.runs.map.set_slab(head, frames, None);
        // Before the descriptor becomes another's.
        compiler_fence(Ordering::SeqCst);
        if slab.class() != DESCRIPTORS {
            self.put_descriptor(slab);
        } else {
            let bytes = u64::from(frames) << FRAME_SHIFT;
            fill(&self.runs.memory, head << FRAME_SHIFT, bytes);
        }
        self.runs.release(head, frames);
    }

    #[inline(never)]
    fn take_descriptor(&mut self) -> Option<SlabPtr> {
        let ptr = match self.current[DESCRIPTORS as usize].pop(DESCRIPTOR) {
            Some(ptr) => ptr,
            None => self.alloc_from_next(DESCRIPTORS, DESCRIPTOR)?,
        };
        // SAFETY: it is a live slot of a slab of descriptors, which only its taker has.
        Some(unsafe { SlabPtr::at(self.address(ptr.get())) })
    }

    #[inline(never)]
    fn put_descriptor(&mut self, slab: SlabPtr) {
        let ptr = slab.as_ptr().addr().wrapping_sub(self.address(0).addr()) as u32;
        let home = self.runs.map.entry(ptr >> FRAME_SHIFT).home();
        let slot = home.slot_of(ptr);
        home.mark_freed(slot);
        self.push_slot(home, slot);
    }

    /// Gives back whatever is only kept for speed: when nothing else will do. Whether there was any.
    #[inline(never)]
    pub(super) fn reclaim(&mut self) -> bool {
        // Slabs of descriptors do not count: they would be made again at once.
        let mut any = self.with_vacant & ((1 << CLASSES) - 1) != 0;
        for index in 0..rolled(CLASSES + 1) {
            if index == CLASSES {
                // Here most slabs of descriptors become vacant.
                while self.destroy_vacant() {}
            }
            let current = self.current[index];
            if current.is_vacant() && !current.is_empty() {
                self.current[index] = SlabPtr::EMPTY;
                self.destroy(current);
                any |= index < CLASSES;
            }
        }
        any
    }

    /// All slabs, those of descriptors included, each with the first of its frames.
    pub(crate) fn slabs(&self) -> impl Iterator<Item = (u32, SlabPtr)> {
        let internal = self.tiles().filter(|&(_, kind, _)| kind == Kind::Internal);
        internal.filter_map(|(head, _, _)| Some((head, self.runs.map.entry(head).any_slab()?)))
    }
}
