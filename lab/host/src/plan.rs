//! What a run of the lab measures, and how thoroughly.

use crate::soak::Extent;
use std::time::Duration;

/// A run.
pub struct Plan {
    /// Minutes instead of half an hour.
    pub quick: bool,
    /// Only what has this in its name.
    pub filter: String,
}

impl Plan {
    /// Whether a workload (`group/case`) or a part of this name is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    pub fn workloads(&self) -> Vec<lab_workloads::Workload> {
        let mut workloads = lab_workloads::all();
        workloads.retain(|workload| self.wants(&workload.name));
        workloads
    }

    /// Whether any of the whole programs is to be measured. Each bears the name of its trace.
    pub fn wants_programs(&self) -> bool {
        let mut workloads = lab_workloads::all().into_iter();
        workloads.any(|workload| match workload.name.strip_prefix("trace/") {
            Some(name) => self.wants(&format!("program/{name}")),
            None => false,
        })
    }

    fn choose<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Rounds in which the allocators take turns with a workload.
    pub fn rounds(&self) -> usize {
        self.choose(5, 31)
    }

    /// The numbers of live blocks at which a pair of calls is timed.
    pub fn growth(&self) -> &'static [u32] {
        const ALL: [u32; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
        self.choose(&ALL[..4], &ALL)
    }

    /// Fresh instances in each of which such a point is timed.
    pub fn growth_rounds(&self) -> usize {
        self.choose(3, 5)
    }

    /// The numbers of live blocks at which single calls are timed.
    pub fn latency(&self) -> &'static [u32] {
        self.choose(&[1_000, 100_000], &[1_000, 10_000, 100_000, 1_000_000])
    }

    /// How often the same calls are timed.
    pub fn latency_rounds(&self) -> usize {
        self.choose(7, 9)
    }

    /// Pairs of calls that are timed singly.
    pub fn latency_pairs(&self) -> u32 {
        self.choose(100_000, 200_000)
    }

    /// The numbers of instances in one process.
    pub fn density(&self) -> &'static [u64] {
        self.choose(&[500], &[500, 1000])
    }

    /// Processes that hold so many.
    pub fn density_rounds(&self) -> usize {
        self.choose(3, 7)
    }

    /// How long the soak is. In both, a block is replaced equally often while the sizes drift by an octave.
    pub fn soak(&self) -> Extent {
        let full = Extent {
            cycles: 10,
            cycle: 100_000_000,
            samples: 40,
            target: 16 << 20,
        };
        let quick = Extent {
            cycles: 8,
            cycle: 12_500_000,
            target: 2 << 20,
            ..full
        };
        self.choose(quick, full)
    }

    /// How long one allocator may take for one point of growth or latency.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.choose(5, 20))
    }
}

/// What went wrong, in one line: a trap comes with the guest's stack, which is left out.
pub fn reason(error: &anyhow::Error) -> String {
    let cause = error.root_cause().to_string();
    cause.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Plan, reason};
    use anyhow::anyhow;

    #[test]
    fn a_filter_is_part_of_a_name() {
        let plan = |filter: &str| Plan {
            quick: true,
            filter: filter.into(),
        };
        assert!(plan("").wants("trace/json"));
        assert!(plan("json").wants("trace/json"));
        assert!(!plan("json").wants("growth"));
        assert!(plan("trace/").workloads().len() >= 12);
        assert!(plan("json").wants_programs() && plan("").wants_programs());
        assert!(!plan("pair/").wants_programs());
    }

    #[test]
    fn a_reason_is_one_line() {
        let error = anyhow!("wasm trap: unreachable\n  at 0x17").context("error while executing");
        assert_eq!(reason(&error), "wasm trap: unreachable");
    }
}
