//! Each call is stopped at each place at which the engine can stop it: by an epoch, by fuel, and at the end of the stack.
//!
//! An epoch can be told to end at any look of the engine, and so comes to every place. Fuel ends in the same places, many
//! amounts in one; and of a long call, which does the same over and over, some amounts are left out. Checked mode reads and
//! writes whole blocks, which makes all calls long.

use crate::afterwards::Heap;
use crate::calls::{Call, calls, emptied_slabs};
use crate::guest::{CHECKED, Guest, Outcome, PLAIN, Snapshot, ZEROING};
use std::collections::BTreeMap;
use wasmtime::Module;

/// What became of the stops of a test.
#[derive(Debug, Default)]
struct Tally {
    stops: u32,
    /// Those in the same place as the stop before, or after which memory was the same.
    repeated: u32,
    usable: u32,
    dead: u32,
    revived: u32,
}

/// What a call takes that is not stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Needs {
    fuel: u64,
    /// How often the engine looks at the epoch.
    looks: u64,
}

/// So many calls that seem to do the same are stopped.
const ALIKE: u32 = 4;

/// Makes all calls, and each of them also stopped in each of the ways that `ways` has for it, from the same heap.
fn stop_each_call(
    module: &Module,
    ways: impl Fn(&Needs) -> Vec<u64>,
    stop: impl Fn(&mut Guest, u64),
) -> Tally {
    let mut tally = Tally::default();
    for calls in [calls(), emptied_slabs()] {
        stop_each_of(&calls, module, &ways, &stop, &mut tally);
    }
    tally
}

fn stop_each_of(
    calls: &[Call],
    module: &Module,
    ways: impl Fn(&Needs) -> Vec<u64>,
    stop: impl Fn(&mut Guest, u64),
    tally: &mut Tally,
) {
    let mut guest = Guest::new(module);
    let mut alike = BTreeMap::new();
    for &call in calls {
        let before = Snapshot::of(&guest, module);
        let needs = done(&mut guest, call);
        let number = alike.entry((call.kind(), needs)).or_insert(0);
        *number += 1;
        if *number > ALIKE {
            continue;
        }
        let (mut last, mut last_place) = (Vec::new(), None);
        for way in ways(&needs) {
            let mut guest = before.restore();
            guest.let_run();
            guest.count_looks();
            stop(&mut guest, way);
            let outcome = guest.call(call);
            let place = guest.store.data().looks;
            guest.let_run();
            if outcome != Outcome::Stopped {
                // It ended before.
                assert_eq!(outcome, Outcome::Done, "{call:?}, stopped at {way}");
                guest.assert_whole();
                break;
            }
            tally.stops += 1;
            if last_place.replace(place) == Some(place) || guest.memory() == last {
                tally.repeated += 1;
                continue;
            }
            last.clear();
            last.extend_from_slice(guest.memory());
            match guest.use_on(way) {
                Heap::Usable => tally.usable += 1,
                Heap::Dead => tally.dead += 1,
                Heap::Revived => tally.revived += 1,
            }
        }
    }
    guest.assert_whole();
}

/// Makes a call, and tells what it takes.
fn done(guest: &mut Guest, call: Call) -> Needs {
    guest.let_run();
    guest.count_looks();
    let before = guest.store.get_fuel().expect("it is counted");
    assert_eq!(guest.call(call), Outcome::Done, "{call:?}");
    let after = guest.store.get_fuel().expect("it is counted");
    Needs {
        fuel: before - after,
        looks: guest.store.data().looks,
    }
}

impl Tally {
    fn assert_right(&self, name: &str, stops: u32) {
        println!("{name}: {self:?}");
        assert_eq!(self.revived, 0, "a dead heap works again");
        assert!(self.stops > stops, "only {} were stopped", self.stops);
        assert!(self.dead > 0, "no stop came in the midst of a change");
        assert!(self.usable > 0, "no stop left a usable heap");
    }
}

/// All numbers below `end` if these are no more than `most`, else as many, evenly spread.
fn up_to(end: u64, most: u64) -> Vec<u64> {
    let step = end.div_ceil(most).max(1);
    (0..end).step_by(step as usize).collect()
}

fn stop_by_fuel(module: &Module, most: u64) -> Tally {
    stop_each_call(
        module,
        |needs| up_to(needs.fuel, most),
        |guest, fuel| guest.store.set_fuel(fuel).expect("it is counted"),
    )
}

fn stop_by_epoch(module: &Module, most: u64) -> Tally {
    stop_each_call(
        module,
        |needs| up_to(needs.looks, most),
        |guest, look| guest.store.data_mut().deadline = Some(look),
    )
}

/// From the depth at which the stack ends where the call begins, up to where there is room for it. The engine looks for the
/// end of the stack where functions are entered.
fn stop_by_stack(module: &Module) -> Tally {
    let deepest = deepest(module);
    stop_each_call(
        module,
        |_| (0..=deepest).rev().map(u64::from).collect(),
        |guest, depth| guest.depth = Some(depth as u32),
    )
}

/// How many frames the stack has room for.
fn deepest(module: &Module) -> u32 {
    let fits = |depth: u32| {
        let mut guest = Guest::new(module);
        guest.let_run();
        guest.export::<_, u32>("deep_nothing", depth).is_ok()
    };
    let (mut fit, mut too_deep) = (0, 1 << 16);
    assert!(!fits(too_deep), "the stack has no end");
    while too_deep - fit > 1 {
        let depth = fit.midpoint(too_deep);
        *(if fits(depth) { &mut fit } else { &mut too_deep }) = depth;
    }
    fit
}

#[test]
fn fuel_that_runs_out_at_every_n() {
    stop_by_fuel(&PLAIN, 200).assert_right("fuel", 5_000);
}

#[test]
fn fuel_that_runs_out_in_checked_mode() {
    stop_by_fuel(&CHECKED, 8).assert_right("fuel, checked", 1_000);
}

#[test]
fn epochs_that_end_at_every_n() {
    stop_by_epoch(&PLAIN, 1_000).assert_right("epochs", 1_000);
}

#[test]
fn epochs_that_end_in_checked_mode() {
    stop_by_epoch(&CHECKED, 15).assert_right("epochs, checked", 1_000);
}

#[test]
fn epochs_that_end_with_zero_on_free() {
    stop_by_epoch(&ZEROING, 100).assert_right("epochs, zero-on-free", 1_000);
}

#[test]
fn a_stack_that_ends_at_every_depth() {
    stop_by_stack(&PLAIN).assert_right("stack", 300);
}

#[test]
fn a_stack_that_ends_in_checked_mode() {
    stop_by_stack(&CHECKED).assert_right("stack, checked", 300);
}
