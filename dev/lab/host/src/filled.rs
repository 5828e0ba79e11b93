//! An instance with many live blocks: where `growth` and `latency` measure. And allocators that are too slow for
//! that, for which nobody waits: all is done in small parts, which end when the time is up.

use crate::guest::{Guest, Live, PLACE};
use crate::plan::reason;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The first part, and the longest one. The parts do not depend on time, so that what is done is always the same.
const FIRST_PART: u32 = 16;
const LONGEST_PART: u32 = 1 << 14;

/// An instance with a table full of live blocks.
pub struct Filled {
    pub live: Live,
    table: u32,
    slots: u32,
    /// Of the next random numbers.
    seed: u64,
    deadline: Instant,
    patience: Duration,
}

impl Filled {
    /// Fills a table, which, with all that comes after, may take as long as `patience`.
    pub fn new(guest: &Guest, slots: u32, patience: Duration) -> Result<Self> {
        let mut live = guest.instantiate()?;
        let table = live.table(u64::from(slots))?;
        let deadline = Instant::now() + patience;
        let mut filled = Self {
            live,
            table,
            slots,
            seed: 0,
            deadline,
            patience,
        };
        let fill = filled.live.function::<(u32, u32, u64), ()>("fill")?;
        filled.in_parts("filled", slots, |filled, done, count| {
            let place = filled.table + done * PLACE as u32;
            let seed = filled.next_seed();
            Ok(fill.call(&mut filled.live.store, (place, count, seed))?)
        })?;
        Ok(filled)
    }

    /// Frees random blocks and allocates others in their places, and says how long that took.
    pub fn exchange(&mut self, pairs: u32) -> Result<Duration> {
        let churn = self.live.function::<(u32, u32, u32, u64), ()>("churn")?;
        let parameters = (self.table, self.slots, pairs, self.next_seed());
        let start = Instant::now();
        churn.call(&mut self.live.store, parameters)?;
        Ok(start.elapsed())
    }

    /// The same, unless it takes too long. Returns the time of one such pair towards the end, in nanoseconds.
    pub fn churn(&mut self, pairs: u32) -> Result<f64> {
        self.in_parts("exchanged", pairs, |filled, _, count| {
            filled.exchange(count)?;
            Ok(())
        })
    }

    /// The same with ticks, whatever it takes.
    pub fn churn_observed(&mut self, pairs: u32) -> Result<()> {
        let parameters = (self.table, self.slots, pairs, self.next_seed());
        self.live.call("churn_observed", parameters)
    }

    fn next_seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    /// Does something `count` times, in parts of growing length. Returns the time of one of the last part, in
    /// nanoseconds.
    fn in_parts(
        &mut self,
        done_to: &str,
        count: u32,
        mut part: impl FnMut(&mut Self, u32, u32) -> Result<()>,
    ) -> Result<f64> {
        let (mut done, mut next, mut each) = (0, FIRST_PART, 0.0);
        while done < count {
            let start = Instant::now();
            if start > self.deadline {
                let seconds = self.patience.as_secs_f64();
                bail!(
                    "more than {seconds:.1} s: {each:.0} ns for each block {done_to}, after {done} of {count}"
                );
            }
            let this = next.min(count - done);
            part(self, done, this)?;
            each = start.elapsed().as_nanos() as f64 / f64::from(this);
            done += this;
            next = LONGEST_PART.min(next * 2);
        }
        Ok(each)
    }
}

/// A module that compiled, or why it did not.
pub fn compiled(guest: &Result<Guest>) -> Result<&Guest> {
    guest.as_ref().map_err(|error| anyhow!(reason(error)))
}

/// Allocators that failed with some number of live blocks. With more they are not tried.
#[derive(Default)]
pub struct Failures(BTreeMap<String, String>);

impl Failures {
    /// What is done for an allocator, unless it fails or has failed.
    pub fn unless<T>(
        &mut self,
        allocator: &str,
        live: u32,
        what: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        if self.0.contains_key(allocator) {
            return None;
        }
        what()
            .map_err(|error| {
                let reason = format!("with {live} live blocks: {}", reason(&error));
                self.0.insert(allocator.to_string(), reason);
            })
            .ok()
    }

    /// Why an allocator that failed did so.
    pub fn reason(&self, allocator: &str) -> String {
        self.0.get(allocator).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, anyhow};

    #[test]
    fn who_failed_is_not_tried_again() {
        let mut failures = Failures::default();
        assert_eq!(failures.unless("a", 10, || Ok(1)), Some(1));
        let failed: Option<()> = failures.unless("a", 100, || Err(anyhow!("too slow")));
        assert_eq!(failed, None);
        assert_eq!(failures.unless("a", 1000, || Ok(1)), None);
        assert_eq!(failures.reason("a"), "with 100 live blocks: too slow");
        assert_eq!(failures.unless("b", 1000, || Ok(1)), Some(1));
    }
}
