//! What checked mode tells: of a block, of damage, and of what is live. Reads the heap, and changes nothing.
//!
//! Nothing here allocates, since it could only do so from the heap that it looks at.

use crate::checked::mode::{Place, State};
use crate::controller::PageSlab;
use crate::frames::entry::Kind;
use crate::hooks::{History, PATTERN};
use crate::memory::LinearMemory;
use crate::sizes::geometry::{FRAME, FRAME_SHIFT};
use crate::{Error, Result};
use core::fmt;

/// What is known of a slot, of a run of frames, or of memory beside them. It is made to be printed:
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{Error, LinearMemory, MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// heap.set_tag(7);
/// let ptr = heap.alloc(20)?;
/// // SAFETY: the byte is the heap's, and nobody has a reference to it.
/// unsafe { heap.memory().address(ptr + 20).write(b'!') };
///
/// assert_eq!(heap.free(ptr, 20), Err(Error::Overflow { ptr, len: 20, at: 20 }));
/// let report = heap.report(ptr).unwrap();
/// assert_eq!(
///     report.to_string(),
///     format!("overflow: {ptr:#x}, live, 20 bytes asked for, in a slot of 32, allocated by tag 7; 1 byte was written, at 20: 21"),
/// );
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Where the slot or the run begins: the pointer of its block.
    pub ptr: u32,
    /// The bytes of the slot or the run.
    pub room: u32,
    /// Whether it is a slot.
    pub is_slot: bool,
    /// What the memory is.
    pub state: State,
    /// The tag of who allocated the block, or 0.
    pub allocated_by: u16,
    /// The tag of who freed the block, or 0.
    pub freed_by: u16,
    /// What was written where nobody may write.
    pub damage: Option<Damage>,
}

/// Bytes that were written by somebody who must not. Their places are counted from the block's pointer.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{LinearMemory, MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let ptr = heap.alloc(20)?;
/// // SAFETY: the bytes are the heap's, and nobody has a reference to them.
/// unsafe { heap.memory().address(ptr + 21).copy_from(b"hi".as_ptr(), 2) };
/// let damage = heap.report(ptr).unwrap().damage.unwrap();
/// assert_eq!((damage.first, damage.last, damage.count), (21, 22, 2));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The first that differs from what it should be.
    pub first: u32,
    /// The last that differs.
    pub last: u32,
    /// How many differ.
    pub count: u32,
    shown: [u8; Self::SHOWN],
}

impl Damage {
    /// How many of the bytes are shown at most.
    const SHOWN: usize = 8;

    /// A byte that differs.
    fn note(damage: Option<Self>, at: u32, byte: u8) -> Self {
        let mut damage = damage.unwrap_or(Self {
            first: at,
            last: at,
            count: 0,
            shown: [PATTERN; Self::SHOWN],
        });
        damage.last = at;
        damage.count += 1;
        if let Some(shown) = damage.shown.get_mut((at - damage.first) as usize) {
            *shown = byte;
        }
        damage
    }

    /// What there is now, from the first on: up to eight bytes, as many as there are up to the last.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(20)?;
    /// // SAFETY: the bytes are the heap's, and nobody has a reference to them.
    /// unsafe { heap.memory().address(ptr + 21).copy_from(b"hi".as_ptr(), 2) };
    /// assert_eq!(heap.report(ptr).unwrap().damage.unwrap().bytes(), b"hi");
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let len = (self.last - self.first) as usize + 1;
        &self.shown[..len.min(Self::SHOWN)]
    }
}

impl Report {
    /// The error that the damage is, if there is any.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, LinearMemory, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(20)?;
    /// assert_eq!(heap.report(ptr).unwrap().error(), None);
    /// // SAFETY: the byte is the heap's, and nobody has a reference to it.
    /// unsafe { heap.memory().address(ptr + 20).write(b'!') };
    /// let error = Error::Overflow { ptr, len: 20, at: 20 };
    /// assert_eq!(heap.report(ptr).unwrap().error(), Some(error));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        let (ptr, at) = (self.ptr, self.damage?.first);
        Some(match self.state {
            State::Live { len } => Error::Overflow { ptr, len, at },
            State::Freed { .. } | State::Unused => Error::WriteAfterFree { ptr, at },
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(Error::Overflow { .. }) => f.write_str("overflow: ")?,
            Some(_) => f.write_str("write after free: ")?,
            None => (),
        }
        let Self { ptr, room, .. } = self;
        let kind = if self.is_slot { "slot" } else { "run" };
        match self.state {
            State::Live { len } => {
                write!(
                    f,
                    "{ptr:#x}, live, {len} bytes asked for, in a {kind} of {room}"
                )?;
            }
            State::Freed { len } => {
                write!(
                    f,
                    "{ptr:#x}, freed, {len} bytes asked for, in a {kind} of {room}"
                )?;
            }
            State::Unused => write!(f, "{ptr:#x}, unused, {room} bytes")?,
        }
        for (what, tag) in [("allocated", self.allocated_by), ("freed", self.freed_by)] {
            if tag != 0 {
                write!(f, ", {what} by tag {tag}")?;
            }
        }
        let Some(damage) = self.damage else {
            return Ok(());
        };
        match damage {
            Damage {
                first, count: 1, ..
            } => write!(f, "; 1 byte was written, at {first}:")?,
            Damage {
                first, last, count, ..
            } => {
                write!(f, "; {count} bytes were written, from {first} to {last}:")?;
            }
        }
        for byte in damage.bytes() {
            write!(f, " {byte:02x}")?;
        }
        Ok(())
    }
}

