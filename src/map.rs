//! The frame map: what each frame of the heap is, one entry per frame, kept outside of the frames.
//!
//! A *frame* is 1 KiB, 64 to a page: the unit in which pages are divided between slabs and runs. The map is
//! an array of [`Entry`] that starts at the heap's first page (its *origin*) and ends with its last; pages in
//! between that other parties grew are marked as foreign. Frames are named by their index, so the map may
//! move as it grows. This file knows no bins and no slots.

use crate::checked::History;
use crate::geometry::GEOMETRY;
use crate::memory::{PAGE, PAGE_SHIFT};
use crate::slab::SlabPtr;
use core::sync::atomic::{Ordering, compiler_fence};
use static_assertions::const_assert;

/// log2 of [`FRAME`].
pub(crate) const FRAME_SHIFT: u32 = GEOMETRY.frame_shift;

/// Bytes in a frame.
pub(crate) const FRAME: u32 = 1 << FRAME_SHIFT;

/// Frames in a page.
pub(crate) const FRAMES_PER_PAGE: u32 = PAGE / FRAME;

/// Frames in a 4 GiB memory.
pub(crate) const MAX_FRAMES: u32 = 1 << (32 - FRAME_SHIFT);

/// Unused frames in front of everything that holds metadata, so that an overflow of a block must run over
/// this much memory before it can reach any.
pub(crate) const GUARD_FRAMES: u32 = 1;

const_assert!(PAGE.is_multiple_of(FRAME));

/// No frame: ends a list. The heap's first frame is in none.
pub(crate) const NONE: u32 = 0;

/// What a run is. Kept in the [`Tag`] of the run's first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Not the first frame of a run, and not the last of a free one.
    Interior,
    /// The first frame of a free run, linked into a bin.
    Free,
    /// The last frame of a free run of two or more frames.
    FreeTail,
    /// A freed run that waits to be handed out again as it is, linked into a list of runs of this length.
    Cached,
    /// A run that is one live allocation; [`Entry::next`] is its length.
    Live,
    /// A run that holds a slab or metadata.
    Internal,
    /// A frame that another party grew.
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

    /// The same, remembering that an allocation which began at this frame was freed.
    #[inline]
    pub(crate) const fn freed(self) -> Self {
        Self(self.0 | Self::FREED)
    }

    /// Makes a live run a held one, of a block that was freed or of none.
    pub(crate) fn hold(&mut self, was_freed: bool) {
        let held = Self::new(Kind::Held, self.frames());
        *self = if was_freed { held.freed() } else { held };
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
            3 => Kind::Cached,
            4 => Kind::Live,
            5 => Kind::Internal,
            6 => Kind::Foreign,
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

/// What the map knows of one frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// The slab of which this frame is a part, else [`SlabPtr::EMPTY`].
    pub(crate) slab: SlabPtr,
    pub(crate) tag: Tag,
    /// Of a free or cached run: the next in its list. Of a live run: its length in bytes. Of a slab of
    /// descriptors: its first frame.
    pub(crate) next: u32,
    /// Of a free or cached run: the previous one in its list.
    pub(crate) previous: u32,
    /// Of a run that is or was an allocation.
    pub(crate) history: History,
}

impl Entry {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            slab: SlabPtr::EMPTY,
            tag: Tag::new(kind, 0),
            next: NONE,
            previous: NONE,
            history: History::NONE,
        }
    }
}

/// The map.
///
/// Invariants:
/// - **M1**: `entries` points to room for `capacity` entries, in pages that the heap holds, which nothing else reads or
///   writes. The first `count` of them, which is at most `capacity`, are initialized.
/// - **M2**: frame `i` is the `FRAME` bytes at offset `origin + i * FRAME`; `origin` is a multiple of a page,
///   and the last frame ends at or before 2^32.
pub(crate) struct Map {
    entries: *mut Entry,
    count: u32,
    origin: u32,
    capacity: u32,
}

// SAFETY: by M1 the entries belong to the map alone, and move to another thread with it.
unsafe impl Send for Map {}

impl Map {
    pub(crate) const fn new() -> Self {
        Self {
            entries: core::ptr::null_mut(),
            count: 0,
            origin: 0,
            capacity: 0,
        }
    }

    /// How many frames there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many frames the map can describe before it has to move.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The page number of the heap's first page.
    pub(crate) fn first_page(&self) -> u32 {
        self.origin >> PAGE_SHIFT
    }

