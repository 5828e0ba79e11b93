//! What a heap consists of, how it changes, and where it gets memory from.

use crate::frames::entry::Kind;
use crate::frames::runs::Runs;
use crate::hooks::SLACK;
use crate::memory::LinearMemory;
use crate::sizes::class::{
    CLASSES, GRANULE, MAX_LISTED, MAX_SLOT, aligned_class_of, listed_class_of,
};
use crate::sizes::geometry::FRAME;
use crate::slabs::shape::DESCRIPTORS;
use crate::slabs::slab::SlabPtr;
use core::mem::offset_of;
use core::num::NonZeroU32;
use core::sync::atomic::{Ordering, compiler_fence};

/// Whether freed bytes are overwritten with zeros. (In checked mode they are, with its pattern.)
pub(super) const ZEROES: bool = cfg!(feature = "zero-on-free");

/// Classes, that of the descriptors included.
pub(super) const PLACES: usize = DESCRIPTORS as usize + 1;

/// The slot that was freed last, by its pointer. `ptr` is 0 if there is none.
///
/// A block that is allocated again and again is at the same place each time. Then no load of `free` waits for the pointer that
/// `alloc` has just made.
#[derive(Clone, Copy)]
pub(super) struct LastFreed {
    pub(super) ptr: u32,
    pub(super) slot: u32,
    pub(super) slab: SlabPtr,
}

/// A heap in a linear memory.
///
/// Invariants, beside those of its runs and slabs:
/// - **C1**: a slab's frames are an internal run, as many as its slots need, and the map names the slab for each of them.
/// - **C2**: a class's current slab is in no list. Every other slab of the class is in the list of partial
///   slabs if it has free slots and others, in that of vacant ones if it has only free ones, and in no place if it is full.
/// - **C3**: the live slots of slabs of descriptors are the descriptors of the guest's slabs.
/// - **C4**: no call is in the midst of a change. If one is, at the beginning of another, it was stopped there.
/// - **C5**: `last_freed` is a slot of a slab, by its pointer, unless its pointer is 0.
pub(crate) struct Heap<M> {
    /// The slab from which each class allocates, or [`SlabPtr::EMPTY`].
    pub(super) current: [SlabPtr; PLACES],
    pub(super) last_freed: LastFreed,
    /// Whether a call is in the midst of a [`change`](Self::change).
    pub(super) is_changing: bool,
    pub(super) partial: [Option<SlabPtr>; PLACES],
    pub(super) vacant: [Option<SlabPtr>; PLACES],
    /// Which classes have a vacant slab: bit `i` for class `i`.
    pub(super) with_vacant: u64,
    /// How often memory has grown, and how often it did not when it should have.
    pub(super) growths: u32,
    pub(super) refused_growths: u32,
    pub(crate) runs: Runs<M>,
}

impl<M> Heap<M> {
    /// Where `runs` is, and `is_changing`, `growths` and `refused_growths`, for a host that reads them.
    pub(crate) const RUNS: usize = offset_of!(Self, runs);
    pub(crate) const FIELDS: [usize; 3] = [
        offset_of!(Self, is_changing),
        offset_of!(Self, growths),
        offset_of!(Self, refused_growths),
    ];

    pub(crate) const fn new(memory: M, max_pages: u32) -> Self {
        Self {
            current: [SlabPtr::EMPTY; PLACES],
            last_freed: LastFreed {
                ptr: 0,
                slot: 0,
                slab: SlabPtr::EMPTY,
            },
            is_changing: false,
            partial: [None; PLACES],
            vacant: [None; PLACES],
            with_vacant: 0,
            growths: 0,
            refused_growths: 0,
            runs: Runs::new(memory, max_pages),
        }
    }

    /// Whether an earlier call was stopped in the midst of a change.
    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.is_changing
    }

    /// The runs, as [`Runs::tiles`]. None if the heap is poisoned: then they may not tile.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (u32, Kind, u32)> {
        (!self.is_changing)
            .then(|| self.runs.tiles())
            .into_iter()
            .flatten()
    }
}

