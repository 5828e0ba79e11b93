//! Checked mode (feature `checked`): finds the guest's writes past the end of a block, and to memory that is free.
//!
//! All rests on one invariant, **K1**: memory of the heap that is neither one of a live block's `len` bytes nor metadata is
//! filled with [`PATTERN`]. New pages are filled, blocks when they are freed, and the places of metadata that moved or
//! went; and each block has a *slack* of at least [`SLACK`] bytes behind it. A byte that differs was written by somebody
//! who must not:
//!
//! - `free` and `realloc` verify the slack of their block, and refuse it with [`Error::Overflow`];
//! - `alloc` verifies the memory that it is about to hand out, and refuses that with [`Error::WriteAfterFree`];
//! - `free` and `realloc` verify the blocks that they let out of the quarantine, and refuse with the same;
//! - `PageSlab::check` verifies everything.
//!
//! What was found damaged is *held*: kept as it is, as evidence, and not handed out again. Freed blocks are held for a
//! while, too: they wait in a *quarantine*, first in and first out, before their memory is reused. A write to a block that
//! waits is thus found when the block leaves, at the latest. What is known of a
//! block is its [`History`], which lies beside the other metadata; `PageSlab::report` tells it.
//!
//! Without the feature the constant [`CHECKED`](crate::hooks::CHECKED) removes all of it, to the last byte. This file allocates and frees by the
//! controller's own means, and reads and fills memory that is nobody's.

use crate::Error;
use crate::controller::PageSlab;
use crate::frames::entry::{Entry, Kind, Tag};
use crate::hooks::{History, PATTERN, Past, SLACK, fill};
use crate::invariant::{Checked, ensure};
use crate::memory::{LinearMemory, PAGE};
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, Frame};
use crate::slabs::slab::{SlabPtr, Slot};
use core::num::NonZeroU32;

/// How many freed blocks wait at most.
const MAX_QUARANTINED: usize = 64;

/// How many bytes their slots and runs have at most, all together: 1 MiB. A longer run does not wait.
const MAX_QUARANTINED_BYTES: u32 = 16 * PAGE;

/// What checked mode keeps of a heap.
///
/// Invariant **K2**: the blocks in the quarantine are held, each is in it once, and `bytes` is what their slots and runs have.
pub(crate) struct Checks {
    /// The pointers of the blocks that wait: a ring, of which the oldest is at `first`.
    quarantine: [u32; MAX_QUARANTINED],
    first: usize,
    count: usize,
    /// Of their slots and runs, all together.
    bytes: u32,
    /// Why the last call returned no block, if not for want of memory.
    refusal: Option<Error>,
    /// The tag of the present caller.
    pub(crate) tag: u16,
}

impl Checks {
    pub(crate) const NEW: Self = Self {
        quarantine: [0; MAX_QUARANTINED],
        first: 0,
        count: 0,
        bytes: 0,
        refusal: None,
        tag: 0,
    };

    fn quarantined(&self) -> impl Iterator<Item = u32> {
        (self.first..self.first + self.count).map(|at| self.quarantine[at % MAX_QUARANTINED])
    }

    /// Puts a block into the quarantine, which has room for it.
    fn push(&mut self, ptr: u32, room: u32) {
        self.quarantine[(self.first + self.count) % MAX_QUARANTINED] = ptr;
        self.count += 1;
        self.bytes += room;
    }

    /// Takes the oldest block out of the quarantine, in which there is one.
    fn pop(&mut self, room: u32) {
        self.bytes -= room;
        self.first = (self.first + 1) % MAX_QUARANTINED;
        self.count -= 1;
    }
}

/// What some memory is.
///
/// ```
/// # #[cfg(all(feature = "checked", target_arch = "wasm32"))] {
/// use pageslab::{MemoryController, PageSlab, State, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let ptr = heap.alloc(20)?;
/// assert!(matches!(heap.report(ptr).unwrap().state, State::Live { len: 20, .. }));
/// heap.free(ptr, 20)?;
/// assert!(matches!(heap.report(ptr).unwrap().state, State::Freed { len: 20, .. }));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A live block.
    #[non_exhaustive]
    Live {
        /// The length that was asked for, in bytes.
        len: u32,
    },
    /// That of a block that was freed.
    #[non_exhaustive]
    Freed {
        /// The length that was asked for, in bytes.
        len: u32,
    },
    /// That of no block, or of none that is remembered.
    Unused,
}

