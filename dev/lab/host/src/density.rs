//! Many live instances of one guest in one host process: their resident memory, and the time to make them.
//!
//! Each instance does a small job, like a handler that has started and served one request, and stays. It
//! allocates 200 small objects of ten sizes, which stay (`guest/200 small objects`); then the first thousand
//! steps of the recorded trace `template` run once, and what they leave is freed.
//!
//! The host runs itself again for each measurement, so that memory begins clean. Inputs and tables lie in pages
//! that the host adds; what of them is resident is known to the page, and taken off.

use crate::guest::{Guest, Live, OS_PAGE, PLACE};
use crate::plan::{DENSITY_ROUNDS, Plan, reason};
use crate::progress::step;
use crate::quantile::median;
use crate::results::{Density, DensityFigures};
use crate::times::turns;
use anyhow::{Context, Result, bail};
use lab_workloads::Kind;
use lab_workloads::steps::{Packed, Step};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Module};

/// The trace of which a request takes the beginning, and how many of its steps.
const REQUEST: &str = "trace/template";
const REQUEST_STEPS: usize = 1000;

/// Instances made before the first that counts: the process has then what it needs only once.
const WARM_UP: u64 = 20;

/// What an instance does: two scripts, the first of which stays.
struct Job {
    objects: Script,
    request: Script,
}

struct Script {
    slots: usize,
    steps: Vec<Packed>,
}

impl Script {
    fn of(workload: lab_workloads::Workload) -> Result<Self> {
        match workload.kind {
            Kind::Script { slots, steps } => Ok(Self { slots, steps }),
            _ => bail!("{} is not a script", workload.name),
        }
    }

    fn parameters(&self, live: &mut Live) -> Result<(u32, u32, u32, u32)> {
        let at = live.room(self.steps.len() as u64 * 8)?;
        live.write(at, self.steps.iter().flat_map(|step| step.words()))?;
        let table = live.table(self.slots as u64)?;
        Ok((at, self.steps.len() as u32, table, self.slots as u32))
    }

    /// Resident bytes of the steps and of the table.
    fn resident(&self) -> u64 {
        let steps = self.steps.len() as u64 * 8;
        let table = self.slots as u64 * PLACE;
        steps.next_multiple_of(OS_PAGE) + table.next_multiple_of(OS_PAGE)
    }
}

impl Job {
    fn new() -> Result<Self> {
        let mut workloads = lab_workloads::all().into_iter();
        let request = workloads.find(|workload| workload.name == REQUEST);
        let mut request = Script::of(request.context("the request's trace is missing")?)?;
        request.steps.truncate(REQUEST_STEPS);
        // These need less of the table than the whole trace.
        let slots = request.steps.iter().map(|&step| match Step::from(step) {
            Step::Alloc { slot, .. } | Step::Realloc { slot, .. } | Step::Free { slot } => slot + 1,
        });
        request.slots = slots.max().unwrap_or(0) as usize;
        let objects = Script::of(lab_workloads::small_guest())?;
        Ok(Self { objects, request })
    }

    /// Makes an instance that has done the job: the time to instantiate it, and the time of the job.
    fn instance(&self, guest: &Guest) -> Result<(Live, Duration, Duration)> {
        let start = Instant::now();
        let mut live = guest.instantiate()?;
        let instantiation = start.elapsed();
        let objects = self.objects.parameters(&mut live)?;
        let (at, count, table, slots) = self.request.parameters(&mut live)?;
        let keep = live.function::<(u32, u32, u32, u32), ()>("job")?;
        let once = live.function::<(u32, u32, u32, u32, u32), ()>("script")?;
        let start = Instant::now();
        keep.call(&mut live.store, objects)?;
        once.call(&mut live.store, (at, count, table, slots, 1))?;
        Ok((live, instantiation, start.elapsed()))
    }
}

