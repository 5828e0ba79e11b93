//! The slowest single calls of `alloc` and `free` that do not grow memory.
//!
//! The guest ticks before and after each call, and the host notes the processor's cycle counter and the memory's
//! size. What two ticks in a row take is taken off.
//!
//! A machine with other things to do makes now and then a call slow that is not, and some processors' counters
//! advance in steps of 10 ns. Therefore the very same calls are made several times, in fresh instances, and each
//! single one counts with the mean of the quicker half of its times: what is slow in most of them is slow in
//! itself. Pages of memory are touched before a call could be the first to do so, since that is the operating
//! system's time.

use crate::clock::Calibration;
use crate::filled::{Failures, Filled, compiled};
use crate::guest::{Guest, Tick};
use crate::plan::{LATENCY, LATENCY_PAIRS, LATENCY_ROUNDS, patience};
use crate::progress::step;
use crate::quantile::quantile;
use crate::results::{Latency, Percentiles};
use crate::times::turns;
use anyhow::{Result, ensure};
use std::time::Duration;

/// Pairs of calls at most that make a heap look used, before those that count.
const WARM_UP: u32 = 200_000;

/// Ticks in a row from which their own time is found.
const BARE: u32 = 10_000;

/// One repetition's calls, in cycles. Those during which memory grew have none.
struct Calls {
    free: Vec<Option<u32>>,
    alloc: Vec<Option<u32>>,
    /// Pairs of ticks in a row.
    bare: Vec<Option<u32>>,
}

/// The cycles between two ticks, unless memory grew.
fn between(before: &Tick, after: &Tick) -> Option<u32> {
    let cycles = after.cycles.saturating_sub(before.cycles);
    (before.pages == after.pages).then(|| cycles.try_into().unwrap_or(u32::MAX))
}

impl Calls {
    fn of(bare: &[Tick], observed: &[Tick]) -> Self {
        let triples = || observed.as_chunks::<3>().0.iter();
        Self {
            free: triples().map(|[a, b, _]| between(a, b)).collect(),
            alloc: triples().map(|[_, b, c]| between(b, c)).collect(),
            bare: bare.array_windows().map(|[a, b]| between(a, b)).collect(),
        }
    }
}

/// The cycles of each call in its repetitions, which have to be of the same calls; in ascending order.
fn typical(repetitions: &[&[Option<u32>]]) -> Result<Vec<f64>> {
    let calls = repetitions.first().map_or(0, |first| first.len());
    let same = repetitions.iter().all(|each| each.len() == calls);
    ensure!(same, "repetitions differ in their number of calls");
    let mut typical = Vec::with_capacity(calls);
    let mut times = Vec::with_capacity(repetitions.len());
    for call in 0..calls {
        times.clear();
        times.extend(repetitions.iter().filter_map(|each| each[call]));
        if times.is_empty() {
            continue;
        }
        let same = times.len() == repetitions.len();
        ensure!(same, "repetitions differ in where memory grows");
        times.sort_unstable();
        let half = &times[..times.len().div_ceil(2)];
        typical.push(half.iter().copied().map(f64::from).sum::<f64>() / half.len() as f64);
    }
    typical.sort_by(f64::total_cmp);
    ensure!(!typical.is_empty(), "memory grew at each call");
    Ok(typical)
}

/// The percentiles of some calls, without the `bare` cycles of two ticks in a row.
fn percentiles(calls: &[f64], bare: f64, nanoseconds_per_cycle: f64) -> Percentiles {
    let at = |part| (quantile(calls, part) - bare).max(0.0) * nanoseconds_per_cycle;
    Percentiles {
        p50: at(0.5),
        p99: at(0.99),
        p9999: at(0.9999),
        max: at(1.0),
    }
}

fn repetition(guest: &Guest, live: u32, patience: Duration) -> Result<Calls> {
    let patience = patience / LATENCY_ROUNDS;
    let mut filled = Filled::new(guest, live, patience)?;
    let each = filled.churn(live.min(WARM_UP))?;
    let pairs = LATENCY_PAIRS;
    let expected = each * f64::from(pairs) / 1e9;
    ensure!(
        expected < patience.as_secs_f64(),
        "{each:.0} ns for each pair of calls: {pairs} pairs would take {expected:.0} s"
    );
    filled.live.touch();
    filled.live.expect_ticks(BARE as usize);
    filled.live.call::<u32, ()>("ticks", BARE)?;
    let bare = filled.live.take_ticks();
    filled.live.expect_ticks(3 * pairs as usize);
    filled.churn_observed(pairs)?;
    Ok(Calls::of(&bare, &filled.live.take_ticks()))
}

