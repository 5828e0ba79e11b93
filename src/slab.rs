//! Slabs: one run of frames, cut into equal slots of one size class.
//!
//! A slab is described *outside* of its run, by a block of metadata:
//!
//! ```text
//! descriptor   free  origin  stride  reciprocal  live  class  head  next  previous | cell 0  cell 1  ...  cell n-1  (at most 64 cells)
//!                                                                                    |       |              |
//! run of frames                                                                    slot 0  slot 1  ...    slot n-1
//! ```
//!
//! A *cell* is one word per slot, and it is all that validation needs. While the slot is live, its cell is
//! the length that its owner asked for. While the slot is free, its cell links it to the next free slot: the
//! free slots form a stack, as in a common free list, but no link is where a guest writes. A link is at least
//! 2^16 and a length is less, so `free` needs *one comparison* of the cell with the given length: it fails
//! for a wrong length, and for a free slot whatever length is given.
//!
//! A link is `2^16`, the low 16 bits of the slot's pointer (the others follow from the slab; what stands
//! above bit 16 means nothing), and flags. It is made from the pointer and not from the slot's index, so that
//! a slot which is freed and taken again at once does not wait for its index to be computed.
//!
//! Nothing counts on allocation. `free` counts live slots down, which is meaningful from the moment when the
//! slab is no longer the current one of its class and so has no allocations: see [`SlabPtr::retire`].
//!
//! The slot of a pointer is found by a multiplication with the reciprocal of the slot's size, which is exact
//! for pointers to the start of a slot; multiplying back finds out all others. This file knows one slab, and
//! nothing of other pages.

use crate::bitmap::{Bitmap, words};
use crate::class::{CLASSES, GRANULE, MAX_SLOT, slot_size};
use crate::map::{FRAME, GUARD_FRAMES};
use core::num::NonZeroU32;
use static_assertions::const_assert;

/// The most slots that a slab has, and the fewest.
const MAX_SLOTS: u32 = 64;
const MIN_SLOTS: u32 = 4;

/// The offset of cell 0 in a descriptor.
const CELLS: u32 = size_of::<Slab>() as u32;

/// The class of the slots that hold descriptors themselves: one more than those of the guest.
pub(crate) const DESCRIPTORS: u32 = CLASSES as u32;

/// Bytes of a descriptor and its cells.
pub(crate) const DESCRIPTOR: u32 = (CELLS + MAX_SLOTS * 4).next_multiple_of(16);

/// Frames of a slab of descriptors, its guard included.
const DESCRIPTOR_FRAMES: u32 = 8;

/// One more than the largest length in a cell. Set in each link.
const LINK: u32 = 1 << 16;

/// The part of a pointer that a link keeps. Slots begin at granules, so its lowest bits are free for flags.
const LOW: u32 = LINK - GRANULE;

/// Flag in a free slot's link to the next: the slot itself was live before.
const FREED: u32 = 1;

/// Flag in a link: there is no next free slot.
const LAST: u32 = 2;

/// The count of live slots of a slab whose slots nobody counts.
const UNCOUNTED: u32 = 1 << 31;

/// What remains of a quotient in `locate`: whole cells.
const OFFSET: u32 = 0xFFFC;

const_assert!(DESCRIPTOR <= OFFSET);
const_assert!(FREED < GRANULE && LAST < GRANULE);
const_assert!(MAX_SLOT < LINK && DESCRIPTOR < LINK);

/// The bytes that a slab has, unless that makes more than [`MAX_SLOTS`] slots or fewer than [`MIN_SLOTS`].
const SLAB: u32 = 8 * FRAME;

/// How many frames a slab of this class takes, and how many slots it has.
pub(crate) const fn shape(class: u32) -> (u32, u32) {
    let size = size_of_class(class);
    if class == DESCRIPTORS {
        return (
            DESCRIPTOR_FRAMES,
            (DESCRIPTOR_FRAMES - GUARD_FRAMES) * FRAME / size,
        );
    }
    let slots = if size > SLAB / MIN_SLOTS {
        MIN_SLOTS
    } else if size < SLAB / MAX_SLOTS {
        MAX_SLOTS
    } else {
        SLAB / size
    };
    ((slots * size).div_ceil(FRAME), slots)
}