impl<M: LinearMemory> Heap<M> {
    /// Makes a change that needs more than one store: of lists, or of a block together with its bytes. `None` if an earlier
    /// one was stopped on its way, by a host that lets a guest run out of fuel, time or stack: then the heap is half changed,
    /// and nothing is changed any more. Not within another change.
    #[inline]
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> Option<R> {
        if !self.begin_change() {
            return None;
        }
        let result = change(self);
        self.end_change();
        Some(result)
    }

    /// False if an earlier change was stopped on its way.
    #[inline(always)]
    pub(crate) fn begin_change(&mut self) -> bool {
        let may = !core::mem::replace(&mut self.is_changing, true);
        compiler_fence(Ordering::SeqCst);
        may
    }

    #[inline(always)]
    pub(crate) fn end_change(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.is_changing = false;
    }

    /// The address of an offset.
    #[inline(always)]
    pub(crate) fn address(&self, ptr: u32) -> *mut u8 {
        self.runs.memory.address(ptr)
    }

    /// Allocates at an alignment that is a power of two. `None` if there is no memory, the heap is poisoned, or the alignment
    /// is more than a page.
    #[inline(always)]
    pub(crate) fn alloc(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if len <= MAX_LISTED - SLACK && align <= GRANULE {
            self.alloc_slot(listed_class_of(len + SLACK), len)
        } else {
            self.alloc_uncommon(len, align)
        }
    }

    /// The same, for what is less common.
    #[cold]
    #[inline(never)]
    pub(super) fn alloc_uncommon(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if len <= MAX_SLOT - SLACK && align <= FRAME {
            let class = aligned_class_of(len + SLACK, align);
            if class < CLASSES as u32 {
                return self.alloc_slot(class, len);
            }
        }
        self.alloc_long(len, align)
    }

    /// Frees the live block of this length. False, and nothing changes, if none is there.
    #[inline(always)]
    pub(crate) fn free(&mut self, ptr: u32, len: u32) -> bool {
        self.free_in_slab(ptr, len) || self.free_long(ptr, len)
    }

    /// Overwrites bytes of a block that is freed, or of which they are no longer a part, if that is asked for.
    #[inline(always)]
    pub(super) fn erase(&self, ptr: u32, len: u32) {
        if ZEROES {
            // SAFETY: callers name bytes of a live block, which its owner gives back.
            unsafe { self.address(ptr).write_bytes(0, len as usize) };
        }
    }

    /// Gets memory for what has just found none: first by giving back what is only kept for speed, then by growing. False if there
    /// is no more. Not within a change.
    #[inline(never)]
    pub(super) fn get_memory(&mut self) -> bool {
        match self.change(Self::reclaim) {
            Some(true) => true,
            Some(false) => self.grow(false),
            None => false,
        }
    }

    /// Takes in what is the heap's before memory has grown, if it has nothing yet. False if there is nothing.
    #[inline]
    pub(crate) fn begin(&mut self) -> bool {
        if self.runs.held() == 0 {
            self.change(|heap| heap.runs.adopt_initial());
        }
        self.runs.held() > 0
    }

    /// Grows memory, for a run in place or for a new one. False if there is no more. This is no change until memory has grown: a host
    /// may trap there. If it refuses, less metadata may do. Not in a poisoned heap.
    #[inline(never)]
    pub(super) fn grow(&mut self, in_place: bool) -> bool {
        if self.runs.held() == 0 && self.begin() {
            return true;
        }
        let mut refused = u32::MAX;
        for roomy in [true, false] {
            if let Some(plan) = self.runs.plan(roomy, in_place) {
                // What was just refused is not asked for again.
                if plan.pages < refused {
                    if let Some(page) = self.runs.memory.grow(plan.pages) {
                        self.change(|heap| heap.runs.adopt(page, plan));
                        self.growths += 1;
                        return true;
                    }
                    refused = plan.pages;
                }
            }
        }
        // A run that cannot grow in place moves.
        self.refused_growths += u32::from(!in_place);
        false
    }
}
