//! The invariants of the whole heap, checked in one place. Slow, since it reads all metadata: for tests.

use crate::controller::{MAX_EMPTY, PageSlab};
use crate::invariant::{Checked, ensure};
use crate::map::{FRAME, GUARD_FRAMES, Kind};
use crate::memory::LinearMemory;
use crate::slab::{DESCRIPTORS, MAX_SLOTS, SlabPtr, guard};

impl<M: LinearMemory> PageSlab<M> {
    /// Checks every invariant of the allocator's data, in time proportional to the size of the heap. For tests.
    ///
    /// # Panics
    ///
    /// If one does not hold, with the reason: that is a bug in pageslab, or something wrote to its metadata.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use pageslab::{MemoryController, PageSlab, ReservedMemory};
    ///
    /// let mut heap = PageSlab::new(ReservedMemory::new(16));
    /// heap.alloc(100)?;
    /// heap.check_invariants();
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn check_invariants(&self) {
        if let Err(invariant) = self.invariants() {
            panic!("{invariant}");
        }
    }

    /// The same for a caller that holds a lock: what does not hold.
    pub(crate) fn invariants(&self) -> Checked {
        ensure(
            !self.is_changing,
            "C4: a call was stopped in the midst of a change",
        )?;
        self.runs.check()?;
        self.invariants_of_checks()?;
        let mut slabs = 0;
        let mut appointed = 0;
        let mut available = 0;
        let mut busy = self
            .runs
            .tiles()
            .filter(|&(_, kind, _)| matches!(kind, Kind::Live | Kind::Held))
            .count();
        for (head, slab) in self.slabs() {
            self.check_frames(head, slab)?;
            let is_current = self.current[slab.class() as usize] == slab;
            slab.check(is_current)?;
            slabs += 1;
            appointed += usize::from(is_current);
            available += usize::from(!is_current && !slab.is_full());
            let is_busy = !is_current && !slab.is_vacant();
            busy += usize::from(is_busy && slab.class() != DESCRIPTORS);
        }
        let mut currents = 0;
        let mut listed = 0;
        let mut empty = 0;
        for (class, &current) in (0..).zip(&self.current) {
            let index = class as usize;
            if !current.is_empty() {
                ensure(current.class() == class, CLASS)?;
                currents += 1;
            }
            // A slab that is listed twice follows two others, and so a list that passes this has an end.
            let check = |slab: SlabPtr, previous| {
                ensure(slab.previous() == previous, "C2: a list's links disagree")?;
                ensure(slab.class() == class, CLASS)?;
                ensure(slab != current, "C2: a slab is in two places")
            };
            for (slab, previous) in links(self.partial[index]) {
                check(slab, previous)?;
                ensure(
                    !slab.is_full() && !slab.is_vacant(),
                    "C2: a listed slab is not partial",
                )?;
                listed += 1;
            }
            for (slab, previous) in links(self.empties[index]) {
                check(slab, previous)?;
                ensure(slab.is_vacant(), "C2: a listed slab is not empty")?;
                empty += 1;
            }
        }
        ensure(currents == appointed && listed + empty <= available, GONE)?;
        ensure(
            listed + empty == available,
            "C2: a slab with free slots is in no list",
        )?;
        ensure(
            empty == self.empty as usize,
            "C3: the empty slabs are miscounted",
        )?;
        ensure(self.empty <= MAX_EMPTY, "C3: too many empty slabs are kept")?;
        ensure(busy == self.busy as usize, "C3: what is busy is miscounted")?;
        let descriptors = self
            .slabs()
            .map(|(_, slab)| slab)
            .filter(|slab| slab.class() == DESCRIPTORS)
            .flat_map(SlabPtr::live_slots);
        ensure(descriptors.count() == slabs, "C1: a descriptor is lost")
    }

