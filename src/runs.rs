//! Runs: finding, splitting, joining and growing runs of frames, all in constant time. Knows no slots.
//!
//! Every frame of the heap belongs to exactly one run (or to a foreign party). Free runs are joined with
//! their free neighbours and kept in *bins* by length, four bins per doubling, with a bitmap over the bins
//! that have any, as TLSF does ([Masmano et al., 2004][tlsf]). Short runs that are freed are first *cached*
//! as they are, in a list per exact length: the next request of that length takes them back without splitting
//! or joining. The cache holds a bounded number of runs, and is emptied into the bins before memory grows.
//!
//! [tlsf]: https://doi.org/10.1109/EMRTS.2004.1311009

use crate::bitmap::{Bitmap, words};
use crate::checked::{SLACK, fill};
use crate::class::step;
use crate::geometry::GEOMETRY;
use crate::invariant::{Checked, ensure};
use crate::map::{Entry, FRAME, FRAMES_PER_PAGE, GUARD_FRAMES, Kind, MAX_FRAMES, Map, NONE, Tag};
use crate::memory::{LinearMemory, MAX_PAGES, PAGE_SHIFT};

/// Bins of free runs.
const BINS: usize = step(MAX_FRAMES) as usize + 1;

/// The longest run that is cached, in frames.
pub(crate) const MAX_CACHED_FRAMES: u32 = GEOMETRY.max_cached_frames;

/// How many runs are cached at most, which bounds the time that emptying the cache takes.
const MAX_CACHED: u32 = GEOMETRY.max_cached;

/// One list per bin, then one per length of cached runs (the one for length 0 is never used).
const LISTS: usize = BINS + MAX_CACHED_FRAMES as usize + 1;

/// A heap of this many pages asks for at least one at a time, one of twice as many for two, and so on.
const PAGES_PER_PAGE_AHEAD: u32 = 16;

/// The heap as runs of frames.
///
/// Invariants, beside the map's:
/// - **R1**: the runs tile the map: from frame 0, which is a foreign one, each run or foreign frame is followed by the
///   next, up to the end.
/// - **R2**: no two free runs are neighbours.
/// - **R3**: a free run is in the bin of its length, a cached run in the list of its length, each in one list
///   once; a bin's bit is set exactly if the bin has a run. At most [`MAX_CACHED`] runs are cached.
/// - **R4**: the pages held are at most the limit, and are those that this heap's own `grow` gave it: all in the
///   map but the foreign ones.
/// - **R5**: no frame from `untouched` on is part of a run that is not free, and none ever was.
/// - **R6**: the length of a live run's block, and its slack, fit into its frames.
pub(crate) struct Runs<M> {
    memory: M,
    map: Map,
    /// The first run of each list, or [`NONE`].
    lists: [u32; LISTS],
    /// Which bins have a run.
    filled: Bitmap<{ words(BINS) }>,
    /// How many runs are cached.
    cached: u32,
    /// From this frame on, none was ever a part of a run that was not free.
    untouched: u32,
    /// How many pages the heap holds.
    held: u32,
    /// How many it may hold.
    limit: u32,
}

/// How many frames the run of a block of `len` bytes has.
pub(crate) fn frames_of(len: u32) -> u32 {
    len.saturating_add(SLACK).div_ceil(FRAME).max(1)
}

/// The bin in which a free run of this length is kept.
fn bin_of(frames: u32) -> usize {
    step(frames) as usize
}

/// The list in which a run of this kind and length is kept.
fn list_of(tag: Tag) -> usize {
    if tag.is(Kind::Cached) {
        BINS + tag.frames() as usize
    } else {
        bin_of(tag.frames())
    }
}

impl<M> Runs<M> {
    pub(crate) const fn new(memory: M, limit: u32) -> Self {
        Self {
            memory,
            map: Map::new(),
            lists: [NONE; LISTS],
            filled: Bitmap::EMPTY,
            cached: 0,
            untouched: 0,
            held: 0,
            limit,
        }
    }

    #[inline(always)]
    pub(crate) fn map(&self) -> &Map {
        &self.map
    }

    #[inline(always)]
    pub(crate) fn map_mut(&mut self) -> &mut Map {
        &mut self.map
    }

    #[inline(always)]
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// How many pages the heap holds.
    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    /// The offset from which on this heap has handed nothing out yet, so that its bytes there are as `memory.grow`
    /// made them: zero.
    pub(crate) fn untouched(&self) -> u64 {
        self.map.end(self.untouched)
    }

