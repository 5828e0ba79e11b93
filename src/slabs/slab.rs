//! A slab: one run of frames, cut into equal slots of one size class.
//!
//! A slab is described *outside* of its run, by a block of metadata:
//!
//! ```text
//! descriptor   free  watch  origin  size  slots  class  next  previous | cell 0  cell 1  ...  cell n-1  (at most 63 cells)
//!                                                                          |       |              |
//! run of frames                                                          slot 0  slot 1  ...    slot n-1
//! ```
//!
//! `free` is a bitmap of the free slots, in one word. A *cell* is two bytes per slot: the length that the slot's
//! owner asked for, or that the slot was freed, or that nobody has had it. A slot is allocated by taking the word's lowest bit
//! and writing the cell, and freed by writing the cell and setting the bit again.
//!
//! Nothing is counted. A `free` that changes which list the slab belongs to is told from others by one operation
//! of the word with another, `watch`.

use crate::bits::{Bits, bits};
use crate::hooks::{CHECKED, History};
use crate::invariant::{Checked, ensure};
use crate::sizes::class::MAX_SLOT;
use crate::sizes::geometry::{FRAME_SHIFT, Frame};
use crate::slabs::shape::{DESCRIPTORS, MAX_SLOTS, frames, guard, size_of_class, slots};
use core::num::NonZeroU32;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};
use static_assertions::const_assert;

/// Bytes of a descriptor and its cells. There is one cell more than slots, for pointers behind the last slot.
pub(crate) const DESCRIPTOR: u32 = (size_of::<Slab>() as u32
    + CELLS * (size_of::<Cell>() + size_of::<History>()) as u32)
    .next_multiple_of(align_of::<Slab>() as u32);

/// Bytes of a descriptor in front of its cells.
pub(crate) const SLAB_HEADER: u32 = size_of::<Slab>() as u32;

const CELLS: u32 = MAX_SLOTS + 1;

/// What a cell is.
type Cell = i16;

/// The cell of a slot that was not handed out since the slab was made, and of what is no slot.
const FRESH: Cell = -1;

/// The cell of a slot whose block was freed.
const FREED: Cell = -2;

/// The longest length that [`SlabPtr::len`] can be compared with. [`FRESH`] and [`FREED`], extended to 32 bits, are more.
const MAX_LEN: u32 = i32::MAX as u32;

/// The `watch` of a slab for which no `free` is special: a bit that no slot has.
const NEVER: u64 = 1 << MAX_SLOTS;

const_assert!(MAX_SLOT <= Cell::MAX as u32);
// What stands one behind the other in a descriptor is aligned.
const_assert!(align_of::<Slab>() <= 16);
const_assert!(
    (size_of::<Slab>() + CELLS as usize * size_of::<Cell>()) % align_of::<History>() == 0
);

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
    slots: u32,
    class: u32,
    /// The next and the previous slab in whatever list of its class the slab is in.
    pub(crate) next: SlabPtr,
    pub(crate) previous: SlabPtr,
}

/// The slab of all places that have none: it has no free slot.
static EMPTY: Slab = Slab {
    free: 0,
    watch: 0,
    origin: 0,
    size: 0,
    slots: 0,
    class: 0,
    next: SlabPtr::EMPTY,
    previous: SlabPtr::EMPTY,
};

/// A pointer to a [`Slab`].
///
/// Invariants:
/// - **S1**: it points to `EMPTY`, which is never written to, or to a descriptor: memory that only its heap
///   uses, with its cells behind it, and behind these the slots' histories.
/// - **S2**: `free` has bits of slots only, and in a slab of descriptors not of the first, which is its own descriptor. The cell of a slot is a length of at most a slot exactly if the slot is live, and
///   then its bit is not set. A slot that is not live and whose bit is not set is held by checked mode, or lost: its
///   `free` or `alloc` was stopped. The cell behind the last slot's is [`FRESH`].
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

/// The bits of all slots that can be free, of so many.
fn all(class: u32, slots: u32) -> u64 {
    ((1 << slots) - 1) & !u64::from(class == DESCRIPTORS)
}