    fn check_frames(&self, head: u32, slab: SlabPtr) -> Checked {
        let map = self.runs.map();
        ensure(
            slab.head() == head,
            "C1: the map names a slab of another run",
        )?;
        let frames = map.entry(head).tag.frames();
        let bytes = (frames - guard(slab.class())) * FRAME;
        let slots = slab.slots();
        ensure(
            slots == (bytes / slab.slot_size()).min(MAX_SLOTS)
                && (slots * slab.slot_size()).div_ceil(FRAME) * FRAME == bytes,
            "C1: a slab has a run of another shape",
        )?;
        let named = if slab.class() == DESCRIPTORS {
            SlabPtr::EMPTY
        } else {
            slab
        };
        ensure(
            (head..head + frames).all(|frame| map.entry(frame).slab == named),
            "C1: the map names another slab than the frame's",
        )?;
        ensure(
            slab.class() != DESCRIPTORS
                || (head..head + frames).all(|frame| map.entry(frame).next == head),
            "C1: a frame of descriptors names another run",
        )
    }

    /// The runs and foreign frames, as [`Runs::tiles`](crate::runs::Runs::tiles). None if the heap is poisoned: then they may
    /// not tile.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (u32, Kind, u32)> {
        (!self.is_changing)
            .then(|| self.runs.tiles())
            .into_iter()
            .flatten()
    }

    /// All slabs, those of descriptors included, each with the first frame of the run that is its.
    fn slabs(&self) -> impl Iterator<Item = (u32, SlabPtr)> {
        let map = self.runs.map();
        let internal = self
            .runs
            .tiles()
            .filter(|&(_, kind, _)| kind == Kind::Internal);
        internal.filter_map(move |(head, _, _)| {
            let named = map.entry(head).slab;
            let slab = if !named.is_empty() {
                Some(named)
            } else if map.home(self.runs.memory().address(0)) == Some(head) {
                None
            } else {
                // SAFETY: an internal run that is neither a named slab nor the map is a slab of descriptors,
                // which describes itself behind its guard.
                Some(unsafe { SlabPtr::at(self.runs.address(head + GUARD_FRAMES)) })
            };
            Some((head, slab?))
        })
    }

    /// The live allocations, as pointer and length, in the order of their pointers.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use pageslab::{MemoryController, PageSlab, ReservedMemory};
    ///
    /// let mut heap = PageSlab::new(ReservedMemory::new(16));
    /// let ptr = heap.alloc(100)?;
    /// assert_eq!(heap.live().collect::<Vec<_>>(), [(ptr, 100)]);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn live(&self) -> impl Iterator<Item = (u32, u32)> {
        let map = self.runs.map();
        self.tiles().flat_map(move |(head, kind, _)| {
            let entry = map.entry(head);
            let run = (kind == Kind::Live).then(|| (map.offset(head), entry.next));
            let slab = Some(entry.slab).filter(|slab| !slab.is_empty());
            run.into_iter()
                .chain(slab.into_iter().flat_map(SlabPtr::live_slots))
        })
    }
}

const CLASS: &str = "C2: a slab is in the place of another class";
const GONE: &str = "C2: a slab that is gone has a place";

/// The slabs of a list, each with the one before it.
fn links(first: Option<SlabPtr>) -> impl Iterator<Item = (SlabPtr, Option<SlabPtr>)> {
    core::iter::successors(first.map(|slab| (slab, None)), |&(slab, _)| {
        Some((slab.next()?, Some(slab)))
    })
}

/// That the checker finds what it looks for: each of its sentences is seen, of a heap that was brought out of order.
#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(any(miri, feature = "checked", pageslab_geometry = "tiny"))
))]
mod tests {
    extern crate std;

    use super::*;
    use crate::class::class_of;
    use crate::map::Tag;
    use crate::{MemoryController as _, ReservedMemory};
    use std::vec::Vec;

    const LEN: u32 = 40;
    const CLASS: usize = class_of(LEN) as usize;

    /// A heap, slabs of one of its classes, and another heap, of which the next class has such slabs.
    struct Fixture {
        heap: PageSlab<ReservedMemory>,
        full: SlabPtr,
        partial: SlabPtr,
        empty: SlabPtr,
        other: PageSlab<ReservedMemory>,
    }

    fn fixture() -> Fixture {
        let (heap, [full, partial, empty]) = heap_of(LEN);
        let (other, _) = heap_of(LEN + 16);
        Fixture {
            heap,
            full,
            partial,
            empty,
            other,
        }
    }