    #[inline]
    fn push(&mut self, list: usize, head: u32, tag: Tag) {
        let next = core::mem::replace(&mut self.lists[list], head);
        if next != NONE {
            self.map.entry_mut(next).previous = head;
        }
        let entry = self.map.entry_mut(head);
        entry.tag = tag;
        entry.next = next;
        entry.previous = NONE;
    }

    #[inline(never)]
    fn unlink(&mut self, head: u32) {
        let Entry {
            tag,
            next,
            previous,
            ..
        } = *self.map.entry(head);
        if next != NONE {
            self.map.entry_mut(next).previous = previous;
        }
        if previous != NONE {
            self.map.entry_mut(previous).next = next;
        } else {
            self.lists[list_of(tag)] = next;
        }
        if tag.is(Kind::Cached) {
            self.cached -= 1;
        } else if previous == NONE && next == NONE {
            self.filled.remove(list_of(tag));
        }
    }

    /// The first run of a list, and its length.
    fn first(&self, list: usize) -> Option<(u32, u32)> {
        let head = self.lists[list];
        (head != NONE).then(|| (head, self.map.entry(head).tag.frames()))
    }

    /// A free run of at least this length, and its length.
    fn find(&self, frames: u32) -> Option<(u32, u32)> {
        // Every run in a bin from here on is long enough.
        if let Some(bin) = self.filled.first_from(bin_of(frames - 1) + 1) {
            return self.first(bin);
        }
        // In the bin below, some are.
        self.first(bin_of(frames))
            .filter(|&(_, length)| length >= frames)
    }

    /// Looks through the one bin in which `find` looks at the first run only. For when memory cannot grow:
    /// not in constant time.
    pub(crate) fn take_hidden(&mut self, frames: u32) -> Option<u32> {
        let mut head = self.lists[bin_of(frames)];
        while head != NONE {
            let Entry { tag, next, .. } = *self.map.entry(head);
            if tag.frames() >= frames {
                self.unlink(head);
                self.cut(head, tag.frames(), frames);
                return Some(head);
            }
            head = next;
        }
        None
    }

    /// Takes a cached run of exactly this many frames, if there is one. Its tag is left to the caller.
    #[inline]
    pub(crate) fn take_cached(&mut self, frames: u32) -> Option<u32> {
        let list = self.lists.get_mut(BINS + frames as usize)?;
        let head = *list;
        if head == NONE {
            return None;
        }
        let next = self.map.entry(head).next;
        *list = next;
        if next != NONE {
            self.map.entry_mut(next).previous = NONE;
        }
        self.cached -= 1;
        Some(head)
    }

    /// Takes a run of exactly this many frames, if one is free.
    pub(crate) fn take(&mut self, frames: u32) -> Option<u32> {
        if let Some(head) = self.take_cached(frames) {
            self.map.entry_mut(head).tag = Tag::new(Kind::Internal, frames);
            return Some(head);
        }
        let (head, length) = self.find(frames)?;
        self.unlink(head);
        self.cut(head, length, frames);
        Some(head)
    }

    /// Takes a run of this many frames from the front of one of the longest free runs, if one is long enough:
    /// for a run that is expected to become longer.
    pub(crate) fn take_roomy(&mut self, frames: u32) -> Option<u32> {
        let bin = self.filled.last()?;
        let (head, length) = self.first(bin).filter(|&(_, length)| length >= frames)?;
        self.unlink(head);
        self.cut(head, length, frames);
        Some(head)
    }

    /// Makes an internal run of the first `frames` of the `length` unlinked ones at `head`, and frees the others.
    fn cut(&mut self, head: u32, length: u32, frames: u32) {
        self.map.entry_mut(head + length - 1).tag = Tag::new(Kind::Interior, 0);
        self.map.entry_mut(head).tag = Tag::new(Kind::Internal, frames);
        self.untouched = self.untouched.max(head + frames);
        if length > frames {
            self.release(head + frames, length - frames);
        }
    }

    /// Takes a run of this many frames that begins at a multiple of `align` frames (a power of two) in linear
    /// memory, if one is free.
    pub(crate) fn take_aligned(&mut self, frames: u32, align: u32) -> Option<u32> {
        let head = self.take(frames + align - 1)?;
        let front = (self.map.offset(head) / FRAME).wrapping_neg() & (align - 1);
        let back = align - 1 - front;
        let aligned = head + front;
        if front > 0 {
            self.release(head, front);
        }
        if back > 0 {
            self.release(aligned + frames, back);
        }
        self.map.entry_mut(aligned).tag = Tag::new(Kind::Internal, frames);
        Some(aligned)
    }

