//! What the controller promises, one behaviour per test: where blocks lie, what they keep, and how much memory they cost.

mod support;

use pageslab::{Error, LinearMemory as _, MemoryController, PageSlab};
use support::{FRAME, Model, PAGE, Random, Scripted, memory, rounds, slot_sizes};

/// Lengths on both sides of every kind of boundary: classes, slots and runs, frames, pages.
const LENS: &[u32] = if cfg!(miri) {
    &[0, 16, 17, 5000, 8193, 65_536]
} else {
    &[
        0, 1, 15, 16, 17, 100, 129, 512, 2049, 5000, 8192, 8193, 20_000, 65_535, 65_536, 65_537,
        200_000,
    ]
};

/// A heap that has allocated until its limit was reached, slots and runs in turn.
fn exhausted(pages: u32) -> Model {
    let mut model = Model::with_limit(Scripted::new(), pages);
    for len in [30_000, 10_000, 3000, 700, 100, 16] {
        while model.try_alloc(len, None).is_ok() {}
    }
    model
}

/// How many allocations of this length succeed.
fn count_until_exhausted(model: &mut Model, len: u32) -> u32 {
    (0..)
        .find(|_| model.try_alloc(len, None).is_err())
        .expect("memory ends")
}

mod pointers {
    use super::*;

    #[test]
    fn are_aligned_to_16_and_never_0() {
        let mut heap = PageSlab::new(memory());
        for &len in LENS {
            for _ in 0..3 {
                let ptr = heap.alloc(len).unwrap();
                assert_ne!(ptr, 0, "of {len} bytes");
                assert_eq!(ptr % 16, 0, "{ptr:#x} of {len} bytes");
            }
        }
    }

    #[test]
    fn of_zero_bytes_are_distinct_and_freed_once() {
        let mut heap = PageSlab::new(memory());
        let mut ptrs: Vec<u32> = (0..1000).map(|_| heap.alloc(0).unwrap()).collect();
        ptrs.sort_unstable();
        assert!(ptrs.windows(2).all(|pair| pair[0] < pair[1]));
        for ptr in ptrs {
            assert!(heap.mut_mem(ptr, 0).is_empty());
            assert_eq!(heap.free(ptr, 0), Ok(()));
            assert!(heap.free(ptr, 0).is_err());
        }
    }

    #[test]
    fn are_aligned_as_asked() {
        let mut model = Model::new(Scripted::new());
        for align in (0..=16).map(|shift| 1 << shift) {
            for &len in LENS {
                for _ in 0..2 {
                    assert!(
                        model.try_alloc(len, Some(align)).is_ok(),
                        "{len} bytes at {align}"
                    );
                }
            }
            model.check_contents();
            model.free_all(|_| ());
        }
    }

    #[test]
    fn are_refused_for_alignments_that_are_none() {
        let mut heap = PageSlab::new(memory());
        for align in [0, 3, 12, 24, 65_535, 65_537, 131_072, 1 << 31, u32::MAX] {
            for len in [0, 1, 16, 5000, u32::MAX] {
                assert_eq!(
                    heap.alloc_aligned(len, align),
                    Err(Error::InvalidAlignment { align })
                );
            }
        }
        assert_eq!(heap.pages(), 0, "a refused call has taken memory");
    }
}

mod bytes {
    use super::*;

    #[test]
    fn can_be_borrowed_in_every_part_of_a_block() {
        let mut heap = PageSlab::new(memory());
        for len in [0, 1, 15, 16, 17, 48, rounds(256, 50)] {
            let ptr = heap.alloc(len).unwrap();
            for from in 0..len {
                for part in 0..=len - from {
                    assert_eq!(heap.mut_mem(ptr + from, part).len(), part as usize);
                }
            }
        }
    }

    #[test]
    fn can_be_borrowed_as_none_at_the_end_of_a_block() {
        let mut heap = PageSlab::new(memory());
        for len in LENS.iter().copied().chain(slot_sizes()) {
            let ptr = heap.alloc(len).unwrap();
            assert!(heap.mut_mem(ptr + len, 0).is_empty(), "behind {len} bytes");
        }
    }