/// The bytes of a slot of this class.
pub(crate) const fn size_of_class(class: u32) -> u32 {
    if class == DESCRIPTORS {
        DESCRIPTOR
    } else {
        slot_size(class)
    }
}

const _: () = {
    let mut class = 0;
    while class <= DESCRIPTORS {
        let (frames, slots) = shape(class);
        assert!(slots > 1 && slots <= MAX_SLOTS);
        // What `locate` relies on: offsets below 2^16, and no slot's worth of room behind a full set of cells.
        assert!(
            frames * FRAME <= LINK && frames * FRAME / size_of_class(class) == slots
                || class == DESCRIPTORS
        );
        assert!(slots < MAX_SLOTS || slots * size_of_class(class) == frames * FRAME);
        class += 1;
    }
};

/// The description of a slab, followed in memory by its cells.
#[repr(C)]
pub(crate) struct Slab {
    /// The link to the first free slot.
    free: u32,
    /// Where slot 0 begins.
    origin: u32,
    /// Bytes of slots per byte of cells: a quarter of the slot's size.
    stride: u32,
    /// 2^16 / size of a slot, rounded up.
    reciprocal: u32,
    /// The live slots, while the slab is not the current one of its class.
    live: u32,
    class: u32,
    /// The first frame of the slab's run.
    head: u32,
    /// The next and the previous slab in whatever list of its class the slab is in.
    pub(crate) next: SlabPtr,
    pub(crate) previous: SlabPtr,
}

/// The slab of all places that have none: it has no free slot, and no pointer and length are right for it.
static EMPTY: (Slab, u32) = (
    Slab {
        free: LINK | LAST,
        origin: 0,
        stride: 0,
        // So that `locate` finds every pointer at cell 0,
        reciprocal: 0,
        live: 0,
        class: 0,
        head: 0,
        next: SlabPtr::EMPTY,
        previous: SlabPtr::EMPTY,
    },
    // which is no length.
    LINK,
);

const_assert!(core::mem::offset_of!((Slab, u32), 1) == CELLS as usize);

/// A pointer to a [`Slab`].
///
/// Invariants:
/// - **S1**: it points to `EMPTY`, which is never written to, or to a descriptor: memory that only its heap
///   uses, with its cells behind it.
/// - **S2**: following the links from `free` visits each free slot once; the cells of all other slots are
///   lengths of at most a slot.
/// - **S3**: `live` is the number of slots that are not free (the slot of a slab of descriptors in which it
///   describes itself not counted), unless the slab is the current one of its class.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct SlabPtr(*mut Slab);

// SAFETY: a descriptor belongs to one heap and moves to another thread only with it; `EMPTY` is never written to.
unsafe impl Send for SlabPtr {}
// SAFETY: the same; all writing goes through a `&mut` heap.
unsafe impl Sync for SlabPtr {}

/// What a slot's cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Live {
        len: u32,
    },
    Freed,
    /// Not handed out since the slab was made.
    Fresh,
}

impl SlabPtr {
    pub(crate) const EMPTY: Self = Self((&raw const EMPTY.0).cast_mut());

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The address of the descriptor.
    pub(crate) fn address(self) -> usize {
        self.0 as usize
    }

