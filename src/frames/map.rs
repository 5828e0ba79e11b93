//! The frame map: an [`Entry`] for each frame of the heap's pages, kept outside of the frames.
//!
//! It is a page table. The *root* has a pointer for each page of linear memory from the heap's first to its last; it points to the page's
//! *leaf*, the entries of its 64 frames, or to nothing if the page is another party's:
//!
//! ```text
//! ptr >> 16 -> root   | leaf of page 17 | leaf of page 18 | null | ... |
//! ptr >> 10 -> leaf                       | entry of frame 1152 | entry of frame 1153 | ... |
//! ```
//!
//! So pages of others between those of the heap cost one pointer each, and nothing moves but the root. This file knows no runs.

use crate::frames::entry::{Entry, Kind, Tag};
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, FRAMES_PER_PAGE, Frame};
use crate::slabs::slab::SlabPtr;
use core::mem::offset_of;
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::{Ordering, compiler_fence};
use static_assertions::const_assert;

/// Bytes of a leaf.
pub(crate) const LEAF: u32 = FRAMES_PER_PAGE * size_of::<Entry>() as u32;

/// How many pages a root of one frame covers.
pub(crate) const PAGES_PER_ROOT_FRAME: u32 = FRAME / size_of::<Leaf>() as u32;

/// A pointer to the entries of a page.
type Leaf = *mut Entry;

/// The map.
///
/// Invariants:
/// - **M1**: `root` points to room for `capacity` leaves, of which the first `pages`, at most `capacity`, are initialized.
///   Each is null, or points to the initialized entries of a page of the heap's. Behind these, all are null.
/// - **M2**: `spare` is the first of a list of [`Spare`]s, which have room for `spares` leaves.
/// - **M3**: root, leaves and spare ones are in pages that the heap holds, and nothing else reads or writes them.
pub(crate) struct Map {
    root: *mut Leaf,
    /// The heap's first page.
    first: u32,
    /// How many pages are covered.
    pages: u32,
    capacity: u32,
    spare: *mut Spare,
    spares: u32,
}

/// Room for leaves, at the beginning of the first of them, which is used last.
struct Spare {
    next: *mut Spare,
    leaves: u32,
}

const_assert!(size_of::<Spare>() <= LEAF as usize && align_of::<Spare>() <= align_of::<Entry>());

// SAFETY: by M3 what it points to belongs to the map alone, and moves to another thread with it.
unsafe impl Send for Map {}

impl Map {
    /// Where `root`, `first` and `pages` are, for a host that reads them.
    pub(crate) const FIELDS: [usize; 3] = [
        offset_of!(Self, root),
        offset_of!(Self, first),
        offset_of!(Self, pages),
    ];

    pub(crate) const fn new() -> Self {
        Self {
            root: null_mut(),
            first: 0,
            pages: 0,
            capacity: 0,
            spare: null_mut(),
            spares: 0,
        }
    }

    /// The heap's first page, and the one behind its last.
    pub(crate) fn range(&self) -> Range<u32> {
        self.first..self.first + self.pages
    }

    /// How many pages a root must cover, for this page and as many that follow, if the present one does not.
    pub(crate) fn root_for(&self, page: u32, pages: u32) -> Option<u32> {
        let first = if self.pages > 0 { self.first } else { page };
        let covered = page + pages - first;
        (covered > self.capacity).then_some(covered)
    }

    /// How many more pages can have leaves.
    pub(crate) fn spares(&self) -> u32 {
        self.spares
    }

    /// The leaf of a page, or null.
    #[inline(always)]
    fn leaf(&self, page: u32) -> Leaf {
        let index = page.wrapping_sub(self.first);
        if index < self.pages {
            // SAFETY: M1.
            unsafe { *self.root.add(index as usize) }
        } else {
            null_mut()
        }
    }

    /// Where the entry of a frame is, or nothing if the frame is in no page of the heap's.
    #[inline(always)]
    fn place(&self, frame: Frame) -> Option<*mut Entry> {
        let leaf = self.leaf(frame / FRAMES_PER_PAGE);
        // Within a leaf, if there is one.
        (!leaf.is_null()).then(|| leaf.wrapping_add((frame % FRAMES_PER_PAGE) as usize))
    }

    /// The entry of the frame that holds this offset, if it is in a page of the heap's.
    #[inline(always)]
    pub(crate) fn entry_of(&self, ptr: u32) -> Option<&Entry> {
        // SAFETY: M1.
        self.place(ptr >> FRAME_SHIFT)
            .map(|entry| unsafe { &*entry })
    }

    /// The tag of a frame. One that is in no page of the heap's is foreign, up to the end of its page.
    #[inline(never)]
    pub(crate) fn tag(&self, frame: Frame) -> Tag {
        // SAFETY: M1.
        self.place(frame).map_or(
            Tag::new(Kind::Foreign, FRAMES_PER_PAGE - frame % FRAMES_PER_PAGE),
            |entry| unsafe { (*entry).tag },
        )
    }

