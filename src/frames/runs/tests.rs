//! That [`Runs::check`] finds what it looks for, each of its sentences, of runs that were brought out of order; which run is taken
//! where several would do; and how memory grows.

extern crate std;

use super::*;
use crate::ReservedMemory;
use crate::frames::map::LEAF;
use crate::memory::MAX_PAGES;
use crate::slabs::shape::GUARD_FRAMES;
use std::vec::Vec;

type Heap = Runs<ReservedMemory>;

const LIVE: u32 = 3;

/// What [`runs`] has made.
struct Heads {
    live: Frame,
    /// Of two frames, before and behind each of which is a live run of one.
    free: Frame,
    /// Of the same length as each other.
    twins: [Frame; 2],
    /// Of one frame.
    short: Frame,
}

/// Grows memory so that this many frames are free in one piece.
fn grow(runs: &mut Heap, frames: u32) -> bool {
    runs.want(frames);
    let Some(plan) = runs.plan(true, false) else {
        return false;
    };
    let Some(page) = runs.memory.grow(plan.pages) else {
        return false;
    };
    runs.adopt(page, plan);
    true
}

fn take(runs: &mut Heap, frames: u32) -> Frame {
    take_at(runs, frames, 1, LOOK).expect("there is room")
}

fn take_at(runs: &mut Heap, frames: u32, align: u32, look: u32) -> Option<Frame> {
    let head = runs.take(frames, align, look)?.get();
    runs.set_internal(head, frames);
    Some(head)
}

fn runs() -> (Heap, Heads) {
    let mut runs = Runs::new(ReservedMemory::new(16), 16);
    assert!(grow(&mut runs, 1));
    let [live, free, _, short, _, twin, _, other, _] =
        [LIVE, 2, 1, 1, 1, 4, 1, 4, 1].map(|frames| take(&mut runs, frames));
    runs.map.entry_mut(live).tag = Tag::new(Kind::Live, LIVE);
    runs.map.entry_mut(live).set_len(LIVE * FRAME - SLACK);
    runs.release(free, 2);
    runs.release(short, 1);
    runs.release(twin, 4);
    runs.release(other, 4);
    // A page of another party's, and one more behind it.
    runs.memory.grow(1);
    assert!(grow(&mut runs, FRAMES_PER_PAGE));
    assert_eq!(runs.check(), Ok(()));
    let heads = Heads {
        live,
        free,
        twins: [twin, other],
        short,
    };
    (runs, heads)
}