    /// Puts a free run whose neighbours are not free into its bin.
    fn insert(&mut self, head: u32, frames: u32) {
        // A run whose first allocation was freed still tells so.
        let freed = self.map.entry(head).tag.was_freed();
        self.map.entry_mut(head + frames - 1).tag = Tag::new(Kind::FreeTail, frames);
        let tag = Tag::new(Kind::Free, frames);
        let bin = bin_of(frames);
        self.push(bin, head, if freed { tag.freed() } else { tag });
        self.filled.insert(bin);
    }

    /// The free run that ends right before this frame.
    fn free_before(&self, frame: u32) -> Option<(u32, u32)> {
        let tag = self.map.entry(frame.checked_sub(1)?).tag;
        let frames = if tag.is(Kind::FreeTail) {
            tag.frames()
        } else if tag.is(Kind::Free) {
            1
        } else {
            return None;
        };
        Some((frame - frames, frames))
    }

    /// The length of the free or cached run that begins at this frame.
    fn free_at(&self, frame: u32, kinds: &[Kind]) -> Option<u32> {
        let tag = (frame < self.map.count()).then(|| self.map.entry(frame).tag)?;
        kinds.iter().any(|&kind| tag.is(kind)).then(|| tag.frames())
    }

    /// Frees a run, joining it with its free neighbours.
    #[inline(never)]
    pub(crate) fn release(&mut self, mut head: u32, mut frames: u32) {
        if let Some(after) = self.free_at(head + frames, &[Kind::Free]) {
            self.unlink(head + frames);
            self.forget(head + frames);
            frames += after;
        }
        if let Some((before, length)) = self.free_before(head) {
            self.unlink(before);
            self.forget(head);
            self.map.entry_mut(head - 1).tag = Tag::new(Kind::Interior, 0);
            head = before;
            frames += length;
        }
        self.insert(head, frames);
    }

    /// Makes the first frame of a run an interior one, which still tells whether the allocation that began
    /// there was freed.
    fn forget(&mut self, head: u32) {
        let entry = self.map.entry_mut(head);
        let interior = Tag::new(Kind::Interior, 0);
        entry.tag = if entry.tag.was_freed() {
            interior.freed()
        } else {
            interior
        };
    }

    /// Frees a run that an allocation or a slab had: into the cache if it is short and there is room.
    pub(crate) fn recycle(&mut self, head: u32, frames: u32) {
        let before = self.map.entry(head).tag;
        let tag = Tag::new(Kind::Cached, frames);
        let tag = if before.is(Kind::Live) || before.is(Kind::Held) {
            tag.freed()
        } else {
            tag
        };
        if frames <= MAX_CACHED_FRAMES && self.cached < MAX_CACHED {
            self.cached += 1;
            self.push(BINS + frames as usize, head, tag);
        } else {
            self.map.entry_mut(head).tag = tag;
            self.release(head, frames);
        }
    }

    /// Empties the cache into the bins.
    pub(crate) fn flush(&mut self) {
        if self.cached == 0 {
            return;
        }
        for list in BINS..LISTS {
            while let Some((head, frames)) = self.first(list) {
                self.unlink(head);
                self.release(head, frames);
            }
        }
    }

    /// Makes an internal or live run of `from` frames shorter or, if what follows it is free, longer. Its tag
    /// is left to the caller.
    pub(crate) fn resize(&mut self, head: u32, from: u32, to: u32) -> bool {
        if to < from {
            self.release(head + to, from - to);
        } else if to > from {
            let next = head + from;
            match self.free_at(next, &[Kind::Free, Kind::Cached]) {
                Some(length) if length >= to - from => {
                    self.unlink(next);
                    self.cut(next, length, to - from);
                    self.map.entry_mut(next).tag = Tag::new(Kind::Interior, 0);
                }
                _ => return false,
            }
        }
        true
    }
}

