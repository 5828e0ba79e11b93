//! What a soak comes to: linear memory at the end of each cycle of sizes, to the live bytes, and whether it stayed
//! flat once the live set was, which pageslab's must.
//!
//! The live set is as it stays after the first cycle: only then are there blocks that last from all sizes. The
//! sizes come in random order, and the most memory that a cycle needs is more in one than in another. Therefore
//! an allocator has the first half of the cycles to settle, and must be flat in the second.

use super::figures;
use crate::results::{PAGESLAB, Platform, Results, SoakFigures};
use anyhow::{Result, bail, ensure};

/// By what memory may grow in the second half: pageslab asks for a sixteenth of what it has at a time, and this is
/// once.
pub const TOLERANCE: f64 = 1.0 + 1.0 / 16.0;

/// What pageslab may take at the end, to the live bytes: more than the 5.72 of the quick soak when this was written, and less
/// than the 6.44 of a heap that loses one slab in a thousand (`docs/soak.md`), which is flat as well.
pub const MOST: f64 = 6.25;

const PAGE: f64 = 65_536.0;

/// Live bytes and pages.
pub type Sample = (u64, u64);

/// The samples at the ends of cycles.
#[must_use]
pub fn ends(figures: &SoakFigures) -> Vec<Sample> {
    let each = figures.samples.len() / figures.cycles.max(1) as usize;
    let cycles = figures.samples.chunks_exact(each.max(1));
    cycles.filter_map(|cycle| cycle.last().copied()).collect()
}

/// Linear memory to live bytes.
#[must_use]
pub fn overhead((live, pages): Sample) -> f64 {
    pages as f64 * PAGE / live as f64
}

/// Memory at the end to memory in the middle.
#[must_use]
pub fn grown(figures: &SoakFigures) -> Option<f64> {
    let ends = ends(figures);
    let middle = (ends.len() / 2).checked_sub(1)?;
    let ((_, settled), (_, last)) = (ends[middle], ends.last()?);
    Some(*last as f64 / settled as f64)
}

/// The subject's soak, if there was one.
#[must_use]
pub fn of_pageslab(wasm: &Platform) -> Option<&Result<SoakFigures, String>> {
    let mut soaks = wasm.soaks.iter();
    let soak = soaks.find(|soak| soak.allocator == PAGESLAB);
    soak.map(|soak| &soak.outcome)
}

/// An error if pageslab was soaked, and did not stay flat or took too much.
pub fn ensure_passed(results: &Results) -> Result<()> {
    match figures::wasm(results).and_then(of_pageslab) {
        None => Ok(()),
        Some(Err(reason)) => bail!("pageslab failed the soak: {reason}"),
        Some(Ok(figures)) => {
            let grown = grown(figures).unwrap_or(f64::INFINITY);
            ensure!(
                grown <= TOLERANCE,
                "pageslab's memory is not flat: {grown:.3} times what it was in the soak's middle, \
                 and at most {TOLERANCE} is allowed"
            );
            let overhead = figures.samples.last().map_or(0.0, |end| overhead(*end));
            ensure!(
                overhead <= MOST,
                "pageslab's memory is {overhead:.2} times the live bytes at the soak's end, and at most {MOST} is allowed"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    /// The fixture with other pages of pageslab's.
    fn results(change: impl Fn(usize, u64) -> u64) -> Results {
        let mut results = fixture::results();
        for soak in &mut results.platforms[0].soaks {
            if let (PAGESLAB, Ok(figures)) = (soak.allocator.as_str(), &mut soak.outcome) {
                let samples = figures.samples.iter_mut().enumerate();
                samples.for_each(|(number, sample)| sample.1 = change(number, sample.1));
            }
        }
        results
    }

    #[test]
    fn ends_are_the_last_of_each_cycle() {
        let samples = (1..=8).map(|number| (65_536, number)).collect();
        let figures = SoakFigures {
            operations: 800,
            cycles: 4,
            nanoseconds: 1.0,
            samples,
        };
        let pages = [2, 4, 6, 8];
        assert_eq!(ends(&figures), pages.map(|pages| (65_536, pages)));
        assert_eq!(grown(&figures), Some(2.0));
        assert_eq!(overhead((131_072, 3)), 1.5);
    }

    #[test]
    fn memory_that_stays_is_flat_and_memory_that_grows_is_not() {
        assert!(ensure_passed(&fixture::results()).is_ok());
        assert!(ensure_passed(&results(|_, _| 300)).is_ok());
        let leak = ensure_passed(&results(|number, pages| pages + 10 * number as u64));
        assert!(leak.unwrap_err().to_string().contains("not flat"));
    }

    #[test]
    fn growth_in_the_first_half_is_none() {
        let grows = |from: usize| {
            ensure_passed(&results(|number, _| if number < from { 100 } else { 300 }))
        };
        assert!(grows(1).is_ok());
        assert!(grows(2).is_err());
    }

    #[test]
    fn memory_that_is_flat_may_be_too_much() {
        let pages = |ratio: f64| (ratio * f64::from(16 << 20) / PAGE) as u64;
        assert!(ensure_passed(&results(|_, _| pages(MOST))).is_ok());
        let much = ensure_passed(&results(|_, _| pages(MOST) + 1));
        assert!(much.unwrap_err().to_string().contains("live bytes"));
    }

    #[test]
    fn a_failed_soak_is_an_error_and_none_is_not() {
        let mut results = fixture::results();
        let soaks = &mut results.platforms[0].soaks;
        for soak in soaks.iter_mut().filter(|soak| soak.allocator == PAGESLAB) {
            soak.outcome = Err("a block was overwritten".into());
        }
        let error = ensure_passed(&results).unwrap_err().to_string();
        assert!(error.contains("overwritten"));
        results.platforms[0].soaks.clear();
        assert!(ensure_passed(&results).is_ok());
    }
}
