//! The allocators interleaved, round by round, so that a machine whose speed drifts slows all of them alike.
//!
//! ```text
//! compare [--rounds N] [--json]        all allocators on all workloads
//! compare --once ALLOCATOR WORKLOAD    one workload once, in an allocator that nothing has used: for measuring memory and instructions
//! compare --list                       the workloads, as JSON lines
//! ```

mod support;

use std::alloc::GlobalAlloc;
use std::time::{Duration, Instant};
use support::allocators::{NAMES, Visitor, visit_all};
use support::workloads::{self, Workload};

/// How long one timed run of one allocator should take at least: many ticks of the clock.
const SLICE: Duration = Duration::from_micros(500);

struct Once<'a> {
    allocator: &'a str,
    workload: &'a Workload,
}

impl Visitor for Once<'_> {
    fn visit<A: GlobalAlloc + Sync>(&mut self, name: &'static str, allocator: &'static A) {
        if name == self.allocator {
            self.workload.run(allocator);
        }
    }
}

/// Times one workload in each allocator in turn.
struct Round<'a> {
    workload: &'a Workload,
    repeats: u32,
    /// Nanoseconds per call, one list per allocator in the order of visits.
    times: &'a mut Vec<Vec<f64>>,
    next: usize,
}

impl Visitor for Round<'_> {
    fn visit<A: GlobalAlloc + Sync>(&mut self, _: &'static str, allocator: &'static A) {
        self.workload.run(allocator);
        let start = Instant::now();
        for _ in 0..self.repeats {
            self.workload.run(allocator);
        }
        let calls = self.workload.calls as f64 * f64::from(self.repeats);
        self.times[self.next].push(start.elapsed().as_nanos() as f64 / calls);
        self.next += 1;
    }
}

/// How many runs fill a slice.
struct Calibrate<'a> {
    workload: &'a Workload,
    repeats: u32,
}

impl Visitor for Calibrate<'_> {
    fn visit<A: GlobalAlloc + Sync>(&mut self, name: &'static str, allocator: &'static A) {
        if name == "limit" {
            self.workload.run(allocator);
            let start = Instant::now();
            self.workload.run(allocator);
            let once = start.elapsed().max(Duration::from_nanos(100));
            self.repeats = (SLICE.as_nanos() / once.as_nanos()).max(1) as u32;
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workloads = workloads::all();
    let value = |name: &str| {
        words
            .iter()
            .position(|&word| word == name)
            .and_then(|at| words.get(at + 1))
    };
    if words.contains(&"--list") {
        for workload in &workloads {
            println!(
                "{{\"name\":\"{}\",\"peak\":{}}}",
                workload.name, workload.peak
            );
        }
    } else if let Some(at) = words.iter().position(|&word| word == "--once") {
        let allocator = words[at + 1];
        let name = words[at + 2..].join(" ");
        if let Some(workload) = workloads.iter().find(|workload| workload.name == name) {
            visit_all(&mut Once {
                allocator,
                workload,
            });
        }
    } else {
        let rounds = value("--rounds")
            .and_then(|text| text.parse().ok())
            .unwrap_or(31);
        let filter = value("--filter").copied().unwrap_or("");
        let workloads: Vec<_> = workloads
            .into_iter()
            .filter(|w| w.name.contains(filter))
            .collect();
        compare(&workloads, rounds, words.contains(&"--json"));
    }
}

fn compare(workloads: &[Workload], rounds: usize, json: bool) {
    let mut logs = vec![0.0; NAMES.len()];
    if !json {
        print!("{:28}", "ns per call; ratio to limit");
        for name in NAMES {
            print!("{name:>16}");
        }
        println!();
    }
    for workload in workloads {
        let mut calibrate = Calibrate {
            workload,
            repeats: 1,
        };
        visit_all(&mut calibrate);
        let mut times = vec![Vec::new(); NAMES.len()];
        for _ in 0..rounds {
            visit_all(&mut Round {
                workload,
                repeats: calibrate.repeats,
                times: &mut times,
                next: 0,
            });
        }
        // Ratios are of times of the same round, so that drift between rounds cancels.
        let limit = times[1].clone();
        let mut ratios: Vec<Vec<f64>> = times
            .iter()
            .map(|own| own.iter().zip(&limit).map(|(a, b)| a / b).collect())
            .collect();
        let ratios: Vec<f64> = ratios.iter_mut().map(|own| median(own)).collect();
        let medians: Vec<f64> = times.iter_mut().map(|own| median(own)).collect();
        for (log, ratio) in logs.iter_mut().zip(&ratios) {
            *log += ratio.ln();
        }
        if json {
            for ((name, time), ratio) in NAMES.iter().zip(&medians).zip(&ratios) {
                println!(
                    "{{\"workload\":\"{}\",\"allocator\":\"{name}\",\"nanoseconds\":{time:.3},\"ratio\":{ratio:.4}}}",
                    workload.name
                );
            }
        } else {
            print!("{:28}", workload.name);
            for (time, ratio) in medians.iter().zip(&ratios) {
                print!("{time:>10.2}{ratio:>6.2}");
            }
            println!();
        }
    }
    if !json {
        print!("{:28}", "geometric mean");
        for log in logs {
            print!("{:>16.3}", (log / workloads.len() as f64).exp());
        }
        println!();
    }
}
