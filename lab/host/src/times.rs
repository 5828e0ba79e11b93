//! Times, instructions and memory of each workload in each allocator, interleaved round by round, so that a
//! machine whose speed drifts slows all of them alike.

use crate::guest::{Guest, Loaded};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long one timed run of one allocator should take at least.
const SLICE: Duration = Duration::from_micros(500);

/// What one allocator took for one workload.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Median time of a run, in nanoseconds.
    pub nanoseconds: f64,
    /// Half of the rounds lie within these.
    pub quartiles: [f64; 2],
    /// Executed wasm instructions of a run that is not the first.
    pub instructions: u64,
    /// Linear memory after the first run, without the host's own and what the module starts with, in pages.
    pub pages: u64,
}

/// One subject: a name, its modules (plain and counting).
pub struct Subject {
    pub name: String,
    pub plain: Guest,
    pub counting: Guest,
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// Measures one workload in each subject: its figures, or what went wrong.
pub fn measure(
    subjects: &[Subject],
    rounds: usize,
    load: impl Fn(&Guest) -> Result<Loaded>,
) -> Vec<Result<Figures>> {
    let mut loaded: Vec<Result<(Loaded, Figures, u32)>> =
        subjects.iter().map(|subject| begin(subject, &load)).collect();
    let mut times = vec![Vec::new(); subjects.len()];
    // The slowest way of comparing would be one repeat count for all; each has its own slice instead.
    for _ in 0..rounds {
        for (entry, times) in loaded.iter_mut().zip(&mut times) {
            let Ok((workload, _, repeats)) = entry else { continue };
            let start = Instant::now();
            match workload.run(*repeats) {
                Ok(()) => {
                    times.push(start.elapsed().as_nanos() as f64 / f64::from(*repeats));
                }
                Err(error) => *entry = Err(error),
            }
        }
    }
    loaded
        .into_iter()
        .zip(times)
        .map(|(entry, mut times)| {
            let (_, mut figures, _) = entry?;
            times.sort_by(f64::total_cmp);
            figures.nanoseconds = quantile(&times, 0.5);
            figures.quartiles = [quantile(&times, 0.25), quantile(&times, 0.75)];
            Ok(figures)
        })
        .collect()
}

/// Loads a workload, measures what needs no clock, and finds how many runs fill a slice.
fn begin(
    subject: &Subject,
    load: impl Fn(&Guest) -> Result<Loaded>,
) -> Result<(Loaded, Figures, u32)> {
    let mut counting = load(&subject.counting)?;
    let before = counting.live.pages();
    counting.run(1)?;
    let pages = counting.live.pages() - before;
    let fuel = counting.live.fuel();
    counting.run(1)?;
    let instructions = counting.live.fuel() - fuel;
    let mut plain = load(&subject.plain)?;
    plain.run(1)?;
    let start = Instant::now();
    plain.run(1)?;
    let mut once = start.elapsed();
    let mut repeats = 1u32;
    while once < SLICE && repeats < 1 << 24 {
        let factor = (SLICE.as_nanos() / once.as_nanos().max(1)).clamp(2, 1000) as u32;
        repeats = repeats.saturating_mul(factor);
        let start = Instant::now();
        plain.run(repeats)?;
        once = start.elapsed();
    }
    let figures = Figures { nanoseconds: 0.0, quartiles: [0.0; 2], instructions, pages };
    Ok((plain, figures, repeats))
}