    /// The entry of a frame, which is known to be in the heap's pages.
    #[inline(never)]
    fn own(&self, frame: Frame) -> *mut Entry {
        debug_assert!(self.place(frame).is_some());
        // SAFETY: M1, and callers name only frames of the heap's pages: those of runs, or which `entry_of` knew.
        unsafe {
            let leaf = *self
                .root
                .add((frame / FRAMES_PER_PAGE - self.first) as usize);
            leaf.add((frame % FRAMES_PER_PAGE) as usize)
        }
    }

    /// The entry of a frame in a page of the heap's.
    #[inline(always)]
    pub(crate) fn entry(&self, frame: Frame) -> &Entry {
        // SAFETY: M1.
        unsafe { &*self.own(frame) }
    }

    /// The same, to be changed.
    #[inline(always)]
    pub(crate) fn entry_mut(&mut self, frame: Frame) -> &mut Entry {
        // SAFETY: M1; `&mut self` makes the reference unique.
        unsafe { &mut *self.own(frame) }
    }

    /// Makes frames in pages of the heap's those of a slab, or of none.
    #[inline(never)]
    pub(crate) fn set_slab(&mut self, head: Frame, frames: u32, slab: Option<SlabPtr>) {
        let named = slab.map_or((null_mut(), 0, 0), Entry::naming);
        let mut entry = null_mut();
        for frame in head..head + frames {
            if frame == head || frame % FRAMES_PER_PAGE == 0 {
                entry = self.own(frame);
            }
            // SAFETY: M1: it is the frame's. The next one is in the same leaf, or is looked up.
            unsafe {
                (*entry).name(named);
                entry = entry.add(1);
            }
        }
    }

    /// Moves the root to a place for `capacity` leaves, which is zeroed. The old place stays metadata: with each one twice as long as
    /// needed, all of them take no more than the last.
    ///
    /// # Safety
    ///
    /// `root` is aligned and points to room for as many leaves, at least as many as there are pages, as M3 asks for.
    pub(crate) unsafe fn move_root(&mut self, root: *mut u8, capacity: u32) {
        let root: *mut Leaf = root.cast();
        // SAFETY: the caller's promise, and M1 for what is copied. Where all bytes are zero there are null pointers.
        unsafe {
            root.write_bytes(0, capacity as usize);
            if self.pages > 0 {
                root.copy_from_nonoverlapping(self.root, self.pages as usize);
            }
        }
        // A pointer that is looked up after a call was stopped here finds one whole root or the other.
        compiler_fence(Ordering::SeqCst);
        self.root = root;
        self.capacity = capacity;
    }

    /// Takes in room for as many leaves, if any.
    ///
    /// # Safety
    ///
    /// `room` is aligned to a frame, and points to so many times [`LEAF`] bytes, as M3 asks for.
    pub(crate) unsafe fn add_spares(&mut self, room: *mut u8, leaves: u32) {
        if leaves > 0 {
            let spare: *mut Spare = room.cast();
            let next = self.spare;
            // SAFETY: the caller's promise.
            unsafe { spare.write(Spare { next, leaves }) };
            self.spare = spare;
            self.spares += leaves;
        }
    }

    /// Takes one of the spare leaves, of which there is one.
    fn take_spare(&mut self) -> Leaf {
        debug_assert!(self.spares > 0);
        self.spares -= 1;
        // SAFETY: M2. The last leaf is taken, and with the first one the list's head goes.
        unsafe {
            let spare = &mut *self.spare;
            spare.leaves -= 1;
            if spare.leaves == 0 {
                let first = self.spare;
                self.spare = spare.next;
                return first.cast();
            }
            self.spare.byte_add((spare.leaves * LEAF) as usize).cast()
        }
    }

    /// Gives as many pages of the heap's leaves of interior entries. All pages before them that had none are others'.
    ///
    /// # Safety
    ///
    /// The pages lie behind those that are covered, the root has room for them, and there are as many spare leaves.
    #[inline(never)]
    pub(crate) unsafe fn add_pages(&mut self, page: u32, pages: u32) {
        if self.pages == 0 {
            self.first = page;
        }
        let index = page - self.first;
        debug_assert!(index >= self.pages && index + pages <= self.capacity);
        for index in index..index + pages {
            let leaf = self.take_spare();
            // SAFETY: the caller's promises. Behind the pages that are covered, the root is zero up to its capacity: a null pointer
            // for each page of others. All bytes of an interior frame's entry are zero.
            unsafe {
                leaf.write_bytes(0, FRAMES_PER_PAGE as usize);
                self.root.add(index as usize).write(leaf);
            }
        }
        // A pointer that is looked up after a call was stopped here finds nothing.
        compiler_fence(Ordering::SeqCst);
        self.pages = index + pages;
    }
}
