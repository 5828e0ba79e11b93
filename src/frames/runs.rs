//! Runs: finding, splitting and joining runs of frames, in constant time. Knows no slots.
//!
//! Every frame of the heap belongs to exactly one run. Free runs are joined with their free neighbours at once, and kept in
//! [`bins`](crate::frames::bins) by length, except for the free frames at the *end* of the heap, behind its last run: they are
//! in no bin, and used last, so that a long block is cut from them, and goes back, by moving one number. The block that was freed
//! last is *parked*: it is joined only when the next run is wanted or freed, and if that is to have the same length, it is had again
//! as it is.

use crate::frames::bins::{BINS, bin_of};
use crate::frames::bitmap::{Bitmap, words};
use crate::frames::entry::{Kind, NONE, Tag};
use crate::frames::map::Map;
use crate::hooks::SLACK;
use crate::invariant::{Checked, ensure};
use crate::memory::LinearMemory;
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, FRAMES_PER_PAGE, Frame, MAX_FRAMES};
use core::mem::offset_of;
use core::num::NonZeroU32;

/// How many runs of a bin are looked at, as long as there is another way.
pub(crate) const LOOK: u32 = 8;

/// The first frame of a run that is not foreign: never frame 0.
pub(crate) type Head = NonZeroU32;

/// The heap as runs of frames.
///
/// Invariants, beside the map's:
/// - **R1**: the runs tile each of the heap's pages, or several that are neighbours. The free end is `end_frames` frames
///   from `end` on, all interior. Frame 0 is foreign, or a guard.
/// - **R2**: no two free runs are neighbours, and none is in front of the free end, but for the parked one.
/// - **R3**: a free run that is not parked is in the bin of its length, once; a bin's bit is set exactly if the bin has a run.
/// - **R4**: the pages held are at most the limit, and all in the map; this heap's own `grow` gave them to it.
/// - **R5**: no frame from `touched` on is part of a run that is not free, and none ever was.
/// - **R6**: the length of a live run's block, and its slack, fit into its frames.
/// - **R7**: no run that is not foreign has the last frame of a 4 GiB memory, so that no block ends there.
pub(crate) struct Runs<M> {
    pub(crate) memory: M,
    pub(crate) map: Map,
    /// Where the free end begins.
    pub(super) end: Frame,
    pub(super) end_frames: u32,
    /// How many frames the last search that failed needed in one piece.
    pub(super) wanted: u32,
    /// The run of the block that was freed last, with no frames if there is none: free, in no bin, without a tail, and not joined yet.
    parked: Frame,
    parked_frames: u32,
    /// From this frame on, none was ever a part of a run that was not free.
    pub(super) touched: Frame,
    /// How many leaves the map is to have, for these pages and for more, as soon as there is room.
    pub(super) wanted_leaves: u32,
    /// How many pages the heap holds.
    pub(super) held: u32,
    /// How many it may hold.
    pub(super) limit: u32,
    /// Which bins have a run.
    filled: Bitmap<{ words(BINS) }>,
    /// The first run of each bin, or [`NONE`].
    bins: [Frame; BINS],
}

/// How many frames the run of a block of `len` bytes has. (For the last lengths of 32 bits as many as no memory has.)
#[inline]
pub(crate) fn frames_of(len: u32) -> u32 {
    (len.saturating_add(SLACK + FRAME - 1) >> FRAME_SHIFT).max(1)
}

/// How many frames lie in front of the next multiple of `align` frames, a power of two.
#[inline]
fn frames_before(frame: Frame, align: u32) -> u32 {
    frame.wrapping_neg() & (align - 1)
}

impl<M> Runs<M> {
    /// Where `end`, `end_frames`, `held` and `limit` are, for a host that reads them.
    pub(crate) const FIELDS: [usize; 4] = [
        offset_of!(Self, end),
        offset_of!(Self, end_frames),
        offset_of!(Self, held),
        offset_of!(Self, limit),
    ];

    pub(crate) const fn new(memory: M, limit: u32) -> Self {
        Self {
            memory,
            map: Map::new(),
            end: NONE,
            end_frames: 0,
            wanted: 0,
            parked: NONE,
            parked_frames: 0,
            touched: 0,
            wanted_leaves: 0,
            held: 0,
            limit,
            filled: Bitmap::EMPTY,
            bins: [NONE; BINS],
        }
    }

