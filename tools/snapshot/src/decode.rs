//! A snapshot out of the bytes that a guest has written: the format of `docs/snapshot.md`.

use crate::bytes::Reader;
use crate::{Error, Past, Run, Slab, Snapshot, What};

/// What a snapshot begins with.
pub const MAGIC: [u8; 8] = *b"pageslab";

/// The format's version.
pub const VERSION: u16 = 1;

/// Frames in 4 GiB.
pub const MAX_FRAMES: u64 = 1 << 22;

/// log2 of the bytes in a frame.
pub const FRAME_SHIFT: u8 = 10;

/// The most slots of a slab.
pub const MAX_SLOTS: u32 = 63;

/// The longest slots that the format can tell.
const MAX_SLOT_SIZE: u32 = u16::MAX as u32;

/// What a run is: the lowest bits of its first word.
pub mod kind {
    pub const FOREIGN: u32 = 0;
    pub const FREE: u32 = 1;
    pub const BLOCK: u32 = 2;
    pub const SLAB: u32 = 3;
    pub const METADATA: u32 = 4;
    pub const HELD: u32 = 5;
    pub const UNKNOWN: u32 = 6;
}

/// In the byte of flags.
pub const CHECKED: u8 = 1;
pub const POISONED: u8 = 2;

impl Snapshot {
    /// Reads a snapshot that a guest has written, or [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// Each [`Error`] but [`Error::OutOfMemory`], for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if reader.array().map_err(|_| Error::NoSnapshot)? != MAGIC {
            return Err(Error::NoSnapshot);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let flags = reader.u8()?;
        if reader.u8()? != FRAME_SHIFT || flags > CHECKED | POISONED {
            return Err(Error::NoSnapshot);
        }
        let is_checked = flags & CHECKED != 0;
        let mut snapshot = Self {
            is_checked,
            is_poisoned: flags & POISONED != 0,
            memory_pages: reader.u32()?,
            pages: reader.u32()?,
            limit: reader.u32()?,
            growths: reader.u32()?,
            refused_growths: reader.u32()?,
            runs: Vec::new(),
        };
        let mut frame = u64::from(reader.u32()?);
        let runs = reader.u32()?;
        for _ in 0..runs {
            let offset = frame << FRAME_SHIFT;
            let tag = reader.u32()?;
            let frames = u64::from(tag >> 4);
            frame += frames;
            if frames == 0 || frame > MAX_FRAMES {
                let what = "a run has no length, or passes the end of memory";
                return Err(Error::Inconsistent { offset, what });
            }
            let len = frames << FRAME_SHIFT;
            let what = match tag & 15 {
                kind::FOREIGN => What::Foreign,
                kind::FREE => What::Free,
                kind::METADATA => What::Metadata,
                kind::UNKNOWN if snapshot.is_poisoned => What::Unknown,
                kind::BLOCK => What::Block {
                    len: reader.u32()?,
                    past: past(&mut reader, is_checked)?,
                },
                kind::HELD => {
                    reader.u32()?;
                    What::Held {
                        past: past(&mut reader, is_checked)?,
                    }
                }
                kind::SLAB => What::Slab(slab(&mut reader, is_checked)?),
                _ => {
                    let what = "a run is of no kind";
                    return Err(Error::Inconsistent { offset, what });
                }
            };
            let run = Run { offset, len, what };
            run.check()?;
            snapshot.runs.push(run);
        }
        match reader.left() {
            0 => snapshot.check().map(|()| snapshot),
            left => Err(Error::TooLong(left)),
        }
    }

    /// Whether the parts fit together, beside what is asked of each run.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |offset, what| Err(Error::Inconsistent { offset, what });
        let end = self.runs.last().map_or(0, |run| run.offset + run.len);
        if u64::from(self.memory_pages) > MAX_FRAMES / 64 || self.pages > self.memory_pages {
            return wrong(0, "the heap has more pages than there are");
        }
        if end > u64::from(self.memory_pages) * crate::PAGE {
            return wrong(end, "the heap passes the end of memory");
        }
        let own = self.runs.iter().filter(|run| run.what != What::Foreign);
        if own.map(|run| run.len).sum::<u64>() > u64::from(self.pages) * crate::PAGE {
            return wrong(0, "there is more of the heap than it has pages");
        }
        Ok(())
    }
}

impl Run {
    /// Whether what is said of it can be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what| {
            Err(Error::Inconsistent {
                offset: self.offset,
                what,
            })
        };
        match &self.what {
            What::Block { len, .. } if u64::from(*len) > self.len => {
                wrong("a block is longer than its run")
            }
            What::Slab(slab) => {
                let slots = slab.slots as usize;
                if slab.slot_size == 0 || slots == 0 || slab.slots > MAX_SLOTS {
                    return wrong("a slab has no slots, or too many");
                }
                if slab.slot_size > MAX_SLOT_SIZE {
                    return wrong("a slab's slots are too long");
                }
                if u64::from(slab.slot_size) * u64::from(slab.slots) > self.len {
                    return wrong("a slab is longer than its run");
                }
                if slab.live[slots..].any() || slab.free[slots..].any() {
                    return wrong("what is no slot is live, or free");
                }
                if (slab.live & slab.free).any() {
                    return wrong("a slot is both live and free");
                }
                if slab.lens.len() != slab.live.count_ones()
                    || slab.lens.iter().any(|&len| len > slab.slot_size)
                {
                    return wrong("a block is longer than its slot");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn slab(reader: &mut Reader<'_>, is_checked: bool) -> Result<Slab, Error> {
    let slot_size = u32::from(reader.u16()?);
    let class = reader.u8()?;
    let slots = u32::from(reader.u8()?);
    let live = crate::slots(reader.u64()?);
    let free = crate::slots(reader.u64()?);
    let lens = (0..live.count_ones()).map(|_| reader.u16().map(u32::from));
    let lens = lens.collect::<Result<_, _>>()?;
    let count = if is_checked { slots } else { 0 };
    let pasts = (0..count).map(|_| past(reader, true));
    let pasts = pasts.collect::<Result<_, _>>()?;
    Ok(Slab {
        class,
        slot_size,
        slots,
        live,
        free,
        lens,
        pasts,
    })
}

/// Who had some memory: in checked mode, if anybody had.
pub fn past(reader: &mut Reader<'_>, is_checked: bool) -> Result<Option<Past>, Error> {
    if !is_checked {
        return Ok(None);
    }
    let len_and_one = reader.u32()?;
    let past = Past {
        len: len_and_one.saturating_sub(1),
        allocated_by: reader.u16()?,
        freed_by: reader.u16()?,
    };
    Ok((len_and_one > 0).then_some(past))
}
