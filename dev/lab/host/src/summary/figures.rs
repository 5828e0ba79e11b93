//! What the results come to: ratios to a yardstick, and geometric means of them. Knows which workloads belong
//! together, and nothing of how figures are shown.
//!
//! Whole programs are apart from the other workloads everywhere: most of their time is not the allocator's, so no mean
//! mixes the two.

use crate::results::{Cell, DLMALLOC, Platform, Results, UNDER_WASMTIME, Workload};

/// The group of whole programs.
pub const PROGRAM: &str = "program";
/// Below this many pages of `dlmalloc`, a ratio of memory says more about rounding than about an allocator.
const LEAST_PAGES: u64 = 16;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Time,
    Instructions,
    Memory,
}

impl Quantity {
    fn of(self, cell: &Cell) -> Option<f64> {
        let Cell::Measured {
            nanoseconds,
            instructions,
            pages,
            ..
        } = cell
        else {
            return None;
        };
        match self {
            Self::Time => Some(*nanoseconds),
            Self::Instructions => instructions.map(|count| count as f64),
            Self::Memory => pages.map(|count| count as f64),
        }
    }
}

/// A geometric mean over workloads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub value: f64,
    /// Workloads that are in it.
    pub count: usize,
    /// Workloads that the yardstick has and this allocator has not: they failed, most likely.
    pub absent: usize,
}

/// The geometric mean; nothing of nothing.
pub fn geometric(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = ratios.into_iter().fold((0.0, 0), |(sum, count), ratio| {
        (sum + ratio.ln(), count + 1)
    });
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

/// The figure of one allocator on one workload; nothing if it failed or was not measured.
#[must_use]
pub fn figure(workload: &Workload, quantity: Quantity, allocator: &str) -> Option<f64> {
    quantity.of(workload.cells.get(allocator)?)
}

/// The same, to a yardstick's. A figure of zero has no ratio.
#[must_use]
pub fn ratio(
    workload: &Workload,
    quantity: Quantity,
    allocator: &str,
    yardstick: &str,
) -> Option<f64> {
    let own = figure(workload, quantity, allocator)?;
    let yardstick = figure(workload, quantity, yardstick)?;
    (own > 0.0 && yardstick > 0.0).then_some(own / yardstick)
}

/// The geometric mean of an allocator's ratios to a yardstick. Workloads that the yardstick lacks do not count.
#[must_use]
pub fn mean(
    workloads: &[&Workload],
    quantity: Quantity,
    allocator: &str,
    yardstick: &str,
) -> Option<Mean> {
    let comparable = workloads
        .iter()
        .filter(|workload| figure(workload, quantity, yardstick).is_some_and(|value| value > 0.0));
    let ratios: Vec<Option<f64>> = comparable
        .map(|workload| ratio(workload, quantity, allocator, yardstick))
        .collect();
    let present: Vec<f64> = ratios.iter().copied().flatten().collect();
    Some(Mean {
        count: present.len(),
        absent: ratios.len() - present.len(),
        value: geometric(present)?,
    })
}

/// The workload on which an allocator's ratio is the highest.
#[must_use]
pub fn worst<'a>(
    workloads: &[&'a Workload],
    quantity: Quantity,
    allocator: &str,
    yardstick: &str,
) -> Option<(&'a Workload, f64)> {
    workloads
        .iter()
        .filter_map(|workload| Some((*workload, ratio(workload, quantity, allocator, yardstick)?)))
        .max_by(|one, other| one.1.total_cmp(&other.1))
}

/// The groups that a platform has, in the order of its workloads.
#[must_use]
pub fn groups(platform: &Platform) -> Vec<&str> {
    let mut groups = Vec::new();
    for workload in &platform.workloads {
        if !groups.contains(&workload.group()) {
            groups.push(workload.group());
        }
    }
    groups
}

/// The workloads of one group.
#[must_use]
pub fn group<'a>(platform: &'a Platform, name: &str) -> Vec<&'a Workload> {
    select(platform, |workload| workload.group() == name)
}

/// Whole programs.
#[must_use]
pub fn programs(platform: &Platform) -> Vec<&Workload> {
    group(platform, PROGRAM)
}

/// Everything but whole programs.
#[must_use]
pub fn calls(platform: &Platform) -> Vec<&Workload> {
    select(platform, |workload| workload.group() != PROGRAM)
}