    /// The offset in linear memory at which a frame begins.
    #[inline]
    pub(crate) fn offset(&self, frame: u32) -> u32 {
        self.origin + (frame << FRAME_SHIFT)
    }

    /// The same for a frame that may be the one behind the last, which at 4 GiB has no offset in memory.
    pub(crate) fn end(&self, frame: u32) -> u64 {
        u64::from(self.origin) + (u64::from(frame) << FRAME_SHIFT)
    }

    /// The frame that holds this offset, if there is one.
    #[inline(always)]
    pub(crate) fn frame_of(&self, ptr: u32) -> Option<u32> {
        let frame = ptr.wrapping_sub(self.origin) >> FRAME_SHIFT;
        (frame < self.count).then_some(frame)
    }

    /// The frame that holds this offset, which is known to be in the heap.
    pub(crate) fn own_frame_of(&self, ptr: u32) -> u32 {
        (ptr - self.origin) >> FRAME_SHIFT
    }

    /// The frame that begins at this offset, if there is one.
    pub(crate) fn frame_at(&self, ptr: u32) -> Option<u32> {
        self.frame_of(ptr).filter(|_| ptr.is_multiple_of(FRAME))
    }

    #[inline(always)]
    pub(crate) fn entry(&self, frame: u32) -> &Entry {
        debug_assert!(frame < self.count);
        // SAFETY: M1, and callers name only frames below `count`: those of runs that tile it, or what
        // `frame_of` gave.
        unsafe { &*self.entries.add(frame as usize) }
    }

    #[inline(always)]
    pub(crate) fn entry_mut(&mut self, frame: u32) -> &mut Entry {
        debug_assert!(frame < self.count);
        // SAFETY: as in `entry`; `&mut self` makes the reference unique.
        unsafe { &mut *self.entries.add(frame as usize) }
    }

    /// How many frames a map of `capacity` entries takes, the guard in front of it included.
    pub(crate) const fn frames_for(capacity: u32) -> u32 {
        GUARD_FRAMES + (capacity as u64 * size_of::<Entry>() as u64).div_ceil(FRAME as u64) as u32
    }

    /// How many frames the present map takes.
    pub(crate) fn frames(&self) -> u32 {
        Self::frames_for(self.capacity)
    }

    /// The first of the frames that the present map takes, if there is a map yet. `base` is the address of
    /// offset 0.
    pub(crate) fn home(&self, base: *mut u8) -> Option<u32> {
        let offset = (self.entries as usize).wrapping_sub(base as usize) as u32;
        (self.capacity > 0)
            .then(|| ((offset - self.origin) >> FRAME_SHIFT).wrapping_sub(GUARD_FRAMES))
    }

    /// Appends `foreign` frames of others and then `own` new ones, all interior.
    ///
    /// # Safety
    ///
    /// There is [`capacity`](Self::capacity) for them.
    pub(crate) unsafe fn extend(&mut self, foreign: u32, own: u32) {
        debug_assert!(self.count + foreign + own <= self.capacity);
        for (kind, frames) in [(Kind::Foreign, foreign), (Kind::Interior, own)] {
            for _ in 0..frames {
                // SAFETY: M1, and the caller's promise: `count < capacity`. The place may be uninitialized, so it is
                // only written.
                unsafe {
                    self.entries
                        .add(self.count as usize)
                        .write(Entry::new(kind))
                };
                self.count += 1;
            }
        }
    }

    /// Moves the map to `entries`, with room for `capacity`. The first map also sets the heap's first page.
    ///
    /// # Safety
    ///
    /// `entries` is aligned and points to room for `capacity >= count` entries in pages that the heap holds
    /// and that nothing else uses.
    pub(crate) unsafe fn relocate(&mut self, entries: *mut Entry, capacity: u32, page: u32) {
        if self.capacity == 0 {
            self.origin = page << PAGE_SHIFT;
        } else {
            // SAFETY: M1 for the source; the caller vouches for the target, which is new and so does not
            // overlap it.
            unsafe { entries.copy_from_nonoverlapping(self.entries, self.count as usize) };
        }
        // A call that is stopped here leaves one map or the other: the old place is cleared later.
        compiler_fence(Ordering::SeqCst);
        self.entries = entries;
        self.capacity = capacity;
        compiler_fence(Ordering::SeqCst);
    }
}