    #[test]
    fn can_be_borrowed_in_parts_that_cross_frames_and_pages() {
        let mut model = Model::new(Scripted::new());
        for len in [2049, 10_000, PAGE, 3 * PAGE + 1] {
            let ptr = model.alloc(len);
            let places = (0..len)
                .step_by(rounds(509, 20_011) as usize)
                .chain([len - 1]);
            for from in places {
                for part in [0, 1, 4, 1024, 1025, PAGE, len] {
                    model.touch(ptr, from, part.min(len - from));
                }
            }
        }
        model.check_contents();
    }

    #[test]
    fn are_borrowed_where_the_memory_has_them() {
        let mut heap = PageSlab::new(memory());
        let ptr = heap.alloc(100).unwrap();
        let address = heap.memory().address(ptr + 7);
        assert_eq!(heap.mut_mem(ptr + 7, 5).as_mut_ptr(), address);
    }

    #[test]
    fn stay_after_realloc_up_to_the_shorter_length() {
        let mut model = Model::new(Scripted::new());
        for &from in LENS {
            for &to in LENS {
                let ptr = model.alloc(from);
                model.alloc(from);
                let moved = model.realloc(ptr, to);
                model.realloc(moved, from);
            }
            model.check_contents();
            model.free_all(|_| ());
        }
    }

    #[test]
    fn stay_while_others_come_and_go() {
        let mut model = Model::new(Scripted::new());
        let mut random = Random::new(1);
        let kept: Vec<_> = LENS.iter().map(|&len| model.alloc(len)).collect();
        for _ in 0..rounds(2000, 100) {
            let ptr = model.alloc(random.len());
            if random.below(10) > 0 {
                model.free(ptr);
            }
        }
        model.check_contents();
        kept.into_iter().for_each(|ptr| model.free(ptr));
    }
}

mod realloc {
    use super::*;

    #[test]
    #[cfg_attr(feature = "checked", ignore = "checked blocks always move")]
    fn grows_a_run_in_place_into_a_free_neighbour() {
        let mut model = Model::new(Scripted::new());
        let [first, second, _third] = [(); 3].map(|()| model.alloc(16 * FRAME));
        assert_eq!(
            second,
            first + 16 * FRAME,
            "runs of a new heap are neighbours"
        );
        model.free(second);
        assert_eq!(model.realloc(first, 24 * FRAME), first, "into a part");
        assert_eq!(model.realloc(first, 32 * FRAME), first, "into the rest");
        assert_ne!(model.realloc(first, 33 * FRAME), first, "but no further");
        model.check_contents();
    }

    #[test]
    #[cfg_attr(feature = "checked", ignore = "checked blocks always move")]
    fn grows_the_last_run_of_memory_in_place() {
        let mut model = Model::new(Scripted::new());
        let run = model.alloc(1 << 20);
        let pages = model.heap.pages();
        assert_eq!(model.realloc(run, (1 << 20) + 3 * PAGE), run);
        assert!(model.heap.pages() > pages, "this needs new pages");
        model.check_contents();
    }

    #[test]
    fn moves_the_last_run_if_another_party_has_grown_memory() {
        let mut model = Model::new(Scripted::new());
        let run = model.alloc(1 << 20);
        model.memory.foreign_grows(1);
        assert_ne!(model.realloc(run, (1 << 20) + 3 * PAGE), run);
        model.check_contents();
    }

    #[test]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn gives_back_what_a_run_no_longer_needs() {
        let mut model = Model::with_limit(Scripted::new(), 2);
        let run = model.alloc(105 * FRAME);
        assert!(
            model.try_alloc(24 * FRAME, None).is_err(),
            "the limit is reached"
        );
        assert_eq!(model.realloc(run, 20 * FRAME), run);
        for _ in 0..4 {
            model.alloc(20 * FRAME);
        }
        model.check_contents();
    }

    #[test]
    fn takes_what_is_free_before_memory_grows() {
        let mut model = Model::new(Scripted::new());
        let large = model.alloc(40 * PAGE);
        let last = model.alloc(9 * FRAME);
        model.free(large);
        let pages = model.heap.pages();
        model.realloc(last, 20 * PAGE);
        assert_eq!(model.heap.pages(), pages);
        model.check_contents();
    }

    #[test]
    fn never_fails_to_shrink_even_if_memory_is_exhausted() {
        for new_len in [0, 1, 16, 100, 2000, 8192, 8193, 9999] {
            let mut model = exhausted(5);
            let longer: Vec<_> = model.live().filter(|&(_, len)| len > new_len).collect();
            assert!(!longer.is_empty());
            for (ptr, _) in longer {
                model.realloc(ptr, new_len);
            }
            model.check_contents();
        }
    }

    #[test]
    fn leaves_the_block_as_it_was_if_memory_is_exhausted() {
        let mut model = exhausted(4);
        let blocks: Vec<_> = model.live().collect();
        for &(ptr, _) in &blocks {
            assert!(model.try_realloc(ptr, 300_000).is_err(), "{ptr:#x}");
        }
        assert!(model.live().eq(blocks));
        model.check_contents();
    }
}