#[test]
fn what_is_out_of_order_is_found() {
    type Defect = fn(&mut Heap, Heads);
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
        ("R1: an interior frame is of another kind", |runs, _| {
            let end = runs.end;
            runs.map.entry_mut(end).tag = Tag::new(Kind::Live, 1);
        }),
        (
            "R1: a run ends with another kind of frame",
            |runs, heads| {
                runs.map.entry_mut(heads.live + 2).tag = Tag::new(Kind::Foreign, 0);
            },
        ),
        ("R1: a run has no length or passes the end", |runs, _| {
            runs.end_frames += 1;
        }),
        ("R1: the first frame is in use", |runs, _| {
            runs.map.entry_mut(0).tag = Tag::new(Kind::Live, runs.map.tag(0).frames());
            runs.map.entry_mut(0).set_len(0);
        }),
        ("R2: two free runs are neighbours", |runs, heads| {
            runs.map.entry_mut(heads.free).tag = Tag::new(Kind::Free, 1);
            runs.map.entry_mut(heads.free + 1).tag = Tag::new(Kind::Free, 1);
        }),
        ("R2: a free run has no tail", |runs, heads| {
            runs.map.entry_mut(heads.free + 1).tag = Tag::new(Kind::FreeTail, 1);
        }),
        ("R2: the parked run is not free", |runs, heads| {
            (runs.parked, runs.parked_frames) = (heads.live, LIVE);
        }),
        ("R2: the parked run is not free", |runs, heads| {
            (runs.parked, runs.parked_frames) = (heads.free, 1);
        }),
        ("R2: the parked run is no run", |runs, heads| {
            (runs.parked, runs.parked_frames) = (heads.live + 1, 1);
        }),
        ("R3: a list holds a run of another kind", |runs, heads| {
            runs.map.entry_mut(heads.short).tag = Tag::new(Kind::Internal, 1);
        }),
        ("R3: a run is in the wrong list", |runs, heads| {
            let bin = |head| bin_of(runs.map.entry(head).tag.frames()) as usize;
            let (one, other) = (bin(heads.free), bin(heads.short));
            runs.bins.swap(one, other);
        }),
        ("R3: a list's links disagree", |runs, heads| {
            runs.map.entry_mut(heads.twins[0]).set_previous(NONE);
        }),
        ("R3: a bin's bit is wrong", |runs, _| {
            runs.filled.insert(bin_of(7) as usize);
        }),
        ("R3: a bin's bit is wrong", |runs, _| {
            runs.filled.remove(bin_of(2) as usize);
        }),
        ("R3: a free run is in no list", |runs, heads| {
            // The first of the list is the one that was freed last.
            runs.bins[bin_of(4) as usize] = heads.twins[0];
            runs.map.entry_mut(heads.twins[0]).set_previous(NONE);
        }),
        ("R3: a free run is in no list", |runs, _| {
            runs.bins[bin_of(1) as usize] = NONE;
            runs.filled.remove(bin_of(1) as usize);
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
            |runs, heads| {
                runs.touched = heads.live;
            },
        ),
        ("R6: a live run is shorter than its block", |runs, heads| {
            let len = LIVE * FRAME - SLACK + 1;
            runs.map.entry_mut(heads.live).set_len(len);
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
    runs.limit = runs.held;
    runs.touched = runs.end;
    runs.map.entry_mut(heads.live).set_len(0);
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn no_run_has_the_last_frame_of_the_address_space() {
    let mut runs = Runs::new(ReservedMemory::new(MAX_PAGES), MAX_PAGES);
    runs.memory.grow(MAX_PAGES - 16);
    while grow(&mut runs, 1) {
        while take_at(&mut runs, 1, 1, LOOK).is_some() {}
        assert_eq!(runs.check(), Ok(()));
    }
    assert_eq!(runs.map.tag(MAX_FRAMES - 1), Tag::new(Kind::Foreign, 1));
    runs.map.entry_mut(MAX_FRAMES - 1).tag = Tag::new(Kind::Internal, 1);
    let error = Err("R7: a run has the last frame of the address space");
    runs.touched = MAX_FRAMES;
    assert_eq!(runs.check(), error);
}

#[test]
fn the_shortest_run_that_is_long_enough_is_taken_and_the_end_last() {
    let (mut runs, heads) = runs();
    assert_eq!(take(&mut runs, 2), heads.free);
    assert_eq!(take(&mut runs, 1), heads.short);
    // The one that was freed last comes first.
    assert_eq!(take(&mut runs, 3), heads.twins[1]);
    assert_eq!(take(&mut runs, 4), heads.twins[0]);
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn a_run_at_the_end_is_taken_first_if_none_is_to_be_looked_at() {
    let (mut runs, heads) = runs();
    let end = runs.end;
    assert_eq!(take_at(&mut runs, 2, 1, 0), Some(end));
    let rest = runs.end_frames;
    assert_eq!(take_at(&mut runs, rest, 1, 0), Some(end + 2));
    assert_eq!(take_at(&mut runs, 2, 1, 0), Some(heads.free));
    assert_eq!(runs.check(), Ok(()));
}

/// Runs of these lengths, with live ones between them, freed in this order. The free end is gone.
fn holes(lengths: &[u32]) -> (Heap, Vec<Frame>) {
    let mut runs = Runs::new(ReservedMemory::new(256), 256);
    assert!(grow(
        &mut runs,
        lengths.iter().sum::<u32>() + 2 * lengths.len() as u32
    ));
    let heads: Vec<_> = lengths
        .iter()
        .map(|&frames| {
            take(&mut runs, 1);
            take(&mut runs, frames)
        })
        .collect();
    let end = runs.end_frames;
    if end > 0 {
        take(&mut runs, end);
    }
    for (&head, &frames) in heads.iter().zip(lengths) {
        runs.release(head, frames);
    }
    (runs, heads)
}

#[test]
fn a_run_that_is_hidden_in_its_bin_is_found_if_asked_for() {
    // In one bin, a long run behind more short ones than are looked at.
    let mut lengths = [100; LOOK as usize + 1];
    lengths[0] = 101;
    assert_eq!(bin_of(100), bin_of(101));
    let (mut runs, heads) = holes(&lengths);
    assert_eq!(take_at(&mut runs, 101, 1, LOOK), None);
    let hidden = take_at(&mut runs, 101, 1, u32::MAX);
    assert_eq!(hidden, Some(heads[0]));
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn a_hole_of_the_right_length_and_place_is_found_at_every_alignment() {
    for align in [2, 4, 16, FRAMES_PER_PAGE] {
        let mut runs = Runs::new(ReservedMemory::new(256), 256);
        let mut heads = Vec::new();
        for _ in 0..5 {
            let head = loop {
                match take_at(&mut runs, 4, align, LOOK) {
                    Some(head) => break head,
                    None => assert!(grow(&mut runs, 4 + align - 1)),
                }
            };
            assert!(head % align == 0);
            heads.push(head);
        }
        while take_at(&mut runs, 1, 1, LOOK).is_some() {}
        for &head in &heads {
            runs.release(head, 4);
            assert_eq!(take_at(&mut runs, 4, align, LOOK), Some(head));
            assert_eq!(runs.check(), Ok(()));
        }
    }
}

#[test]
fn memory_grows_by_no_more_than_what_is_missing() {
    let mut runs = Runs::new(ReservedMemory::new(256), 256);
    assert!(grow(&mut runs, 8 * FRAMES_PER_PAGE));
    let (held, free) = (runs.held(), runs.end_frames);
    assert!(runs.map.spares() > 1);
    assert!(grow(&mut runs, free + FRAMES_PER_PAGE));
    assert_eq!(runs.held(), held + 1);
    assert_eq!(runs.end_frames, free + FRAMES_PER_PAGE);
    assert_eq!(runs.check(), Ok(()));
}

#[test]
#[cfg_attr(feature = "checked", ignore = "a hole may have been written to")]
fn metadata_does_not_lie_behind_a_run_that_grows_in_place() {
    // A hole that has room for so many leaves, and no more, or not even for these.
    let leaves = 60;
    let room = GUARD_FRAMES + (leaves * LEAF).div_ceil(FRAME);
    for (hole, fits) in [(room - 1, false), (room, true)] {
        let (mut runs, heads) = holes(&[hole]);
        let end = runs.end;
        let pages = runs.map.spares() + leaves;
        assert!(runs.is_last(end));
        runs.want(pages * FRAMES_PER_PAGE);
        let plan = runs.plan(false, true);
        assert_eq!(plan.is_some(), fits);
        if let Some(plan) = plan {
            let page = runs.memory.grow(plan.pages).expect("there is memory");
            runs.adopt(page, plan);
            assert!(runs.map.tag(heads[0]).is(Kind::Internal));
            assert!(runs.is_end(end) && runs.end_frames == pages * FRAMES_PER_PAGE);
        }
        assert_eq!(runs.check(), Ok(()));
    }
}

#[test]
#[cfg_attr(feature = "checked", ignore = "a hole may have been written to")]
fn metadata_is_put_into_a_hole() {
    let (mut runs, heads) = holes(&[20 * LEAF.div_ceil(FRAME)]);
    let use_all = |runs: &mut Heap| {
        let all = runs.end_frames;
        take(runs, all);
    };
    while runs.map.spares() > 0 {
        assert!(grow(&mut runs, FRAMES_PER_PAGE));
        assert_eq!(runs.end_frames, FRAMES_PER_PAGE);
        use_all(&mut runs);
    }
    assert!(runs.map.tag(heads[0]).is(Kind::Free));
    assert!(grow(&mut runs, FRAMES_PER_PAGE));
    assert!(runs.map.tag(heads[0]).is(Kind::Internal));
    assert_eq!(runs.end_frames, FRAMES_PER_PAGE);
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn pages_of_others_cost_a_pointer_each() {
    let mut runs = Runs::new(ReservedMemory::new(MAX_PAGES), MAX_PAGES);
    assert!(grow(&mut runs, 1));
    runs.memory.grow(60_000);
    assert!(grow(&mut runs, FRAMES_PER_PAGE));
    let pointers = (MAX_PAGES * size_of::<usize>() as u32).div_ceil(crate::PAGE);
    assert!(runs.held() <= 3 + pointers, "{} pages", runs.held());
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn pages_that_have_no_room_for_what_they_need_are_left_alone() {
    let mut runs = Runs::new(ReservedMemory::new(MAX_PAGES), MAX_PAGES);
    assert!(grow(&mut runs, 1));
    runs.want(FRAMES_PER_PAGE);
    let plan = runs.plan(true, false).expect("there is room");
    // Others grow memory right before this heap does, by more than the map has room for.
    runs.memory.grow(60_000);
    let page = runs.memory.grow(1).expect("there is memory");
    assert_eq!(plan.pages, 1);
    let held = runs.held();
    runs.adopt(page, plan);
    assert_eq!(runs.held(), held);
    assert_eq!(runs.check(), Ok(()));
}

/// Metadata needs pages, which need metadata: all of what memory has grown by is had.
#[test]
fn all_pages_are_taken_in_up_to_the_last() {
    for frames in [1, 9, 16, FRAMES_PER_PAGE, 1000] {
        let mut runs = Runs::new(ReservedMemory::new(20_000), 20_000);
        while grow(&mut runs, frames) {
            assert_eq!(runs.held(), runs.memory.size());
            assert!(runs.end_frames >= frames, "{} pages", runs.held());
            let all = runs.end_frames;
            take(&mut runs, all);
        }
        // Without leaves made ahead the rest may be had as well.
        runs.want(1);
        let plan = runs.plan(false, false);
        assert!(plan.is_none_or(|plan| plan.pages <= 20_000 - runs.held()));
        assert!(runs.held() > 19_000, "{} pages", runs.held());
    }
}

/// A plan changes nothing: a growth that is refused takes no hole.
#[test]
fn a_plan_takes_no_hole() {
    let (mut runs, heads) = holes(&[20 * LEAF.div_ceil(FRAME)]);
    while runs.map.spares() > 0 {
        assert!(grow(&mut runs, FRAMES_PER_PAGE));
        let all = runs.end_frames;
        take(&mut runs, all);
    }
    runs.want(1);
    assert!(runs.plan(true, false).is_some());
    assert!(runs.map.tag(heads[0]).is(Kind::Free));
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn a_run_that_is_parked_is_had_again_by_who_wants_as_much_and_joined_for_all_others() {
    let (mut runs, heads) = runs();
    let end = runs.end;
    runs.park(heads.live, LIVE);
    assert_eq!(runs.check(), Ok(()));
    assert_eq!(runs.take_parked(LIVE - 1, 1), None);
    assert_eq!(runs.take_parked(LIVE, 64), None);
    assert_eq!(runs.take_parked(LIVE, 1).map(Head::get), Some(heads.live));
    assert_eq!(runs.take_parked(LIVE, 1), None);
    runs.set_internal(heads.live, LIVE);
    assert_eq!(runs.check(), Ok(()));

    // Joined with what is free behind it.
    runs.park(heads.live, LIVE);
    assert_eq!(take(&mut runs, LIVE + 2), heads.live);
    assert_eq!(runs.end, end);
    assert_eq!(runs.check(), Ok(()));
    runs.park(heads.live, LIVE + 2);
    runs.release(heads.live + LIVE + 2, 1);
    assert_eq!(runs.frames_at(heads.live), LIVE + 4);
    assert_eq!(runs.check(), Ok(()));
}

#[test]
fn a_run_grows_into_what_is_parked_behind_it() {
    let (mut runs, _) = runs();
    let [first, second, third] = [6, 5, 6].map(|frames| take(&mut runs, frames));
    runs.park(second, 5);
    assert!(runs.resize(first, 6, 8));
    runs.set_internal(first, 8);
    assert_eq!(runs.check(), Ok(()));
    assert_eq!(runs.frames_at(first + 8), 3);
    assert_eq!(first + 11, third);
}
