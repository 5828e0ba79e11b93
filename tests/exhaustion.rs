//! Memory that ends: refused grows, limits, and other parties that grow it. The call that finds no memory errs, and nothing is lost.

mod support;

use pageslab::{Error, LinearMemory as _, MemoryController as _, PageSlab};
use support::{FRAME, Model, PAGE, Random, Scripted, memory, rounds};

/// One step of a workload; false if memory was exhausted.
fn step(model: &mut Model, random: &mut Random) -> bool {
    let number = random.word();
    let len = random.len();
    let result = match (random.below(8), model.pick(number)) {
        (0..2, Some((ptr, _))) => {
            model.free(ptr);
            return true;
        }
        (2..4, Some((ptr, _))) => model.try_realloc(ptr, len),
        (4, _) => model.try_alloc(len, Some(1 << random.below(17))),
        _ => model.try_alloc(len, None),
    };
    result.is_ok()
}

/// How many steps make a workload that is long, for a test that does it again and again.
const STEPS: u32 = rounds(2000, 60);

/// How often the workload makes memory grow if nothing is refused.
fn grows_of_workload() -> u32 {
    let mut model = Model::new(Scripted::new());
    let mut random = Random::new(10);
    for _ in 0..STEPS {
        assert!(step(&mut model, &mut random), "nothing is refused");
    }
    model.memory.grows()
}

mod refused_grows {
    use super::*;

    #[test]
    fn fail_the_call_and_nothing_else_whichever_grow_it_is() {
        let grows = grows_of_workload();
        assert!(
            grows > rounds(30, 3),
            "the workload grows memory only {grows} times"
        );
        let mut failed = 0;
        for n in 1..=grows {
            let mut model = Model::new(Scripted::new());
            let mut random = Random::new(10);
            model.memory.refuse_from(n);
            for _ in 0..STEPS {
                let refused = model.memory.refused();
                if !step(&mut model, &mut random) {
                    assert!(
                        model.memory.refused() > refused,
                        "memory is exhausted before it was refused"
                    );
                    failed += 1;
                    model.check_contents();
                    model.memory.allow();
                }
            }
            assert!(model.memory.refused() > 0, "grow {n} never comes");
            model.free_all(|_| ());
            model.assert_works();
        }
        assert!(
            // The others were made good by a growth with less metadata.
            failed > grows * 4 / 5,
            "{failed} of {grows} refused grows made a call fail"
        );
    }

    #[test]
    fn of_which_only_one_fails_may_be_made_good_by_a_smaller_one() {
        for n in 1..=grows_of_workload() {
            let mut model = Model::new(Scripted::new());
            let mut random = Random::new(10);
            model.memory.refuse_only(n);
            let failed = (0..STEPS)
                .filter(|_| !step(&mut model, &mut random))
                .count();
            assert!(failed <= 1, "grow {n} made {failed} calls fail");
            assert_eq!(model.memory.refused(), 1, "grow {n} never comes");
            model.check_contents();
        }
    }

    #[test]
    fn fail_an_alloc_that_needs_them() {
        for len in [1, 100, 5000, 9 * FRAME, PAGE, 10 * PAGE] {
            let mut model = Model::new(Scripted::new());
            let mut filled = 0;
            for n in 1..=rounds(5, 2) {
                model.memory.refuse_from(n);
                while model.try_alloc(len, None).is_ok() {
                    filled += 1;
                }
                assert!(
                    model.memory.refused() > 0,
                    "blocks of {len} bytes need new pages"
                );
                model.check_contents();
                model.memory.allow();
                model.alloc(len);
            }
            assert!(filled > 0);
            model.free_all(|_| ());
            model.assert_works();
        }
    }

    #[test]
    fn from_the_first_leave_the_heap_empty_and_usable() {
        let memory = Scripted::new();
        memory.refuse_from(1);
        let mut model = Model::new(memory);
        for len in [0, 1, 100, 5000, 100_000, u32::MAX] {
            assert_eq!(model.try_alloc(len, None), Err(Error::OutOfMemory { len }));
            assert_eq!(
                model.try_alloc(len, Some(PAGE)),
                Err(Error::OutOfMemory { len })
            );
        }
        assert!(model.memory.refused() > 0);
        assert_eq!(model.heap.pages(), 0);
        model.refuses(PAGE, 1, Error::InvalidPointer { ptr: PAGE });
        model.memory.allow();
        model.assert_works();
    }