/// A slot, a run, or what no block can have.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) ptr: u32,
    /// Its bytes.
    pub(crate) room: u32,
    pub(crate) state: State,
    pub(crate) history: History,
}

impl Place {
    /// Of a slot or a run that is a live block of this length, or else not live.
    pub(crate) fn new(ptr: u32, room: u32, live: Option<u32>, history: History) -> Self {
        let state = match (live, history.past()) {
            (Some(len), _) => State::Live { len },
            (None, Some(past)) => State::Freed { len: past.len() },
            (None, None) => State::Unused,
        };
        Self {
            ptr,
            room,
            state,
            history,
        }
    }

    /// The bytes that are nobody's: where they begin, and how many.
    pub(crate) fn nobodys(&self) -> (u32, u32) {
        let used = match self.state {
            State::Live { len } => len,
            State::Freed { .. } | State::Unused => 0,
        };
        (self.ptr + used, self.room - used)
    }
}

/// The first byte that does not have the pattern.
fn first_change(bytes: &[u8]) -> Option<usize> {
    // Sixteen at a time, since mostly there is none.
    let filled = bytes
        .chunks_exact(16)
        .take_while(|chunk| **chunk == [PATTERN; 16]);
    let from = filled.count() * 16;
    let change = bytes[from..].iter().position(|&byte| byte != PATTERN)?;
    Some(from + change)
}

/// What the controller does instead, if the mode is on.
impl<M: LinearMemory> PageSlab<M> {
    fn checks(&self) -> &Checks {
        &self.checks.as_slice()[0]
    }

    pub(crate) fn checks_mut(&mut self) -> &mut Checks {
        &mut self.checks.as_mut_slice()[0]
    }

    pub(crate) fn alloc_checked(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        // One of a call that was stopped before it told.
        self.checks_mut().refusal = None;
        let ptr = match self.heap.alloc(len, align) {
            Some(ptr) => ptr,
            None => {
                // What is freed need not wait any longer if there is no other memory.
                while self.release_oldest() {}
                if self.checks().refusal.is_some() {
                    return None;
                }
                self.heap.alloc(len, align)?
            }
        };
        let place = self.place_at(ptr.get());
        if let Some(at) = self.first_change(place.ptr, place.room) {
            self.hold(&place);
            self.checks_mut().refusal = Some(Error::WriteAfterFree { ptr: place.ptr, at });
            return None;
        }
        let past = Past::new(len, self.checks().tag, 0);
        self.set_history(place.ptr, past);
        Some(ptr)
    }

    /// Why the last call returned no block, if not for want of memory.
    pub(crate) fn take_refusal(&mut self) -> Option<Error> {
        self.checks_mut().refusal.take()
    }

    /// Whether a live block of this length is at this pointer, nobody wrote behind it, and there is room for it in the
    /// quarantine, which those that waited longest have left without damage.
    fn can_free(&mut self, ptr: u32, len: u32) -> bool {
        // One of a call that was stopped before it told.
        self.checks_mut().refusal = None;
        if self.heap.is_poisoned() || !self.heap.is_live(ptr, len) || self.overflow(ptr).is_some() {
            return false;
        }
        let room = self.place_at(ptr).room;
        while room <= MAX_QUARANTINED_BYTES && !self.has_room(room) && self.release_oldest() {}
        self.checks().refusal.is_none()
    }

    /// Whether a slot or a run of so many bytes can wait beside those that do.
    fn has_room(&self, room: u32) -> bool {
        let checks = self.checks();
        checks.count < MAX_QUARANTINED && checks.bytes + room <= MAX_QUARANTINED_BYTES
    }

    /// What is wrong with a block that is said to have another length, though it has this one: it was overflowed.
    pub(crate) fn checked_fault(&self, fault: Error) -> Error {
        match fault {
            Error::LengthMismatch {
                ptr,
                allocated,
                given,
            } if allocated == given => self.overflow(ptr).map_or(fault, |at| Error::Overflow {
                ptr,
                len: allocated,
                at,
            }),
            fault => fault,
        }
    }

    /// As [`Heap::change`](crate::heap::Heap::change).
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> Option<R> {
        if !self.heap.begin_change() {
            return None;
        }
        let result = change(self);
        self.heap.end_change();
        Some(result)
    }