    /// How many pages the heap holds.
    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    /// How many it may hold.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Lets the heap hold so many pages, or as many as it does.
    pub(crate) fn set_limit(&mut self, pages: u32) {
        self.limit = pages.max(self.held);
    }

    /// The offset from which on this heap has handed nothing out yet, so that its bytes there are as `memory.grow`
    /// made them: zero.
    pub(crate) fn touched(&self) -> u64 {
        u64::from(self.touched) << FRAME_SHIFT
    }

    /// Says what memory is to grow for: this many frames in one piece.
    pub(crate) fn want(&mut self, frames: u32) {
        self.wanted = frames;
    }

    /// The first run of a bin.
    #[inline(always)]
    fn first_of(&mut self, bin: usize) -> &mut Frame {
        debug_assert!(bin < BINS);
        // SAFETY: it is the bin of a run, which by R7 is shorter than `MAX_FRAMES`.
        unsafe { self.bins.get_unchecked_mut(bin) }
    }

    /// Puts a free run whose neighbours are not free into its bin.
    #[inline(never)]
    pub(super) fn insert(&mut self, head: Frame, frames: u32) {
        let bin = bin_of(frames) as usize;
        let next = core::mem::replace(self.first_of(bin), head);
        if next != NONE {
            self.map.entry_mut(next).set_previous(head);
        }
        let tail = self.map.entry_mut(head + frames - 1);
        tail.tag.become_free(Kind::FreeTail, frames);
        let entry = self.map.entry_mut(head);
        entry.tag.become_free(Kind::Free, frames);
        entry.set_next(next);
        entry.set_previous(NONE);
        self.filled.insert(bin);
    }

    /// Takes a free run out of its bin, and returns its length. Its frames are interior ones then.
    #[inline(never)]
    pub(super) fn unlink(&mut self, head: Frame) -> u32 {
        let entry = self.map.entry_mut(head);
        let (frames, next, previous) = (entry.tag.frames(), entry.next(), entry.previous());
        entry.tag.become_free(Kind::Interior, 0);
        entry.set_next(NONE);
        let tail = self.map.entry_mut(head + frames - 1);
        tail.tag.become_free(Kind::Interior, 0);
        if next != NONE {
            self.map.entry_mut(next).set_previous(previous);
        }
        if previous != NONE {
            self.map.entry_mut(previous).set_next(next);
        } else {
            let bin = bin_of(frames) as usize;
            *self.first_of(bin) = next;
            if next == NONE {
                self.filled.remove(bin);
            }
        }
        frames
    }

    /// A free run in a bin in which as many frames fit, the first at a multiple of `align`. Looks at so many runs of each bin.
    #[inline(never)]
    pub(super) fn find(&self, frames: u32, align: u32, look: u32) -> Option<Head> {
        let mut bin = bin_of(frames) as usize;
        loop {
            bin = self.filled.first_from(bin);
            let mut head = *self.bins.get(bin)?;
            for _ in 0..look {
                let Some(found) = Head::new(head) else { break };
                let entry = self.map.entry(head);
                if entry.tag.frames() >= frames + frames_before(head, align) {
                    return Some(found);
                }
                head = entry.next();
            }
            if bin == 0 {
                return None;
            }
            bin += 1;
        }
    }

    /// Takes a run of this many frames, at a multiple of `align` frames, if one is free: after a look at so many runs of each bin, or
    /// after a look at none, first from the free end. Its frames are interior ones: its tag is left to the caller.
    #[inline(never)]
    pub(crate) fn take(&mut self, frames: u32, align: u32, look: u32) -> Option<Head> {
        self.settle();
        if look > 0 {
            if let Some(run) = self.find(frames, align, look) {
                return Some(self.cut(run, frames, align));
            }
        }
        let front = frames_before(self.end, align);
        if front + frames <= self.end_frames {
            let run = self.end;
            self.move_end(front + frames);
            if front > 0 {
                self.insert(run, front);
            }
            return Head::new(run + front);
        }
        self.wanted = frames + align - 1;
        if look > 0 {
            return None;
        }
        let run = self.find(frames, align, LOOK)?;
        Some(self.cut(run, frames, align))
    }

