//! std's collections on pageslab: the right results, in memory that does not grow without need, and
//! also once there is no more.

use crate::module::{Instance, PAGE, gave_up};
use guest_collections::{WORKLOADS, Workload};

/// Runs a workload in the guest, and checks its result against that of the host's own run.
#[track_caller]
fn assert_right(guest: &mut Instance, workload: (&str, Workload), seed: u64, size: u32) {
    let (name, natively) = workload;
    let result: u64 = guest.call(name, (seed, size));
    assert_eq!(
        result,
        natively(seed, size),
        "{name} with seed {seed} and size {size}"
    );
}

#[track_caller]
fn assert_all_right(guest: &mut Instance, seed: u64, size: u32) {
    for workload in WORKLOADS {
        assert_right(guest, workload, seed, size);
    }
}

/// The sizes of the heap and of linear memory.
fn pages(guest: &mut Instance) -> (u32, u32) {
    (guest.call("pages", ()), guest.pages())
}

#[test]
fn each_workload_gives_what_it_gives_natively() {
    for workload in WORKLOADS {
        let mut guest = Instance::collections();
        for (seed, size) in [(1, 0), (2, 1), (3, 30), (4, 1000), (5, 20_000), (6, 1000)] {
            assert_right(&mut guest, workload, seed, size);
        }
    }
}

#[test]
fn workloads_in_turn_in_one_guest_give_what_they_give_natively() {
    let mut guest = Instance::collections();
    for seed in 0..30 {
        assert_all_right(&mut guest, seed, 40 * seed as u32);
    }
}

#[test]
fn a_workload_that_runs_again_and_again_needs_about_twice_the_memory_at_most() {
    for workload in WORKLOADS {
        let mut guest = Instance::collections();
        assert_right(&mut guest, workload, 7, 10_000);
        let (first, _) = pages(&mut guest);
        // Blocks that grow may find free memory in other pieces than in the run before.
        for _ in 0..10 {
            assert_right(&mut guest, workload, 7, 10_000);
        }
        let (last, _) = pages(&mut guest);
        let (name, _) = workload;
        assert!(last <= 2 * first + 2, "{name}: {first} pages, then {last}");
    }
}

#[test]
fn all_that_grew_belongs_to_the_heap() {
    let mut guest = Instance::collections();
    let initial = guest.pages();
    assert_eq!(pages(&mut guest), (0, initial));
    assert_all_right(&mut guest, 8, 3000);
    let (heap, memory) = pages(&mut guest);
    // What was free of the pages before belongs to it as well, if it is worth it.
    let first = guest.heap_base() / PAGE;
    assert!(heap == memory - initial || heap == memory - first);
}

#[test]
fn try_reserve_fails_when_memory_cannot_grow_and_the_guest_goes_on() {
    for limit in [3, 4, 5, 8, 13, 40, 100] {
        let mut guest = Instance::collections();
        guest.limit_growth(limit);
        let (bytes, most) = (limit * PAGE, guest.pages() + limit);
        for len in [100, 1000, 3000, 10_000] {
            // Each time all are freed, and nothing is lost.
            for _ in 0..4 {
                let vectors: u32 = guest.call("take_vectors_until_refused", len);
                let taken = vectors * len;
                // With what was free of the pages before.
                assert!(
                    taken > bytes / 2 && taken < bytes + PAGE,
                    "{vectors} of {len} bytes in {limit} pages"
                );
            }
        }
        // A vector doubles, and while it moves there are two of it: less than a third may be had, and as little as half of that.
        for _ in 0..4 {
            let numbers: u32 = guest.call("grow_a_vector_until_refused", ());
            let taken = 4 * numbers;
            assert!(
                taken > bytes / 6 && taken < bytes + PAGE,
                "{numbers} numbers in {limit} pages"
            );
        }
        assert_all_right(&mut guest, 9, 60);
        assert!(guest.pages() <= most);
    }
}

#[test]
fn an_allocation_that_cannot_be_refused_traps_when_memory_cannot_grow() {
    for workload in WORKLOADS {
        let mut guest = Instance::collections();
        let (name, _) = workload;
        // One page is all that the strings need.
        guest.limit_growth(u32::from(name != "strings"));
        assert!(
            gave_up(guest.try_call::<_, u64>(name, (10u64, 50_000u32))),
            "{name}"
        );
        // What the trap has left behind stays allocated; the heap is whole, and serves others.
        guest.limit_growth(20);
        assert_all_right(&mut guest, 11, 100);
    }
}
