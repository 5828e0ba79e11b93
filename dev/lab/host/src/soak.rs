//! Linear memory over a soak (`dev/lab/workloads/src/soak.rs`): operations without end on a live set that stays as large
//! as it is, while the sizes in it drift.
//!
//! Each allocator has one instance for all of it. They take turns, from one sample to the next.

use crate::filled::compiled;
use crate::guest::{Guest, Live, PAGE};
use crate::plan::{Plan, reason};
use crate::progress::step;
use crate::results::{PAGESLAB, Soak, SoakFigures};
use crate::times::turns;
use anyhow::{Result, ensure};
use lab_workloads::soak::slots;
use std::time::{Duration, Instant};

/// Operations between two looks at the clock.
const PART: u64 = 1 << 14;

/// A peer whose operations take longer than this in the mean is not waited for, once it has had `GRACE`. pageslab is, however
/// busy the machine: a failure of its ends the lab with an error, and must not depend on time.
const PATIENCE: Duration = Duration::from_micros(2);
const GRACE: Duration = Duration::from_secs(2);

/// How long a soak is.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Of drifting sizes.
    pub cycles: u32,
    /// Operations in each.
    pub cycle: u64,
    /// Looks at memory in each.
    pub samples: u32,
    /// Bytes that are live.
    pub target: u32,
}

impl Extent {
    fn operations(&self) -> u64 {
        self.cycle * u64::from(self.cycles)
    }
}

/// A soak in its midst.
struct Soaking {
    is_waited_for: bool,
    live: Live,
    at: u32,
    table: u32,
    extent: Extent,
    spent: Duration,
    figures: SoakFigures,
}

impl Soaking {
    fn begin(allocator: &str, guest: &Guest, extent: Extent) -> Result<Self> {
        let mut live = guest.instantiate()?;
        let at = live.room(PAGE)?;
        let table = live.table(slots(extent.target).into())?;
        live.call::<(u32, u32, u64), ()>("soak_begin", (at, extent.target, extent.cycle))?;
        let figures = SoakFigures {
            operations: 0,
            cycles: extent.cycles,
            nanoseconds: 0.0,
            samples: Vec::new(),
        };
        Ok(Self {
            is_waited_for: allocator == PAGESLAB,
            live,
            at,
            table,
            extent,
            spent: Duration::ZERO,
            figures,
        })
    }

    /// Goes on until the next sample.
    fn sample(&mut self) -> Result<()> {
        let soak = self.live.function::<(u32, u32, u32, u32), u64>("soak")?;
        let mut left = self.extent.cycle / u64::from(self.extent.samples);
        let mut live_bytes = 0;
        while left > 0 {
            let part = left.min(PART);
            let parameters = (self.at, self.table, slots(self.extent.target), part as u32);
            let start = Instant::now();
            live_bytes = soak.call(&mut self.live.store, parameters)?;
            self.spent += start.elapsed();
            self.figures.operations += part;
            left -= part;
            let (spent, operations) = (self.spent.as_secs_f64(), self.figures.operations);
            ensure!(
                self.is_waited_for
                    || spent < GRACE.as_secs_f64() + PATIENCE.as_secs_f64() * operations as f64,
                "{operations} operations took {spent:.1} s"
            );
        }
        let pages = self.live.pages();
        self.figures.samples.push((live_bytes, pages));
        Ok(())
    }

    fn finish(self) -> SoakFigures {
        let nanoseconds = self.spent.as_nanos() as f64 / self.figures.operations as f64;
        SoakFigures {
            nanoseconds,
            ..self.figures
        }
    }
}

pub fn measure(plan: &Plan, guests: &[(&str, Result<Guest>)]) -> Vec<Soak> {
    let extent = plan.soak();
    step(&format!("{} operations", extent.operations()));
    let begin =
        |(name, guest): &(&str, Result<Guest>)| Soaking::begin(name, compiled(guest)?, extent);
    let mut soaks: Vec<Result<Soaking>> = guests.iter().map(begin).collect();
    for sample in 0..extent.cycles * extent.samples {
        for turn in turns(soaks.len(), sample as usize) {
            if let Ok(soaking) = &mut soaks[turn]
                && let Err(error) = soaking.sample()
            {
                soaks[turn] = Err(error);
            }
        }
    }
    let outcomes = guests.iter().zip(soaks);
    outcomes
        .map(|((name, _), soak)| Soak {
            allocator: (*name).to_string(),
            outcome: soak.map(Soaking::finish).map_err(|error| reason(&error)),
        })
        .collect()
}
