//! Made-up results for tests: two platforms, a peer that fails, one that is missing, names that need escaping.

use crate::results::{
    Cell, Density, DensityFigures, Growth, GrowthFigures, Latency, Module, Percentiles, Platform,
    Results, Size, Soak, SoakFigures, UNDER_WASMTIME, Workload,
};
use std::collections::BTreeMap;

/// Fails one workload and every measurement that is not a workload.
pub const FAILING: &str = "lol-alloc";
/// Why it does: in characters that HTML and Markdown have to escape.
pub const REASON: &str = "out of <memory> | & \"patience\"";
/// Could not be built.
pub const MISSING: &str = "mimalloc-v3";
/// A workload of less than sixteen pages.
pub const SMALL: &str = "guest/200 small objects";

const WASM: [(&str, f64); 9] = [
    ("pageslab", 1.1),
    ("limit", 1.0),
    ("dlmalloc", 2.9),
    ("talc", 2.6),
    ("rlsf", 4.4),
    ("rlsf-small", 3.9),
    (FAILING, 21.0),
    ("mimalloc-v2", 2.2),
    ("wasi-libc", 3.3),
];
const NATIVE: [(&str, f64); 8] = [
    ("pageslab", 1.1),
    ("limit", 1.0),
    ("dlmalloc", 2.6),
    ("talc", 2.4),
    ("rlsf", 3.4),
    ("mimalloc-v2", 1.0),
    ("jemalloc", 1.7),
    ("glibc", 2.1),
];
/// Name, calls, peak of live bytes, pages, nanoseconds per call.
const WORKLOADS: [(&str, u64, u64, u64, f64); 20] = [
    ("pair/24 constant", 2000, 24, 1, 1.0),
    ("pair/400", 2000, 400, 1, 1.4),
    ("batch/16 in order", 2000, 16_000, 1, 1.2),
    ("batch/1500 shuffled", 2000, 1_500_000, 30, 3.1),
    ("mix/1 to 128", 20_000, 30_000, 2, 6.2),
    ("mix/1024 to 65536", 20_000, 9_000_000, 230, 11.4),
    (SMALL, 400, 23_680, 1, 2.0),
    ("growth/vector to 1 MiB", 20, 1 << 20, 33, 900.0),
    ("trace/atlas", 45_000, 3_000_000, 63, 5.2),
    ("trace/columns", 64_000, 5_400_000, 101, 4.1),
    ("trace/decompile", 86_000, 1_800_000, 41, 3.8),
    ("trace/json", 64_000, 2_400_000, 52, 3.6),
    ("trace/regex", 64_000, 640_000, 15, 4.4),
    ("trace/sql", 53_000, 1_200_000, 28, 4.0),
    ("trace/template", 71_000, 900_000, 22, 3.7),
    ("program/atlas", 0, 0, 80, 2.0e6),
    ("program/json", 0, 0, 70, 9.1e6),
    ("program/regex", 0, 0, 25, 7.4e6),
    ("program/sql", 0, 0, 48, 6.3e6),
    ("program/template", 0, 0, 31, 3.2e6),
];

/// Reproducible deviations, as measurements have them.
fn wobble(text: &str) -> f64 {
    let hash = text.bytes().fold(5381u32, |hash, byte| {
        hash.wrapping_mul(33) ^ u32::from(byte)
    });
    0.8 + 0.4 * f64::from(hash % 1000) / 1000.0
}

fn outcome<T>(allocator: &str, figures: T) -> Result<T, String> {
    if allocator == FAILING {
        Err(REASON.into())
    } else {
        Ok(figures)
    }
}

fn workload(
    (name, calls, peak, pages, nanoseconds): (&str, u64, u64, u64, f64),
    allocators: &[(&str, f64)],
    is_wasm: bool,
) -> Workload {
    let cell = |&(allocator, factor): &(&str, f64)| {
        let is_limit = allocator == "limit";
        let factor = if is_limit {
            1.0
        } else if calls == 0 {
            1.0 + 0.1 * factor * wobble(&format!("{name}{allocator}"))
        } else {
            factor * wobble(&format!("{name}{allocator}"))
        };
        let time = nanoseconds * factor * calls.max(1) as f64;
        let spread = if is_limit {
            1.7
        } else {
            wobble(&format!("{allocator}{name}"))
        };
        let measured = Cell::Measured {
            nanoseconds: time,
            quartiles: [time * 0.97, time * 1.04],
            instructions: is_wasm.then_some((time * 4.0) as u64),
            pages: is_wasm.then_some((pages as f64 * spread).round() as u64),
        };
        let fails = allocator == FAILING && name == "mix/1024 to 65536";
        let cell = if fails {
            Cell::Failed(REASON.into())
        } else {
            measured
        };
        (allocator.to_string(), cell)
    };
    Workload {
        name: name.into(),
        calls,
        peak,
        cells: allocators.iter().map(cell).collect(),
    }
}