impl<M> Runs<M> {
    /// The runs and foreign frames in order: first frame, kind and length in frames.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (u32, Kind, u32)> {
        let mut frame = 0;
        core::iter::from_fn(move || {
            let tag = (frame < self.map.count()).then(|| self.map.entry(frame).tag)?;
            let frames = if tag.is(Kind::Foreign) {
                1
            } else {
                tag.frames()
            };
            frame += frames;
            Some((frame - frames, tag.kind(), frames))
        })
    }

    /// Checks R1 to R6.
    pub(crate) fn check(&self) -> Checked {
        let mut foreign = 0;
        let mut end = 0;
        let mut listed = 0;
        let mut last = Kind::Internal;
        for (head, kind, frames) in self.tiles() {
            end = head + frames;
            ensure(
                frames > 0 && end <= self.map.count(),
                "R1: a run has no length or passes the end",
            )?;
            ensure(
                !matches!(kind, Kind::Interior | Kind::FreeTail),
                "R1: a run begins with an interior frame",
            )?;
            let tail = self.map.entry(end - 1).tag;
            for frame in head + 1..end - 1 {
                ensure(
                    self.map.entry(frame).tag.is(Kind::Interior),
                    "R1: an interior frame is of another kind",
                )?;
            }
            match kind {
                Kind::Free => {
                    ensure(last != Kind::Free, "R2: two free runs are neighbours")?;
                    ensure(
                        frames == 1 || tail == Tag::new(Kind::FreeTail, frames),
                        "R2: a free run has no tail",
                    )?;
                }
                _ => ensure(
                    frames == 1 || tail.is(Kind::Interior),
                    "R1: a run ends with another kind of frame",
                )?,
            }
            ensure(
                matches!(kind, Kind::Free | Kind::Foreign) || end <= self.untouched,
                "R5: a run that is not free lies behind what was touched",
            )?;
            ensure(
                kind != Kind::Live || frames_of(self.map.entry(head).next) <= frames,
                "R6: a live run is shorter than its block",
            )?;
            ensure(
                head != NONE || kind == Kind::Foreign,
                "R1: the first frame is in use",
            )?;
            foreign += u32::from(kind == Kind::Foreign);
            listed += usize::from(matches!(kind, Kind::Free | Kind::Cached));
            last = kind;
        }
        ensure(
            (end - foreign).div_ceil(FRAMES_PER_PAGE) == self.held,
            "R4: the pages held are miscounted",
        )?;
        ensure(
            self.held <= self.limit,
            "R4: more pages are held than the limit allows",
        )?;
        let mut cached = 0;
        for (list, &first) in self.lists.iter().enumerate() {
            let (mut head, mut previous) = (first, NONE);
            while head != NONE {
                let entry = self.map.entry(head);
                ensure(
                    entry.tag.is(if list < BINS {
                        Kind::Free
                    } else {
                        Kind::Cached
                    }),
                    "R3: a list holds a run of another kind",
                )?;
                ensure(list_of(entry.tag) == list, "R3: a run is in the wrong list")?;
                ensure(entry.previous == previous, "R3: a list's links disagree")?;
                cached += u32::from(list >= BINS);
                listed -= 1;
                (head, previous) = (entry.next, head);
            }
            ensure(
                list >= BINS || self.filled.contains(list) == (first != NONE),
                "R3: a bin's bit is wrong",
            )?;
        }
        ensure(listed == 0, "R3: a free or cached run is in no list")?;
        ensure(cached == self.cached, "R3: the cached runs are miscounted")?;
        ensure(cached <= MAX_CACHED, "R3: too many runs are cached")
    }
}

impl<M: LinearMemory> Runs<M> {
    /// The address of a frame.
    pub(crate) fn address(&self, frame: u32) -> *mut u8 {
        self.memory.address(self.map.offset(frame))
    }

    /// Moves the map to the heap's first frames, if these are free: out of the way of long runs.
    pub(crate) fn move_map_to_front(&mut self) {
        let frames = self.map.frames();
        if let Some(length) = self
            .free_at(1, &[Kind::Free])
            .filter(|&length| length >= frames)
        {
            self.unlink(1);
            self.cut(1, length, frames);
            self.move_map(1, self.map.capacity());
        }
    }

    /// Moves the map to the internal run at `head`, which is as long as this capacity needs.
    fn move_map(&mut self, head: u32, capacity: u32) {
        let old = self.map.home(self.memory.address(0));
        let frames = self.map.frames();
        let entries = self.address(head + GUARD_FRAMES);
        // SAFETY: the run is the caller's, and holds `capacity` entries behind its guard by `frames_for`.
        unsafe { self.map.relocate(entries.cast(), capacity, 0) };
        if let Some(old) = old {
            self.discard(old, frames);
        }
    }

    /// Frees a run that had metadata, and clears it: within one call it can be in pages that were new when the call began,
    /// and `alloc_zeroed` takes these for zero.
    pub(crate) fn discard(&mut self, head: u32, frames: u32) {
        if !crate::checked::CHECKED {
            // SAFETY: the run is internal, and nobody uses what was there any more.
            unsafe { self.address(head).write_bytes(0, (frames * FRAME) as usize) };
        }
        fill(
            &self.memory,
            self.map.offset(head),
            (frames * FRAME) as usize,
        );
        self.release(head, frames);
    }

