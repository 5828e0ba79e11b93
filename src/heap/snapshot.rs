//! A snapshot: every run and slab of a heap, written down for somebody who is elsewhere. `docs/snapshot.md` has the format, and
//! the package `pageslab-snapshot` reads it.

use crate::bits::bits;
use crate::frames::entry::Kind;
use crate::heap::state::Heap;
use crate::hooks::{CHECKED, History};
use crate::memory::LinearMemory;
use crate::sizes::geometry::{FRAME_SHIFT, FRAMES_PER_PAGE};
use crate::slabs::shape::DESCRIPTORS;
use crate::slabs::slab::SlabPtr;

/// What a snapshot begins with.
const MAGIC: [u8; 8] = *b"pageslab";

/// The format's version.
const VERSION: u16 = 1;

/// What a run is, in a snapshot.
#[repr(u8)]
enum Run {
    Foreign,
    Free,
    Live,
    Slab,
    Metadata,
    Held,
}

/// Bytes one behind the other: those that fit are written, all are counted.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if let Some(place) = self.out.get_mut(self.at..end) {
            place.copy_from_slice(bytes);
        }
        self.at = end;
    }

    fn put_u32(&mut self, number: u32) {
        self.put(&number.to_le_bytes());
    }

    /// In checked mode, who had some memory: nothing, if nobody had.
    fn put_history(&mut self, history: History) {
        if CHECKED {
            let past = history.past();
            self.put_u32(past.map_or(0, |past| past.len() + 1));
            self.put(&past.map_or(0, |past| past.allocated_by).to_le_bytes());
            self.put(&past.map_or(0, |past| past.freed_by).to_le_bytes());
        }
    }

    fn put_slab(&mut self, slab: SlabPtr) {
        self.put(&(slab.slot_size() as u16).to_le_bytes());
        self.put(&[slab.class() as u8, slab.slots() as u8]);
        let live = slab.live_word();
        self.put(&live.to_le_bytes());
        self.put(&slab.free_word().to_le_bytes());
        for slot in bits(live).iter_ones() {
            self.put(&(slab.len(slot as u32) as u16).to_le_bytes());
        }
        for slot in 0..slab.slots() {
            self.put_history(slab.history(slot));
        }
    }
}

impl<M: LinearMemory> Heap<M> {
    /// Writes a snapshot, as far as it fits, and returns its length. Not of a poisoned heap.
    pub(crate) fn snapshot(&self, out: &mut [u8]) -> usize {
        let mut writer = Writer { out, at: 0 };
        writer.put(&MAGIC);
        writer.put(&VERSION.to_le_bytes());
        writer.put(&[u8::from(CHECKED), FRAME_SHIFT as u8]);
        writer.put_u32(self.runs.memory.size());
        writer.put_u32(self.runs.held());
        writer.put_u32(self.runs.limit());
        writer.put_u32(self.growths);
        writer.put_u32(self.refused_growths);
        writer.put_u32(self.runs.map.range().start * FRAMES_PER_PAGE);
        writer.put_u32(self.tiles().count() as u32);
        for (head, kind, frames) in self.tiles() {
            // Only frames that are not foreign have an entry for sure.
            let entry = || self.runs.map.entry(head);
            let slab = match kind {
                Kind::Internal => entry().any_slab(),
                _ => None,
            };
            let slab = slab.filter(|slab| slab.class() != DESCRIPTORS);
            let run = match kind {
                Kind::Free => Run::Free,
                Kind::Live => Run::Live,
                Kind::Internal if slab.is_some() => Run::Slab,
                Kind::Internal => Run::Metadata,
                Kind::Held => Run::Held,
                Kind::Foreign | Kind::Interior | Kind::FreeTail => Run::Foreign,
            };
            let is_block = matches!(kind, Kind::Live | Kind::Held);
            writer.put_u32(frames << 4 | run as u32);
            if let Some(slab) = slab {
                writer.put_slab(slab);
            } else if is_block {
                writer.put_u32(if kind == Kind::Live { entry().len() } else { 0 });
                writer.put_history(entry().history);
            }
        }
        writer.at
    }
}
