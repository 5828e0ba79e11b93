//! A snapshot out of a guest's memory, which a host has at any time: `docs/snapshot.md` tells what lies where.

use crate::bytes::Reader;
use crate::decode::{FRAME_SHIFT, MAGIC, MAX_FRAMES, MAX_SLOTS, past};
use crate::{Error, PAGE, Past, Run, Slab, Slots, Snapshot, What};

/// The version of the layout.
const VERSION: u16 = 1;

const FRAMES_PER_PAGE: u64 = 64;

/// The tags of frames: their lowest bits.
mod tag {
    pub const FREE: u32 = 1;
    pub const LIVE: u32 = 3;
    pub const INTERNAL: u32 = 4;
    pub const FOREIGN: u32 = 5;
    pub const HELD: u32 = 6;
}

/// The most bytes that are read of what a guest exports, of an entry, and of a descriptor in front of its cells.
const LAYOUT: usize = 68;
const ENTRY: usize = 24;
const DESCRIPTOR: usize = 32;

/// The bytes of a history, in checked mode.
const HISTORY: u64 = 8;

/// A cell of a descriptor, and how many there are.
const CELL: u64 = 2;
const CELLS: u64 = 64;

/// A guest's memory, for a host that has it in another way than as one slice. Only what is read is copied: of a memory of a GiB,
/// some bytes for each run.
pub trait GuestMemory {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from an address on. All of them are there.
    fn copy(&self, address: u64, into: &mut [u8]);
}

impl GuestMemory for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn copy(&self, address: u64, into: &mut [u8]) {
        // On wasm32 an address may be more than a `usize` has.
        let from = usize::try_from(address).ok().and_then(|at| self.get(at..));
        if let Some(bytes) = from.and_then(|from| from.get(..into.len())) {
            into.copy_from_slice(bytes);
        }
    }
}

/// A guest's memory, of which nothing is believed.
struct Memory<'a, G: ?Sized>(&'a G);

impl<G: GuestMemory + ?Sized> Memory<'_, G> {
    /// Reads from `N` bytes, or from as many as there are.
    fn reader<T, const N: usize>(
        &self,
        address: u64,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let left = self.0.size().checked_sub(address);
        let left = left.ok_or(Error::OutOfMemory { address })?;
        let mut bytes = [0; N];
        let there = &mut bytes[..left.min(N as u64) as usize];
        self.0.copy(address, there);
        read(&mut Reader::new(there))
    }

    /// The same, for which all that is read must be there.
    fn read<T, const N: usize>(
        &self,
        address: u64,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.reader::<_, N>(address, read)
            .map_err(|_| Error::OutOfMemory { address })
    }

    fn u32(&self, address: u64) -> Result<u32, Error> {
        self.read::<_, 4>(address, |reader| reader.u32())
    }
}

/// What the guest exports, with the addresses of what is of use.
struct Layout {
    is_checked: bool,
    is_changing: u64,
    growths: u64,
    refused_growths: u64,
    end: u64,
    end_frames: u64,
    held: u64,
    limit: u64,
    root: u64,
    first_page: u64,
    pages: u64,
    entry: u64,
    slab_header: u64,
}

impl Layout {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if reader.array().map_err(|_| Error::NoSnapshot)? != MAGIC {
            return Err(Error::NoSnapshot);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let is_checked = reader.u8()? != 0;
        if reader.u8()? != FRAME_SHIFT {
            return Err(Error::NoSnapshot);
        }
        let heap = u64::from(reader.u32()?);
        let mut field = || reader.u32().map(|offset| heap + u64::from(offset));
        let mut layout = Self {
            is_checked,
            is_changing: field()?,
            growths: field()?,
            refused_growths: field()?,
            end: field()?,
            end_frames: field()?,
            held: field()?,
            limit: field()?,
            root: field()?,
            first_page: field()?,
            pages: field()?,
            entry: 0,
            slab_header: 0,
        };
        layout.entry = reader.u32()?.into();
        let history = u64::from(reader.u32()?);
        layout.slab_header = reader.u32()?.into();
        if history != if is_checked { HISTORY } else { 0 } {
            return Err(Error::NoSnapshot);
        }
        Ok(layout)
    }
}

/// What the map knows of a frame.
struct Entry {
    place: u32,
    tag: u32,
    word: u32,
    reciprocal: u32,
    past: Option<Past>,
}

/// A heap in a guest's memory.
struct Heap<'a, G: ?Sized> {
    memory: Memory<'a, G>,
    layout: Layout,
    root: u64,
    first_page: u64,
    pages: u64,
}