/// In a process of its own: makes this many instances of a precompiled module, and prints the figures as JSON.
pub fn hold(module: &Path, instances: u64) -> Result<()> {
    let engine = Engine::default();
    // SAFETY: `measure` has just written the file, with this very program's wasmtime.
    let module = unsafe { Module::deserialize_file(&engine, module)? };
    let guest = Guest::link(&module)?;
    let job = Job::new()?;
    let mut lives = Vec::with_capacity((WARM_UP + instances) as usize);
    for _ in 0..WARM_UP {
        lives.push(job.instance(&guest)?.0);
    }
    let before = resident()?;
    let (mut instantiations, mut jobs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..instances {
        let (live, instantiation, job) = job.instance(&guest)?;
        lives.push(live);
        instantiations += instantiation;
        jobs += job;
    }
    let given = job.objects.resident() + job.request.resident();
    let each = |total: f64| total / instances as f64;
    let figures = DensityFigures {
        kib: each((resident()? as f64 - before as f64) / 1024.0) - given as f64 / 1024.0,
        microseconds: each((instantiations + jobs).as_nanos() as f64 / 1e3),
        instantiation_microseconds: each(instantiations.as_nanos() as f64 / 1e3),
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// This process's resident memory, in bytes; of what it shares with others its part.
fn resident() -> Result<u64> {
    let file = "/proc/self/smaps_rollup";
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("resident memory is known from Linux's {file} only"))?;
    pss(&text).with_context(|| format!("{file} has no Pss"))
}

/// The proportional set size in the text of `smaps_rollup`, in bytes.
fn pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Runs this program again, to hold instances.
fn process(module: &Path, instances: u64) -> Result<DensityFigures> {
    let output = Command::new(std::env::current_exe()?)
        .arg("hold-instances")
        .arg(module)
        .arg(instances.to_string())
        .stderr(Stdio::piped())
        .output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{}", message.lines().next().unwrap_or("no message"));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A module compiled by this program's wasmtime, for [`hold`], in a file that goes with it.
struct Precompiled(PathBuf);

impl Precompiled {
    fn new(allocator: &str, module: &Path) -> Result<Self> {
        let code = std::fs::read(module)
            .with_context(|| format!("cannot read {}", module.display()))
            .and_then(|module| Ok(Engine::default().precompile_module(&module)?))?;
        let name = format!("pageslab-lab-{}-{allocator}.cwasm", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, code).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file))
    }
}

impl Drop for Precompiled {
    fn drop(&mut self) {
        // Nothing is lost if it stays.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn measure(plan: &Plan, files: &[(&str, &Path)]) -> Vec<Density> {
    let modules: Vec<Result<Precompiled>> = files
        .iter()
        .map(|(allocator, file)| Precompiled::new(allocator, file))
        .collect();
    let mut densities = Vec::new();
    for &instances in plan.density() {
        step(&format!("{instances} instances"));
        let mut outcomes: Vec<Result<Vec<DensityFigures>, String>> =
            modules.iter().map(|_| Ok(Vec::new())).collect();
        for round in 0..DENSITY_ROUNDS {
            for turn in turns(modules.len(), round) {
                let outcome = &mut outcomes[turn];
                if let Ok(figures) = outcome {
                    let module = modules[turn].as_ref().map_err(reason);
                    match module.and_then(|m| process(&m.0, instances).map_err(|e| reason(&e))) {
                        Ok(more) => figures.push(more),
                        Err(reason) => *outcome = Err(reason),
                    }
                }
            }
        }
        for ((allocator, _), outcome) in files.iter().zip(outcomes) {
            densities.push(Density {
                allocator: (*allocator).to_string(),
                instances,
                outcome: outcome.map(|rounds| middle(&rounds)),
            });
        }
    }
    densities
}

/// The median of each figure.
fn middle(rounds: &[DensityFigures]) -> DensityFigures {
    let of = |figure: fn(&DensityFigures) -> f64| median(rounds.iter().map(figure).collect());
    DensityFigures {
        kib: of(|figures| figures.kib),
        microseconds: of(|figures| figures.microseconds),
        instantiation_microseconds: of(|figures| figures.instantiation_microseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, pss};

    #[test]
    fn resident_memory_is_the_proportional_part() {
        let text = "55d0-7ffd ---p 00000000 00:00 0   [rollup]\nRss:  2000 kB\nPss:     1234 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(pss(text), Some(1234 * 1024));
        assert_eq!(pss("Rss: 1 kB"), None);
    }

    #[test]
    fn the_input_of_a_job_is_small() {
        let job = Job::new().unwrap();
        assert!(job.objects.resident() + job.request.resident() <= 32 << 10);
    }
}
