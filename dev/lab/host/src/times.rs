//! The time of a workload in each allocator, round by round: in each round all take turns, so that a machine
//! whose speed drifts slows all of them alike, and each round begins with another one, so that none always comes
//! after the same.
//!
//! This knows nothing of where the allocators run: see `wasm` and `native`.

use crate::quantile::quantile;
use anyhow::Result;
use std::time::Duration;

/// How long the runs of one allocator in one round should take together, at least.
const SLICE: Duration = Duration::from_micros(500);

/// An allocator whose rounds took longer than this takes part in no more of them, once it has [`FEWEST`].
const PATIENCE: Duration = Duration::from_secs(20);
const FEWEST: usize = 3;

/// A workload that is ready to run in one allocator.
pub trait Subject {
    /// Runs it this many times, and says how long that took.
    fn run(&mut self, repeats: u32) -> Result<Duration>;
}

/// The time of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The median, in nanoseconds.
    pub nanoseconds: f64,
    /// Half of the rounds lie within these.
    pub quartiles: [f64; 2],
}

impl Time {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self {
            nanoseconds: quantile(&rounds, 0.5),
            quartiles: [quantile(&rounds, 0.25), quantile(&rounds, 0.75)],
        }
    }
}

/// A subject in the midst of its rounds.
struct Entry<S> {
    subject: S,
    /// Runs in each round.
    repeats: u32,
    /// Nanoseconds per run, round by round.
    rounds: Vec<f64>,
    spent: Duration,
}

impl<S: Subject> Entry<S> {
    fn new(mut subject: S) -> Result<Self> {
        let repeats = repeats(&mut subject)?;
        Ok(Self {
            subject,
            repeats,
            rounds: Vec::new(),
            spent: Duration::ZERO,
        })
    }

    fn round(&mut self) -> Result<()> {
        if self.rounds.len() >= FEWEST && self.spent > PATIENCE {
            return Ok(());
        }
        let time = self.subject.run(self.repeats)?;
        self.spent += time;
        let nanoseconds = time.as_nanos() as f64 / f64::from(self.repeats);
        self.rounds.push(nanoseconds);
        Ok(())
    }
}

/// Enough of the quickest.
const MOST_REPEATS: u32 = 1 << 20;

/// How many runs fill a slice. The first run does not count: it makes the allocator get its memory.
fn repeats(subject: &mut impl Subject) -> Result<u32> {
    subject.run(1)?;
    let mut repeats = 1;
    loop {
        let time = subject.run(repeats)?;
        if time >= SLICE || repeats == MOST_REPEATS {
            return Ok(repeats);
        }
        let factor = SLICE.as_nanos().div_ceil(time.as_nanos().max(1));
        repeats = MOST_REPEATS.min(repeats * factor.clamp(2, 64) as u32);
    }
}

/// The time of a workload in each subject, or what went wrong there or before.
pub fn interleave<S: Subject>(subjects: Vec<Result<S>>, rounds: usize) -> Vec<Result<Time>> {
    let mut entries: Vec<Result<Entry<S>>> = subjects
        .into_iter()
        .map(|subject| subject.and_then(Entry::new))
        .collect();
    for round in 0..rounds {
        for turn in turns(entries.len(), round) {
            if let Ok(entry) = &mut entries[turn]
                && let Err(error) = entry.round()
            {
                entries[turn] = Err(error);
            }
        }
    }
    entries
        .into_iter()
        .map(|entry| entry.map(|entry| Time::of(entry.rounds)))
        .collect()
}

/// The order of a round: all of `count`, beginning with another one each round, and every other time backwards.
pub fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    let place = move |turn| match round % 2 {
        0 => (turn + round / 2) % count,
        _ => (2 * count - 1 - turn - (round / 2) % count) % count,
    };
    (0..count).map(place)
}

#[cfg(test)]
mod tests {
    use super::{FEWEST, PATIENCE, SLICE, Subject, Time, interleave, turns};
    use anyhow::{Result, bail};
    use std::collections::BTreeSet;
    use std::time::Duration;

    /// Takes this long for each run, and fails after so many.
    struct Steady {
        run: Duration,
        left: u32,
    }

    impl Subject for Steady {
        fn run(&mut self, repeats: u32) -> Result<Duration> {
            match self.left.checked_sub(repeats) {
                Some(left) => self.left = left,
                None => bail!("out of memory"),
            }
            Ok(self.run * repeats)
        }
    }

    #[test]
    fn short_and_long_runs_take_the_time_of_one() {
        let steady = |run| Ok(Steady { run, left: 1 << 20 });
        let runs = [SLICE / 1000, SLICE * 3];
        let times = interleave(runs.map(steady).into(), 5);
        for (time, run) in times.into_iter().zip(runs) {
            let nanoseconds = run.as_nanos() as f64;
            let quartiles = [nanoseconds; 2];
            let expected = Time {
                nanoseconds,
                quartiles,
            };
            assert_eq!(time.unwrap(), expected);
        }
    }

    #[test]
    fn one_that_fails_does_not_stop_the_others() {
        let steady = |left| Ok(Steady { run: SLICE, left });
        let times = interleave(vec![steady(4), steady(100)], 10);
        assert_eq!(times[0].as_ref().unwrap_err().to_string(), "out of memory");
        assert!(times[1].is_ok());
    }

    #[test]
    fn one_that_is_too_slow_has_few_rounds() {
        let left = 2 + FEWEST as u32;
        let run = PATIENCE;
        assert!(interleave(vec![Ok(Steady { run, left })], 31)[0].is_ok());
    }

    #[test]
    fn turns_have_all_and_change() {
        for round in 0..20 {
            let order: BTreeSet<usize> = turns(7, round).collect();
            assert_eq!(order, (0..7).collect());
        }
        let firsts: BTreeSet<usize> = (0..14).filter_map(|round| turns(7, round).next()).collect();
        assert_eq!(firsts, (0..7).collect());
    }
}
