//! Slabs: one run of frames, cut into equal slots of one size class.
//!
//! A slab is described *outside* of its run, by a block of metadata:
//!
//! ```text
//! descriptor   free  watch  origin  size  reciprocal  slots  class  head  next  previous | cell 0  cell 1  ...  cell n-1  (at most 63 cells)
//!                                                                                          |       |              |
//! run of frames                                                                          slot 0  slot 1  ...    slot n-1
//! ```
//!
//! `free` is a bitmap of the free slots, in one word. A *cell* is two bytes per slot: the length that the slot's
//! owner asked for. A slot is allocated by taking the word's lowest bit and writing the cell, and freed by
//! setting the bit again, once it is known that the pointer is that of a slot, that the cell is the given length,
//! and that the bit is not set.
//!
//! Nothing is counted. A `free` that changes which list the slab belongs to is told from others by one operation
//! of the word with another, `watch`.
//!
//! The slot of a pointer is found by a multiplication with the reciprocal of the slot's size, as a fraction of
//! 2^32: the upper half of the product is the slot, and the lower half is less than the reciprocal only if the
//! pointer is to the slot's start ([Lemire, Kaser and Kurz, 2019][lemire]). This file knows one slab, and nothing
//! of other pages.
//!
//! [lemire]: https://doi.org/10.1002/spe.2689

use crate::checked::{CHECKED, History};
use crate::class::{CLASSES, MAX_SLOT, slot_size};
use crate::geometry::GEOMETRY;
use crate::invariant::{Checked, ensure};
use crate::map::{FRAME, GUARD_FRAMES};
use core::num::NonZeroU32;
use core::ptr::NonNull;
use static_assertions::const_assert;

/// The most slots that a slab has. One bit of a word is left for [`NEVER`].
pub(crate) const MAX_SLOTS: u32 = GEOMETRY.max_slots;

/// The most bytes that a slab has, its guard not included.
const MAX_SLAB: u32 = GEOMETRY.max_slab_frames * FRAME;

/// The class of the slots that hold descriptors themselves: one more than those of the guest.
pub(crate) const DESCRIPTORS: u32 = CLASSES as u32;

/// Bytes of a descriptor and its cells. There is one cell more than slots, for pointers behind the last slot.
pub(crate) const DESCRIPTOR: u32 = (size_of::<Slab>() as u32
    + CELLS * (size_of::<Cell>() + size_of::<History>()) as u32)
    .next_multiple_of(16);

const CELLS: u32 = MAX_SLOTS + 1;

/// What a cell is.
type Cell = i16;

/// The cell of a slot that was not handed out since the slab was made, and of what is no slot.
const FRESH: Cell = -1;

/// The cell of a slot that checked mode keeps from being handed out, though its block was freed.
const HELD: Cell = -2;

/// The longest length that [`SlabPtr::find`] can be asked for. [`FRESH`] and [`HELD`], extended to 32 bits, are
/// more.
pub(crate) const MAX_LEN: u32 = i32::MAX as u32;

/// The `watch` of a slab for which no `free` is special: a bit that no slot has.
const NEVER: u64 = 1 << MAX_SLOTS;

const_assert!(MAX_SLOTS < u64::BITS);
const_assert!(MAX_SLOT <= Cell::MAX as u32);
const_assert!(DESCRIPTOR <= Cell::MAX as u32);
const_assert!(MAX_SLAB >= MAX_SLOT);
// What stands one behind the other in a descriptor is aligned.
const_assert!(align_of::<Slab>() <= 16);
const_assert!(
    (size_of::<Slab>() + CELLS as usize * size_of::<Cell>()).is_multiple_of(align_of::<History>())
);

/// How many frames a slab of this class takes, and how many slots it has, if the last one had `previous` slots:
/// twice as many, from one frame or one slot on, so that a guest that needs few blocks takes little memory.
pub(crate) const fn shape(class: u32, previous: u32) -> (u32, u32) {
    let size = size_of_class(class);
    let wanted = if previous == 0 {
        let least = if class == DESCRIPTORS { 2 } else { 0 };
        at_least(FRAME / size, least)
    } else {
        previous * 2
    };
    let slots = at_most(wanted, at_most(MAX_SLOTS, MAX_SLAB / size));
    let bytes = if slots == 0 { size } else { slots * size };
    let frames = bytes.div_ceil(FRAME);
    (
        guard(class) + frames,
        at_most(frames * FRAME / size, MAX_SLOTS),
    )
}