    pub(crate) fn free_checked(&mut self, ptr: u32, len: u32) -> bool {
        if !self.can_free(ptr, len) {
            return false;
        }
        let place = self.place_at(ptr);
        let allocated_by = place.history.past().map_or(0, |past| past.allocated_by);
        let past = Past::new(len, allocated_by, self.checks().tag);
        // A call that is stopped here must not leave a live block without its bytes, or a held one that does not wait.
        let freed = self.change(|heap| {
            fill(&heap.heap.runs.memory, ptr, len.into());
            heap.set_history(ptr, past);
            heap.hold(&heap.place_at(ptr));
            if place.room > MAX_QUARANTINED_BYTES {
                heap.release(ptr);
            } else {
                heap.checks_mut().push(ptr, place.room);
            }
        });
        freed.is_some()
    }

    /// Moves the block in any case, so that those who still use the old pointer are found out; but where there is no memory
    /// to move to, a block that fits may stay.
    pub(crate) fn realloc_checked(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<NonZeroU32> {
        if !self.can_free(ptr, old_len) {
            return None;
        }
        if let Some(new) = self.alloc_checked(new_len, align) {
            self.heap.copy(ptr, new.get(), old_len.min(new_len));
            self.free_checked(ptr, old_len);
            return Some(new);
        }
        if new_len > self.place_at(ptr).room - SLACK || self.checks().refusal.is_some() {
            return None;
        }
        self.change(|heap| {
            if new_len < old_len {
                let tail = u64::from(old_len - new_len);
                fill(&heap.heap.runs.memory, ptr + new_len, tail);
            }
            heap.set_len(ptr, new_len);
        })?;
        NonZeroU32::new(ptr)
    }

    /// The first byte behind this live block that somebody wrote to, counted from its pointer.
    pub(crate) fn overflow(&self, ptr: u32) -> Option<u32> {
        let (start, len) = self.place_at(ptr).nobodys();
        Some(start - ptr + self.first_change(start, len)?)
    }

    /// Takes the oldest block out of the quarantine. False if there is none, or the heap is poisoned, or the block was written
    /// to: then it stays held, and is the refusal.
    fn release_oldest(&mut self) -> bool {
        let Some(ptr) = self.checks().quarantined().next() else {
            return false;
        };
        let room = self.place_at(ptr).room;
        let change = self.first_change(ptr, room);
        let released = self.change(|heap| {
            heap.checks_mut().pop(room);
            match change {
                Some(at) => heap.checks_mut().refusal = Some(Error::WriteAfterFree { ptr, at }),
                None => heap.release(ptr),
            }
        });
        released.is_some() && change.is_none()
    }

    /// Makes the memory of a block free that was freed, but held. Within a change.
    fn release(&mut self, ptr: u32) {
        if let Some((slab, slot)) = self.slot_of(ptr) {
            self.heap.push_slot(slab, slot);
        } else {
            let head = ptr >> FRAME_SHIFT;
            let frames = self.entry(ptr).tag.frames();
            self.heap.runs.park(head, frames);
        }
    }

    /// Keeps the memory of a block, which is live, from being handed out again.
    fn hold(&mut self, place: &Place) {
        let was_freed = place.history.past().is_some();
        if let Some((slab, slot)) = self.slot_of(place.ptr) {
            slab.hold(slot, was_freed);
        } else {
            let tag = &mut self.entry_mut(place.ptr).tag;
            *tag = Tag::new(Kind::Held, tag.frames());
            if was_freed {
                tag.mark_freed();
            }
        }
    }

    fn is_held(&self, ptr: u32) -> bool {
        match self.slot_of(ptr) {
            Some((slab, slot)) => slab.is_held(slot),
            None => self.entry(ptr).tag.is(Kind::Held),
        }
    }

    /// Sets the length of a live block, which has room for it.
    fn set_len(&mut self, ptr: u32, len: u32) {
        match self.slot_of(ptr) {
            Some((slab, slot)) => slab.set_len(slot, len),
            None => self.entry_mut(ptr).set_len(len),
        }
    }

    fn set_history(&mut self, ptr: u32, past: Past) {
        match self.slot_of(ptr) {
            Some((slab, slot)) => slab.set_history(slot, History::new(past)),
            None => self.entry_mut(ptr).history = History::new(past),
        }
    }

    /// The slot that holds this byte of the heap's, if it is in a slab.
    fn slot_of(&self, ptr: u32) -> Option<(SlabPtr, u32)> {
        self.heap.slab_of(ptr).map(|slab| (slab, slab.slot_of(ptr)))
    }

    fn entry(&self, ptr: u32) -> &Entry {
        self.heap.runs.map.entry(ptr >> FRAME_SHIFT)
    }

    fn entry_mut(&mut self, ptr: u32) -> &mut Entry {
        self.heap.runs.map.entry_mut(ptr >> FRAME_SHIFT)
    }

    /// Checks K2. K1 is what `PageSlab::check` verifies.
    pub(crate) fn check_checks(&self) -> Checked {
        for checks in &self.checks {
            ensure(
                checks.quarantined().all(|ptr| self.is_held(ptr)),
                "K2: what is in the quarantine is not held",
            )?;
            let once = |ptr| checks.quarantined().filter(|&other| other == ptr).count() == 1;
            ensure(
                checks.quarantined().all(once),
                "K2: a block is in the quarantine twice",
            )?;
            let rooms = checks.quarantined().map(|ptr| self.place_at(ptr).room);
            ensure(
                rooms.sum::<u32>() == checks.bytes,
                "K2: the bytes in the quarantine are miscounted",
            )?;
        }
        Ok(())
    }

    /// The slot or the run that begins at `ptr`, where there is one.
    fn place_at(&self, ptr: u32) -> Place {
        match self.slot_of(ptr) {
            Some((slab, slot)) => self.place_of_slot(slab, slot),
            None => self.place_of_run(ptr >> FRAME_SHIFT),
        }
    }

    pub(crate) fn place_of_slot(&self, slab: SlabPtr, slot: u32) -> Place {
        let live = match slab.slot(slot) {
            Slot::Live { len } => Some(len),
            Slot::Freed | Slot::Fresh => None,
        };
        Place::new(slab.ptr(slot), slab.slot_size(), live, slab.history(slot))
    }

    /// That of a run. The free end has a length that no tag tells: it has as many frames as it has.
    pub(crate) fn place_of_run(&self, head: Frame) -> Place {
        let entry = self.heap.runs.map.entry(head);
        let live = entry.tag.is(Kind::Live).then_some(entry.len());
        let frames = self.heap.runs.frames_at(head);
        Place::new(head << FRAME_SHIFT, frames * FRAME, live, entry.history)
    }

    pub(crate) fn first_change(&self, ptr: u32, len: u32) -> Option<u32> {
        self.unowned(ptr, len).find_map(|(at, bytes)| {
            let change = first_change(bytes)?;
            Some(at + change as u32)
        })
    }

    /// Bytes of a place that are nobody's, in pieces, since all of them may be more than a slice can have; and where in them
    /// each piece begins.
    pub(crate) fn unowned(&self, ptr: u32, len: u32) -> impl Iterator<Item = (u32, &[u8])> {
        (0..len).step_by(PAGE as usize).map(move |at| {
            let address = self.heap.runs.memory.address(ptr + at);
            let piece = (len - at).min(PAGE) as usize;
            // SAFETY: callers name bytes of a place that are nobody's. They were filled (K1), and nobody may have a reference
            // to them.
            (at, unsafe { core::slice::from_raw_parts(address, piece) })
        })
    }
}

/// That [`PageSlab::check_checks`] finds what it looks for.
#[cfg(all(
    test,
    unix,
    feature = "checked",
    target_pointer_width = "64",
    not(any(miri, pageslab_geometry = "tiny"))
))]
mod tests {
    use super::*;
    use crate::{MemoryController as _, ReservedMemory};

    /// A heap in whose quarantine a slot and a run wait.
    fn heap() -> (PageSlab<ReservedMemory>, [u32; 2]) {
        let mut heap = PageSlab::new(ReservedMemory::new(64));
        let blocks = [40, 9000].map(|len| {
            let ptr = heap.alloc(len).expect("there is memory");
            heap.free(ptr, len).expect("it is live");
            ptr
        });
        assert_eq!(heap.invariants(), Ok(()));
        (heap, blocks)
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        for waits in 0..2 {
            let (mut heap, blocks) = heap();
            heap.checks_mut().push(blocks[waits], 0);
            let twice = Err("K2: a block is in the quarantine twice");
            assert_eq!(heap.invariants(), twice);

            let (mut heap, _) = self::heap();
            heap.checks_mut().bytes -= 1;
            let miscounted = Err("K2: the bytes in the quarantine are miscounted");
            assert_eq!(heap.invariants(), miscounted);

            let (mut heap, blocks) = self::heap();
            heap.release(blocks[waits]);
            let free = Err("K2: what is in the quarantine is not held");
            assert_eq!(heap.invariants(), free);
        }
    }
}