mod zeroed {
    use super::*;

    #[test]
    fn blocks_are_zero_whatever_was_there_before() {
        let mut heap = PageSlab::new(Scripted::with_foreign(1));
        let mut random = Random::new(8);
        let mut live = Vec::new();
        for _ in 0..rounds(3000, 30) {
            let len = match random.below(3) {
                0 => random.below(200),
                1 => random.below(9000),
                _ => random.below(rounds(100_000, 20_000)),
            };
            let ptr = heap
                .alloc_zeroed(len, 1 << random.below(17))
                .expect("memory");
            let bytes = heap.mut_mem(ptr, len);
            assert!(
                bytes.iter().all(|&byte| byte == 0),
                "{len} bytes at {ptr:#x}"
            );
            bytes.fill(0xff);
            live.push((ptr, len));
            if random.below(5) < 3 {
                let (ptr, len) = live.swap_remove(random.below(live.len() as u32) as usize);
                heap.free(ptr, len).expect("the block is live");
            }
            if let Some(last) = live.last_mut().filter(|_| random.below(4) == 0) {
                let len = random.below(rounds(50_000, 10_000));
                last.0 = heap.realloc(last.0, last.1, len).expect("memory");
                last.1 = len;
                heap.mut_mem(last.0, len).fill(0xff);
            }
        }
        heap.check_invariants();
    }

    /// A memory whose new pages are not zero, which they have to be: it shows who clears them.
    struct Marked(Scripted);

    const MARK: u8 = 0xa5;

    // SAFETY: as that of the memory inside, but for the zeros; what is in a block without them is not relied on here.
    unsafe impl pageslab::LinearMemory for Marked {
        fn address(&self, offset: u32) -> *mut u8 {
            self.0.address(offset)
        }

        fn size(&self) -> u32 {
            self.0.size()
        }

        fn grow(&mut self, pages: u32) -> Option<u32> {
            let first = self.0.grow(pages)?;
            // SAFETY: these pages are new.
            unsafe {
                let start = self.0.address(first * PAGE);
                start.write_bytes(MARK, (pages * PAGE) as usize);
            }
            Some(first)
        }
    }

    /// A memory in which the heap has some bytes from the start, which are not zero.
    struct Initial {
        memory: Scripted,
        bytes: core::ops::Range<u32>,
    }

    // SAFETY: as that of the memory inside; what is initial is within its first pages, and belongs to nobody else.
    unsafe impl pageslab::LinearMemory for Initial {
        fn address(&self, offset: u32) -> *mut u8 {
            self.memory.address(offset)
        }

        fn size(&self) -> u32 {
            self.memory.size()
        }

        fn grow(&mut self, pages: u32) -> Option<u32> {
            self.memory.grow(pages)
        }

        fn initial(&mut self) -> core::ops::Range<u32> {
            self.bytes.clone()
        }
    }

