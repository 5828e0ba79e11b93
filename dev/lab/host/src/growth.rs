//! What a `free` and an `alloc` cost, and how much memory there is, as the number of live blocks grows from a
//! thousand to ten million.
//!
//! A point has its own instance: a table is filled with blocks of 8 to 71 bytes; then random ones are freed and
//! others allocated in their places, first as many as are live, so that the heap looks used, then for the time.
//! The allocators take turns, and each comes several times, so that one instance at a time needs memory.

use crate::filled::{Failures, Filled, compiled};
use crate::guest::Guest;
use crate::plan::{GROWTH, GROWTH_ROUNDS, patience};
use crate::progress::step;
use crate::quantile::median;
use crate::results::{Growth, GrowthFigures};
use crate::times::turns;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Timed parts in one instance, and the pairs of calls in each.
const PARTS: usize = 5;
const PAIRS: u32 = 20_000;

/// What has been found about an allocator at one point.
#[derive(Default)]
struct Point {
    /// Nanoseconds per pair.
    times: Vec<f64>,
    pages: u64,
    spent: Duration,
}

impl Point {
    fn round(&mut self, guest: &Guest, live: u32, patience: Duration) -> Result<()> {
        if self.spent > patience {
            return Ok(());
        }
        let start = Instant::now();
        let mut filled = Filled::new(guest, live, patience)?;
        filled.churn(live)?;
        for _ in 0..PARTS {
            let time = filled.exchange(PAIRS)?.as_nanos() as f64;
            self.times.push(time / f64::from(PAIRS));
        }
        self.pages = filled.live.pages();
        self.spent += start.elapsed();
        Ok(())
    }
}

pub fn measure(guests: &[(&str, Result<Guest>)]) -> Vec<Growth> {
    let mut failures = Failures::default();
    let mut growth = Vec::new();
    for live in GROWTH {
        step(&format!("{live} live blocks"));
        let mut points: Vec<Point> = guests.iter().map(|_| Point::default()).collect();
        for round in 0..GROWTH_ROUNDS {
            for turn in turns(guests.len(), round) {
                let (name, guest) = &guests[turn];
                let point = &mut points[turn];
                failures.unless(name, live, || {
                    point.round(compiled(guest)?, live, patience(name))
                });
            }
        }
        for ((name, _), point) in guests.iter().zip(points) {
            let figures = failures.unless(name, live, || {
                Ok(GrowthFigures {
                    nanoseconds: median(point.times),
                    pages: point.pages,
                })
            });
            growth.push(Growth {
                allocator: (*name).to_string(),
                live: u64::from(live),
                outcome: figures.ok_or_else(|| failures.reason(name)),
            });
        }
    }
    growth
}
