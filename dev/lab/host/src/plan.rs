//! What a run of the lab measures, and how thoroughly.

use crate::results::{DLMALLOC, PAGESLAB};
use crate::soak::Extent;
use crate::summary::figures::PROGRAM;
use std::time::Duration;

/// Rounds in which the allocators take turns with a workload.
pub const ROUNDS: usize = 31;

/// The numbers of live blocks at which a pair of calls is timed, and the fresh instances in each of which it is.
pub const GROWTH: [u32; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
pub const GROWTH_ROUNDS: usize = 5;

/// The numbers of live blocks at which single calls are timed, how many pairs of them, and how often the same ones.
pub const LATENCY: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
pub const LATENCY_PAIRS: u32 = 200_000;
pub const LATENCY_ROUNDS: u32 = 9;

/// How long one allocator may take for one point of growth or latency. pageslab is waited for even on a busy machine: that
/// it failed must not depend on time.
pub fn patience(allocator: &str) -> Duration {
    const PEERS: u64 = 20;
    const OWN: u64 = 3600;
    Duration::from_secs(if allocator == PAGESLAB { OWN } else { PEERS })
}

/// Processes that hold many instances.
pub const DENSITY_ROUNDS: usize = 7;

/// A run.
pub struct Plan {
    /// All that there is, instead of what minutes are enough for.
    pub full: bool,
    /// Only what has this in its name.
    pub filter: String,
}

/// What only a full run has, as a quick one says it.
pub const LEFT_OUT: &str = "the whole programs, the sizes of programs, calls with up to ten million live blocks and their \
                            latencies, a thousand instances, the long soak, pageslab's modes, jemalloc and \
                            what few people choose, which `cargo xtask bench --full` has, and Node, which `--only node` has, too";

/// The parts that a quick run leaves out, unless they are asked for by name.
const FULL_ONLY: [&str; 3] = ["growth", "latency", PROGRAM_SIZES];

/// The sizes of whole programs and of a small one.
pub const PROGRAM_SIZES: &str = "sizes of programs";

impl Plan {
    /// Whether a workload (`group/case`) is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Whether a part of this name is.
    pub fn wants_part(&self, name: &str) -> bool {
        let is_left_out = FULL_ONLY.contains(&name) && !self.full && self.filter.is_empty();
        self.wants(name) && !is_left_out
    }

    pub fn workloads(&self) -> Vec<lab_workloads::Workload> {
        let mut workloads = lab_workloads::all();
        workloads.retain(|workload| self.wants(&workload.name));
        workloads
    }

    /// Whether the modules with the whole programs are to be built, which takes long.
    pub fn wants_program_modules(&self) -> bool {
        self.wants_programs() || self.full && self.wants_part(PROGRAM_SIZES)
    }

    /// Whether any of the whole programs is to be measured. Each bears the name of its
    /// trace.
    pub fn wants_programs(&self) -> bool {
        let is_named = self.filter.starts_with(PROGRAM);
        let mut workloads = lab_workloads::all().into_iter();
        let is_wanted = workloads.any(|workload| match workload.name.strip_prefix("trace/") {
            Some(name) => self.wants(&format!("{PROGRAM}/{name}")),
            None => false,
        });
        is_wanted && (self.full || is_named)
    }

    fn choose<T>(&self, quick: T, full: T) -> T {
        if self.full { full } else { quick }
    }

    /// The numbers of instances in one process.
    pub fn density(&self) -> &'static [u64] {
        self.choose(&[500], &[500, 1000])
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

    /// The allocators that have a soak, unless others are asked for by name: each takes minutes in a full run. In a quick one
    /// it is a check of pageslab alone, whose memory has to stay flat.
    pub fn soaks(&self) -> &'static [&'static str] {
        self.choose(&[PAGESLAB], &[PAGESLAB, DLMALLOC, "talc"])
    }
}

/// What went wrong, in one line: a trap comes with the guest's stack, which is left out.
pub fn reason(error: &anyhow::Error) -> String {
    let cause = error.root_cause().to_string();
    cause.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::{FULL_ONLY, Plan, reason};
    use anyhow::anyhow;

    fn plan(full: bool, filter: &str) -> Plan {
        Plan {
            full,
            filter: filter.into(),
        }
    }

    #[test]
    fn a_filter_is_part_of_a_name() {
        let plan = |filter| plan(true, filter);
        assert!(plan("").wants("trace/json"));
        assert!(plan("json").wants("trace/json"));
        assert!(!plan("json").wants_part("growth"));
        assert!(plan("trace/").workloads().len() >= 12);
        assert!(plan("json").wants_programs() && plan("").wants_programs());
        assert!(!plan("pair/").wants_programs() && !plan("pair/").wants_program_modules());
        assert!(!plan("sizes").wants_programs() && plan("sizes").wants_program_modules());
    }

    #[test]
    fn what_a_quick_run_leaves_out_is_there_by_name() {
        assert!(!plan(false, "").wants_programs() && !plan(false, "json").wants_programs());
        assert!(plan(false, "program/json").wants_programs());
        for part in FULL_ONLY {
            assert!(!plan(false, "").wants_part(part) && plan(true, "").wants_part(part));
            assert!(plan(false, part).wants_part(part));
        }
        assert!(plan(false, "").wants_part("soak") && plan(false, "").wants_part("sizes"));
    }

    #[test]
    fn a_reason_is_one_line() {
        let error = anyhow!("wasm trap: unreachable\n  at 0x17").context("error while executing");
        assert_eq!(reason(&error), "wasm trap: unreachable");
    }
}
