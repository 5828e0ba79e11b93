//! The lab's results: what a run measured, as it is written to JSON and read by the summary and the report.
//!
//! Times are in nanoseconds, unless a field's name says otherwise, memory in pages of 64 KiB or in KiB. A peer
//! that fails a measurement is in its list with the reason.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What all are compared with: 1.00 in every table.
pub const DLMALLOC: &str = "dlmalloc";
/// A free list that checks nothing, for what is physically possible.
pub const LIMIT: &str = "limit";
/// The subject.
pub const PAGESLAB: &str = "pageslab";

/// The platforms with wasm.
pub const UNDER_WASMTIME: &str = "wasm32-wasip1 under wasmtime";
pub const UNDER_NODE: &str = "wasm32-wasip1 under Node";

/// One run of the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The day, as 2026-11-23.
    pub date: String,
    /// The processor and how many of its cores there are.
    pub machine: String,
    /// The command that measured.
    pub command: String,
    /// How often each measurement of time was repeated.
    pub rounds: usize,
    /// Whether it was a quick run of all that such a run has. Results from before there was this field are of full runs.
    #[serde(default)]
    pub quick: bool,
    /// The versions of the compiler, the runtime and the allocators, by name.
    pub versions: BTreeMap<String, String>,
    /// Peers that could not be built here, and what else could not be measured, with the reason.
    pub missing: BTreeMap<String, String>,
    pub platforms: Vec<Platform>,
}

impl Results {
    /// What is missing, with the reason; together, what is missing for the same one.
    #[must_use]
    pub fn missing(&self) -> Vec<(String, &str)> {
        let mut missing: Vec<(String, &str)> = Vec::new();
        for (what, reason) in &self.missing {
            match missing.iter_mut().find(|(_, known)| known == reason) {
                Some((others, _)) => *others = format!("{others}, {what}"),
                None => missing.push((what.clone(), reason)),
            }
        }
        missing
    }
}

/// What was measured on one platform. What does not apply there is empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Platform {
    /// [`UNDER_WASMTIME`], [`UNDER_NODE`], or "native".
    pub name: String,
    /// In the order in which they are shown: pageslab, the peers that matter first, limit.
    pub allocators: Vec<String>,
    /// Modes of pageslab, which are measured as allocators are, but not compared with them. Results from before there were
    /// any have none.
    #[serde(default)]
    pub modes: Vec<String>,
    pub workloads: Vec<Workload>,
    pub growth: Vec<Growth>,
    pub latencies: Vec<Latency>,
    pub densities: Vec<Density>,
    pub sizes: Vec<Size>,
    /// Results from before there were soaks have none.
    #[serde(default)]
    pub soaks: Vec<Soak>,
}

impl Platform {
    /// With nothing measured so far.
    pub fn new(name: &str, allocators: Vec<String>) -> Self {
        Self {
            name: name.into(),
            allocators,
            modes: Vec::new(),
            workloads: Vec::new(),
            growth: Vec::new(),
            latencies: Vec::new(),
            densities: Vec::new(),
            sizes: Vec::new(),
            soaks: Vec::new(),
        }
    }
}

/// One workload in all allocators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// `group/case`; the groups are pair, batch, mix, guest, growth, long, aligned, trace and program.
    pub name: String,
    /// Calls of the allocator in one run; 0 if unknown (programs).
    pub calls: u64,
    /// The most bytes that are live at once, as asked for; 0 if unknown (programs).
    pub peak: u64,
    pub cells: BTreeMap<String, Cell>,
}

impl Workload {
    #[must_use]
    pub fn group(&self) -> &str {
        self.name
            .split_once('/')
            .map_or(&self.name, |(group, _)| group)
    }
}

/// One workload in one allocator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Cell {
    Measured {
        /// The median time of one run.
        nanoseconds: f64,
        /// Half of the rounds lie within these.
        quartiles: [f64; 2],
        /// Executed wasm instructions of one run (fuel).
        instructions: Option<u64>,
        /// Linear memory after the first run, without what the module starts with, in pages.
        pages: Option<u64>,
    },
    Failed(String),
}

/// Time per pair of `free` and `alloc`, and memory, with this many live blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Growth {
    pub allocator: String,
    pub live: u64,
    pub outcome: Result<GrowthFigures, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrowthFigures {
    /// One `free` and one `alloc`.
    pub nanoseconds: f64,
    pub pages: u64,
}

/// The times of single calls that did not grow memory, with this many live blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    pub allocator: String,
    pub live: u64,
    /// "alloc" or "free".
    pub call: String,
    pub outcome: Result<Percentiles, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p9999: f64,
    pub max: f64,
}

/// Many live instances of one guest in one host process, each after a small job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Density {
    pub allocator: String,
    pub instances: u64,
    pub outcome: Result<DensityFigures, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DensityFigures {
    /// Resident memory per instance.
    pub kib: f64,
    /// To instantiate and do the job, per instance.
    pub microseconds: f64,
    /// To instantiate alone, per instance.
    pub instantiation_microseconds: f64,
}

/// The bytes of a module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Size {
    pub allocator: String,
    /// Results from before there were others are of the smallest.
    #[serde(default)]
    pub module: Module,
    /// What the same module takes with std's default allocator, to which it is compared; 0 for those that are not.
    #[serde(default)]
    pub default: u64,
    pub outcome: Result<u64, String>,
}

impl Size {
    /// What it takes more than with std's default allocator.
    pub fn added(&self) -> Result<i64, String> {
        let added = |bytes: &u64| *bytes as i64 - self.default as i64;
        self.outcome.as_ref().map(added).map_err(String::clone)
    }
}

/// The modules whose size is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Module {
    /// With three exports (alloc, free, realloc), after `wasm-opt -Oz`.
    #[default]
    Smallest,
    /// With the whole programs; without custom sections, as the next two.
    Programs,
    /// A word counter, at opt-level 3.
    Words,
    /// The same at opt-level "z".
    SmallWords,
}

impl Module {
    pub const ALL: [Self; 4] = [
        Self::Smallest,
        Self::Programs,
        Self::Words,
        Self::SmallWords,
    ];

    #[must_use]
    pub fn is_compared_with_default(self) -> bool {
        matches!(self, Self::Words | Self::SmallWords)
    }

    /// What it is, in words that are few enough for a column of the terminal.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Smallest => "smallest module",
            Self::Programs => "module of the programs",
            Self::Words => "word counter",
            Self::SmallWords => "word counter (z)",
        }
    }
}

/// Operations without end, while sizes drift and the live bytes stay as many as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Soak {
    pub allocator: String,
    pub outcome: Result<SoakFigures, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SoakFigures {
    pub operations: u64,
    /// How often the sizes came back to where they began.
    pub cycles: u32,
    /// Per operation.
    pub nanoseconds: f64,
    /// Live bytes and pages, equally many times in each cycle, the last time at its end.
    pub samples: Vec<(u64, u64)>,
}