    #[test]
    fn what_is_the_heaps_from_the_start_is_used_first() {
        // Ends that are those of frames and of pages, and others; too little to be of use; nothing.
        for (start, end) in [
            (0, 3 * PAGE),
            (FRAME, 3 * PAGE),
            (5000, 3 * PAGE),
            (PAGE + 1, 3 * PAGE - 1),
            (2 * PAGE - 20_000, 2 * PAGE),
            (2 * PAGE + 100, 2 * PAGE + 30_000),
            (2 * PAGE - 3000, 2 * PAGE),
            (3 * PAGE - 100, 3 * PAGE),
            (0, 0),
        ] {
            let mut memory = Scripted::new();
            let first = memory.grow(3).expect("there is memory") * PAGE;
            let behind = first + 3 * PAGE;
            // SAFETY: these pages are nobody's.
            unsafe { memory.address(first).write_bytes(MARK, 3 * PAGE as usize) };
            let is_used = end - start >= 20_000;
            let (start, end) = (first + start, first + end);
            let bytes = start..end;
            let mut heap = PageSlab::new(Initial { memory, bytes });
            let mut blocks = Vec::new();
            for len in [100, 2000, 9000, 70_000, 200_000] {
                let ptr = heap.alloc_zeroed(len, 16).expect("there is memory");
                assert!(heap.mut_mem(ptr, len).iter().all(|&byte| byte == 0));
                heap.check_invariants();
                let is_initial = ptr < behind;
                assert!(!is_initial || ptr >= start, "{ptr} of {start}..{end}");
                assert!(!is_initial || ptr + len <= end || end == behind);
                assert!(is_initial == is_used || !blocks.is_empty());
                blocks.push((ptr, len));
            }
            for (ptr, len) in blocks {
                heap.free(ptr, len).expect("the block is live");
            }
            heap.check_invariants();
            // What was not the heap's is as it was.
            for at in (first..start).chain(end..behind) {
                // SAFETY: it is within the first pages.
                let byte = unsafe { heap.memory().address(at).read() };
                assert!(byte == MARK, "{at} of {start}..{end}");
            }
        }
    }

    #[test]
    fn what_is_the_heaps_from_the_start_counts_for_its_limit() {
        for (limit, is_used) in [(2, false), (3, true)] {
            let mut memory = Scripted::new();
            let first = memory.grow(3).expect("there is memory") * PAGE;
            let bytes = first + 5000..first + 3 * PAGE;
            let mut heap = PageSlab::with_limit(Initial { memory, bytes }, limit);
            let ptr = heap.alloc(100).expect("there is memory");
            assert_eq!(ptr < first + 3 * PAGE, is_used);
            assert!(heap.pages() <= limit);
            heap.check_invariants();
        }
    }

    /// What is made and given back within one call was there as well.
    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn blocks_are_zero_however_little_is_free_behind_the_last() {
        for others in 3..6 {
            for frames in 9..64 {
                let mut heap = PageSlab::new(memory());
                let first = heap.alloc(16).unwrap();
                for class in 2..2 + others {
                    heap.alloc(16 * class).unwrap();
                }
                heap.free(first, 16).unwrap();
                heap.alloc(frames * FRAME).unwrap();
                let ptr = heap.alloc_zeroed(8192, 16).unwrap();
                assert!(
                    heap.mut_mem(ptr, 8192).iter().all(|&byte| byte == 0),
                    "{others} others and {frames} frames"
                );
            }
        }
    }

    #[test]
    #[cfg_attr(feature = "checked", ignore = "checked memory is filled")]
    fn blocks_in_pages_that_have_just_grown_are_not_cleared() {
        let mut heap = PageSlab::new(Marked(Scripted::new()));
        for len in [10_000, rounds(500_000, 50_000)] {
            let ptr = heap.alloc_zeroed(len, 16).expect("there is memory");
            assert!(heap.mut_mem(ptr, len).iter().all(|&byte| byte == MARK));
            heap.free(ptr, len).expect("the block is live");
            let ptr = heap.alloc_zeroed(len, 16).expect("there is memory");
            let bytes = heap.mut_mem(ptr, len);
            let (used, new) = bytes.split_at(bytes.iter().take_while(|&&byte| byte == 0).count());
            assert!(used.len() >= 10_000 && new.iter().all(|&byte| byte == MARK));
        }
    }

    #[test]
    fn alignments_that_are_none_are_refused() {
        let mut heap = PageSlab::new(memory());
        for align in [0, 3, 1 << 17] {
            assert_eq!(
                heap.alloc_zeroed(8, align),
                Err(Error::InvalidAlignment { align })
            );
            let ptr = heap.alloc(8).expect("there is memory");
            let error = heap.realloc_aligned(ptr, 8, 9, align);
            assert_eq!(error, Err(Error::InvalidAlignment { align }));
        }
    }