    #[test]
    fn of_large_requests_do_not_hinder_small_ones() {
        let mut model = Model::new(Scripted::new());
        model.alloc(1);
        model.memory.refuse_beyond(model.memory.size() + 4);
        for len in [5 * PAGE, 100 * PAGE, 1 << 30] {
            assert_eq!(model.try_alloc(len, None), Err(Error::OutOfMemory { len }));
        }
        model.alloc(2 * PAGE);
        model.check_contents();
    }
}

mod first_allocations {
    use super::*;

    /// However the first pages are divided between the map and the run, the run fits.
    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn succeed_for_runs_of_every_length() {
        // A guest cannot give back what it has grown, so it tries fewer.
        let most = if cfg!(target_family = "wasm") {
            500
        } else {
            rounds(1500, 150)
        };
        for frames in 9..most {
            let mut heap = PageSlab::new(memory());
            let len = frames * FRAME;
            assert!(heap.alloc(len).is_ok(), "{frames} frames");
            assert!(
                heap.pages() <= len.div_ceil(PAGE) + 2 + len / PAGE / 8,
                "{} pages for {frames} frames",
                heap.pages()
            );
        }
    }
}

mod limits {
    use super::*;

    #[test]
    fn can_be_set_later_and_hold_from_then_on() {
        let mut model = Model::with_limit(Scripted::new(), 10);
        for (limit, most) in [(3, 3), (1, 3), (8, 8), (0, 8), (20, 20)] {
            model.heap.set_limit(limit);
            while model.try_alloc(3 * FRAME, None).is_ok() {}
            assert_eq!(model.heap.pages(), most, "with a limit of {limit}");
            model.check();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn refuse_requests_at_no_cost() {
        for limit in [1, 2, 10, 50] {
            let most = limit * PAGE - limit * PAGE / 8 - 10 * FRAME;
            for beyond in [
                limit * PAGE,
                2 * limit * PAGE,
                100 * PAGE,
                1 << 28,
                u32::MAX,
            ] {
                let mut model = Model::with_limit(Scripted::new(), limit);
                for align in [None, Some(PAGE)] {
                    let ptr = model.alloc(most);
                    model.free(ptr);
                    let error = Err(Error::OutOfMemory { len: beyond });
                    assert_eq!(model.try_alloc(beyond, align), error);
                    let small = model.alloc(100);
                    assert_eq!(model.try_realloc(small, beyond), error);
                    model.free(small);
                    assert!(
                        model.try_alloc(most, None).is_ok(),
                        "{most} bytes no longer fit after {beyond} were refused"
                    );
                    model.free_all(|_| ());
                }
            }
        }
    }

    #[test]
    fn are_never_exceeded() {
        for limit in [1, 2, 3, 5, 8, 17, 64, 100] {
            let mut model = Model::with_limit(Scripted::new(), limit);
            let mut random = Random::new(u64::from(limit));
            let mut failed = 0;
            for _ in 0..rounds(1000, 60) {
                failed += u32::from(!step(&mut model, &mut random));
                assert!(model.heap.pages() <= limit);
            }
            assert_eq!(
                model.memory.refused(),
                0,
                "the memory refuses nothing, and is not asked for more than the limit"
            );
            assert!(failed > 0 || limit > 17 || cfg!(miri), "limit {limit}");
            model.check_contents();
        }
    }

    #[test]
    fn of_0_pages_allow_nothing() {
        let mut model = Model::with_limit(Scripted::new(), 0);
        for len in [0, 1, 5000, 100_000, u32::MAX] {
            assert_eq!(model.try_alloc(len, None), Err(Error::OutOfMemory { len }));
            assert_eq!(
                model.try_alloc(len, Some(PAGE)),
                Err(Error::OutOfMemory { len })
            );
        }
        assert_eq!(model.memory.grows(), 0);
        assert_eq!(model.heap.pages(), 0);
        model.refuses(0, 0, Error::InvalidPointer { ptr: 0 });
    }

    /// But for what the map would need to grow with the heap.
    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    #[cfg_attr(feature = "checked", ignore = "checked blocks have slack")]
    fn are_reached_to_nearly_the_last_page() {
        for limit in [1, 2, 3, 5, 8, 17, 200] {
            for len in [16, 1000, 5000] {
                let mut heap = PageSlab::with_limit(memory(), limit);
                while heap.alloc(len).is_ok() {}
                let pages = heap.pages();
                assert!(limit - pages <= limit / 32, "{pages} of {limit} pages");
                let bytes: u32 = heap.live().map(|(_, len)| len).sum();
                assert!(
                    bytes > limit * PAGE / 2,
                    "only {bytes} bytes in {limit} pages"
                );
            }
        }
    }

    #[test]
    fn leave_room_again_after_frees() {
        for len in [rounds(0, 200), 100, 5000, 9 * FRAME, 50_000] {
            let mut model = Model::with_limit(Scripted::new(), rounds(8, 1));
            while model.try_alloc(len, None).is_ok() {}
            let blocks: Vec<_> = model.live().step_by(3).collect();
            for &(ptr, _) in &blocks {
                model.free(ptr);
            }
            for _ in &blocks {
                model.alloc(len);
            }
            // What was left over as it could not be described may be of use now, but that is little.
            let more = (0..).take_while(|_| model.try_alloc(len, None).is_ok());
            assert!(more.count() as u32 * len <= 4 * FRAME, "more than before");
            model.check_contents();
        }
    }

    /// Before a call is refused, all that is free is looked at: of the holes in a bin not only the first ones.
    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn leave_what_lies_behind_many_shorter_holes() {
        let mut model = Model::with_limit(Scripted::new(), 16);
        // They share a bin.
        let (long, shorter) = (70 * FRAME, 66 * FRAME);
        let first = model.alloc(long);
        let others: Vec<_> = (0..10)
            .map(|_| {
                model.alloc(9 * FRAME);
                model.alloc(shorter)
            })
            .collect();
        while model.try_alloc(9 * FRAME, None).is_ok() {}
        model.free(first);
        others.into_iter().for_each(|ptr| model.free(ptr));
        assert_eq!(model.alloc(long), first);
        model.check_contents();
    }

    #[test]
    fn do_not_count_the_pages_of_others() {
        let memory = Scripted::new();
        memory.foreign_grows(20);
        let mut model = Model::with_limit(memory, 4);
        model.alloc(100);
        model.memory.foreign_grows(20);
        while model.try_alloc(5000, None).is_ok() {}
        assert_eq!(model.heap.pages(), 4);
        model.check_contents();
    }
}

mod other_parties {
    use super::*;

    #[test]
    fn that_grow_memory_after_each_grow_are_left_alone() {
        for pages in [1, 2, 7, 40] {
            let mut model = Model::new(Scripted::with_foreign(pages));
            let mut random = Random::new(11);
            for round in 0..rounds(1500, 60) {
                step(&mut model, &mut random);
                if round % 50 == 0 {
                    model.check();
                }
            }
            model.check_contents();
            model.free_all(|_| ());
            model.assert_works();
        }
    }

    #[test]
    fn that_grow_memory_at_any_time_are_left_alone() {
        let mut model = Model::new(Scripted::new());
        let mut random = Random::new(12);
        for round in 0..rounds(3000, 60) {
            step(&mut model, &mut random);
            if random.below(50) == 0 {
                model.memory.foreign_grows(1 + random.below(9));
            }
            if round % 50 == 0 {
                model.check();
            }
        }
        model.check_contents();
    }

    #[test]
    fn that_grow_memory_while_nothing_is_live_are_left_alone() {
        for pages in [1, 2, 5, 50] {
            for first in [100, 60_000, 262_143, 600_000] {
                let mut model = Model::new(Scripted::new());
                let ptr = model.alloc(first);
                model.free(ptr);
                model.memory.foreign_grows(pages);
                for len in [100, 125_111, 256_685, 1_000_000] {
                    model.alloc(len);
                    model.check();
                }
                model.check_contents();
            }
        }
    }

    /// On another thread, for one: between the heap's look at the size of memory and its grow.
    #[test]
    fn that_grow_memory_right_before_a_grow_are_left_alone() {
        for pages in [1, 3, 20] {
            let memory = Scripted::new();
            memory.foreign_grows_first(pages);
            let mut model = Model::new(memory);
            let mut random = Random::new(13);
            for round in 0..rounds(1500, 60) {
                step(&mut model, &mut random);
                if round % 50 == 0 {
                    model.check();
                }
            }
            model.check_contents();
        }
    }

    #[test]
    fn that_hold_much_more_memory_do_not_make_the_heap_large() {
        let memory = Scripted::new();
        memory.foreign_grows(rounds(2000, 50));
        let mut model = Model::new(memory);
        for _ in 0..100 {
            model.alloc(100);
        }
        assert_eq!(model.heap.pages(), 1);
        model.check_contents();
    }
}