    /// Whether the heap's last frame is the last of the memory.
    fn at_end(&self) -> bool {
        self.map.first_page() + self.map.count() / FRAMES_PER_PAGE == self.memory.size()
    }

    /// Grows memory so that a run of this many frames is free, counting the free frames at the end of memory.
    /// False if it cannot grow.
    pub(crate) fn grow(&mut self, frames: u32) -> bool {
        self.grow_by(frames, true) || self.grow_by(frames, false)
    }

    /// Grows memory behind the live run of `from` frames at `head` until it can have `to`. False if it is not
    /// the heap's last or memory cannot grow.
    pub(crate) fn grow_behind(&mut self, head: u32, from: u32, to: u32) -> bool {
        let end = head + from;
        let free = self.free_at(end, &[Kind::Free, Kind::Cached]).unwrap_or(0);
        if end + free != self.map.count() || !self.at_end() {
            return false;
        }
        if free > 0 && self.map.entry(end).tag.is(Kind::Cached) {
            self.unlink(end);
            self.release(end, free);
        }
        // If the map has to move to the new pages, it is in the way, and the run has to move as well.
        self.grow(to - from) && self.resize(head, from, to)
    }

    /// Grows memory so that the free frames at its end become at least `frames`, by a little more than needed if
    /// `ahead`, and tells whether that was possible.
    fn grow_by(&mut self, frames: u32, ahead: bool) -> bool {
        let end = self.memory.size();
        let is_first = self.map.count() == 0;
        let first = if is_first { end } else { self.map.first_page() };
        let room = (MAX_PAGES - end).min(self.limit - self.held);
        let least = if ahead {
            (self.held / PAGES_PER_PAGE_AHEAD).max(1)
        } else {
            1
        };
        // The map's entries for this many more pages, at best for some to come as well.
        let most = MAX_PAGES - first;
        let capacity_for = |pages: u32| {
            let total = end - first + pages;
            let ample = total + total.div_ceil(4);
            let total = match ahead {
                false => total,
                // The map could not move once more: there would be no room for another.
                true if ample > most - most / 4 => most,
                true => ample,
            };
            total * FRAMES_PER_PAGE
        };
        let fits = |pages: u32, capacity: u32| (end - first + pages) * FRAMES_PER_PAGE <= capacity;
        let pages_for = |frames: u32| frames.div_ceil(FRAMES_PER_PAGE).max(least);

        let tail = self
            .free_before(self.map.count())
            .filter(|_| self.at_end())
            .map_or(0, |(_, tail)| tail);
        let mut pages = pages_for(frames - tail.min(frames));
        // The capacity of a new map, if there has to be one, and whether it goes where there is room already:
        // there it is less in the way than at the front of the new pages, which are then asked to hold it as
        // well.
        let mut capacity = 0;
        let mut within = false;
        if !fits(pages, self.map.capacity()) {
            capacity = capacity_for(pages);
            let place = self.find(Map::frames_for(capacity));
            within = place.is_some_and(|(head, length)| head + length < self.map.count());
            if !within {
                loop {
                    let map = Map::frames_for(capacity);
                    let needed = pages_for(u32::from(is_first) + frames + map);
                    if needed <= pages {
                        break;
                    }
                    if needed > room {
                        return false;
                    }
                    pages = needed;
                    capacity = capacity_for(pages);
                }
            }
        }
        if pages > room {
            return false;
        }
        let Some(page) = self.memory.grow(pages) else {
            return false;
        };
        self.held += pages;
        // If others have grown the memory since its size was read, the map must cover theirs too.
        let first = if is_first { page } else { first };
        let covered = (page - first + pages) * FRAMES_PER_PAGE;
        if covered > capacity.max(self.map.capacity()) {
            capacity = covered;
            within = false;
        }
        if within && let Some(head) = self.take(Map::frames_for(capacity)) {
            self.move_map(head, capacity);
            capacity = 0;
        }
        if capacity > 0 && u32::from(is_first) + Map::frames_for(capacity) > pages * FRAMES_PER_PAGE
        {
            // Not even the map fits into these pages: they are given up, and others asked for.
            self.held -= pages;
            return self.grow_by(frames, ahead);
        }
        self.adopt(page, pages, capacity);
        true
    }