    #[test]
    fn a_block_that_is_not_aligned_cannot_be_reallocated_as_if() {
        let mut heap = PageSlab::new(memory());
        let ptrs: Vec<u32> = (0..3).map(|_| heap.alloc(40).expect("memory")).collect();
        let ptr = *ptrs
            .iter()
            .find(|&&ptr| ptr % 64 != 0)
            .expect("slots of 48 bytes");
        let error = heap.realloc_aligned(ptr, 40, 50, 64);
        assert_eq!(error, Err(Error::InvalidAlignment { align: 64 }));
        let error = heap.realloc_aligned(ptr, 41, 50, 64);
        assert!(matches!(error, Err(Error::LengthMismatch { .. })));
        assert_eq!(heap.len_at(ptr), Ok(40));
    }
}

mod memory_use {
    use super::*;

    #[test]
    fn is_nothing_before_the_first_allocation() {
        let memory = Scripted::new();
        let heap = PageSlab::new(memory.clone());
        assert_eq!(heap.pages(), 0);
        assert_eq!(heap.live().count(), 0);
        heap.check_invariants();
        assert_eq!(memory.grows(), 0);
    }

    #[test]
    fn is_counted_in_pages_without_those_of_others() {
        let memory = Scripted::with_foreign(2);
        let mut heap = PageSlab::new(memory.clone());
        for &len in LENS {
            heap.alloc(len).unwrap();
            let granted: u32 = memory
                .granted()
                .iter()
                .map(|pages| pages.end - pages.start)
                .sum();
            assert_eq!(heap.pages(), granted);
        }
    }

