//! Growth: more pages, and room in the map for them.
//!
//! Memory grows by what is needed, with the metadata of these pages and of some to come: whoever asks for more fails sooner where
//! memory ends. A [`Plan`] is made first, which changes nothing; then memory grows, which a host may refuse, and may trap at; and
//! then the pages are taken in as planned.
//!
//! Metadata is put in front of what is free: into a hole, else to the beginning of the free end, which lies in front of the new pages.
//! So what is free stays in one piece. A run that is to grow in place has no room in front of what is free: where no hole will do, it moves,
//! and leaves one.

use crate::frames::entry::{Kind, Tag};
use crate::frames::map::{LEAF, PAGES_PER_ROOT_FRAME};
use crate::frames::runs::{Head, LOOK, Runs};
use crate::hooks::{CHECKED, fill};
use crate::memory::{LinearMemory, MAX_PAGES};
use crate::sizes::geometry::{FRAME, FRAME_SHIFT, FRAMES_PER_PAGE, Frame, MAX_FRAMES};
use crate::slabs::shape::GUARD_FRAMES;
use core::ops::Range;

/// Memory that grows by this many pages grows by one more, if leaves are missing: for leaves made ahead, so that metadata does not lie
/// between all long blocks.
const ROOMY: u32 = 32;

/// How many leaves a heap has at least, if there is room.
const LEAST_LEAVES: u32 = 7;

/// What growing memory by some pages needs.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) pages: u32,
    /// The page that is to be the first of them.
    page: u32,
    /// How many leaves are made, and how many frames the next root has, or 0 if the present one has room.
    leaves: u32,
    root_frames: u32,
    /// How many leaves the map is to have then.
    wanted_leaves: u32,
    /// How many frames that takes, with a guard, or 0.
    metadata: u32,
    /// A hole that has room for it. Else it goes in front of what is free.
    hole: Option<Head>,
}

impl Plan {
    /// How many frames the metadata takes in front of what is free.
    fn in_front(&self) -> u32 {
        if self.hole.is_some() {
            0
        } else {
            self.metadata
        }
    }
}

impl<M: LinearMemory> Runs<M> {
    /// What as many pages from this one on need, and so many more leaves ahead.
    #[inline(never)]
    fn plan_for(&self, page: u32, pages: u32, ahead: u32) -> Plan {
        let missing = pages.saturating_sub(self.map.spares());
        let leaves = missing + ahead;
        let wanted_leaves = if missing > 0 {
            (2 * (self.held + pages)).max(LEAST_LEAVES).min(self.limit)
        } else {
            self.wanted_leaves
        };
        // Twice as many as needed, so that it seldom moves.
        let root_frames = self.map.root_for(page, pages).map_or(0, |pages| {
            (2 * pages).min(MAX_PAGES).div_ceil(PAGES_PER_ROOT_FRAME)
        });
        let frames = root_frames + (leaves * LEAF).div_ceil(FRAME);
        let metadata = if frames > 0 { GUARD_FRAMES + frames } else { 0 };
        // In checked mode a hole may have been written to, which is to be found.
        let hole = if metadata > 0 && !CHECKED {
            self.find(metadata, 1, LOOK)
        } else {
            None
        };
        Plan {
            pages,
            page,
            leaves,
            root_frames,
            wanted_leaves,
            metadata,
            hole,
        }
    }

    /// How memory must grow so that what was wanted last fits, if there may be as many pages. For a run that is to grow in place, only
    /// if no metadata comes to lie right behind it. If memory is to grow by much, `roomy` has some of it for leaves made ahead.
    #[inline(never)]
    pub(crate) fn plan(&self, roomy: bool, in_place: bool) -> Option<Plan> {
        let size = self.memory.size();
        let joins = self.end + self.end_frames == size * FRAMES_PER_PAGE;
        let free = if joins { self.end_frames } else { 0 };
        let missing = self.wanted.saturating_sub(free).max(1);
        let may = (MAX_PAGES - size).min(self.limit - self.held);
        let mut pages = missing.div_ceil(FRAMES_PER_PAGE);
        let extra = if roomy && pages > self.map.spares() {
            pages / ROOMY * FRAMES_PER_PAGE
        } else {
            0
        };
        // More pages need more metadata, which may need more pages.
        let (least, room) = loop {
            if pages > may {
                return None;
            }
            let plan = self.plan_for(size, pages, 0);
            let metadata = plan.in_front();
            // The last frame of the address space is nobody's.
            let taken = missing + u32::from(size + pages == MAX_PAGES);
            let needed = (taken + metadata + extra).div_ceil(FRAMES_PER_PAGE);
            if needed <= pages {
                break (plan, pages * FRAMES_PER_PAGE - taken);
            }
            pages = needed;
        };
        let room = if in_place { 0 } else { room };
        if least.in_front() > room {
            return None;
        }
        let leaves = self.held + self.map.spares() + least.leaves;
        let mut ahead = least.wanted_leaves.saturating_sub(leaves);
        while ahead > 0 {
            let plan = self.plan_for(size, pages, ahead);
            if plan.in_front() <= room {
                return Some(plan);
            }
            ahead /= 2;
        }
        Some(least)
    }