fn growth(allocators: &[(&str, f64)]) -> Vec<Growth> {
    let points = allocators.iter().flat_map(|&(allocator, factor)| {
        [1_000u64, 10_000, 100_000, 1_000_000].map(|live| Growth {
            allocator: allocator.into(),
            live,
            outcome: outcome(
                allocator,
                GrowthFigures {
                    nanoseconds: factor
                        * 5.0
                        * (1.0 + 0.3 * (live as f64 / 1000.0).log10())
                        * wobble(&format!("{allocator}{live}")),
                    pages: (live * 64 / 65_536).max(1) + (live as f64 * factor / 4000.0) as u64,
                },
            ),
        })
    });
    points.collect()
}

fn latencies(allocators: &[(&str, f64)]) -> Vec<Latency> {
    let points = allocators.iter().flat_map(|&(allocator, factor)| {
        ["alloc", "free"].into_iter().flat_map(move |call| {
            [1_000u64, 10_000, 100_000, 1_000_000].map(|live| {
                let base = 9.0 * factor * wobble(&format!("{allocator}{call}{live}"));
                Latency {
                    allocator: allocator.into(),
                    live,
                    call: call.into(),
                    outcome: outcome(
                        allocator,
                        Percentiles {
                            p50: base,
                            p99: base * 2.0,
                            p9999: base * 2.0 + live as f64 * factor / 5e3,
                            max: base * 3.0 + live as f64 * factor * factor / 4e2,
                        },
                    ),
                }
            })
        })
    });
    points.collect()
}

fn densities(allocators: &[(&str, f64)]) -> Vec<Density> {
    let points = allocators.iter().flat_map(|&(allocator, factor)| {
        [50u64, 500].map(|instances| Density {
            allocator: allocator.into(),
            instances,
            outcome: outcome(
                allocator,
                DensityFigures {
                    kib: 90.0 + 12.0 * factor,
                    microseconds: 31.0 + 4.0 * factor,
                    instantiation_microseconds: 12.0 + factor,
                },
            ),
        })
    });
    points.collect()
}

/// Two cycles of two samples. The subject comes last.
fn soaks(allocators: &[(&str, f64)]) -> Vec<Soak> {
    let soaks = allocators.iter().rev().map(|&(allocator, factor)| Soak {
        allocator: allocator.into(),
        outcome: outcome(
            allocator,
            SoakFigures {
                operations: 400_000_000,
                cycles: 2,
                nanoseconds: 20.0 * factor,
                samples: [200, 300, 300, 310].map(|pages| (16 << 20, pages)).into(),
            },
        ),
    });
    soaks.collect()
}

fn platform(name: &str, allocators: &[(&str, f64)], is_wasm: bool) -> Platform {
    let sizes = Module::ALL.into_iter().flat_map(|module| {
        let default = if module.is_compared_with_default() {
            60_000
        } else {
            0
        };
        allocators.iter().map(move |&(allocator, factor)| Size {
            allocator: allocator.into(),
            module,
            default,
            outcome: outcome(allocator, default + (1500.0 * factor) as u64),
        })
    });
    Platform {
        name: name.into(),
        allocators: allocators
            .iter()
            .map(|(name, _)| (*name).to_string())
            .collect(),
        modes: Vec::new(),
        workloads: WORKLOADS
            .iter()
            .map(|&row| workload(row, allocators, is_wasm))
            .collect(),
        growth: if is_wasm { growth(allocators) } else { vec![] },
        latencies: latencies(allocators),
        densities: if is_wasm {
            densities(allocators)
        } else {
            vec![]
        },
        sizes: if is_wasm { sizes.collect() } else { vec![] },
        soaks: if is_wasm { soaks(allocators) } else { vec![] },
    }
}

#[must_use]
pub fn results() -> Results {
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
            .collect()
    };
    Results {
        date: "2026-11-23".into(),
        machine: "AMD EPYC <made up>, 2 cores".into(),
        command: "cargo xtask bench --rounds 31".into(),
        rounds: 31,
        quick: false,
        versions: pairs(&[
            ("rustc", "1.95.0"),
            ("wasmtime", "48.0.8"),
            ("dlmalloc", "0.2.14"),
            ("talc", "5.1.1"),
        ]),
        missing: pairs(&[(MISSING, "no C compiler for wasm32-wasip1 <clang>")]),
        platforms: vec![
            platform(UNDER_WASMTIME, &WASM, true),
            platform("native", &NATIVE, false),
        ],
    }
}