    /// Takes in new pages; `capacity` is the new map's, or 0 if the present one has room.
    fn adopt(&mut self, page: u32, pages: u32, capacity: u32) {
        // The heap's first frame is given up, so that its index is free to mean none, and no allocation is at
        // offset 0.
        let lost = u32::from(self.map.count() == 0);
        fill(
            &self.memory,
            page << PAGE_SHIFT,
            (pages as usize) << PAGE_SHIFT,
        );
        let mut fresh = 0;
        let old = self
            .map
            .home(self.memory.address(0))
            .map(|home| (home, self.map.frames()));
        if capacity > 0 {
            fresh = Map::frames_for(capacity);
            let start = lost + GUARD_FRAMES;
            let entries = self.memory.address((page << PAGE_SHIFT) + start * FRAME);
            // SAFETY: `grow` just gave these pages to this heap; the frames behind the guard hold `capacity`
            // entries, by `frames_for`.
            unsafe { self.map.relocate(entries.cast(), capacity, page) };
        }
        let own = pages * FRAMES_PER_PAGE - lost;
        let start = (page + pages - self.map.first_page()) * FRAMES_PER_PAGE - own;
        // SAFETY: a new map holds all that is covered now, by `capacity`; without one, the callers have seen that the present
        // one does.
        unsafe { self.map.extend(start - self.map.count(), own) };
        if fresh > 0 {
            self.map.entry_mut(start).tag = Tag::new(Kind::Internal, fresh);
            self.untouched = start + fresh;
        }
        if let (true, Some((home, frames))) = (capacity > 0, old) {
            self.discard(home, frames);
        }
        // Last, so that it is the first run of its bin and found by the request that it was grown for.
        if own > fresh {
            self.release(start + fresh, own - fresh);
        }
    }
}

/// That [`Runs::check`] finds what it looks for, each of its sentences, of runs that were brought out of order; and which run
/// is taken where several would do.
#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(miri),
    not(pageslab_geometry = "tiny")
))]
mod tests {
    extern crate std;

    use super::*;
    use crate::ReservedMemory;
    use crate::checked::{CHECKED, PATTERN};
    use std::vec::Vec;

    /// What [`runs`] has made.
    struct Heads {
        live: u32,
        /// Of two frames, before and behind each of which is a live run of one.
        free: u32,
        /// Of the same length as each other.
        cached: [u32; 2],
        /// Of one frame.
        short: u32,
    }

    const LIVE: u32 = 3;

    fn runs() -> (Runs<ReservedMemory>, Heads) {
        let mut runs = Runs::new(ReservedMemory::new(16), 16);
        assert!(runs.grow(1));
        let mut take = |frames, kind| {
            let head = runs.take(frames).expect("there is room");
            runs.map.entry_mut(head).tag = Tag::new(kind, frames);
            head
        };
        let live = take(LIVE, Kind::Live);
        let free = take(2, Kind::Internal);
        take(1, Kind::Internal);
        let short = take(1, Kind::Internal);
        let cached = [take(4, Kind::Internal), take(4, Kind::Internal)];
        runs.map.entry_mut(live).next = LIVE * FRAME - SLACK;
        runs.release(free, 2);
        runs.release(short, 1);
        for head in cached {
            runs.recycle(head, 4);
        }
        // A page of another party's, and one more behind it.
        runs.memory.grow(1);
        assert!(runs.grow(FRAMES_PER_PAGE));
        assert_eq!(runs.check(), Ok(()));
        let heads = Heads {
            live,
            free,
            cached,
            short,
        };
        (runs, heads)
    }

    /// Caches runs of one frame until there are this many cached ones.
    fn cache(runs: &mut Runs<ReservedMemory>, count: u32) {
        assert!(runs.grow(count));
        let heads: Vec<_> = (runs.cached..count).filter_map(|_| runs.take(1)).collect();
        for head in heads {
            runs.cached += 1;
            runs.push(BINS + 1, head, Tag::new(Kind::Cached, 1));
        }
        assert_eq!(runs.cached, count);
    }

