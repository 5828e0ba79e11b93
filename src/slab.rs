//! Slabs: one run of frames, cut into equal slots of one size class.
//!
//! A slab is described *outside* of its run, by a block of metadata:
//!
//! ```text
//! descriptor   free  empty  origin  size  reciprocal  slots  class  head  next  previous | cell 0  cell 1  ...  cell n-1  (at most 64 cells)
//!                                                                                          |       |              |
//! run of frames                                                                          slot 0  slot 1  ...    slot n-1
//! ```
//!
//! `free` is a bitmap of the free slots, in one word. A *cell* is two bytes per slot, and is all that validation
//! needs: the length that the owner of a live slot asked for, or a number that no length equals. So `free`
//! needs *one comparison* of the cell with the given length, which fails for a wrong length, and for a free
//! slot whatever length is given.
//!
//! Nothing is counted: a slab is full when the word is zero, and empty when it is the word of all slots.
//!
//! The slot of a pointer is found by a multiplication with the reciprocal of the slot's size, which is exact
//! for pointers to the start of a slot; multiplying back finds out all others. This file knows one slab, and
//! nothing of other pages.

use crate::class::{CLASSES, MAX_SLOT, slot_size};
use crate::map::{FRAME, GUARD_FRAMES};
use core::num::NonZeroU32;
use static_assertions::const_assert;

/// The most slots that a slab has: those of a word.
const MAX_SLOTS: u32 = u64::BITS;

/// The most bytes that a slab has, guard not included.
const MAX_SLAB: u32 = 32 * FRAME;

/// The offset of cell 0 in a descriptor.
const CELLS: u32 = size_of::<Slab>() as u32;

/// The class of the slots that hold descriptors themselves: one more than those of the guest.
pub(crate) const DESCRIPTORS: u32 = CLASSES as u32;

/// Bytes of a descriptor and its cells.
pub(crate) const DESCRIPTOR: u32 =
    (CELLS + MAX_SLOTS * size_of::<Cell>() as u32).next_multiple_of(16);

/// What a cell is.
type Cell = i16;

/// The cell of a slot that was not handed out since the slab was made, in each of its bytes.
const FRESH_BYTE: u8 = 0x80;
const FRESH: Cell = Cell::from_ne_bytes([FRESH_BYTE; 2]);

/// The cell of a slot that was freed.
const FREED: Cell = -1;

/// The longest length that a slot can have, and the longest that `holds` can be asked for: cells of free slots,
/// extended to 32 bits, are more.
pub(crate) const MAX_LEN: u32 = i32::MAX as u32;

const_assert!(MAX_SLOT <= Cell::MAX as u32 && DESCRIPTOR <= Cell::MAX as u32);
const_assert!(FRESH < 0 && FREED < 0 && FRESH != FREED);
const_assert!(MAX_SLAB <= 1 << 16 && MAX_SLAB >= MAX_SLOT);

/// How many frames a slab of this class takes, and how many slots it has, if the last one had `previous` slots:
/// twice as many, from one frame or one slot on, so that a guest that needs few blocks takes little memory.
pub(crate) const fn shape(class: u32, previous: u32) -> (u32, u32) {
    let size = size_of_class(class);
    let guard = guard(class);
    let slots = min(
        if previous == 0 {
            FRAME / size
        } else {
            previous * 2
        },
        min(MAX_SLOTS, MAX_SLAB / size),
    );
    let frames = (max(slots, 1) * size).div_ceil(FRAME);
    (guard + frames, min(frames * FRAME / size, MAX_SLOTS))
}