/// The workloads that count in means of memory.
#[must_use]
pub fn large(platform: &Platform) -> Vec<&Workload> {
    select(platform, |workload| {
        figure(workload, Quantity::Memory, DLMALLOC)
            .is_some_and(|pages| pages >= LEAST_PAGES as f64)
    })
}

fn select(platform: &Platform, which: impl Fn(&Workload) -> bool) -> Vec<&Workload> {
    platform
        .workloads
        .iter()
        .filter(|workload| which(workload))
        .collect()
}

/// What a group is, in words that are few enough for a column of the terminal.
#[must_use]
pub fn describe(group: &str) -> &str {
    match group {
        "pair" => "one block allocated and freed",
        "batch" => "a thousand blocks, then freed",
        "mix" => "random mixes of calls",
        "guest" => "a small guest's objects",
        "growth" => "a vector that grows alone",
        "long" => "long blocks",
        "aligned" => "over-aligned blocks",
        "trace" => "traces of real programs",
        PROGRAM => "whole programs",
        other => other,
    }
}

#[must_use]
pub fn is_wasm(platform: &Platform) -> bool {
    platform.name.starts_with("wasm")
}

/// Wasm where all of it is measured.
#[must_use]
pub fn wasm(results: &Results) -> Option<&Platform> {
    let mut platforms = results.platforms.iter();
    platforms.find(|platform| platform.name == UNDER_WASMTIME)
}

#[must_use]
pub fn native(results: &Results) -> Option<&Platform> {
    results
        .platforms
        .iter()
        .find(|platform| platform.name.starts_with("native"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{PAGESLAB, UNDER_NODE};
    use crate::summary::fixture;

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    #[test]
    fn a_mean_is_geometric() {
        close(geometric([0.5, 2.0]).unwrap(), 1.0);
        close(geometric([1.0, 4.0]).unwrap(), 2.0);
        assert_eq!(geometric([]), None);
    }

    #[test]
    fn a_yardstick_is_one_to_itself() {
        let results = fixture::results();
        let wasm = wasm(&results).unwrap();
        let of_itself = mean(&calls(wasm), Quantity::Time, DLMALLOC, DLMALLOC).unwrap();
        close(of_itself.value, 1.0);
        assert_eq!(of_itself.absent, 0);
    }

    #[test]
    fn failures_are_counted_and_left_out() {
        let results = fixture::results();
        let wasm = wasm(&results).unwrap();
        let mean = mean(&calls(wasm), Quantity::Time, fixture::FAILING, DLMALLOC).unwrap();
        assert_eq!(mean.absent, 1);
        assert_eq!(mean.count + mean.absent, calls(wasm).len());
    }

    #[test]
    fn workloads_without_the_yardstick_do_not_count() {
        let results = fixture::results();
        let native = native(&results).unwrap();
        assert_eq!(
            mean(&calls(native), Quantity::Instructions, PAGESLAB, DLMALLOC),
            None
        );
    }

    #[test]
    fn programs_are_in_no_mean_of_calls() {
        let results = fixture::results();
        let wasm = wasm(&results).unwrap();
        assert!(
            calls(wasm)
                .iter()
                .all(|workload| workload.group() != PROGRAM)
        );
        assert_eq!(
            calls(wasm).len() + programs(wasm).len(),
            wasm.workloads.len()
        );
    }

    #[test]
    fn what_is_said_of_wasm_is_of_wasmtime() {
        let mut results = fixture::results();
        let mut node = results.platforms[0].clone();
        node.name = UNDER_NODE.into();
        results.platforms.insert(0, node);
        assert!(is_wasm(&results.platforms[0]));
        assert_eq!(wasm(&results).unwrap().name, UNDER_WASMTIME);
    }

    #[test]
    fn every_group_is_described() {
        for workload in lab_workloads::all() {
            let group = workload.name.split('/').next().unwrap();
            assert_ne!(describe(group), group);
        }
    }

    #[test]
    fn small_memories_are_not_compared() {
        let results = fixture::results();
        let wasm = wasm(&results).unwrap();
        let large = large(wasm);
        assert!(!large.is_empty());
        assert!(large.iter().all(|workload| workload.name != fixture::SMALL));
    }
}