    #[inline(always)]
    fn get(&self) -> &Slab {
        // SAFETY: S1.
        unsafe { &*self.0 }
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> &mut Slab {
        debug_assert!(!self.is_empty());
        // SAFETY: S1, and it is not `EMPTY`. References to descriptors live within single statements of
        // `&mut` methods of one heap, so none overlap.
        unsafe { &mut *self.0 }
    }

    /// The cell at this offset from the first, a multiple of 4.
    #[inline(always)]
    fn cell(self, at: u32) -> u32 {
        // SAFETY: S1: `at` is that of a cell or, from `locate` for a pointer behind the last slot, of the
        // word behind the last cell.
        unsafe {
            self.0
                .byte_add(at as usize)
                .byte_add(CELLS as usize)
                .cast::<u32>()
                .read()
        }
    }

    #[inline(always)]
    fn set_cell(self, at: u32, word: u32) {
        debug_assert!(!self.is_empty());
        // SAFETY: S1, as above.
        unsafe {
            self.0
                .byte_add(at as usize)
                .byte_add(CELLS as usize)
                .cast::<u32>()
                .write(word)
        };
    }

    /// Makes a descriptor: of a slab with all slots free but the first `taken`, whose slot 0 is at `start`.
    ///
    /// # Safety
    ///
    /// `at` is aligned to 16 and points to [`DESCRIPTOR`] bytes of a heap's memory that nothing else uses.
    pub(crate) unsafe fn describe(
        at: *mut u8,
        class: u32,
        head: u32,
        start: u32,
        taken: u32,
    ) -> Self {
        let (_, slots) = shape(class);
        let size = size_of_class(class);
        let slab = Self(at.cast());
        let first = start + taken * size;
        // SAFETY: the caller's promise; what was there is not read.
        unsafe {
            slab.0.write(Slab {
                free: first | LINK,
                origin: start,
                stride: size / 4,
                reciprocal: (1u32 << 16).div_ceil(size),
                live: UNCOUNTED,
                class,
                head,
                next: Self::EMPTY,
                previous: Self::EMPTY,
            });
        }
        for index in 0..taken {
            slab.set_cell(index * 4, size);
        }
        let mut next = first;
        for index in taken..slots {
            next = next.wrapping_add(size);
            slab.set_cell(index * 4, next | LINK);
        }
        slab.set_cell((slots - 1) * 4, LINK | LAST);
        if slots < MAX_SLOTS {
            // Behind the last slot there is room that no length is right for.
            slab.set_cell(slots * 4, LINK);
        }
        slab
    }

    /// The descriptor at this address.
    ///
    /// # Safety
    ///
    /// [`describe`](Self::describe) made one there, and its slab was not destroyed since.
    pub(crate) unsafe fn at(address: *mut u8) -> Self {
        Self(address.cast())
    }

    #[inline(always)]
    pub(crate) fn class(self) -> u32 {
        self.get().class
    }

    /// The next slab in this one's list.
    pub(crate) fn next(self) -> Self {
        self.get().next
    }

    pub(crate) fn head(self) -> u32 {
        self.get().head
    }

    /// The bytes of a slot.
    #[inline(always)]
    pub(crate) fn slot_size(self) -> u32 {
        self.get().stride * 4
    }

    /// How many slots are live. The slab is not the current one of its class.
    pub(crate) fn live(self) -> u32 {
        self.get().live
    }

    /// How many slots are live, by following the free ones.
    pub(crate) fn count_live(self) -> u32 {
        let class = self.class();
        let (_, slots) = shape(class);
        let mut live = slots - u32::from(class == DESCRIPTORS);
        let mut link = self.get().free;
        while link & LAST == 0 {
            live -= 1;
            link = self.cell(self.locate(self.ptr_of(link)));
        }
        live
    }

    /// Begins to allocate from this slab, as the current one of its class: from here on, its live slots are
    /// not counted.
    pub(crate) fn appoint(&mut self) {
        self.get_mut().live = UNCOUNTED;
    }

    /// Ends to allocate from this slab, and counts its live slots.
    pub(crate) fn retire(&mut self) {
        self.get_mut().live = self.count_live();
    }

    /// Whether no slot is free.
    #[inline(always)]
    pub(crate) fn is_full(self) -> bool {
        self.get().free & LAST != 0
    }

    /// Takes a free slot for `len` bytes, if there is one.
    #[inline(always)]
    pub(crate) fn pop(mut self, len: u32) -> Option<NonZeroU32> {
        if self.is_full() {
            return None;
        }
        let ptr = self.ptr_of(self.get().free);
        let at = self.locate(ptr);
        self.get_mut().free = self.cell(at);
        self.set_cell(at, len);
        // SAFETY: the frame at offset 0 is never a slab's.
        Some(unsafe { NonZeroU32::new_unchecked(ptr) })
    }

    /// Frees the live slot at `ptr`, whose cell is at `at`.
    #[inline(always)]
    pub(crate) fn push(mut self, at: u32, ptr: u32) -> Pushed {
        let Slab { free, live, .. } = *self.get();
        self.set_cell(at, free | FREED);
        self.get_mut().free = ptr | LINK;
        self.get_mut().live = live - 1;
        Pushed {
            was_full: free & LAST != 0,
            is_empty: live == 1,
        }
    }

    /// The pointer to the slot that a link names.
    #[inline(always)]
    fn ptr_of(self, link: u32) -> u32 {
        let origin = self.get().origin;
        origin.wrapping_add(link.wrapping_sub(origin) & LOW)
    }

    /// Changes the length of the live slot whose cell is at `at`.
    #[inline]
    pub(crate) fn set_len(self, at: u32, len: u32) {
        self.set_cell(at, len);
    }

    /// The pointer to the slot whose cell is at `at`.
    #[inline(always)]
    fn ptr(self, at: u32) -> u32 {
        self.get().origin.wrapping_add(at * self.get().stride)
    }

    /// The offset of the cell of the slot at `ptr`, a pointer into this slab's run. Means something only to
    /// [`holds`](Self::holds).
    #[inline(always)]
    pub(crate) fn locate(self, ptr: u32) -> u32 {
        // A factor of 4 stays in: cells are four bytes.
        (ptr.wrapping_sub(self.get().origin)
            .wrapping_mul(self.get().reciprocal)
            >> (16 - 2))
            & OFFSET
    }

    /// Whether `ptr`, which [`locate`](Self::locate) took to `at`, is a live slot of exactly `len` bytes.
    #[inline(always)]
    pub(crate) fn holds(self, at: u32, ptr: u32, len: u32) -> bool {
        // The cell is the length, which no free slot's word can be; and the slot begins at the pointer.
        (self.cell(at) ^ len) | (len / LINK) | (self.ptr(at) ^ ptr) == 0
    }

    /// What the slot is that holds the byte at `ptr`, a pointer into this slab's run: where it begins, and
    /// what its cell says. `None` behind the last slot.
    pub(crate) fn slot_around(self, ptr: u32) -> Option<(u32, Slot)> {
        let (_, slots) = shape(self.class());
        let index = (ptr - self.get().origin) / self.slot_size();
        (index < slots).then(|| (self.ptr(index * 4), self.slot(index)))
    }

    fn slot(self, index: u32) -> Slot {
        match self.cell(index * 4) {
            len if len < LINK => Slot::Live { len },
            word if word & FREED != 0 => Slot::Freed,
            _ => Slot::Fresh,
        }
    }

    /// Checks S2 and, unless the slab is current, S3. Panics if one does not hold.
    pub(crate) fn check(self, is_current: bool) {
        let (_, slots) = shape(self.class());
        let mut free = Bitmap::<{ words(MAX_SLOTS as usize) }>::EMPTY;
        let mut link = self.get().free;
        while link & LAST == 0 {
            let ptr = self.ptr_of(link);
            let at = self.locate(ptr);
            let index = at / 4;
            assert!(
                index < slots && self.ptr(at) == ptr,
                "S2: a link leads out of its slab"
            );
            assert!(!free.contains(index as usize), "S2: a slot is free twice");
            free.insert(index as usize);
            link = self.cell(at);
        }
        for index in 0..slots {
            let is_live = matches!(self.slot(index), Slot::Live { len } if len <= self.slot_size());
            assert_ne!(
                is_live,
                free.contains(index as usize),
                "S2: a slot is neither live nor free, or both"
            );
        }
        assert!(
            is_current || self.live() == self.count_live(),
            "S3: the live slots are miscounted"
        );
    }

    /// The lengths of the live slots, with their pointers.
    pub(crate) fn live_slots(self) -> impl Iterator<Item = (u32, u32)> {
        let (_, slots) = shape(self.class());
        (0..slots).filter_map(move |index| match self.slot(index) {
            Slot::Live { len } => Some((self.ptr(index * 4), len)),
            _ => None,
        })
    }
}

/// What freeing a slot changed about its slab.
#[derive(Clone, Copy)]
pub(crate) struct Pushed {
    pub(crate) was_full: bool,
    pub(crate) is_empty: bool,
}
