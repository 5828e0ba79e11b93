//! The workloads under wasmtime: time, executed instructions and linear memory of each in each allocator.

use crate::ARENA;
use crate::guest::{Guest, Loaded};
use crate::plan::{Plan, ROUNDS, reason};
use crate::progress::step;
use crate::results::{Cell, Workload};
use crate::times::{Subject, interleave};
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// One allocator's module.
struct Module {
    allocator: String,
    guests: Result<Guests>,
}

struct Guests {
    plain: Guest,
    /// The same, for executed instructions.
    counting: Guest,
}

/// What needs no clock.
struct Counts {
    instructions: u64,
    pages: u64,
}

impl Module {
    fn compile((allocator, file): &(&str, &Path)) -> Self {
        let guests = || {
            Ok(Guests {
                plain: Guest::compile(file, false)?,
                counting: Guest::compile(file, true)?,
            })
        };
        Self {
            allocator: (*allocator).to_string(),
            guests: guests(),
        }
    }
}

impl Subject for Loaded {
    fn run(&mut self, repeats: u32) -> Result<Duration> {
        let start = Instant::now();
        Loaded::run(self, repeats)?;
        Ok(start.elapsed())
    }
}

/// The synthetic workloads and traces that the plan wants.
pub fn workloads(plan: &Plan, files: &[(&str, &Path)]) -> Vec<Workload> {
    let wanted = plan.workloads();
    if wanted.is_empty() {
        return Vec::new();
    }
    let modules: Vec<Module> = files.iter().map(Module::compile).collect();
    let measure = |workload: lab_workloads::Workload| {
        step(&workload.name);
        let load = |guest: &Guest| Loaded::new(guest, &workload);
        Workload {
            calls: workload.calls as u64,
            peak: workload.peak,
            cells: cells(&modules, load),
            name: workload.name,
        }
    };
    wanted.into_iter().map(measure).collect()
}

/// The whole programs that the plan wants, of modules that have them.
pub fn programs(plan: &Plan, files: &[(&str, &Path)]) -> Result<Vec<Workload>> {
    let modules: Vec<Module> = files.iter().map(Module::compile).collect();
    let mut guests = modules.iter().filter_map(|m| m.guests.as_ref().ok());
    let Some(first) = guests.next() else {
        return Ok(Vec::new());
    };
    let names = first.plain.instantiate()?.programs()?;
    let names = names.iter().map(|name| format!("program/{name}"));
    let wanted = (0..).zip(names).filter(|(_, name)| plan.wants(name));
    let measure = |(number, name): (u32, String)| {
        step(&name);
        let load = |guest: &Guest| Loaded::program(guest, number);
        let cells = cells(&modules, load);
        Workload {
            name,
            calls: 0,
            peak: 0,
            cells,
        }
    };
    Ok(wanted.map(measure).collect())
}

/// One workload in each module.
fn cells(modules: &[Module], load: impl Fn(&Guest) -> Result<Loaded>) -> BTreeMap<String, Cell> {
    let mut counts = Vec::new();
    let mut subjects = Vec::new();
    for module in modules {
        let counted = match &module.guests {
            Ok(guests) => count(&guests.counting, &load).map(|count| (count, &guests.plain)),
            Err(error) => Err(anyhow!(reason(error))),
        };
        let (count, subject) = match counted {
            Ok((count, plain)) => (Some(count), load(plain)),
            Err(error) => (None, Err(error)),
        };
        counts.push(count);
        subjects.push(subject);
    }
    let times = interleave(subjects, ROUNDS);
    let mut cells = BTreeMap::new();
    for ((module, count), time) in modules.iter().zip(counts).zip(times) {
        let grows = module.allocator != ARENA;
        let cell = match time {
            Ok(time) => Cell::Measured {
                nanoseconds: time.nanoseconds,
                quartiles: time.quartiles,
                instructions: count.as_ref().map(|count| count.instructions),
                pages: count.as_ref().map(|count| count.pages).filter(|_| grows),
            },
            Err(error) => Cell::Failed(reason(&error)),
        };
        cells.insert(module.allocator.clone(), cell);
    }
    cells
}

/// Runs a workload twice in an instance that counts. A program's memory includes what making its input took.
fn count(guest: &Guest, load: impl Fn(&Guest) -> Result<Loaded>) -> Result<Counts> {
    let mut loaded = load(guest)?;
    loaded.run(1)?;
    let pages = loaded.live.pages();
    let fuel = loaded.live.fuel();
    loaded.run(1)?;
    Ok(Counts {
        instructions: loaded.live.fuel() - fuel,
        pages,
    })
}