const fn at_most(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

const fn at_least(a: u32, b: u32) -> u32 {
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
const fn size_of_class(class: u32) -> u32 {
    if class == DESCRIPTORS {
        DESCRIPTOR
    } else {
        slot_size(class)
    }
}

/// 2^32 / size, rounded up.
const fn reciprocal(size: u32) -> u32 {
    u32::MAX / size + 1
}

/// What [`SlabPtr::find`] relies on, for all slabs that a class can have.
const _: () = {
    let mut class = 0;
    while class <= DESCRIPTORS {
        let size = size_of_class(class);
        // The lower half of a product is `slot * error` for the start of a slot; for each byte further in it is
        // more by the reciprocal, and stays below 2^32 up to the slot's last.
        let error = reciprocal(size) as u64 * size as u64 - (1 << 32);
        assert!((MAX_SLOTS as u64 + 1) * error < reciprocal(size) as u64);
        let (mut slots, mut grows) = (0, true);
        while grows {
            let (frames, next) = shape(class, slots);
            let bytes = (frames - guard(class)) * FRAME;
            // Behind the last slot there is room for at most one more.
            assert!(next > 0 && next <= MAX_SLOTS && bytes.div_ceil(size) <= next + 1);
            grows = next > slots;
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
    /// A `free` after which none of these slots is live changes which list the slab belongs to: all slots if the
    /// slab is partial, none if it is full, and [`NEVER`] while it is the current slab of its class.
    watch: u64,
    /// Where slot 0 begins.
    origin: u32,
    /// Bytes of a slot.
    size: u32,
    /// 2^32 / size, rounded up.
    reciprocal: u32,
    slots: u32,
    class: u32,
    /// The first frame of the slab's run.
    head: u32,
    /// The next and the previous slab in whatever list of its class the slab is in.
    pub(crate) next: Option<SlabPtr>,
    pub(crate) previous: Option<SlabPtr>,
}

/// The slab of all places that have none: it has no free slot, and no pointer is right for it.
static EMPTY: Slab = Slab {
    free: 0,
    watch: 0,
    origin: 0,
    size: 0,
    // Nothing is less than this, so no pointer is to the start of a slot.
    reciprocal: 0,
    slots: 0,
    class: 0,
    head: 0,
    next: None,
    previous: None,
};

/// A pointer to a [`Slab`].
///
/// Invariants:
/// - **S1**: it points to `EMPTY`, which is never written to, or to a descriptor: memory that only its heap
///   uses, with its cells behind it, and behind these the slots' histories.
/// - **S2**: `free` has bits of slots only; the cells of slots whose bit is not set are lengths of at most a slot.
///   (In a slab of descriptors, the slot that holds its own descriptor is one of these.) In checked mode they may also be
///   [`HELD`], or [`FRESH`] if the slot is held and nobody has had it. The cell behind the last slot's is [`FRESH`].
/// - **S3**: `watch` is what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct SlabPtr(NonNull<Slab>);

// SAFETY: a descriptor belongs to one heap and moves to another thread only with it; `EMPTY` is never written to.
unsafe impl Send for SlabPtr {}
// SAFETY: the same; all writing goes through a `&mut` heap.
unsafe impl Sync for SlabPtr {}

/// What a slot is.
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
    pub(crate) const EMPTY: Self = Self(NonNull::from_ref(&EMPTY));

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The address of the descriptor.
    pub(crate) fn address(self) -> usize {
        self.0.as_ptr() as usize
    }

    #[inline(always)]
    fn get(&self) -> &Slab {
        // SAFETY: S1.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> &mut Slab {
        debug_assert!(!self.is_empty());
        // SAFETY: S1, and it is not `EMPTY`. References to descriptors live within single statements of
        // `&mut` methods of one heap, so none overlap.
        unsafe { self.0.as_mut() }
    }

    /// The cell of a slot, or the one behind the last slot's. The slab is not the empty one.
    #[inline(always)]
    fn cell(self, slot: u32) -> *mut Cell {
        debug_assert!(!self.is_empty() && slot <= self.get().slots);
        // SAFETY: S1: the cells lie behind the descriptor, and callers name one of them.
        unsafe { self.0.as_ptr().add(1).cast::<Cell>().add(slot as usize) }
    }

    /// The length in a slot's cell, or [`FRESH`].
    #[inline(always)]
    fn len(self, slot: u32) -> i32 {
        // SAFETY: S1: it is a cell, and `describe` has written all of them.
        i32::from(unsafe { self.cell(slot).read() })
    }

    /// Sets the length of a slot that is live, or about to be.
    #[inline(always)]
    pub(crate) fn set_len(self, slot: u32, len: u32) {
        // SAFETY: S1: it is a cell.
        unsafe { self.cell(slot).write(len as Cell) };
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
        // SAFETY: nothing is read from it before it was written below, and memory is not at null: the first frame of a
        // heap is a foreign one (R1), and natively no memory begins at null.
        let mut slab = unsafe { Self::at(at) };
        // SAFETY: the caller's promise: `DESCRIPTOR` bytes, which hold a `Slab`, `CELLS` cells and as many histories.
        unsafe {
            slab.0.write(Slab {
                free: 0,
                watch: NEVER,
                origin: start,
                size,
                reciprocal: reciprocal(size),
                slots,
                class,
                head,
                next: None,
                previous: None,
            });
            // Each byte of `FRESH` is this, and each of `History::NONE`.
            let behind = slab.0.add(1).cast::<u8>();
            behind.write_bytes(0xFF, (DESCRIPTOR as usize) - size_of::<Slab>());
        }
        if class == DESCRIPTORS {
            // It holds itself.
            slab.set_len(0, DESCRIPTOR);
        }
        slab.get_mut().free = slab.all();
        slab
    }

    /// The descriptor at this address.
    ///
    /// # Safety
    ///
    /// [`describe`](Self::describe) made one there, and its slab was not destroyed since.
    pub(crate) unsafe fn at(address: *mut u8) -> Self {
        // SAFETY: a descriptor is not at null.
        Self(unsafe { NonNull::new_unchecked(address.cast()) })
    }

    /// The bits of all slots that can be free.
    fn all(self) -> u64 {
        let all = (1 << self.slots()) - 1;
        if self.class() == DESCRIPTORS {
            all & !1
        } else {
            all
        }
    }

    pub(crate) fn class(self) -> u32 {
        self.get().class
    }

    /// The next slab in this one's list.
    pub(crate) fn next(self) -> Option<Self> {
        self.get().next
    }

    /// The slab before this one in its list.
    pub(crate) fn previous(self) -> Option<Self> {
        self.get().previous
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
    pub(crate) fn is_full(self) -> bool {
        self.get().free == 0
    }

    /// Whether the slab is in no list, because it was full when it was looked at last.
    pub(crate) fn is_unlisted(self) -> bool {
        self.get().watch == 0
    }

    /// Begins to allocate from this slab, as the current one of its class.
    pub(crate) fn appoint(&mut self) {
        self.get_mut().watch = NEVER;
    }

    /// Watches for what changes this slab's list, now that it is not the current one of its class.
    pub(crate) fn watch(&mut self) {
        self.get_mut().watch = if self.is_full() { 0 } else { self.all() };
    }

    /// Takes a free slot for `len` bytes, if there is one.
    #[inline(always)]
    pub(crate) fn pop(mut self, len: u32) -> Option<NonZeroU32> {
        let free = self.get().free;
        if free == 0 {
            return None;
        }
        let slot = free.trailing_zeros();
        // In this order S2 holds in between, too.
        self.set_len(slot, len);
        self.get_mut().free = free & (free - 1);
        // SAFETY: the frame at offset 0 is never a slab's.
        Some(unsafe { NonZeroU32::new_unchecked(self.ptr(slot)) })
    }

    /// Frees a live slot, unless that is what the slab [watches](Self::watch) for: then it does nothing, and returns false.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push(mut self, slot: u32) -> bool {
        let free = self.get().free | 1 << slot;
        let is_watched = self.get().watch & !free == 0;
        if !is_watched {
            self.get_mut().free = free;
        }
        !is_watched
    }

    /// Frees a live slot, whatever the slab watches for.
    pub(crate) fn push_watched(mut self, slot: u32) {
        self.get_mut().free |= 1 << slot;
    }

    /// The pointer to a slot.
    #[inline(always)]
    pub(crate) fn ptr(self, slot: u32) -> u32 {
        self.get().origin.wrapping_add(slot * self.get().size)
    }

    /// The live slot of exactly `len` bytes, at most [`MAX_LEN`], that `ptr` points to, a pointer into this slab's
    /// run (or any, if this is the empty slab).
    #[inline(always)]
    pub(crate) fn find(self, ptr: u32, len: u32) -> Option<u32> {
        let Slab {
            free,
            origin,
            reciprocal,
            ..
        } = *self.get();
        let product = u64::from(ptr.wrapping_sub(origin)) * u64::from(reciprocal);
        let slot = (product >> 32) as u32;
        // The pointer is to the start of a slot (or of what would be the next one), of this length, and live.
        let is_right =
            (product as u32) < reciprocal && self.len(slot) as u32 == len && free & 1 << slot == 0;
        is_right.then_some(slot)
    }

    /// The slot that holds the byte at `ptr`, a pointer into this slab's run.
    pub(crate) fn slot_of(self, ptr: u32) -> u32 {
        (ptr - self.get().origin) / self.slot_size()
    }

    /// What the slot is that holds the byte at `ptr`, a pointer into this slab's run: where it begins, and
    /// what is known of it. `None` behind the last slot.
    pub(crate) fn slot_around(self, ptr: u32) -> Option<(u32, Slot)> {
        let slot = self.slot_of(ptr);
        (slot < self.slots()).then(|| (self.ptr(slot), self.slot(slot)))
    }

    pub(crate) fn slot(self, slot: u32) -> Slot {
        let is_free = self.get().free >> slot & 1 != 0;
        match self.len(slot) as Cell {
            FRESH => Slot::Fresh,
            len if is_free || len == HELD => Slot::Freed,
            len => Slot::Live { len: len as u32 },
        }
    }

    /// Keeps a slot that is not free from being handed out, until it is pushed: one that was freed, or that nobody has had.
    pub(crate) fn hold(self, slot: u32, was_freed: bool) {
        let cell = if was_freed { HELD } else { FRESH };
        // SAFETY: S1: it is a cell.
        unsafe { self.cell(slot).write(cell) };
    }

    /// Whether a slot is held.
    pub(crate) fn is_held(self, slot: u32) -> bool {
        self.get().free >> slot & 1 == 0 && self.len(slot) < 0
    }

    /// Where the history of a slot lies: behind the cells, in the same order.
    fn history_at(self, slot: u32) -> *mut History {
        // SAFETY: S1: there is one for each cell.
        unsafe {
            self.cell(0)
                .add(CELLS as usize)
                .byte_add(slot as usize * size_of::<History>())
                .cast()
        }
    }

    pub(crate) fn history(self, slot: u32) -> History {
        // SAFETY: S1: it is a history, and `describe` has written all of them.
        unsafe { self.history_at(slot).read() }
    }

    pub(crate) fn set_history(self, slot: u32, history: History) {
        // SAFETY: S1: it is a history.
        unsafe { self.history_at(slot).write(history) };
    }

    /// Checks S2 and S3.
    pub(crate) fn check(self, is_current: bool) -> Checked {
        let Slab { free, watch, .. } = *self.get();
        ensure(free & !self.all() == 0, "S2: what is no slot is free")?;
        for slot in 0..self.slots() {
            let len = self.len(slot);
            ensure(
                free >> slot & 1 != 0
                    || (0..=self.slot_size() as i32).contains(&len)
                    || CHECKED && self.is_held(slot),
                "S2: a live slot has no length",
            )?;
        }
        ensure(
            self.len(self.slots()) == i32::from(FRESH),
            "S2: what is no slot has a length",
        )?;
        let watched = match () {
            () if is_current => NEVER,
            () if self.is_full() => 0,
            () => self.all(),
        };
        ensure(watch == watched, "S3: a slab watches for something else")
    }

    /// The lengths of the live slots, with their pointers.
    pub(crate) fn live_slots(self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.slots()).filter_map(move |slot| match self.slot(slot) {
            Slot::Live { len } => Some((self.ptr(slot), len)),
            _ => None,
        })
    }
}

/// That [`SlabPtr::check`] finds what it looks for, each of its sentences, of a slab that was brought out of order; and the
/// shapes of slabs.
#[cfg(all(test, not(any(feature = "checked", pageslab_geometry = "tiny"))))]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;

    const SLOTS: u32 = 16;

    /// A slab of this class with [`SLOTS`] slots, as the current one.
    fn with_slab(class: u32, test: impl FnOnce(SlabPtr)) {
        let mut room = vec![0u128; DESCRIPTOR as usize / size_of::<u128>()];
        // SAFETY: there is room, aligned to 16, for as long as the test runs.
        let mut slab =
            unsafe { SlabPtr::describe(room.as_mut_ptr().cast(), class, 7, 1024, SLOTS) };
        slab.appoint();
        assert_eq!(slab.check(true), Ok(()));
        test(slab);
    }

    /// One of which some slots are live.
    fn with_blocks(test: impl FnOnce(SlabPtr)) {
        with_slab(3, |slab| {
            for len in [0, 1, slab.slot_size()] {
                slab.pop(len).expect("a slot is free");
            }
            assert_eq!(slab.check(true), Ok(()));
            test(slab);
        });
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        type Defect = fn(SlabPtr);
        let defects: &[(&str, Defect)] = &[
            ("S2: what is no slot is free", |mut slab| {
                slab.get_mut().free |= 1 << SLOTS;
            }),
            ("S2: a live slot has no length", |mut slab| {
                slab.get_mut().free &= !(1 << 5);
            }),
            ("S2: a live slot has no length", |slab| {
                slab.set_len(2, slab.slot_size() + 1);
            }),
            ("S2: what is no slot has a length", |slab| {
                slab.set_len(SLOTS, 0);
            }),
            ("S3: a slab watches for something else", |mut slab| {
                slab.watch();
            }),
        ];
        for (found, defect) in defects {
            with_blocks(|slab| {
                defect(slab);
                assert_eq!(slab.check(true), Err(*found));
            });
        }
    }

    #[test]
    fn what_a_slab_watches_for_depends_on_what_is_free() {
        with_blocks(|mut slab| {
            slab.watch();
            assert_eq!(slab.check(false), Ok(()));
            while slab.pop(1).is_some() {}
            let error = Err("S3: a slab watches for something else");
            assert_eq!(slab.check(false), error);
            slab.watch();
            assert_eq!(slab.check(false), Ok(()));
            slab.push_watched(3);
            assert_eq!(slab.check(false), error);
        });
    }

    #[test]
    fn a_slab_of_descriptors_never_hands_out_its_own() {
        with_slab(DESCRIPTORS, |slab| {
            assert!(slab.is_vacant() && !slab.is_full());
            let taken = core::iter::from_fn(|| slab.pop(DESCRIPTOR));
            assert!(taken.eq((1..SLOTS).filter_map(|slot| NonZeroU32::new(slab.ptr(slot)))));
            slab.push_watched(0);
            let error = Err("S2: what is no slot is free");
            assert_eq!(slab.check(true), error);
        });
    }

    #[test]
    fn slabs_begin_with_a_frame_or_a_slot_and_double() {
        let shapes = |len| {
            let class = crate::class::class_of(len);
            core::iter::successors(Some(shape(class, 0)), move |&(_, slots)| {
                Some(shape(class, slots)).filter(|&(_, next)| next > slots)
            })
        };
        assert!(shapes(16).eq([(1, 63)]));
        assert!(shapes(48).eq([(1, 21), (2, 42), (3, 63)]));
        assert!(shapes(1536).eq([(2, 1), (3, 2), (6, 4), (12, 8), (24, 16), (32, 21)]));
        assert!(shapes(MAX_SLOT).eq([(8, 1), (16, 2), (32, 4)]));
        let (frames, slots) = shape(DESCRIPTORS, 0);
        assert_eq!(frames, GUARD_FRAMES + 1);
        assert_eq!(slots, FRAME / DESCRIPTOR);
    }
}