    /// Takes some of the frames of a free run out of its bin, at a multiple of `align` frames. The others are free.
    #[inline(never)]
    pub(super) fn cut(&mut self, run: Head, frames: u32, align: u32) -> Head {
        let length = self.unlink(run.get());
        let front = frames_before(run.get(), align);
        if front > 0 {
            self.insert(run.get(), front);
        }
        let head = run.saturating_add(front);
        let left = length - front - frames;
        if left > 0 {
            self.insert(head.get() + frames, left);
        }
        head
    }

    /// Takes frames from the free end.
    fn move_end(&mut self, frames: u32) {
        self.end += frames;
        self.end_frames -= frames;
        self.touched = self.touched.max(self.end);
    }

    /// Makes frames that are not free an internal run.
    pub(crate) fn set_internal(&mut self, head: Frame, frames: u32) {
        self.map.entry_mut(head).tag = Tag::new(Kind::Internal, frames);
    }

    /// Frees the run of a block, and parks it.
    pub(crate) fn park(&mut self, head: Frame, frames: u32) {
        self.settle();
        self.map.entry_mut(head).tag = Tag::freed(frames);
        self.parked = head;
        self.parked_frames = frames;
    }

    /// Takes the parked run, if it has as many frames and begins at a multiple of `align` frames. Its tag is left to the caller.
    #[inline(always)]
    pub(crate) fn take_parked(&mut self, frames: u32, align: u32) -> Option<Head> {
        if self.parked_frames == frames && frames_before(self.parked, align) == 0 {
            self.parked_frames = 0;
            return Head::new(self.parked);
        }
        None
    }

    /// Joins the parked run with its free neighbours, if there is one.
    #[inline(never)]
    fn settle(&mut self) {
        let frames = core::mem::replace(&mut self.parked_frames, 0);
        if frames > 0 {
            self.join(self.parked, frames);
        }
    }

    /// Frees a run, joining it with its free neighbours.
    pub(crate) fn release(&mut self, head: Frame, frames: u32) {
        self.settle();
        self.join(head, frames);
    }

    /// Makes a run free, and one with its free neighbours, none of which is parked.
    #[inline(never)]
    fn join(&mut self, mut head: Frame, mut frames: u32) {
        let tag = &mut self.map.entry_mut(head).tag;
        tag.become_free(Kind::Interior, 0);
        let after = head + frames;
        let before = self.map.tag(head - 1);
        if before.is(Kind::Free) || before.is(Kind::FreeTail) {
            head -= before.frames();
            frames += self.unlink(head);
        }
        if after == self.end {
            self.end = head;
            self.end_frames += frames;
            return;
        }
        if self.map.tag(after).is(Kind::Free) {
            frames += self.unlink(after);
        }
        self.insert(head, frames);
    }

    /// Makes a run of `from` frames, not a free one, shorter or, if what follows it is free, longer. Its tag
    /// is left to the caller.
    #[inline(never)]
    pub(crate) fn resize(&mut self, head: Frame, from: u32, to: u32) -> bool {
        self.settle();
        if to < from {
            self.join(head + to, from - to);
        } else if to > from {
            let (next, more) = (head + from, to - from);
            if next == self.end {
                if self.end_frames < more {
                    return false;
                }
                self.move_end(more);
            } else {
                let tag = self.map.tag(next);
                if !tag.is(Kind::Free) || tag.frames() < more {
                    return false;
                }
                let left = self.unlink(next) - more;
                if left > 0 {
                    self.insert(next + more, left);
                }
            }
        }
        true
    }
}