    /// Where the last run ends that is not free.
    fn touched(runs: &Runs<ReservedMemory>) -> u32 {
        let ours = |kind| !matches!(kind, Kind::Free | Kind::Foreign);
        let used = runs.tiles().filter(|&(_, kind, _)| ours(kind));
        let (head, _, frames) = used.last().expect("there are some");
        head + frames
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        type Defect = fn(&mut Runs<ReservedMemory>, Heads);
        let defects: &[(&str, Defect)] = &[
            (
                "R1: a run has no length or passes the end",
                |runs, heads| {
                    runs.map.entry_mut(heads.live).tag = Tag::new(Kind::Live, 0);
                },
            ),
            (
                "R1: a run has no length or passes the end",
                |runs, heads| {
                    runs.map.entry_mut(heads.live).tag = Tag::new(Kind::Live, 1000);
                },
            ),
            ("R1: a run begins with an interior frame", |runs, heads| {
                runs.map.entry_mut(heads.live).tag = Tag::new(Kind::Interior, LIVE);
            }),
            ("R1: a run begins with an interior frame", |runs, heads| {
                runs.map.entry_mut(heads.free).tag = Tag::new(Kind::FreeTail, 2);
            }),
            ("R1: an interior frame is of another kind", |runs, heads| {
                runs.map.entry_mut(heads.live + 1).tag = Tag::new(Kind::Foreign, 0);
            }),
            (
                "R1: a run ends with another kind of frame",
                |runs, heads| {
                    runs.map.entry_mut(heads.live + 2).tag = Tag::new(Kind::Foreign, 0);
                },
            ),
            ("R1: the first frame is in use", |runs, _| {
                runs.map.entry_mut(0).tag = Tag::new(Kind::Live, 1);
                runs.map.entry_mut(0).next = 0;
            }),
            ("R2: two free runs are neighbours", |runs, heads| {
                runs.map.entry_mut(heads.free).tag = Tag::new(Kind::Free, 1);
                runs.map.entry_mut(heads.free + 1).tag = Tag::new(Kind::Free, 1);
            }),
            ("R2: a free run has no tail", |runs, heads| {
                runs.map.entry_mut(heads.free + 1).tag = Tag::new(Kind::FreeTail, 1);
            }),
            ("R3: a list holds a run of another kind", |runs, heads| {
                runs.map.entry_mut(heads.cached[0]).tag = Tag::new(Kind::Internal, 4);
            }),
            ("R3: a list holds a run of another kind", |runs, heads| {
                runs.map.entry_mut(heads.short).tag = Tag::new(Kind::Internal, 1);
            }),
            ("R3: a run is in the wrong list", |runs, heads| {
                let list = |head| list_of(runs.map.entry(head).tag);
                let (one, other) = (list(heads.free), list(heads.short));
                runs.lists.swap(one, other);
            }),
            ("R3: a list's links disagree", |runs, heads| {
                runs.map.entry_mut(heads.cached[0]).previous = NONE;
            }),
            ("R3: a bin's bit is wrong", |runs, _| {
                runs.filled.insert(bin_of(7));
            }),
            ("R3: a bin's bit is wrong", |runs, heads| {
                let bin = list_of(runs.map.entry(heads.free).tag);
                runs.filled.remove(bin);
            }),
            ("R3: a free or cached run is in no list", |runs, heads| {
                // The first of the list is the one that was freed last.
                runs.lists[BINS + 4] = heads.cached[0];
                runs.map.entry_mut(heads.cached[0]).previous = NONE;
            }),
            ("R3: a free or cached run is in no list", |runs, heads| {
                let bin = list_of(runs.map.entry(heads.short).tag);
                runs.lists[bin] = NONE;
                runs.filled.remove(bin);
            }),
            ("R3: the cached runs are miscounted", |runs, _| {
                runs.cached = 1;
            }),
            ("R3: too many runs are cached", |runs, _| {
                cache(runs, MAX_CACHED + 1);
            }),
            ("R4: the pages held are miscounted", |runs, _| {
                runs.held += 1;
            }),
            ("R4: the pages held are miscounted", |runs, _| {
                runs.held -= 1;
            }),
            (
                "R4: more pages are held than the limit allows",
                |runs, _| {
                    runs.limit = runs.held - 1;
                },
            ),
            (
                "R5: a run that is not free lies behind what was touched",
                |runs, _| {
                    runs.untouched = touched(runs) - 1;
                },
            ),
            ("R6: a live run is shorter than its block", |runs, heads| {
                runs.map.entry_mut(heads.live).next = LIVE * FRAME - SLACK + 1;
            }),
        ];
        for (found, defect) in defects {
            let (mut runs, heads) = runs();
            defect(&mut runs, heads);
            assert_eq!(runs.check(), Err(*found));
        }
    }

    #[test]
    fn what_only_just_is_in_order_is_no_defect() {
        let (mut runs, heads) = runs();
        cache(&mut runs, MAX_CACHED);
        runs.limit = runs.held;
        runs.untouched = touched(&runs);
        runs.map.entry_mut(heads.live).next = 0;
        assert_eq!(runs.check(), Ok(()));
    }