/// The percentiles of an allocator's `alloc` and of its `free`.
fn evaluate(repetitions: &[Calls], nanoseconds_per_cycle: f64) -> Result<[Percentiles; 2]> {
    let of = |what: fn(&Calls) -> &[Option<u32>]| {
        typical(&repetitions.iter().map(what).collect::<Vec<_>>())
    };
    let bare = quantile(&of(|calls| &calls.bare)?, 0.5);
    let percentiles = |calls: &[f64]| percentiles(calls, bare, nanoseconds_per_cycle);
    Ok([
        percentiles(&of(|calls| &calls.alloc)?),
        percentiles(&of(|calls| &calls.free)?),
    ])
}

/// All repetitions at one number of live blocks, in turns. Allocators with a failure are left out.
fn repetitions(
    guests: &[(&str, Result<Guest>)],
    live: u32,
    failures: &mut Failures,
) -> Vec<Vec<Calls>> {
    let mut calls: Vec<Vec<Calls>> = guests.iter().map(|_| Vec::new()).collect();
    for round in 0..LATENCY_ROUNDS {
        for turn in turns(guests.len(), round as usize) {
            let (name, guest) = &guests[turn];
            if let Some(repeated) = failures.unless(name, live, || {
                repetition(compiled(guest)?, live, patience(name))
            }) {
                calls[turn].push(repeated);
            }
        }
    }
    calls
}

pub fn measure(guests: &[(&str, Result<Guest>)]) -> Vec<Latency> {
    let clock = Calibration::start();
    let mut failures = Failures::default();
    let mut latencies = Vec::new();
    for live in LATENCY {
        step(&format!("{live} live blocks"));
        let calls = repetitions(guests, live, &mut failures);
        for ((name, _), calls) in guests.iter().zip(calls) {
            let found = failures.unless(name, live, || {
                evaluate(&calls, clock.nanoseconds_per_cycle())
            });
            let [alloc, free] = match found {
                Some(found) => found.map(Ok),
                None => [failures.reason(name), failures.reason(name)].map(Err),
            };
            for (call, outcome) in [("alloc", alloc), ("free", free)] {
                latencies.push(Latency {
                    allocator: (*name).to_string(),
                    live: u64::from(live),
                    call: call.to_string(),
                    outcome,
                });
            }
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use super::{Calls, percentiles, typical};
    use crate::guest::Tick;

    fn ticks<const N: usize>(cycles: [u64; N], pages: [u32; N]) -> Vec<Tick> {
        let both = cycles.into_iter().zip(pages);
        both.map(|(cycles, pages)| Tick { cycles, pages }).collect()
    }

    #[test]
    fn a_call_that_grows_memory_has_no_time() {
        let observed = ticks([0, 10, 30, 100, 115, 140], [20, 20, 20, 20, 20, 21]);
        let calls = Calls::of(&ticks([0, 9, 17], [20; 3]), &observed);
        assert_eq!(calls.free, [Some(10), Some(15)]);
        assert_eq!(calls.alloc, [Some(20), None]);
        assert_eq!(calls.bare, [Some(9), Some(8)]);
    }

    #[test]
    fn an_interruption_in_one_repetition_does_not_count() {
        let quiet = [Some(10), None, Some(30)];
        let interrupted = [Some(14), None, Some(9000)];
        let found = typical(&[&quiet, &interrupted, &quiet]).unwrap();
        assert_eq!(found, [10.0, 30.0]);
    }

    #[test]
    fn what_is_always_slow_counts_in_finer_steps_than_the_clock() {
        let slow = |cycles| [Some(cycles), Some(0)];
        let times = [slow(900), slow(910), slow(7000)];
        let repetitions: Vec<&[Option<u32>]> = times.iter().map(|t| t.as_slice()).collect();
        assert_eq!(typical(&repetitions).unwrap(), [0.0, 905.0]);
    }

    #[test]
    fn repetitions_have_to_be_the_same() {
        assert!(typical(&[&[Some(1), Some(2)], &[Some(1), None]]).is_err());
        assert!(typical(&[&[Some(1), Some(2)], &[Some(1)]]).is_err());
        assert!(typical(&[&[None], &[None]]).is_err());
    }

    #[test]
    fn the_slowest_call_is_the_maximum_and_ticks_are_taken_off() {
        let mut calls = vec![40.0; 99_999];
        calls.push(1020.0);
        let found = percentiles(&calls, 20.0, 0.5);
        assert_eq!((found.p50, found.p9999, found.max), (10.0, 10.0, 500.0));
        assert_eq!(percentiles(&[7.0], 20.0, 0.5).max, 0.0);
    }
}