impl<M> Runs<M> {
    /// The runs in order: first frame, kind and length in frames. What is not in the heap's pages is foreign.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (Frame, Kind, u32)> {
        let pages = self.map.range();
        let mut frame = pages.start * FRAMES_PER_PAGE;
        let pages_end = pages.end * FRAMES_PER_PAGE;
        core::iter::from_fn(move || {
            if frame >= pages_end {
                return None;
            }
            let kind = if self.is_end(frame) {
                Kind::Free
            } else {
                self.map.tag(frame).kind()
            };
            let frames = self.frames_at(frame);
            frame += frames;
            Some((frame - frames, kind, frames))
        })
    }

    /// Whether the free end begins with this frame.
    pub(crate) fn is_end(&self, frame: Frame) -> bool {
        frame == self.end && self.end_frames > 0
    }

    /// How many frames the run has that begins here.
    pub(crate) fn frames_at(&self, head: Frame) -> u32 {
        if self.is_end(head) {
            self.end_frames
        } else {
            self.map.tag(head).frames()
        }
    }

    /// Checks R1 to R7.
    pub(crate) fn check(&self) -> Checked {
        let mut own = 0;
        let mut free = 0;
        let mut parked = 0;
        let mut last = Kind::Internal;
        for (head, kind, frames) in self.tiles() {
            let end = head + frames;
            ensure(
                frames > 0 && end <= self.map.range().end * FRAMES_PER_PAGE,
                "R1: a run has no length or passes the end",
            )?;
            ensure(
                !matches!(kind, Kind::Interior | Kind::FreeTail),
                "R1: a run begins with an interior frame",
            )?;
            let is_end = self.is_end(head);
            let is_ours = self.map.entry_of(head << FRAME_SHIFT).is_some();
            let tail = self.map.tag(end - 1);
            let inner = if is_end { head } else { head + 1 };
            let is_interior = |frame| self.map.tag(frame).is(Kind::Interior);
            ensure(
                !is_ours || (inner..end - 1).all(is_interior),
                "R1: an interior frame is of another kind",
            )?;
            let is_parked = head == self.parked && self.parked_frames > 0;
            ensure(
                !is_parked || kind == Kind::Free && !is_end && frames == self.parked_frames,
                "R2: the parked run is not free",
            )?;
            if kind == Kind::Free && !is_parked {
                ensure(last != Kind::Free, "R2: two free runs are neighbours")?;
            }
            if kind == Kind::Free && !is_end && !is_parked {
                ensure(
                    frames == 1 || tail.is(Kind::FreeTail) && tail.frames() == frames,
                    "R2: a free run has no tail",
                )?;
                free += 1;
            } else {
                ensure(
                    !is_ours || frames == 1 && !is_end || tail.is(Kind::Interior),
                    "R1: a run ends with another kind of frame",
                )?;
            }
            ensure(
                matches!(kind, Kind::Free | Kind::Foreign) || end <= self.touched,
                "R5: a run that is not free lies behind what was touched",
            )?;
            ensure(
                kind != Kind::Live || frames_of(self.map.entry(head).len()) <= frames,
                "R6: a live run is shorter than its block",
            )?;
            ensure(
                kind == Kind::Foreign || end < MAX_FRAMES,
                "R7: a run has the last frame of the address space",
            )?;
            ensure(
                head != NONE || matches!(kind, Kind::Foreign | Kind::Internal),
                "R1: the first frame is in use",
            )?;
            if is_ours {
                own += frames;
            }
            last = if is_parked { Kind::Interior } else { kind };
            parked += if is_parked { frames } else { 0 };
        }
        ensure(parked == self.parked_frames, "R2: the parked run is no run")?;
        ensure(
            own == self.held * FRAMES_PER_PAGE,
            "R4: the pages held are miscounted",
        )?;
        ensure(
            self.held <= self.limit,
            "R4: more pages are held than the limit allows",
        )?;
        for (bin, &first) in self.bins.iter().enumerate() {
            let (mut head, mut previous) = (first, NONE);
            while head != NONE {
                let entry = self.map.entry(head);
                ensure(
                    entry.tag.is(Kind::Free),
                    "R3: a list holds a run of another kind",
                )?;
                ensure(
                    bin_of(entry.tag.frames()) as usize == bin,
                    "R3: a run is in the wrong list",
                )?;
                ensure(entry.previous() == previous, "R3: a list's links disagree")?;
                free -= 1;
                (head, previous) = (entry.next(), head);
            }
            ensure(
                self.filled.contains(bin) == (first != NONE),
                "R3: a bin's bit is wrong",
            )?;
        }
        ensure(free == 0, "R3: a free run is in no list")
    }
}

impl<M: LinearMemory> Runs<M> {
    /// The address of a frame.
    pub(crate) fn address(&self, frame: Frame) -> *mut u8 {
        self.memory.address(frame << FRAME_SHIFT)
    }
}

#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(miri),
    not(pageslab_geometry = "tiny")
))]
mod tests;