    /// A heap of such blocks, with a full, a partial and an empty slab, the latter two first in their lists.
    fn heap_of(len: u32) -> (PageSlab<ReservedMemory>, [SlabPtr; 3]) {
        let mut heap = PageSlab::new(ReservedMemory::new(64));
        let mut alloc = |len| heap.alloc(len).expect("there is memory");
        let blocks: Vec<u32> = (0..500).map(|_| alloc(len)).collect();
        alloc(50_000);
        let mut slabs: Vec<_> = blocks.iter().map(|&ptr| heap.slab_of(ptr)).collect();
        slabs.dedup();
        let [full, partial, empty] = [slabs[0], slabs[1], slabs[2]];
        let mut free_of = |slab, most| {
            let blocks = blocks.iter().copied();
            for ptr in blocks
                .filter(|&ptr| heap.slab_of(ptr) == slab)
                .take(most)
                .collect::<Vec<_>>()
            {
                heap.free(ptr, len).expect("it is live");
            }
        };
        free_of(partial, 1);
        free_of(empty, usize::MAX);
        let class = class_of(len) as usize;
        assert!(heap.partial[class] == Some(partial));
        assert!(heap.empties[class] == Some(empty));
        assert_eq!(heap.invariants(), Ok(()));
        (heap, [full, partial, empty])
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        type Defect = fn(&mut Fixture);
        let defects: &[(&str, Defect)] = &[
            ("C1: a slab has a run of another shape", |fixture| {
                lengthen(&mut fixture.heap, fixture.full);
            }),
            // It has as many slots as a slab may have, and so no more in a longer run.
            ("C1: a slab has a run of another shape", |fixture| {
                assert_eq!(fixture.empty.slots(), MAX_SLOTS);
                lengthen(&mut fixture.heap, fixture.empty);
            }),
            (
                "C1: the map names another slab than the frame's",
                |fixture| {
                    let last = fixture.partial.head() + 1;
                    fixture.heap.runs.map_mut().entry_mut(last).slab = fixture.full;
                },
            ),
            ("C1: the map names a slab of another run", |fixture| {
                let (head, slab) = (fixture.partial.head(), fixture.full);
                let map = fixture.heap.runs.map_mut();
                for frame in head..head + map.entry(head).tag.frames() {
                    map.entry_mut(frame).slab = slab;
                }
            }),
            ("C1: a frame of descriptors names another run", |fixture| {
                let head = fixture.heap.current[DESCRIPTORS as usize].head();
                fixture.heap.runs.map_mut().entry_mut(head).next -= 1;
            }),
            ("C1: a descriptor is lost", |fixture| {
                let descriptors = fixture.heap.current[DESCRIPTORS as usize];
                descriptors.pop(0).expect("there is room");
            }),
            ("C2: a slab is in two places", |fixture| {
                fixture.heap.current[CLASS].watch();
                fixture.partial.appoint();
                fixture.heap.current[CLASS] = fixture.partial;
            }),
            ("C2: a slab with free slots is in no list", |fixture| {
                fixture.heap.partial[CLASS] = None;
            }),
            ("C2: a slab with free slots is in no list", |fixture| {
                fixture.heap.empties[CLASS] = None;
            }),
            ("C2: a list's links disagree", |fixture| {
                fixture.partial.get_mut().previous = Some(fixture.full);
            }),
            ("C2: a list's links disagree", |fixture| {
                fixture.empty.get_mut().previous = Some(fixture.full);
            }),
            ("C2: a listed slab is not partial", |fixture| {
                fixture.full.get_mut().next = Some(fixture.partial);
                fixture.heap.partial[CLASS] = Some(fixture.full);
            }),
            ("C2: a listed slab is not partial", |fixture| {
                fixture.heap.empties[CLASS] = None;
                fixture.empty.get_mut().next = Some(fixture.partial);
                fixture.heap.partial[CLASS] = Some(fixture.empty);
            }),
            ("C2: a listed slab is not empty", |fixture| {
                fixture.heap.partial[CLASS] = None;
                fixture.partial.get_mut().next = Some(fixture.empty);
                fixture.heap.empties[CLASS] = Some(fixture.partial);
            }),
            ("C2: a slab is in the place of another class", |fixture| {
                fixture.heap.current[CLASS + 1] = fixture.full;
            }),
            ("C2: a slab is in the place of another class", |fixture| {
                fixture.heap.partial[CLASS + 1] = Some(fixture.partial);
            }),
            ("C2: a slab is in the place of another class", |fixture| {
                fixture.heap.empties[CLASS + 1] = Some(fixture.empty);
            }),
            ("C2: a slab that is gone has a place", |fixture| {
                fixture.heap.current[CLASS + 1] = fixture.other.current[CLASS + 1];
            }),
            ("C2: a slab that is gone has a place", |fixture| {
                fixture.heap.partial[CLASS + 1] = fixture.other.partial[CLASS + 1];
            }),
            ("C2: a slab that is gone has a place", |fixture| {
                fixture.heap.empties[CLASS + 1] = fixture.other.empties[CLASS + 1];
                fixture.heap.empty += 1;
            }),
            // Lists without an end.
            ("C2: a list's links disagree", |fixture| {
                fixture.partial.get_mut().next = Some(fixture.partial);
            }),
            ("C2: a list's links disagree", |fixture| {
                fixture.empty.get_mut().next = Some(fixture.empty);
            }),
            ("C3: what is busy is miscounted", |fixture| {
                fixture.heap.busy += 1;
            }),
            ("C3: what is busy is miscounted", |fixture| {
                fixture.heap.busy -= 1;
            }),
            ("C3: the empty slabs are miscounted", |fixture| {
                fixture.heap.empty += 1;
            }),
            ("C3: the empty slabs are miscounted", |fixture| {
                fixture.heap.empty -= 1;
            }),
            ("C3: too many empty slabs are kept", |fixture| {
                let heap = &mut fixture.heap;
                fill_with_empty(heap);
                let mut current = core::mem::replace(&mut heap.current[CLASS], SlabPtr::EMPTY);
                let mut first = heap.empties[CLASS].expect("there are many");
                current.watch();
                current.get_mut().next = Some(first);
                first.get_mut().previous = Some(current);
                heap.empties[CLASS] = Some(current);
                heap.empty += 1;
            }),
            (
                "C4: a call was stopped in the midst of a change",
                |fixture| {
                    fixture.heap.is_changing = true;
                },
            ),
            // Of the runs, and of a slab: that these are looked at.
            ("R3: a list's links disagree", |fixture| {
                let runs = &mut fixture.heap.runs;
                let (head, ..) = runs
                    .tiles()
                    .find(|&(_, kind, _)| kind == Kind::Free)
                    .expect("a run is free");
                runs.map_mut().entry_mut(head).previous = 1;
            }),
            ("S3: a slab watches for something else", |fixture| {
                fixture.full.appoint();
            }),
        ];
        for (found, defect) in defects {
            let mut fixture = fixture();
            defect(&mut fixture);
            assert_eq!(fixture.heap.invariants(), Err(*found));
        }
    }