    /// Whether the heap's last run, which ends here, is also the last of memory.
    pub(crate) fn is_last(&self, frame: Frame) -> bool {
        frame == self.end && self.end + self.end_frames == self.memory.size() * FRAMES_PER_PAGE
    }

    /// Takes in the planned pages, which `grow` has just given to this heap. If others have grown memory meanwhile, they may not have
    /// room for what they need themselves: then they are left alone.
    #[inline(never)]
    pub(crate) fn adopt(&mut self, page: u32, mut plan: Plan) {
        if page != plan.page {
            plan = self.plan_for(page, plan.pages, 0);
        }
        let frames = page * FRAMES_PER_PAGE..(page + plan.pages) * FRAMES_PER_PAGE;
        self.take_in(frames, plan);
    }

    /// Takes in what is the heap's before memory has grown, if there is any. It may have been used by others before.
    #[inline(never)]
    pub(crate) fn adopt_initial(&mut self) {
        let bytes = self.memory.initial();
        let frames = bytes.start.div_ceil(FRAME)..bytes.end >> FRAME_SHIFT;
        let page = frames.start / FRAMES_PER_PAGE;
        let pages = frames.end.div_ceil(FRAMES_PER_PAGE).saturating_sub(page);
        let plan = self.plan_for(page, pages, LEAST_LEAVES);
        if pages <= self.limit && plan.metadata < frames.len() as u32 {
            self.touched = frames.end;
            self.take_in(frames, plan);
        }
    }

    /// Takes in new frames as planned.
    #[inline(never)]
    fn take_in(&mut self, frames: Range<Frame>, plan: Plan) {
        let first = frames.start;
        // The last frame of the address space is nobody's.
        let frames_end = frames.end.min(MAX_FRAMES - 1);
        let joins = self.end + self.end_frames == first;
        let mut end = if joins { self.end } else { first };
        let metadata = plan.metadata;
        if frames_end - end < plan.in_front() {
            return;
        }
        let bytes = u64::from(frames_end - first) << FRAME_SHIFT;
        fill(&self.memory, first << FRAME_SHIFT, bytes);
        let hole = plan.hole.map(|run| self.cut(run, metadata, 1));
        if !joins && self.end_frames > 0 {
            self.insert(self.end, self.end_frames);
        }
        let guard = hole.map_or(end, Head::get);
        end += plan.in_front();
        let root = self.address(guard + GUARD_FRAMES);
        let leaves = self.address(guard + GUARD_FRAMES + plan.root_frames);
        // SAFETY: the frames are new, or of the free end or a hole, and there are as many as the plan needs for the root and the leaves.
        unsafe {
            if plan.root_frames > 0 {
                self.map
                    .move_root(root, plan.root_frames * PAGES_PER_ROOT_FRAME);
            }
            self.map.add_spares(leaves, plan.leaves);
            self.map.add_pages(first / FRAMES_PER_PAGE, plan.pages);
        }
        // What is not the heap's of its first and its last page.
        self.set_foreign(first - first % FRAMES_PER_PAGE, first);
        self.set_foreign(frames_end, frames_end.next_multiple_of(FRAMES_PER_PAGE));
        if metadata > 0 {
            // The first frame of the heap is a guard, and may be frame 0.
            self.set_internal(guard, metadata);
            self.touched = self.touched.max(guard + metadata);
        }
        self.end = end;
        self.end_frames = frames_end - end;
        self.touched = self.touched.max(end);
        self.held += plan.pages;
        self.wanted_leaves = plan.wanted_leaves;
    }

    fn set_foreign(&mut self, head: Frame, end: Frame) {
        if head < end {
            self.map.entry_mut(head).tag = Tag::new(Kind::Foreign, end - head);
        }
    }
}