impl SlabPtr {
    pub(crate) const EMPTY: Self = match NonNull::new((&raw const EMPTY).cast_mut()) {
        Some(slab) => Self(slab),
        None => panic!(),
    };

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.0.as_ptr().cast()
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
        self.cell_at(slot)
    }

    #[inline(always)]
    fn cell_at(self, slot: u32) -> *mut Cell {
        // SAFETY: S1: the cells lie behind the descriptor, and callers name one of them.
        unsafe { self.0.as_ptr().add(1).cast::<Cell>().add(slot as usize) }
    }

    /// The length in a slot's cell, or [`FRESH`] or [`FREED`].
    #[inline(always)]
    pub(crate) fn len(self, slot: u32) -> i32 {
        // SAFETY: S1: it is a cell, and `describe` has written all of them.
        i32::from(unsafe { self.cell(slot).read() })
    }

    /// Whether this slot is live, with this length.
    #[inline(always)]
    pub(crate) fn holds(self, slot: u32, len: u32) -> bool {
        self.len(slot) as u32 == len && len <= MAX_LEN
    }

    #[inline(always)]
    fn set_cell(self, slot: u32, cell: Cell) {
        // SAFETY: S1: it is a cell.
        unsafe { self.cell(slot).write(cell) };
    }

    /// Sets the length of a slot that is live.
    #[inline(always)]
    pub(crate) fn set_len(self, slot: u32, len: u32) {
        self.set_cell(slot, len as Cell);
    }

    /// Makes a live slot one that was freed, but that is not free yet.
    #[inline(always)]
    pub(crate) fn mark_freed(self, slot: u32) {
        self.set_cell(slot, FREED);
    }

    /// Makes a slab of fresh slots, described by this descriptor, of as many frames from `head` on, its guard included. It is the
    /// current one of its class. One of descriptors is described by the first of its own slots.
    pub(crate) fn describe(self, class: u32, head: Frame, frames: u32) {
        let size = size_of_class(class);
        let slots = slots(frames - guard(class), size);
        // SAFETY: each byte of `FRESH` is 0xFF. S1: there are `CELLS` cells, and as many histories.
        unsafe {
            self.cell_at(0).write_bytes(0xFF, CELLS as usize);
            if CHECKED {
                self.history_at(0).write_bytes(0, CELLS as usize);
            }
            self.0.write(Slab {
                free: all(class, slots),
                watch: NEVER,
                origin: (head + guard(class)) << FRAME_SHIFT,
                size,
                slots,
                class,
                next: Self::EMPTY,
                previous: Self::EMPTY,
            });
        }
    }

    /// The descriptor at this address.
    ///
    /// # Safety
    ///
    /// [`DESCRIPTOR`] bytes at the address, which is not null, aligned as a `Slab` is, are room for a descriptor in the caller's heap,
    /// and nothing else uses them. Nothing is read from it before [`describe`](Self::describe) has written it.
    #[inline(always)]
    pub(crate) unsafe fn at(address: *mut u8) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { NonNull::new_unchecked(address.cast()) })
    }

    /// The bits of all slots that can be free.
    fn all(self) -> u64 {
        all(self.class(), self.slots())
    }

    pub(crate) fn class(self) -> u32 {
        self.get().class
    }

    /// The next slab in this one's list.
    pub(crate) fn next(self) -> Self {
        self.get().next
    }

    /// The slab before this one in its list.
    pub(crate) fn previous(self) -> Self {
        self.get().previous
    }

    /// The first frame of the slab, its guard included.
    pub(crate) fn head(self) -> Frame {
        (self.origin() >> FRAME_SHIFT) - guard(self.class())
    }

    /// How many frames it was made of, its guard included.
    pub(crate) fn frames(self) -> u32 {
        frames(self.class(), self.slots())
    }

    /// Where slot 0 begins.
    pub(crate) fn origin(self) -> u32 {
        self.get().origin
    }

    pub(crate) fn slots(self) -> u32 {
        self.get().slots
    }

    /// The bytes of a slot.
    #[inline(always)]
    pub(crate) fn slot_size(self) -> u32 {
        self.get().size
    }

    /// Whether all slots are free.
    pub(crate) fn is_vacant(self) -> bool {
        self.get().free == self.all()
    }

    /// Whether no slot is free.
    pub(crate) fn is_full(self) -> bool {
        self.get().free == 0
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
        // In this order S2 holds in between, too: a call that is stopped there has lost a slot.
        self.get_mut().free = free & (free - 1);
        compiler_fence(Ordering::SeqCst);
        self.set_len(slot, len);
        // SAFETY: the frame at offset 0 is never a slab's.
        Some(unsafe { NonZeroU32::new_unchecked(self.ptr(slot)) })
    }

    /// Makes a slot free that was freed, unless that is what the slab [watches](Self::watch) for: then it does nothing, and
    /// returns false.
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

    /// Makes a slot free that was freed, whatever the slab watches for.
    pub(crate) fn push_watched(mut self, slot: u32) {
        self.get_mut().free |= 1 << slot;
    }

    /// The pointer to a slot.
    #[inline(always)]
    pub(crate) fn ptr(self, slot: u32) -> u32 {
        self.get().origin.wrapping_add(slot * self.get().size)
    }

    /// The slot that holds the byte at `ptr`, a pointer into this slab's run; [`slots`](Self::slots) behind the last one.
    pub(crate) fn slot_of(self, ptr: u32) -> u32 {
        // No slab that has a byte has slots of none.
        let slot = (ptr - self.origin()).checked_div(self.slot_size());
        slot.unwrap_or(0)
    }

    pub(crate) fn slot(self, slot: u32) -> Slot {
        match self.len(slot) as Cell {
            FRESH => Slot::Fresh,
            len if len < 0 => Slot::Freed,
            len => Slot::Live { len: len as u32 },
        }
    }

    /// Keeps a live slot from being handed out, until it is pushed: one that was freed, or that nobody has had.
    pub(crate) fn hold(self, slot: u32, was_freed: bool) {
        self.set_cell(slot, if was_freed { FREED } else { FRESH });
    }

    /// The slots that are free: bit `i` for slot `i`.
    pub(crate) fn free_word(self) -> u64 {
        self.get().free
    }

    /// The slots that are live: bit `i` for slot `i`.
    pub(crate) fn live_word(self) -> u64 {
        let live = (0..self.slots()).filter(|&slot| self.len(slot) >= 0);
        live.fold(0, |word, slot| word | 1 << slot)
    }

    /// The slots that are free, as a set. (Where single bits are changed, the hot path does it with the word.)
    pub(crate) fn free_slots(self) -> Bits {
        bits(self.free_word())
    }

    /// Whether a slot is neither free nor live.
    pub(crate) fn is_held(self, slot: u32) -> bool {
        !self.free_slots()[slot as usize] && self.len(slot) < 0
    }

    /// Where the history of a slot lies: behind the cells, in the same order.
    fn history_at(self, slot: u32) -> *mut History {
        // SAFETY: S1: there is one for each cell.
        unsafe {
            self.cell_at(0)
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

    /// Whether it has as many slots as fit into its frames.
    pub(crate) fn has_shape(self) -> bool {
        self.slots() == slots(self.frames() - guard(self.class()), self.slot_size())
    }

    /// Checks S2 and S3.
    pub(crate) fn check(self, is_current: bool) -> Checked {
        let free = self.free_slots();
        let all = bits(self.all());
        ensure((free & !all).not_any(), "S2: what is no slot is free")?;
        for slot in free.iter_ones() {
            ensure(self.len(slot as u32) < 0, "S2: a free slot has a length")?;
        }
        for slot in 0..self.slots() {
            let len = self.len(slot);
            ensure(
                len <= self.slot_size() as i32,
                "S2: a live slot has a length that does not fit",
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
        ensure(
            self.get().watch == watched,
            "S3: a slab watches for something else",
        )
    }

    /// The lengths of the live slots, with their pointers.
    pub(crate) fn live_slots(self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.slots()).filter_map(move |slot| match self.slot(slot) {
            Slot::Live { len } => Some((self.ptr(slot), len)),
            _ => None,
        })
    }
}

/// That [`SlabPtr::check`] finds what it looks for, each of its sentences, of a slab that was brought out of order.
#[cfg(all(test, not(any(feature = "checked", pageslab_geometry = "tiny"))))]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;

    const FRAMES: u32 = 1;

    /// The current slab of this class.
    fn with_slab(class: u32, test: impl FnOnce(SlabPtr)) {
        let mut room = vec![0u128; (DESCRIPTOR as usize).div_ceil(size_of::<u128>())];
        // SAFETY: there is room, aligned to 16, for as long as the test runs.
        let slab = unsafe { SlabPtr::at(room.as_mut_ptr().cast()) };
        slab.describe(class, 7, guard(class) + FRAMES);
        assert_eq!((slab.head(), slab.frames()), (7, guard(class) + FRAMES));
        assert_eq!(slab.check(true), Ok(()));
        test(slab);
    }

    /// One of which some slots are live, and one was freed.
    fn with_blocks(test: impl FnOnce(SlabPtr)) {
        with_slab(3, |slab| {
            for len in [0, 1, slab.slot_size(), 5] {
                slab.pop(len).expect("a slot is free");
            }
            slab.mark_freed(3);
            assert!(slab.is_held(3));
            assert_eq!(slab.check(true), Ok(()));
            test(slab);
        });
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        type Defect = fn(SlabPtr);
        let defects: &[(&str, Defect)] = &[
            ("S2: what is no slot is free", |mut slab| {
                slab.get_mut().free |= 1 << slab.slots();
            }),
            ("S2: a free slot has a length", |slab| {
                slab.push_watched(1);
            }),
            ("S2: a live slot has a length that does not fit", |slab| {
                slab.set_len(2, slab.slot_size() + 1);
            }),
            ("S2: what is no slot has a length", |slab| {
                slab.set_len(slab.slots(), 0);
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
            let slots = 1..slab.slots();
            assert!(taken.eq(slots.filter_map(|slot| NonZeroU32::new(slab.ptr(slot)))));
            slab.push_watched(0);
            let error = Err("S2: what is no slot is free");
            assert_eq!(slab.check(true), error);
        });
    }
}