    #[test]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn is_one_page_for_a_small_guest() {
        let mut model = Model::new(Scripted::new());
        for _ in 0..20 {
            for len in [8, 16, 24, 32, 48, 64, 96, 128, 256, 512] {
                model.alloc(len);
            }
        }
        assert_eq!(model.live().count(), 200);
        assert_eq!(model.heap.pages(), 1);
        model.check_contents();
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn of_a_run_is_its_frames_and_no_more() {
        const PAGES: u32 = 32;
        const FRAMES: u32 = PAGES * PAGE / FRAME;
        for (len, frames) in [(11 * FRAME, 11), (11 * FRAME + 1, 12), (13 * FRAME - 1, 13)] {
            let mut model = Model::with_limit(Scripted::new(), PAGES);
            let taken = frames * count_until_exhausted(&mut model, len);
            assert!(taken <= FRAMES, "{taken} frames");
            assert!(
                taken > FRAMES - 128,
                "only {taken} frames, of runs of {len} bytes"
            );
            model.check_contents();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn of_freed_runs_is_joined_whatever_the_order() {
        let orders: [fn(&mut Vec<u32>); 4] = [
            |_| (),
            |ptrs| ptrs.reverse(),
            |ptrs| ptrs.sort_by_key(|ptr| (ptr / FRAME % 2, *ptr)),
            |ptrs| Random::new(2).shuffle(ptrs),
        ];
        for order in orders {
            let mut model = Model::with_limit(Scripted::new(), 32);
            let whole = 30 * PAGE;
            let ptr = model.alloc(whole);
            model.free(ptr);
            let pages = model.heap.pages();
            for len in [20 * FRAME, 11 * FRAME, 9 * FRAME] {
                count_until_exhausted(&mut model, len);
            }
            assert!(model.try_alloc(whole, None).is_err());
            model.free_all(order);
            model.alloc(whole);
            assert!(model.heap.pages() <= pages.max(32));
            model.check_contents();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn of_emptied_slabs_serves_other_lengths() {
        const PAGES: u32 = 8;
        let mut model = Model::with_limit(Scripted::new(), PAGES);
        for len in slot_sizes().into_iter().chain([9 * FRAME, 50_000, PAGE]) {
            let count = count_until_exhausted(&mut model, len);
            assert!(
                count * len > PAGES * PAGE * 3 / 5,
                "only {count} blocks of {len} bytes"
            );
            model.check();
            model.free_all(|_| ());
        }
    }

    type Work = fn(&mut Model);
    type Order = fn(&mut Vec<u32>);

    /// What a program may do again and again.
    const WORKLOADS: [(&str, Work); 6] = [
        ("slots", |model| {
            for len in (0..300).chain(0..300) {
                model.alloc(len);
            }
        }),
        ("runs", |model| {
            for frames in 9..100 {
                model.alloc(frames * FRAME);
            }
        }),
        ("slots between runs", |model| {
            for len in (0..20_000).step_by(97) {
                model.alloc(len);
            }
        }),
        ("vectors that grow by turns", |model| {
            let mut vectors = [0; 8].map(|len| model.alloc(len));
            for len in (3..16).map(|shift| 1 << shift) {
                vectors = vectors.map(|ptr| model.realloc(ptr, len));
            }
        }),
        ("aligned blocks", |model| {
            for align in (0..=16).map(|shift| 1 << shift) {
                for len in [1, 100, 9000, 70_000] {
                    assert!(model.try_alloc(len, Some(align)).is_ok());
                }
            }
        }),
        ("a mixture with frees", |model| {
            let mut random = Random::new(3);
            for _ in 0..1000 {
                let ptr = model.alloc(random.len());
                if random.below(3) == 0 {
                    model.free(ptr);
                }
            }
        }),
    ];

    /// Ways to free what there is.
    const ORDERS: [Order; 3] = [
        |_| (),
        |ptrs| ptrs.reverse(),
        |ptrs| Random::new(4).shuffle(ptrs),
    ];

    /// Does the work again and again and frees all that it made. Tells how many pages the heap held after each round.
    fn pages_by_round(model: &mut Model, work: Work, order: Order) -> Vec<u32> {
        // In a guest, the model's own memory is the foreign party's; it must not grow between the rounds.
        drop(core::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
        let kept: Vec<u32> = model.live().map(|(ptr, _)| ptr).collect();
        let round = |_| {
            work(model);
            model.free_all(|ptrs| {
                order(ptrs);
                ptrs.retain(|ptr| !kept.contains(ptr));
            });
            model.heap.pages()
        };
        let pages = (0..60).map(round).collect();
        model.check();
        pages
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn stays_the_same_when_the_same_work_is_done_again() {
        for (name, work) in WORKLOADS {
            for order in ORDERS {
                let pages = pages_by_round(&mut Model::new(Scripted::new()), work, order);
                // What is kept for speed lies elsewhere each time, so it takes some rounds to settle.
                let (settling, settled) = pages.split_at(30);
                assert!(
                    settled[0] <= pages[0] + pages[0].div_ceil(8),
                    "{name}: {pages:?}"
                );
                assert!(
                    settling.iter().all(|&p| p <= settled[0]),
                    "{name}: {pages:?}"
                );
                assert!(
                    settled.iter().all(|&p| p == settled[0]),
                    "{name}: {pages:?}"
                );
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn stays_bounded_when_the_same_work_is_done_beside_live_blocks() {
        for (name, work) in WORKLOADS {
            for order in ORDERS {
                let mut model = Model::new(Scripted::new());
                for len in [10, 100, 20_000] {
                    model.alloc(len);
                }
                let pages = pages_by_round(&mut model, work, order);
                assert!(
                    pages.iter().all(|&p| p <= pages[0] * 2),
                    "{name}: {pages:?}"
                );
            }
        }
    }
}

mod heaps {
    use super::*;

    #[test]
    fn can_be_used_as_trait_objects() {
        let mut heap = PageSlab::new(memory());
        let controller: &mut dyn MemoryController = &mut heap;
        let ptr = controller.alloc(5).unwrap();
        controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
        assert_eq!(
            controller.try_mut_mem(ptr + 1, 3),
            Ok(&mut b"ell".to_owned()[..])
        );
        let ptr = controller.realloc(ptr, 5, 5000).unwrap();
        assert_eq!(controller.mut_mem(ptr, 5), b"hello");
        let aligned = controller.alloc_aligned(5, 4096).unwrap();
        assert_eq!(aligned % 4096, 0);
        assert_eq!(controller.free(ptr, 5000), Ok(()));
        assert_eq!(controller.free(aligned, 5), Ok(()));
    }

    #[test]
    fn in_one_memory_do_not_disturb_each_other() {
        let memory = Scripted::new();
        let mut models = [(); 3].map(|()| Model::new(memory.clone()));
        let mut random = Random::new(5);
        for _ in 0..rounds(3000, 150) {
            let model = &mut models[random.below(3) as usize];
            match model.pick(random.word()) {
                Some((ptr, _)) if random.below(3) == 0 => model.free(ptr),
                _ => _ = model.alloc(random.len()),
            }
        }
        models.iter_mut().for_each(Model::check_contents);
        let pages: u32 = models.iter().map(|model| model.heap.pages()).sum();
        let granted: u32 = memory
            .granted()
            .iter()
            .map(|pages| pages.end - pages.start)
            .sum();
        assert_eq!(pages, granted);
    }

    #[test]
    fn in_one_memory_refuse_each_others_blocks() {
        let memory = Scripted::new();
        let [mut ours, mut theirs] = [(); 2].map(|()| Model::new(memory.clone()));
        for &len in LENS {
            ours.alloc(len);
            let ptr = theirs.alloc(len);
            ours.refuses(ptr, len, Error::InvalidPointer { ptr });
        }
        theirs.check_contents();
    }
}

mod errors {
    use super::*;

    #[test]
    fn name_the_pointer_and_the_lengths() {
        let cases: [(Error, &[&str]); 5] = [
            (
                Error::OutOfMemory { len: 123 },
                &["out of memory", "123 bytes"],
            ),
            (
                Error::InvalidAlignment { align: 24 },
                &["alignment 24", "power of two", "65536"],
            ),
            (Error::InvalidPointer { ptr: 0x1230 }, &["0x1230"]),
            (
                Error::LengthMismatch {
                    ptr: 0x1230,
                    allocated: 55,
                    given: 66,
                },
                &["0x1230", "has 55 bytes", "66"],
            ),
            (
                Error::DoubleFree {
                    ptr: 0x1230,
                    len: 77,
                },
                &["0x1230", "77", "freed before"],
            ),
        ];
        for (error, parts) in cases {
            let text = error.to_string();
            for part in parts {
                assert!(text.contains(part), "{text:?} does not say {part:?}");
            }
        }
    }

    #[test]
    fn are_small_plain_errors() {
        fn assert_plain<T: core::error::Error + Copy + Eq + Send + Sync + 'static>() {}
        assert_plain::<Error>();
        assert!(size_of::<Error>() <= 16);
    }
}

mod stats {
    use super::*;

    #[test]
    #[cfg_attr(
        feature = "checked",
        ignore = "blocks have slack, and wait before they are free"
    )]
    fn tell_what_there_is() {
        let mut heap = PageSlab::with_limit(memory(), 20);
        assert_eq!(heap.stats().unwrap().pages, 0);
        for _ in 0..30 {
            heap.alloc(100).expect("there is memory");
        }
        let freed = heap.alloc(100).expect("there is memory");
        heap.free(freed, 100).expect("it is live");
        let long = heap.alloc(100_000).expect("there is memory");
        let stats = heap.stats().unwrap();
        assert_eq!((stats.live_blocks, stats.live_bytes), (31, 103_000));
        assert_eq!(stats.run_bytes, 98 * u64::from(FRAME));
        assert_eq!(stats.block_bytes, 30 * 112 + stats.run_bytes);
        let class = stats.classes.iter().find(|class| class.slot_size == 112);
        let class = class.expect("it is a class");
        assert_eq!((class.live, class.live_bytes), (30, 3000));
        // One frame, two, and four.
        assert_eq!((class.slabs, class.slots), (3, 9 + 18 + 36));
        assert_eq!(stats.slab_bytes, 7 * u64::from(FRAME));
        assert!(stats.growths > 0 && stats.refused_growths == 0);

        // What is free in one piece can be had in one piece.
        heap.free(long, 100_000).expect("it is live");
        let stats = heap.stats().unwrap();
        assert_eq!((stats.run_bytes, stats.live_blocks), (0, 30));
        let longest = u32::try_from(stats.longest_free).unwrap();
        assert!(longest >= 98 * FRAME);
        let pages = heap.pages();
        heap.alloc(longest).expect("it is free");
        assert_eq!(heap.pages(), pages);

        assert!(heap.alloc(20 * PAGE).is_err());
        assert_eq!(heap.stats().unwrap().refused_growths, 1);
    }
}
