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
use crate::hooks::fill;
use crate::memory::{LinearMemory, MAX_PAGES, PAGE_SHIFT};
use crate::sizes::geometry::{FRAME_SHIFT, FRAMES_PER_PAGE, Frame, MAX_FRAMES};
use crate::slabs::shape::GUARD_FRAMES;

/// How many leaves are made ahead, so that metadata is seldom made, and lies together: one for as many pages, and at least some.
const PAGES_PER_LEAF_AHEAD: u32 = 4;
const MIN_LEAVES_AHEAD: u32 = 3;

/// What new pages need.
struct Plan {
    /// Whether the free end is right in front of them.
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
    fn plan(&self, first: Frame, pages: u32) -> Plan {
        let end = first / FRAMES_PER_PAGE + pages;
        let missing = pages.saturating_sub(self.map.spares());
        Plan {
            joins: self.end + self.end_frames == first,
            leaves: if missing > 0 {
                missing + ((self.held + pages) / PAGES_PER_LEAF_AHEAD).max(MIN_LEAVES_AHEAD)
            } else {
                0
            },
            root_frames: if end > self.map.capacity() {
                (end + end / 4).min(MAX_PAGES).div_ceil(PAGES_PER_ROOT_FRAME)
            } else {
                0
            },
        }
    }

    /// How many pages memory must grow by so that what was wanted last fits. `None` if that is more than there may be.
    pub(crate) fn pages_wanted(&self) -> Option<u32> {
        let size = self.memory.size();
        let most = (MAX_PAGES - size).min(self.limit - self.held);
        let mut pages = 1;
        while pages <= most {
            let plan = self.plan(size * FRAMES_PER_PAGE, pages);
            let free = if plan.joins { self.end_frames } else { 0 };
            // One frame is nobody's at the end of the address space.
            let needed = (self.wanted + plan.frames() + u32::from(size + pages == MAX_PAGES))
                .saturating_sub(free)
                .div_ceil(FRAMES_PER_PAGE);
            if needed <= pages {
                return Some(pages);
            }
            pages = needed;
        }
        None
    }

    /// Whether the heap's last run, which ends here, is also the last of memory.
    pub(crate) fn is_last(&self, frame: Frame) -> bool {
        frame == self.end && self.end + self.end_frames == self.memory.size() * FRAMES_PER_PAGE
    }

    /// Makes leaves for as many pages, if there is a hole for them.
    pub(crate) fn stock_leaves(&mut self, pages: u32) {
        let leaves = self.plan(self.end, pages).leaves;
        if leaves > 0
            && let Some(head) = self.take_from_bins(GUARD_FRAMES + leaves * LEAF_FRAMES, 1, LOOK)
        {
            self.add_leaves(head + GUARD_FRAMES, leaves);
        }
    }

    fn add_leaves(&mut self, mut frame: Frame, leaves: u32) {
        for _ in 0..leaves {
            // SAFETY: the frames are in an internal run, behind its guard, which callers have made for this.
            unsafe { self.map.add_spare(self.address(frame)) };
            frame += LEAF_FRAMES;
        }
    }

    /// Takes in pages that `grow` has just given to this heap. If others have grown memory meanwhile, they may not have room for
    /// what they need themselves: then they are left alone.
    pub(crate) fn adopt(&mut self, page: u32, pages: u32) {
        self.adopt_frames(page * FRAMES_PER_PAGE, page + pages);
    }

    /// The same for memory from this frame on, in the first page or at its beginning, up to the end of the last page.
    pub(crate) fn adopt_frames(&mut self, first: Frame, pages_end: u32) {
        let page = first / FRAMES_PER_PAGE;
        let pages = pages_end - page;
        let plan = self.plan(first, pages);
        let frames_end = (pages_end * FRAMES_PER_PAGE).min(MAX_FRAMES - 1);
        let start = if plan.joins { self.end } else { first };
        if frames_end - start < plan.frames() {
            return;
        }
        let ptr = first << FRAME_SHIFT;
        fill(
            &self.memory,
            ptr,
            (u64::from(pages_end) << PAGE_SHIFT) - u64::from(ptr),
        );
        if !plan.joins && self.end_frames > 0 {
            self.insert(self.end, self.end_frames);
        }
        let mut frame = start + GUARD_FRAMES;
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
        let outside = first % FRAMES_PER_PAGE;
        if outside > 0 {
            self.map.entry_mut(first - outside).tag = Tag::new(Kind::Foreign, outside);
        }
        if frames_end == MAX_FRAMES - 1 {
            self.map.entry_mut(frames_end).tag = Tag::new(Kind::Foreign, 1);
        }
        if plan.frames() > 0 {
            self.set_internal(start, plan.frames());
        }
        self.end = start + plan.frames();
        self.end_frames = frames_end - self.end;
        self.touched = self.touched.max(self.end);
        self.held += pages;
    }
}
