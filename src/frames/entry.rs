//! An entry of the frame map: what one frame is.

use crate::hooks::History;
use crate::sizes::geometry::{Frame, MAX_FRAMES};
use crate::slabs::shape::{DESCRIPTORS, reciprocal};
use crate::slabs::slab::SlabPtr;
use core::ptr::without_provenance_mut;
use core::sync::atomic::{Ordering, compiler_fence};
use static_assertions::const_assert;

/// No frame: ends a list. Frame 0 is never a part of a run that is free or live.
pub(crate) const NONE: Frame = 0;

/// What a run is. Kept in the [`Tag`] of the run's first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Not the first frame of a run, and not the last of a free one; or a part of the free end of the heap.
    Interior,
    /// The first frame of a free run, linked into a bin, or parked.
    Free,
    /// The last frame of a free run of two or more frames.
    FreeTail,
    /// A run that is one live allocation.
    Live,
    /// A run that holds a slab or metadata.
    Internal,
    /// Frames of a page of the heap's that are not its own.
    Foreign,
    /// A freed run that checked mode keeps from being handed out.
    Held,
}

/// A [`Kind`] and the length of the run in frames, where the frame is the first of a run or the last of a
/// free one.
///
/// Bits 0 to 2 are the kind, bit 3 says that an allocation which began here was freed, the others are the
/// length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    const KIND: u32 = 7;
    const FREED: u32 = 8;
    const FRAMES_SHIFT: u32 = 4;

    #[inline]
    pub(crate) const fn new(kind: Kind, frames: u32) -> Self {
        Self(frames << Self::FRAMES_SHIFT | kind as u32)
    }

    /// That of a free run that was a block.
    #[inline]
    pub(crate) const fn freed(frames: u32) -> Self {
        Self(Self::new(Kind::Free, frames).0 | Self::FREED)
    }

    /// Makes it another, which still tells whether an allocation that began at this frame was freed.
    #[inline]
    pub(crate) fn become_free(&mut self, kind: Kind, frames: u32) {
        self.0 = self.0 & Self::FREED | Self::new(kind, frames).0;
    }

    /// Makes it that of a frame at which an allocation began that was freed.
    #[inline]
    pub(crate) fn mark_freed(&mut self) {
        self.0 |= Self::FREED;
    }

    #[inline]
    pub(crate) const fn was_freed(self) -> bool {
        self.0 & Self::FREED != 0
    }

    #[inline]
    pub(crate) const fn is(self, kind: Kind) -> bool {
        self.0 & Self::KIND == kind as u32
    }

    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        match self.0 & Self::KIND {
            0 => Kind::Interior,
            1 => Kind::Free,
            2 => Kind::FreeTail,
            3 => Kind::Live,
            4 => Kind::Internal,
            5 => Kind::Foreign,
            _ => Kind::Held,
        }
    }

    /// The length of the run in frames.
    #[inline]
    pub(crate) const fn frames(self) -> u32 {
        self.0 >> Self::FRAMES_SHIFT
    }
}

const_assert!(MAX_FRAMES << Tag::FRAMES_SHIFT >> Tag::FRAMES_SHIFT == MAX_FRAMES);
const_assert!(Kind::Held as u32 <= Tag::KIND);

/// What the map knows of one frame. One whose bytes are all zero is an interior one.
///
/// ```text
///                        place             tag        word             reciprocal
/// frame of a slab        its descriptor    internal   where it begins  of its slots' size
/// first of a live run                      live       length in bytes  0
/// first of a free run    next in its list  free       previous one     0
/// ```
///
/// Invariant **E1**: `reciprocal` is 0 unless the frame is a slab of the guest's. Then `place` is that slab's descriptor, `word` is
/// the slab's origin, and `reciprocal` is that of its slots' size. For a slab of descriptors only `reciprocal` differs, so that no
/// pointer into it is the guest's. Only the first frame of a free run has another `place` that is not null.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    place: *mut u8,
    pub(crate) tag: Tag,
    word: u32,
    reciprocal: u32,
    /// Of a run that is or was an allocation.
    pub(crate) history: History,
}

impl Entry {
    /// The live slot of exactly `len` bytes that `ptr` points to, a pointer into this frame.
    #[inline(always)]
    pub(crate) fn find(&self, ptr: u32, len: u32) -> Option<(SlabPtr, u32)> {
        let product = u64::from(ptr.wrapping_sub(self.word)) * u64::from(self.reciprocal);
        // The pointer is to the start of a slot (or of what would be the next one). Nothing is less than the reciprocal of a
        // frame that is no slab's.
        if product as u32 >= self.reciprocal {
            return None;
        }
        let slot = (product >> 32) as u32;
        // SAFETY: E1, and the reciprocal is more than 0.
        let slab = unsafe { SlabPtr::at(self.place) };
        slab.holds(slot, len).then_some((slab, slot))
    }

    /// The slab that has this frame.
    #[inline]
    pub(crate) fn slab(&self) -> Option<SlabPtr> {
        // SAFETY: E1.
        (self.reciprocal != 0).then(|| unsafe { SlabPtr::at(self.place) })
    }

    /// The slab that has this frame, be it one of descriptors.
    pub(crate) fn any_slab(&self) -> Option<SlabPtr> {
        let is_slabs = !self.place.is_null() && !self.tag.is(Kind::Free);
        // SAFETY: E1.
        is_slabs.then(|| unsafe { SlabPtr::at(self.place) })
    }

    /// The slab of descriptors that has this frame, which is one of such a slab.
    #[inline]
    pub(crate) fn home(&self) -> SlabPtr {
        debug_assert!(self.reciprocal == 0 && !self.place.is_null());
        // SAFETY: E1.
        unsafe { SlabPtr::at(self.place) }
    }

    /// What the frames of a slab have for it: place, word and reciprocal.
    pub(crate) fn naming(slab: SlabPtr) -> (*mut u8, u32, u32) {
        let is_guests = slab.class() != DESCRIPTORS;
        let reciprocal = if is_guests {
            reciprocal(slab.slot_size())
        } else {
            0
        };
        (slab.as_ptr(), slab.origin(), reciprocal)
    }

    /// Makes the frame one of a slab, or of none. A call that is stopped on the way leaves it one of none (E1).
    #[inline]
    pub(crate) fn name(&mut self, (place, word, reciprocal): (*mut u8, u32, u32)) {
        self.reciprocal = 0;
        compiler_fence(Ordering::SeqCst);
        self.place = place;
        self.word = word;
        compiler_fence(Ordering::SeqCst);
        self.reciprocal = reciprocal;
    }

    /// Of a live run: its length in bytes.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.word
    }

    #[inline]
    pub(crate) fn set_len(&mut self, len: u32) {
        self.word = len;
    }

    /// Of a free run: the next in its list.
    #[inline]
    pub(crate) fn next(&self) -> Frame {
        self.place.addr() as u32
    }

    #[inline]
    pub(crate) fn set_next(&mut self, next: Frame) {
        self.place = without_provenance_mut(next as usize);
    }

    /// Of a free run: the previous one in its list.
    #[inline]
    pub(crate) fn previous(&self) -> Frame {
        self.word
    }

    #[inline]
    pub(crate) fn set_previous(&mut self, previous: Frame) {
        self.word = previous;
    }
}