impl<G: GuestMemory + ?Sized> Heap<'_, G> {
    /// The entry of a frame, if it is in one of the heap's pages.
    fn entry(&self, frame: u64) -> Result<Option<Entry>, Error> {
        let page = frame / FRAMES_PER_PAGE - self.first_page;
        let leaf = u64::from(self.memory.u32(self.root + 4 * page)?);
        if leaf == 0 {
            return Ok(None);
        }
        let address = leaf + frame % FRAMES_PER_PAGE * self.layout.entry;
        let entry = self.memory.read::<_, ENTRY>(address, |reader| {
            Ok(Entry {
                place: reader.u32()?,
                tag: reader.u32()?,
                word: reader.u32()?,
                reciprocal: reader.u32()?,
                past: past(reader, self.layout.is_checked)?,
            })
        });
        entry.map(Some)
    }

    /// The slab whose descriptor is at this address.
    fn slab(&self, address: u32) -> Result<Slab, Error> {
        let address = u64::from(address);
        let (free, slot_size, slots, class) =
            self.memory.read::<_, DESCRIPTOR>(address, |reader| {
                let free = reader.u64()?;
                // What a `free` watches for, and where the slab begins.
                let _ = (reader.u64()?, reader.u32()?);
                Ok((free, reader.u32()?, reader.u32()?, reader.u32()?))
            })?;
        if slots > MAX_SLOTS {
            let what = "a slab has too many slots";
            return Err(Error::Inconsistent {
                offset: address,
                what,
            });
        }
        let cells = address + self.layout.slab_header;
        let lens = self
            .memory
            .read::<_, { MAX_SLOTS as usize * 2 }>(cells, |reader| {
                (0..slots)
                    .map(|_| reader.u16())
                    .collect::<Result<Vec<_>, _>>()
            })?;
        let pasts = if self.layout.is_checked {
            self.memory
                .read::<_, { MAX_SLOTS as usize * HISTORY as usize }>(
                    cells + CELLS * CELL,
                    |reader| (0..slots).map(|_| past(reader, true)).collect(),
                )?
        } else {
            Vec::new()
        };
        let mut live = Slots::ZERO;
        for (slot, &len) in lens.iter().enumerate() {
            live.set(slot, len >> 15 == 0);
        }
        let lens = lens.into_iter().filter(|len| len >> 15 == 0).map(u32::from);
        Ok(Slab {
            class: class as u8,
            slot_size,
            slots,
            live,
            free: crate::slots(free),
            lens: lens.collect(),
            pasts,
        })
    }

    /// What begins at a frame, and how many frames it has.
    fn run(&self, frame: u64, end: (u64, u64)) -> Result<(What, u64), Error> {
        if frame == end.0 && end.1 > 0 {
            return Ok((What::Free, end.1));
        }
        let Some(entry) = self.entry(frame)? else {
            return Ok((What::Foreign, FRAMES_PER_PAGE - frame % FRAMES_PER_PAGE));
        };
        let what = match entry.tag & 7 {
            tag::FREE => What::Free,
            tag::LIVE => What::Block {
                len: entry.word,
                past: entry.past,
            },
            // Descriptors are slots of slabs, too: these have no reciprocal.
            tag::INTERNAL if entry.place != 0 && entry.reciprocal != 0 => {
                What::Slab(self.slab(entry.place)?)
            }
            tag::INTERNAL => What::Metadata,
            tag::FOREIGN => What::Foreign,
            tag::HELD => What::Held { past: entry.past },
            _ => What::Unknown,
        };
        Ok((what, u64::from(entry.tag >> 4)))
    }
}

impl Snapshot {
    /// Reads a heap out of a guest's memory. `address` is the value of the global `__pageslab_heap`, which
    /// `pageslab::export_abi!(snapshot);` exports.
    ///
    /// # Errors
    ///
    /// [`Error::NoSnapshot`] if no heap is described there, [`Error::Version`] if a later version of pageslab did, and
    /// [`Error::OutOfMemory`] or [`Error::Inconsistent`] if what is described cannot be, as when something wrote over it.
    pub fn read(memory: &[u8], address: u32) -> Result<Self, Error> {
        Self::read_from(memory, address)
    }

    /// The same, for a memory that is no slice.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_from(memory: &(impl GuestMemory + ?Sized), address: u32) -> Result<Self, Error> {
        let memory = Memory(memory);
        let layout = memory.reader::<_, LAYOUT>(address.into(), Layout::read)?;
        let number = |address| memory.u32(address);
        let mut snapshot = Self {
            is_checked: layout.is_checked,
            is_poisoned: memory.read::<_, 1>(layout.is_changing, |reader| reader.u8())? != 0,
            memory_pages: u32::try_from(memory.0.size() / PAGE).unwrap_or(u32::MAX),
            pages: number(layout.held)?,
            limit: number(layout.limit)?,
            growths: number(layout.growths)?,
            refused_growths: number(layout.refused_growths)?,
            runs: Vec::new(),
        };
        let end = (
            number(layout.end)?.into(),
            number(layout.end_frames)?.into(),
        );
        let heap = Heap {
            root: number(layout.root)?.into(),
            first_page: number(layout.first_page)?.into(),
            pages: number(layout.pages)?.into(),
            memory,
            layout,
        };
        let mut frame = heap.first_page * FRAMES_PER_PAGE;
        let frames_end = frame + heap.pages * FRAMES_PER_PAGE;
        let offset = frames_end << FRAME_SHIFT;
        if frames_end > MAX_FRAMES || offset > heap.memory.0.size() {
            let what = "the heap passes the end of memory";
            return Err(Error::Inconsistent { offset, what });
        }
        while frame < frames_end {
            let offset = frame << FRAME_SHIFT;
            let (what, frames) = match heap.run(frame, end) {
                Ok((what, frames))
                    if what != What::Unknown && frames > 0 && frame + frames <= frames_end =>
                {
                    (what, frames)
                }
                // Half of a change was made: the frame may belong to anything.
                _ if snapshot.is_poisoned => (What::Unknown, 1),
                Ok(_) => {
                    let what = "a run begins with a frame that is inside of one, or has no length";
                    return Err(Error::Inconsistent { offset, what });
                }
                Err(error) => return Err(error),
            };
            let len = frames << FRAME_SHIFT;
            let mut run = Run { offset, len, what };
            match run.check() {
                Err(_) if snapshot.is_poisoned => run.what = What::Unknown,
                checked => checked?,
            }
            frame += frames;
            match snapshot.runs.last_mut() {
                Some(last) if run.what == What::Unknown && last.what == What::Unknown => {
                    last.len += len;
                }
                _ => snapshot.runs.push(run),
            }
        }
        snapshot.check().map(|()| snapshot)
    }
}