/// The live blocks of one size class and one tag. Made to be printed:
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// heap.alloc(20)?;
/// heap.set_tag(7);
/// heap.alloc(21)?;
/// heap.alloc(22)?;
/// heap.alloc(100_000)?;
/// let usage: Vec<_> = heap.usage().map(|usage| usage.to_string()).collect();
/// assert_eq!(usage, [
///     "1 live block of 20 bytes, in slots of 32",
///     "2 live blocks of 43 bytes, in slots of 32, allocated by tag 7",
///     "1 live block of 100000 bytes, in runs, allocated by tag 7",
/// ]);
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The bytes of a slot of the class, or `None` for all runs.
    pub slot: Option<u32>,
    /// The tag of who allocated the blocks, or 0.
    pub tag: u16,
    /// How many blocks there are.
    pub blocks: u32,
    /// The sum of the lengths that were asked for.
    pub bytes: u64,
}

impl Usage {
    /// What comes first has the smaller of these: slots by size, then runs; and then by tag.
    pub(crate) fn key(&self) -> (u32, u16) {
        (self.slot.unwrap_or(u32::MAX), self.tag)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, bytes, .. } = self;
        let plural = if *blocks == 1 { "" } else { "s" };
        write!(f, "{blocks} live block{plural} of {bytes} bytes, in ")?;
        match self.slot {
            Some(slot) => write!(f, "slots of {slot}")?,
            None => f.write_str("runs")?,
        }
        if self.tag != 0 {
            write!(f, ", allocated by tag {}", self.tag)?;
        }
        Ok(())
    }
}

