//! std's collections on pageslab: the right results, in memory that does not grow without need, and
//! also once there is no more.

use crate::module::{Instance, gave_up};
use guest_collections::WORKLOADS;

/// Runs a workload in the guest, and checks its result against that of the host's own run.
#[track_caller]
fn assert_right(guest: &mut Instance, place: usize, seed: u64, size: u32) {
    let (name, natively) = WORKLOADS[place];
    let result: u64 = guest.call(name, (seed, size));
    assert_eq!(result, natively(seed, size), "{name} with seed {seed} and size {size}");
}

/// The sizes of the heap and of linear memory.
fn pages(guest: &mut Instance) -> (u32, u32) {
    (guest.call("pages", ()), guest.pages())
}

#[test]
fn each_workload_gives_what_it_gives_natively() {
    for place in 0..WORKLOADS.len() {
        let mut guest = Instance::collections();
        for (seed, size) in [(1, 0), (2, 1), (3, 30), (4, 1000), (5, 20_000), (6, 1000)] {
            assert_right(&mut guest, place, seed, size);
        }
    }
}

#[test]
fn workloads_in_turn_in_one_guest_give_what_they_give_natively() {
    let mut guest = Instance::collections();
    for seed in 0..30 {
        for place in 0..WORKLOADS.len() {
            assert_right(&mut guest, place, seed, 40 * seed as u32);
        }
    }
}

#[test]
fn a_workload_that_runs_again_needs_no_more_memory() {
    for place in 0..WORKLOADS.len() {
        let mut guest = Instance::collections();
        assert_right(&mut guest, place, 7, 10_000);
        let after_one = pages(&mut guest);
        for _ in 0..3 {
            assert_right(&mut guest, place, 7, 10_000);
            assert_eq!(pages(&mut guest), after_one, "{}", WORKLOADS[place].0);
        }
    }
}

#[test]
fn all_that_grew_belongs_to_the_heap() {
    let mut guest = Instance::collections();
    let initial = guest.pages();
    assert_eq!(pages(&mut guest), (0, initial));
    (0..WORKLOADS.len()).for_each(|place| assert_right(&mut guest, place, 8, 3000));
    let (heap, memory) = pages(&mut guest);
    assert_eq!(heap, memory - initial);
}

#[test]
fn try_reserve_fails_when_memory_cannot_grow_and_the_guest_goes_on() {
    for limit in [1, 2, 3, 5, 8, 13, 40, 100] {
        let mut guest = Instance::collections();
        guest.limit_growth(limit);
        let memory = guest.pages() + limit;
        for len in [10, 100, 1000, 3000, 10_000, 70_000] {
            let vectors: u32 = guest.call("take_vectors_until_refused", len);
            assert!(vectors * len <= limit << 16, "{vectors} of {len} bytes in {limit} pages");
            // Once all are freed, nothing is lost.
            assert_eq!(guest.call::<_, u32>("take_vectors_until_refused", len), vectors);
        }
        let numbers: u32 = guest.call("grow_a_vector_until_refused", ());
        assert!(numbers > 0 && numbers * 4 <= limit << 16);
        assert_eq!(guest.call::<_, u32>("grow_a_vector_until_refused", ()), numbers);
        (0..WORKLOADS.len()).for_each(|place| assert_right(&mut guest, place, 9, 60));
        assert!(guest.pages() <= memory);
    }
}

#[test]
fn an_allocation_that_cannot_be_refused_traps_when_memory_cannot_grow() {
    for place in 0..WORKLOADS.len() {
        let mut guest = Instance::collections();
        guest.limit_growth(5);
        let (name, _) = WORKLOADS[place];
        assert!(gave_up(guest.try_call::<_, u64>(name, (10u64, 50_000u32))), "{name}");
        // What the trap has left behind stays allocated, and the heap is whole: the rest is for others.
        guest.limit_growth(20);
        (0..WORKLOADS.len()).for_each(|place| assert_right(&mut guest, place, 11, 100));
    }
}