    #[test]
    fn a_cached_run_comes_back_as_it_was() {
        let (mut runs, heads) = runs();
        assert_eq!(runs.take_cached(4), Some(heads.cached[1]));
        assert_eq!(runs.take_cached(4), Some(heads.cached[0]));
        assert_eq!(runs.take_cached(4), None);
        assert_eq!(runs.take_cached(MAX_CACHED_FRAMES + 1), None);
    }

    #[test]
    fn the_shortest_run_that_is_known_to_be_long_enough_is_taken() {
        let (mut runs, heads) = runs();
        assert_eq!(runs.take(2), Some(heads.free));
        assert_eq!(runs.take(1), Some(heads.short));
    }

    #[test]
    fn a_run_that_is_hidden_in_its_bin_is_found_if_asked_for() {
        let mut runs = Runs::new(ReservedMemory::new(16), 16);
        assert!(runs.grow(1));
        // Of 10 and 11 frames, which are in one bin, the shorter one first.
        let mut take = |frames| runs.take(frames).expect("there is room");
        let [long, _, short, _] = [11, 1, 10, 1].map(&mut take);
        assert_eq!(bin_of(10), bin_of(11));
        while runs.take(1).is_some() {}
        runs.release(long, 11);
        runs.release(short, 10);
        assert_eq!(runs.find(11), None);
        assert_eq!(runs.take_hidden(11), Some(long));
        assert_eq!(runs.take_hidden(11), None);
        assert_eq!(runs.check(), Ok(()));
    }

    #[test]
    fn memory_that_held_the_map_is_cleared() {
        let mut runs = Runs::new(ReservedMemory::new(256), 256);
        let mut moves = 0;
        while runs.grow(FRAMES_PER_PAGE) {
            let home = |runs: &Runs<ReservedMemory>| runs.map.home(runs.memory.address(0));
            let (old, frames) = (home(&runs), runs.map.frames());
            // All that is free, so that memory grows the next time.
            while runs.take(1).is_some() {}
            if !runs.grow(1) || home(&runs) == old {
                continue;
            }
            moves += 1;
            let old = runs.address(old.expect("there was a map"));
            // SAFETY: the map was there, and nothing is there now.
            let bytes = unsafe { core::slice::from_raw_parts(old, (frames * FRAME) as usize) };
            let clear = if CHECKED { PATTERN } else { 0 };
            assert!(bytes.iter().all(|&byte| byte == clear));
        }
        assert!(moves > 3);
    }

    /// A heap whose last run is a live one, right behind which there is a cached one of four frames if asked for.
    fn with_last_run(is_followed: bool) -> (Runs<ReservedMemory>, u32, u32) {
        let mut runs = Runs::new(ReservedMemory::new(64), 64);
        // A map that has room for what comes.
        assert!(runs.grow(16 * FRAMES_PER_PAGE));
        let (_, kind, free) = runs.tiles().last().expect("there are runs");
        assert_eq!(kind, Kind::Free);
        let frames = if is_followed { free - 4 } else { free };
        let head = runs.take(frames).expect("there is room");
        runs.map.entry_mut(head).tag = Tag::new(Kind::Live, frames);
        runs.map.entry_mut(head).next = 0;
        if is_followed {
            let next = runs.take(4).expect("there is room");
            runs.recycle(next, 4);
        }
        assert!(runs.map.capacity() > runs.map.count() + FRAMES_PER_PAGE);
        (runs, head, frames)
    }

    #[test]
    fn memory_grows_behind_the_last_run_and_what_is_cached_there() {
        for is_followed in [false, true] {
            let (mut runs, head, frames) = with_last_run(is_followed);
            let held = runs.held();
            let more = FRAMES_PER_PAGE + if is_followed { 4 } else { 0 };
            assert!(runs.grow_behind(head, frames, frames + more));
            runs.map.entry_mut(head).tag = Tag::new(Kind::Live, frames + more);
            assert_eq!(runs.held(), held + 1);
            assert_eq!(runs.check(), Ok(()));
        }
    }

    #[test]
    fn memory_does_not_grow_behind_a_run_if_others_have_grown_it() {
        let (mut runs, head, frames) = with_last_run(false);
        let held = runs.held();
        runs.memory.grow(1);
        assert!(!runs.grow_behind(head, frames, frames + 1));
        assert_eq!(runs.held(), held);
        assert_eq!(runs.check(), Ok(()));
    }
}
