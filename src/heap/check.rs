//! The invariants of the whole heap, checked in one place. Slow, since it reads all metadata: for tests.

use crate::heap::state::Heap;
use crate::invariant::{Checked, ensure};
use crate::sizes::geometry::Frame;
use crate::slabs::shape::DESCRIPTORS;
use crate::slabs::slab::SlabPtr;

impl<M: crate::LinearMemory> Heap<M> {
    /// The first invariant that does not hold.
    pub(crate) fn check(&self) -> Checked {
        ensure(
            !self.is_poisoned(),
            "C4: a call was stopped in the midst of a change",
        )?;
        self.runs.check()?;
        let last = self.last_freed;
        let is_its = |(_, slab): (Frame, SlabPtr)| {
            slab == last.slab && last.slot < slab.slots() && slab.ptr(last.slot) == last.ptr
        };
        ensure(
            last.ptr == 0 || self.slabs().any(is_its),
            "C5: the slot that was freed last is none",
        )?;
        let mut appointed = 0;
        let mut partial = 0;
        let mut vacant = 0;
        let mut guests = 0;
        for (head, slab) in self.slabs() {
            self.check_frames(head, slab)?;
            guests += usize::from(slab.class() != DESCRIPTORS);
            let is_current = self.current[slab.class() as usize] == slab;
            slab.check(is_current)?;
            appointed += usize::from(is_current);
            vacant += usize::from(!is_current && slab.is_vacant());
            partial += usize::from(!is_current && !slab.is_vacant() && !slab.is_full());
        }
        for (class, &current) in (0..).zip(&self.current) {
            let index = class as usize;
            if !current.is_empty() {
                ensure(current.class() == class, CLASS)?;
                ensure(appointed > 0, GONE)?;
                appointed -= 1;
            }
            // A slab that is listed twice follows two others, and so a list that passes this has an end.
            for slab in ring(self.partial[index]) {
                ensure(
                    slab.next().previous() == slab,
                    "C2: a list's links disagree",
                )?;
                ensure(slab.class() == class, CLASS)?;
                ensure(slab != current, "C2: a slab is in two places")?;
                ensure(
                    !slab.is_full() && !slab.is_vacant(),
                    "C2: a listed slab is not partial",
                )?;
                ensure(partial > 0, GONE)?;
                partial -= 1;
            }
            ensure(
                self.vacant[index].is_some() == (self.with_vacant >> index & 1 != 0),
                "C2: a class's bit is wrong",
            )?;
            // One that is gone, or listed twice, is one more than there are.
            for slab in chain(self.vacant[index]) {
                ensure(slab.class() == class, CLASS)?;
                ensure(slab != current, "C2: a slab is in two places")?;
                ensure(slab.is_vacant(), "C2: a kept slab is not vacant")?;
                ensure(vacant > 0, GONE)?;
                vacant -= 1;
            }
        }
        ensure(
            appointed == 0 && partial == 0 && vacant == 0,
            "C2: a slab with free slots is in no place",
        )?;
        let descriptors = self
            .slabs()
            .map(|(_, slab)| slab)
            .filter(|slab| slab.class() == DESCRIPTORS)
            .flat_map(SlabPtr::live_slots);
        ensure(descriptors.count() == guests, "C3: a descriptor is lost")
    }

    fn check_frames(&self, head: Frame, slab: SlabPtr) -> Checked {
        let map = &self.runs.map;
        ensure(
            slab.head() == head,
            "C1: the map names a slab of another run",
        )?;
        let frames = map.entry(head).tag.frames();
        ensure(
            slab.frames() == frames && slab.has_shape(),
            "C1: a slab has a run of another shape",
        )?;
        let is_guests = slab.class() != DESCRIPTORS;
        let is_right = |frame| {
            let entry = map.entry(frame);
            entry.any_slab() == Some(slab) && entry.slab().is_some() == is_guests
        };
        ensure(
            (head..head + frames).all(is_right),
            "C1: the map names another slab than the frame's",
        )
    }
}

const CLASS: &str = "C2: a slab is in the place of another class";
const GONE: &str = "C2: a slab that is gone has a place";

/// The slabs of a list that is a ring.
fn ring(first: Option<SlabPtr>) -> impl Iterator<Item = SlabPtr> {
    core::iter::successors(first, move |slab| {
        Some(slab.next()).filter(|&next| Some(next) != first)
    })
}

/// The slabs of a list that ends.
fn chain(first: Option<SlabPtr>) -> impl Iterator<Item = SlabPtr> {
    core::iter::successors(first, |slab| {
        Some(slab.next()).filter(|next| !next.is_empty())
    })
}

#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(any(miri, feature = "checked", pageslab_geometry = "tiny"))
))]
mod tests;
