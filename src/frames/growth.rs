//! Growth: more pages, and room in the map for them.
//!
//! Memory grows by what is needed, and no more: whoever asks for more than that fails sooner where memory ends. A [`Plan`] is made
//! first, from what is known; then memory grows, which a host may refuse, and may trap at, so nothing has changed; and then the pages
//! are taken in.
//!
//! Metadata is put in front of what is free: in a hole, else at the beginning of the free end, which lies in front of the new pages.
//! So what is free stays in one piece.

use crate::frames::entry::{Kind, Tag};
use crate::frames::map::{LEAF_FRAMES, PAGES_PER_ROOT_FRAME};
use crate::frames::runs::{LOOK, Runs};
use crate::hooks::{CHECKED, fill};
use crate::memory::{LinearMemory, MAX_PAGES, PAGE_SHIFT};
use crate::sizes::geometry::{FRAME_SHIFT, FRAMES_PER_PAGE, Frame, MAX_FRAMES};
use crate::slabs::shape::GUARD_FRAMES;

/// How many leaves are made ahead at least. Beyond that they are as many as there are pages: what the heap has of them doubles each
/// time, and so metadata is seldom made, and lies together.
const MIN_LEAVES_AHEAD: u32 = 6;

/// What memory needs to be taken in.
struct Plan {
    /// Whether the free end is right in front of it.
    joins: bool,
    /// How many leaves are missing, and how many frames the next root has, or 0 if the present one has room.
    leaves: u32,
    root_frames: u32,
}

impl Plan {
    /// How many frames the metadata takes.
    fn frames(&self) -> u32 {
        match self.leaves * LEAF_FRAMES + self.root_frames {
            0 => 0,
            frames => GUARD_FRAMES + frames,
        }
    }
}

impl<M: LinearMemory> Runs<M> {
    /// What memory from this frame on needs, up to the end of as many pages.
    #[inline(never)]
    fn plan(&self, first: Frame, pages: u32) -> Plan {
        let root = self.map.root_for(first / FRAMES_PER_PAGE, pages);
        let missing = pages.saturating_sub(self.map.spares());
        // No more than the limit leaves.
        let most = (self.limit - self.held).saturating_sub(pages);
        let ahead = self.held.max(MIN_LEAVES_AHEAD).min(most);
        Plan {
            joins: self.end + self.end_frames == first,
            leaves: if missing > 0 { missing + ahead } else { 0 },
            // Twice as many as needed, so that it seldom moves.
            root_frames: root.map_or(0, |pages| {
                (2 * pages).min(MAX_PAGES).div_ceil(PAGES_PER_ROOT_FRAME)
            }),
        }
    }

    /// How many pages memory must grow by so that what was wanted last fits, if there may be as many. Makes room for their entries,
    /// if there is a hole for it.
    pub(crate) fn prepare(&mut self) -> Option<u32> {
        let size = self.memory.size();
        let first = size * FRAMES_PER_PAGE;
        let joins = self.end + self.end_frames == first;
        let free = if joins { self.end_frames } else { 0 };
        let missing = self.wanted.saturating_sub(free).max(1);
        let may = (MAX_PAGES - size).min(self.limit - self.held);
        let mut pages = missing.div_ceil(FRAMES_PER_PAGE);
        if pages > may {
            return None;
        }
        let mut plan = self.plan(first, pages);
        if plan.frames() > 0 {
            // At most as many, with those of the metadata.
            let most = (pages + pages / 16 + 1).min(MAX_PAGES - size);
            plan = self.plan(first, most);
            let metadata = plan.frames();
            // In checked mode a hole may have been written to, which is to be found.
            let hole = if plan.root_frames == 0 && !CHECKED {
                self.take_from_bins(metadata, 1, LOOK)
            } else {
                None
            };
            match hole {
                Some(head) => self.add_leaves(head.get() + GUARD_FRAMES, plan.leaves),
                None => pages = (missing + metadata).div_ceil(FRAMES_PER_PAGE),
            }
        }
        (pages <= may).then_some(pages)
    }

    /// Whether the heap's last run, which ends here, is also the last of memory.
    pub(crate) fn is_last(&self, frame: Frame) -> bool {
        frame == self.end && self.end + self.end_frames == self.memory.size() * FRAMES_PER_PAGE
    }

    #[inline(never)]
    fn add_leaves(&mut self, mut frame: Frame, leaves: u32) {
        for _ in 0..leaves {
            // SAFETY: the frames are in an internal run, behind its guard, which callers have made for this.
            unsafe { self.map.add_spare(self.address(frame)) };
            frame += LEAF_FRAMES;
        }
    }

    /// Takes in memory from this frame on up to the end of a page, which `grow` has just given to this heap. If others have grown
    /// memory meanwhile, it may not have room for what it needs itself: then it is left alone. For a run that is to grow in place,
    /// metadata must not come right behind it, and is put at the end.
    #[inline(never)]
    pub(crate) fn adopt(&mut self, first: Frame, pages_end: u32, in_place: bool) {
        let page = first / FRAMES_PER_PAGE;
        let plan = self.plan(first, pages_end - page);
        // The last frame of the address space is nobody's.
        let frames_end = (pages_end * FRAMES_PER_PAGE).min(MAX_FRAMES - 1);
        let start = if plan.joins { self.end } else { first };
        let metadata = plan.frames();
        if frames_end - start < metadata {
            return;
        }
        let ptr = first << FRAME_SHIFT;
        let bytes = (u64::from(pages_end) << PAGE_SHIFT) - u64::from(ptr);
        fill(&self.memory, ptr, bytes);
        if !plan.joins && self.end_frames > 0 {
            self.insert(self.end, self.end_frames);
        }
        let guard = if in_place {
            frames_end - metadata
        } else {
            start
        };
        let mut frame = guard + GUARD_FRAMES;
        if plan.root_frames > 0 {
            let capacity = plan.root_frames * PAGES_PER_ROOT_FRAME;
            // SAFETY: the frames are new, or of the free end, and there are as many as the plan needs.
            unsafe { self.map.move_root(self.address(frame), capacity) };
            frame += plan.root_frames;
        }
        self.add_leaves(frame, plan.leaves);
        for page in page..pages_end {
            // SAFETY: the plan has made room for them.
            unsafe { self.map.add_page(page) };
        }
        self.set_foreign(first - first % FRAMES_PER_PAGE, first);
        self.set_foreign(frames_end, pages_end * FRAMES_PER_PAGE);
        if metadata > 0 {
            // The first frame of the heap is a guard, and may be frame 0.
            self.map.entry_mut(guard).tag = Tag::new(Kind::Internal, metadata);
            self.touched = self.touched.max(guard + metadata);
        }
        self.end = if in_place { start } else { start + metadata };
        self.touched = self.touched.max(self.end);
        self.end_frames = frames_end - start - metadata;
        self.held += pages_end - page;
    }

    /// Makes frames of the heap's pages foreign, if there are any.
    fn set_foreign(&mut self, first: Frame, end: Frame) {
        if first < end {
            self.map.entry_mut(first).tag = Tag::new(Kind::Foreign, end - first);
        }
    }
}