const fn min(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

const fn max(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

/// How many frames a slab of this class has in front of its first slot.
pub(crate) const fn guard(class: u32) -> u32 {
    if class == DESCRIPTORS {
        GUARD_FRAMES
    } else {
        0
    }
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
        let mut slots = 0;
        let mut longest = 0;
        while slots == 0 || slots > longest {
            longest = slots;
            let (frames, next) = shape(class, slots);
            let bytes = (frames - guard(class)) * FRAME;
            assert!(next > 0 && next <= MAX_SLOTS && next >= slots);
            // What `locate` relies on: offsets below 2^16, and no slot's worth of room behind a full set of cells.
            assert!(bytes <= 1 << 16 && bytes / size_of_class(class) == next);
            assert!(
                next < MAX_SLOTS || next * size_of_class(class) == bytes || class == DESCRIPTORS
            );
            slots = next;
        }
        class += 1;
    }
};

/// The description of a slab, followed in memory by its cells.
#[repr(C)]
pub(crate) struct Slab {
    /// Which slots are free: bit `i` for slot `i`.
    free: u64,
    /// What `free` is when no slot is live; 0, which it never is after a slot was freed, while the slab is the
    /// current one of its class.
    empty: u64,
    /// Where slot 0 begins.
    origin: u32,
    /// Bytes of a slot.
    size: u32,
    /// 2^16 / size of a slot, rounded up.
    reciprocal: u32,
    slots: u32,
    class: u32,
    /// The first frame of the slab's run.
    head: u32,
    /// The next and the previous slab in whatever list of its class the slab is in.
    pub(crate) next: SlabPtr,
    pub(crate) previous: SlabPtr,
}

/// The slab of all places that have none: it has no free slot, and no pointer and length are right for it.
static EMPTY: (Slab, Cell) = (
    Slab {
        free: 0,
        empty: 0,
        origin: 0,
        size: 0,
        // So that `locate` finds every pointer at cell 0,
        reciprocal: 0,
        slots: 0,
        class: 0,
        head: 0,
        next: SlabPtr::EMPTY,
        previous: SlabPtr::EMPTY,
    },
    // which is no length.
    FRESH,
);

const_assert!(core::mem::offset_of!((Slab, Cell), 1) == CELLS as usize);

/// A pointer to a [`Slab`].
///
/// Invariants:
/// - **S1**: it points to `EMPTY`, which is never written to, or to a descriptor: memory that only its heap
///   uses, with its cells behind it.
/// - **S2**: a slot whose bit in `free` is set has a cell that is no length; the cells of all others are lengths
///   of at most a slot. (In a slab of descriptors, the slot that holds its own descriptor is one of these.)
/// - **S3**: `empty` has the bits of all slots that can be free, or is 0: then the slab is the current one of its
///   class.
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

    /// The cell of this slot.
    #[inline(always)]
    fn cell(self, slot: u32) -> Cell {
        debug_assert!(slot <= self.get().slots);
        // SAFETY: S1: `slot` is one of the slab's or, from `locate` for a pointer behind the last slot, the one
        // behind it, for which there is a cell as well.
        unsafe {
            self.0
                .byte_add(CELLS as usize)
                .cast::<Cell>()
                .add(slot as usize)
                .read()
        }
    }

    #[inline(always)]
    fn set_cell(self, slot: u32, cell: Cell) {
        debug_assert!(!self.is_empty());
        // SAFETY: S1, as above.
        unsafe {
            self.0
                .byte_add(CELLS as usize)
                .cast::<Cell>()
                .add(slot as usize)
                .write(cell)
        };
    }

    /// Makes a slab of fresh slots, described at this address, in the run of this shape that begins with frame
    /// `head` and, behind its guard, at offset `start`.
    ///
    /// # Safety
    ///
    /// [`DESCRIPTOR`] bytes at the address, aligned to 16, are this slab's alone until it is destroyed.
    pub(crate) unsafe fn describe(
        at: *mut u8,
        class: u32,
        head: u32,
        start: u32,
        slots: u32,
    ) -> Self {
        let size = size_of_class(class);
        let mut slab = Self(at.cast());
        // SAFETY: the caller's promise; what was there is not read.
        unsafe {
            at.write_bytes(FRESH_BYTE, DESCRIPTOR as usize);
            slab.0.write(Slab {
                free: 0,
                empty: 0,
                origin: start,
                size,
                reciprocal: (1u32 << 16).div_ceil(size),
                slots,
                class,
                head,
                next: Self::EMPTY,
                previous: Self::EMPTY,
            });
        }
        if class == DESCRIPTORS {
            // It holds itself.
            slab.set_cell(0, DESCRIPTOR as Cell);
        }
        slab.get_mut().free = slab.all();
        slab
    }

    /// The bits of all slots that can be free.
    fn all(self) -> u64 {
        let all = u64::MAX >> (MAX_SLOTS - self.get().slots);
        if self.class() == DESCRIPTORS {
            all & !1
        } else {
            all
        }
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

    pub(crate) fn slots(self) -> u32 {
        self.get().slots
    }

    /// The bytes of a slot.
    #[inline(always)]
    pub(crate) fn slot_size(self) -> u32 {
        self.get().size
    }

    /// Whether no slot is live.
    pub(crate) fn is_vacant(self) -> bool {
        self.get().free == self.all()
    }

    /// Whether no slot is free.
    #[inline(always)]
    pub(crate) fn is_full(self) -> bool {
        self.get().free == 0
    }

    /// Whether exactly one slot is free.
    pub(crate) fn has_one_free(self) -> bool {
        self.get().free.is_power_of_two()
    }

    /// Begins to allocate from this slab, as the current one of its class.
    pub(crate) fn appoint(&mut self) {
        self.get_mut().empty = 0;
    }

    /// Ends to allocate from this slab.
    pub(crate) fn retire(&mut self) {
        self.get_mut().empty = self.all();
    }

    /// Takes a free slot for `len` bytes, if there is one.
    #[inline(always)]
    pub(crate) fn pop(mut self, len: u32) -> Option<NonZeroU32> {
        let free = self.get().free;
        if free == 0 {
            return None;
        }
        let slot = free.trailing_zeros();
        self.get_mut().free = free & (free - 1);
        self.set_cell(slot, len as Cell);
        // SAFETY: the frame at offset 0 is never a slab's.
        Some(unsafe { NonZeroU32::new_unchecked(self.ptr(slot)) })
    }

    /// Frees a live slot. True if the slab was full or is now empty, and so may be in the wrong list.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push(mut self, slot: u32) -> bool {
        self.set_cell(slot, FREED);
        let free = self.get().free;
        let now = free | 1 << (slot % MAX_SLOTS);
        self.get_mut().free = now;
        free == 0 || now == self.get().empty
    }

    /// Changes the length of a live slot.
    #[inline]
    pub(crate) fn set_len(self, slot: u32, len: u32) {
        self.set_cell(slot, len as Cell);
    }

    /// The pointer to a slot.
    #[inline(always)]
    fn ptr(self, slot: u32) -> u32 {
        self.get()
            .origin
            .wrapping_add(slot.wrapping_mul(self.get().size))
    }

    /// The slot of a pointer into this slab's run. Means something only to [`holds`](Self::holds).
    #[inline(always)]
    pub(crate) fn locate(self, ptr: u32) -> u32 {
        ptr.wrapping_sub(self.get().origin)
            .wrapping_mul(self.get().reciprocal)
            >> 16
    }

    /// Whether `ptr`, which [`locate`](Self::locate) took to `slot`, is a live slot of exactly `len` bytes, at
    /// most [`MAX_LEN`].
    #[inline(always)]
    pub(crate) fn holds(self, slot: u32, ptr: u32, len: u32) -> bool {
        // The cell is the length, which no free slot's cell is; and the slot begins at the pointer.
        (i32::from(self.cell(slot)) as u32 ^ len) | (self.ptr(slot) ^ ptr) == 0
    }

    /// What the slot is that holds the byte at `ptr`, a pointer into this slab's run: where it begins, and
    /// what its cell says. `None` behind the last slot.
    pub(crate) fn slot_around(self, ptr: u32) -> Option<(u32, Slot)> {
        let slot = (ptr - self.get().origin) / self.slot_size();
        (slot < self.slots()).then(|| (self.ptr(slot), self.slot(slot)))
    }

    fn slot(self, slot: u32) -> Slot {
        match self.cell(slot) {
            FREED => Slot::Freed,
            FRESH => Slot::Fresh,
            len => Slot::Live { len: len as u32 },
        }
    }

    /// Checks S2 and S3. Panics if one does not hold.
    pub(crate) fn check(self, is_current: bool) {
        let free = self.get().free;
        assert_eq!(free & !self.all(), 0, "S2: a slot is free that is none");
        for slot in 0..self.slots() {
            let is_live = matches!(self.slot(slot), Slot::Live { len } if len <= self.slot_size());
            assert_ne!(
                is_live,
                free >> slot & 1 != 0,
                "S2: a slot is neither live nor free, or both"
            );
        }
        let empty = if is_current { 0 } else { self.all() };
        assert_eq!(
            self.get().empty,
            empty,
            "S3: the slab does not know whether it is current"
        );
    }

    /// The lengths of the live slots, with their pointers.
    pub(crate) fn live_slots(self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.slots()).filter_map(move |slot| match self.slot(slot) {
            Slot::Live { len } => Some((self.ptr(slot), len)),
            _ => None,
        })
    }
}