/// Checked mode (feature `checked`).
///
/// An overflow is found when its block is freed or reallocated. A write to a block that was freed is found
///
/// - while the block waits in the quarantine: by the call that lets it leave, at the latest. That is the 64th free after its
///   own, or an earlier one when the blocks that were freed since take 1 MiB together with it, or an allocation that finds no
///   other memory. A block that takes more than 1 MiB alone does not wait;
/// - later: when the memory is handed out again, which may be never.
///
/// The call that finds it errs with [`Error::WriteAfterFree`], and can be made again. [`check`](Self::check) finds all damage at
/// any time: make it the last call.
impl<M: LinearMemory> PageSlab<M> {
    /// Sets the tag of the present caller, and returns the one before. Blocks remember the tags of who allocated and who
    /// freed them; 0, the first tag, is nobody's. What they stand for is the guest's choice: a part of it, a request.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// assert_eq!(heap.set_tag(7), 0);
    /// let ptr = heap.alloc(20)?;
    /// assert_eq!(heap.report(ptr).unwrap().allocated_by, 7);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn set_tag(&mut self, tag: u16) -> u16 {
        core::mem::replace(&mut self.checks_mut().tag, tag)
    }

    /// Verifies all memory that nobody may write to: behind each live block, in what was freed, in what was never handed out,
    /// and in front of metadata. Takes time with the size of the heap.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, LinearMemory, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(20)?;
    /// heap.free(ptr, 20)?;
    /// assert_eq!(heap.check(), Ok(()));
    /// // SAFETY: the byte is the heap's, and nobody has a reference to it.
    /// unsafe { heap.memory().address(ptr + 3).write(b'!') };
    /// assert_eq!(heap.check(), Err(Error::WriteAfterFree { ptr, at: 3 }));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`] or [`Error::WriteAfterFree`], the first that there is; [`damage`](Self::damage) has all of them. Or
    /// [`Error::Poisoned`].
    pub fn check(&self) -> Result<()> {
        if self.heap.is_poisoned() {
            return Err(Error::Poisoned);
        }
        match self.damage().find_map(|report| report.error()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Whatever [`check`](Self::check) finds, in the order of addresses.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptrs = [heap.alloc(20)?, heap.alloc(2000)?];
    /// // SAFETY: the bytes are the heap's, and nobody has a reference to them.
    /// unsafe {
    ///     heap.memory().address(ptrs[0] + 20).write(b'!');
    ///     heap.memory().address(ptrs[1] + 2000).write(b'!');
    /// }
    /// let firsts = heap.damage().map(|report| report.damage.unwrap().first);
    /// assert_eq!(firsts.collect::<Vec<_>>(), [20, 2000]);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn damage(&self) -> impl Iterator<Item = Report> {
        self.places()
            .map(|place| self.report_of(&place))
            .filter(|report| report.damage.is_some())
    }

    /// What is known of the slot or the run that holds the byte at `ptr`. `None` if none does, or the heap is poisoned.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, State, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(20)?;
    /// let report = heap.report(ptr + 19).unwrap();
    /// assert_eq!((report.ptr, report.room), (ptr, 32));
    /// assert!(matches!(report.state, State::Live { len: 20, .. }));
    /// assert_eq!(heap.report(0), None);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn report(&self, ptr: u32) -> Option<Report> {
        if self.heap.is_poisoned() {
            return None;
        }
        self.place_around(ptr).map(|place| self.report_of(&place))
    }

    /// What is live, by size class and by tag. Nothing if the heap [is poisoned](Self::is_poisoned).
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(20)?;
    /// heap.alloc(21)?;
    /// let usage = heap.usage().next().unwrap();
    /// assert_eq!((usage.slot, usage.blocks, usage.bytes), (Some(32), 2, 41));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn usage(&self) -> impl Iterator<Item = Usage> {
        core::iter::successors(self.next_usage(None), |last| self.next_usage(Some(*last)))
    }

    /// The first [`Usage`] behind this one.
    pub(crate) fn next_usage(&self, last: Option<Usage>) -> Option<Usage> {
        let live = || self.places().filter_map(|place| self.usage_of(&place));
        let key = live()
            .map(|usage| usage.key())
            .filter(|&key| last.is_none_or(|last| last.key() < key))
            .min()?;
        live()
            .filter(|usage| usage.key() == key)
            .reduce(|all, one| Usage {
                blocks: all.blocks + one.blocks,
                bytes: all.bytes + one.bytes,
                ..all
            })
    }

    fn report_of(&self, place: &Place) -> Report {
        let past = place.history.past();
        let (start, len) = place.nobodys();
        Report {
            ptr: place.ptr,
            room: place.room,
            is_slot: self.is_slot(place),
            state: place.state,
            allocated_by: past.map_or(0, |past| past.allocated_by),
            freed_by: past.map_or(0, |past| past.freed_by),
            damage: self.damage_of(start - place.ptr, start, len),
        }
    }

    /// What was written among these bytes, of which the first is the one at `from` of its place.
    fn damage_of(&self, from: u32, start: u32, len: u32) -> Option<Damage> {
        self.first_change(start, len)?;
        let bytes = self.unowned(start, len).flat_map(|(at, piece)| {
            let piece = piece.iter().enumerate();
            piece.map(move |(index, &byte)| (from + at + index as u32, byte))
        });
        let changed = bytes.filter(|&(_, byte)| byte != PATTERN);
        changed.fold(None, |damage, (at, byte)| {
            Some(Damage::note(damage, at, byte))
        })
    }

    /// The usage of one block, if it is live.
    fn usage_of(&self, place: &Place) -> Option<Usage> {
        let State::Live { len } = place.state else {
            return None;
        };
        Some(Usage {
            slot: self.is_slot(place).then_some(place.room),
            tag: place.history.past().map_or(0, |past| past.allocated_by),
            blocks: 1,
            bytes: len.into(),
        })
    }

    fn is_slot(&self, place: &Place) -> bool {
        self.heap.slab_of(place.ptr).is_some()
    }

    /// The slot or the run that holds the byte at `ptr`, if any does.
    fn place_around(&self, ptr: u32) -> Option<Place> {
        if let Some(slab) = self.heap.slab_of(ptr) {
            let slot = slab.slot_of(ptr);
            return (slot < slab.slots()).then(|| self.place_of_slot(slab, slot));
        }
        let frame = self.heap.run_around(ptr)?;
        let kind = self.heap.runs.map.entry(frame).tag.kind();
        let is_blocks = !matches!(kind, Kind::Internal | Kind::Foreign);
        is_blocks.then(|| self.place_of_run(frame))
    }

    /// All memory of the heap but metadata, in order.
    fn places(&self) -> impl Iterator<Item = Place> {
        let tiles = self
            .heap
            .tiles()
            .filter(|&(_, kind, _)| kind != Kind::Foreign);
        tiles.flat_map(move |(head, kind, frames)| {
            let start = head << FRAME_SHIFT;
            let slab = self.heap.runs.map.entry(head).slab();
            let alone = if let Some(slab) = slab {
                let used = slab.slots() * slab.slot_size();
                unused(start + used, frames * FRAME - used)
            } else if kind == Kind::Internal {
                // The guard in front of metadata.
                unused(start, FRAME)
            } else {
                self.place_of_run(head)
            };
            let slots = slab.into_iter().flat_map(move |slab| {
                (0..slab.slots()).map(move |slot| self.place_of_slot(slab, slot))
            });
            slots.chain([alone])
        })
    }
}

/// Memory in which no block can be.
fn unused(ptr: u32, room: u32) -> Place {
    Place::new(ptr, room, None, History::NONE)
}
