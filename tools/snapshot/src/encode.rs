//! The bytes of a snapshot, as a guest writes them: for one that a host has read, to be kept.

use crate::decode::{CHECKED, FRAME_SHIFT, MAGIC, POISONED, VERSION, kind};
use crate::{Past, Slab, Snapshot, What, word};

impl Snapshot {
    /// The bytes that [`decode`](Self::decode) reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        let checked = if self.is_checked { CHECKED } else { 0 };
        let poisoned = if self.is_poisoned { POISONED } else { 0 };
        out.extend([checked | poisoned, FRAME_SHIFT]);
        let first = self.runs.first().map_or(0, |run| run.offset >> FRAME_SHIFT);
        for number in [
            self.memory_pages,
            self.pages,
            self.limit,
            self.growths,
            self.refused_growths,
            first as u32,
            self.runs.len() as u32,
        ] {
            out.extend(number.to_le_bytes());
        }
        for run in &self.runs {
            let kind = match &run.what {
                What::Foreign => kind::FOREIGN,
                What::Free => kind::FREE,
                What::Block { .. } => kind::BLOCK,
                What::Slab(_) => kind::SLAB,
                What::Metadata => kind::METADATA,
                What::Held { .. } => kind::HELD,
                What::Unknown => kind::UNKNOWN,
            };
            out.extend((((run.len >> FRAME_SHIFT) as u32) << 4 | kind).to_le_bytes());
            match &run.what {
                What::Block { len, past } => {
                    out.extend(len.to_le_bytes());
                    put_past(&mut out, *past, self.is_checked);
                }
                What::Held { past } => {
                    out.extend(0u32.to_le_bytes());
                    put_past(&mut out, *past, self.is_checked);
                }
                What::Slab(slab) => put_slab(&mut out, slab),
                _ => {}
            }
        }
        out
    }
}

fn put_slab(out: &mut Vec<u8>, slab: &Slab) {
    out.extend((slab.slot_size as u16).to_le_bytes());
    out.extend([slab.class, slab.slots as u8]);
    out.extend(word(slab.live).to_le_bytes());
    out.extend(word(slab.free).to_le_bytes());
    for &len in &slab.lens {
        out.extend((len as u16).to_le_bytes());
    }
    for &past in &slab.pasts {
        put_past(out, past, true);
    }
}

fn put_past(out: &mut Vec<u8>, past: Option<Past>, is_checked: bool) {
    if is_checked {
        out.extend(past.map_or(0, |past| past.len + 1).to_le_bytes());
        out.extend(past.map_or(0, |past| past.allocated_by).to_le_bytes());
        out.extend(past.map_or(0, |past| past.freed_by).to_le_bytes());
    }
}