    /// Gives a slab the run behind its own, too.
    fn lengthen(heap: &mut PageSlab<ReservedMemory>, slab: SlabPtr) {
        let head = slab.head();
        let map = heap.runs.map_mut();
        let behind = head + map.entry(head).tag.frames();
        let frames = behind - head + map.entry(behind).tag.frames();
        map.entry_mut(behind).tag = Tag::new(Kind::Interior, 0);
        map.entry_mut(head).tag = Tag::new(Kind::Internal, frames);
    }

    /// Makes a heap keep as many empty slabs as it may, and more try to be kept. The current one is vacant, too.
    fn fill_with_empty(heap: &mut PageSlab<ReservedMemory>) {
        let count = (MAX_EMPTY + 8) * MAX_SLOTS;
        let blocks: Vec<_> = (0..count).filter_map(|_| heap.alloc(LEN).ok()).collect();
        for ptr in blocks {
            heap.free(ptr, LEN).expect("it is live");
        }
        assert_eq!(heap.empty, MAX_EMPTY);
    }

    #[test]
    fn as_many_empty_slabs_as_may_be_kept_are_no_defect() {
        let mut heap = fixture().heap;
        fill_with_empty(&mut heap);
        assert_eq!(heap.invariants(), Ok(()));
    }

    #[test]
    #[should_panic(expected = "C3: what is busy is miscounted")]
    fn what_is_found_is_a_panic() {
        let mut heap = fixture().heap;
        heap.check_invariants();
        heap.busy += 1;
        heap.check_invariants();
    }
}
