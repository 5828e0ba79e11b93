//! Programs of other people (`dev/real`), each with each allocator: `lab real`.
//!
//! A program is a command that does the same job in each run, and prints one line with a checksum of it. The allocators take
//! turns with it, as with any workload. If the line is not the same in all runs, that is an error.

mod command;

use crate::metadata;
use crate::modules::{self, Build, features_of};
use crate::progress::{stage, step};
use crate::quantile::median;
use crate::results::DLMALLOC;
use crate::summary::table::Table;
use crate::summary::tables::cells::{NOTHING, ratio_text, thousands};
use crate::times::turns;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command::{Command, Run};
use lab_toolchain::{lab, size};
use std::fmt::Write;
use std::path::PathBuf;

const PROGRAMS: [&str; 3] = ["sql", "document", "javascript"];

/// How much each of them does, in its own measure: a run of one to five seconds.
const WORK: [&str; 3] = ["10", "8", "3"];

/// In the order in which they are shown. The first is std's default.
const ALLOCATORS: [&str; 4] = ["wasi-libc", "dlmalloc", "talc", "pageslab"];

/// What is built and run only if it is asked for.
const CHECKED: &str = "pageslab-checked";

/// Where the programs are, and what they have locked.
const LOCK: &str = "dev/real/Cargo.lock";

/// The packages whose versions matter, as `LOCK` names them.
const PACKAGES: [&str; 5] = ["gluesql-core", "typst", "boa_engine", "dlmalloc", "talc"];

const HEADER: [&str; 8] = [
    "program",
    "allocator",
    "time",
    "seconds",
    "memory",
    "pages",
    "at the start",
    "module, bytes",
];

const NOTE: &str = "Time and memory to dlmalloc, which is 1.00. Pages are all of linear memory at the end, which is the most.";

#[derive(Args)]
pub struct Options {
    /// Run only these, separated by commas: sql, document, javascript
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = PROGRAMS)]
    programs: Vec<String>,
    /// With these, separated by commas: wasi-libc, dlmalloc, talc, pageslab; pageslab-checked only if it is named
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ALLOCATORS)]
    allocators: Vec<String>,
    /// How often each is run; 0 leaves it at the modules, which are in target/lab/modules
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,
}

/// A program with one allocator, and its runs, one at least.
struct Outcome {
    allocator: String,
    bytes: u64,
    runs: Vec<Run>,
}

impl Outcome {
    /// The median.
    fn seconds(&self) -> f64 {
        let times = self.runs.iter().map(|run| run.time.as_secs_f64());
        median(times.collect())
    }

    fn pages(&self) -> u64 {
        self.runs.iter().map(|run| run.pages).max().unwrap_or(0)
    }
}

impl Options {
    /// Builds what is asked for, runs it, and prints the table as Markdown.
    pub fn run(&self) -> Result<()> {
        ensure_known(&self.programs, &PROGRAMS)?;
        ensure_known(&self.allocators, &[&ALLOCATORS[..], &[CHECKED]].concat())?;
        let mut all = Vec::new();
        for (program, work) in PROGRAMS.into_iter().zip(WORK) {
            if !self.programs.iter().any(|wanted| wanted == program) {
                continue;
            }
            let files = stage(&format!("building {program}"), || self.build(program))?;
            if self.rounds > 0 {
                let measure = || self.measure(&files, work);
                let outcomes = stage(&format!("running {program}"), measure)?;
                step(same_output(&outcomes).with_context(|| program.to_string())?);
                all.extend(rows(program, &outcomes));
            }
        }
        if self.rounds > 0 {
            let mut table = Table::listing("Programs of other people", HEADER, all.into_iter());
            table.remark(NOTE);
            table.remark(&self.stamp()?);
            println!("{}", table.in_markdown());
        }
        Ok(())
    }

    /// A module for each allocator, beside its name.
    fn build(&self, program: &str) -> Result<Vec<(&str, PathBuf)>> {
        let build = |name| Ok((name, build(program, name)?));
        let allocators = self.allocators.iter().map(String::as_str);
        allocators.map(build).collect()
    }

    fn measure(&self, files: &[(&str, PathBuf)], work: &str) -> Result<Vec<Outcome>> {
        let (mut commands, mut outcomes) = (Vec::new(), Vec::new());
        for (allocator, file) in files {
            commands.push(Command::compile(file)?);
            outcomes.push(Outcome {
                allocator: (*allocator).into(),
                bytes: size::stripped(file)?,
                runs: Vec::new(),
            });
        }
        for round in 0..self.rounds {
            for turn in turns(outcomes.len(), round) {
                let run = commands[turn].run(work);
                let run = run.with_context(|| format!("with {}", outcomes[turn].allocator))?;
                outcomes[turn].runs.push(run);
            }
        }
        Ok(outcomes)
    }

    /// When, where, how often and with which versions this measured.
    fn stamp(&self) -> Result<String> {
        let (date, machine) = (metadata::date(), metadata::machine());
        let mut stamp = format!("Medians of {} rounds on {date} on {machine}", self.rounds);
        let lock = std::fs::read_to_string(modules::root().join(LOCK))?;
        for package in PACKAGES {
            let version = metadata::locked(&lock, package).unwrap_or("?");
            write!(stamp, ", {package} {version}")?;
        }
        let versions = metadata::versions(modules::root());
        for name in ["wasmtime", "rustc", "pageslab's commit"] {
            let version = versions.get(name).map_or("?", String::as_str);
            write!(stamp, ", {name} {version}")?;
        }
        Ok(stamp + ".")
    }
}

fn ensure_known(names: &[String], all: &[&str]) -> Result<()> {
    match names.iter().find(|name| !all.contains(&name.as_str())) {
        Some(name) => bail!("{name} is none of {}", all.join(", ")),
        None => Ok(()),
    }
}

/// The line that all runs have printed.
fn same_output(outcomes: &[Outcome]) -> Result<&str> {
    let mut outputs = outcomes.iter().flat_map(|outcome| {
        let runs = outcome.runs.iter();
        runs.map(|run| (&outcome.allocator, &run.output))
    });
    let (_, first) = outputs.next().context("there is no run")?;
    for (allocator, output) in outputs {
        ensure!(output == first, "{output} with {allocator} is not {first}");
    }
    Ok(first)
}

/// A row for each allocator: what it takes to dlmalloc, and in figures.
fn rows(program: &str, outcomes: &[Outcome]) -> Vec<[String; 8]> {
    let base = outcomes
        .iter()
        .find(|outcome| outcome.allocator == DLMALLOC);
    let to_base = |outcome: &Outcome, of: fn(&Outcome) -> f64| {
        base.map_or(NOTHING.into(), |base| ratio_text(of(outcome) / of(base)))
    };
    let row = |outcome: &Outcome| {
        let start = outcome.runs.first().map_or(0, |run| run.start);
        [
            program.into(),
            outcome.allocator.clone(),
            to_base(outcome, Outcome::seconds),
            format!("{:.2}", outcome.seconds()),
            to_base(outcome, |outcome| outcome.pages() as f64),
            thousands(outcome.pages()),
            thousands(start),
            thousands(outcome.bytes),
        ]
    };
    outcomes.iter().map(row).collect()
}

/// Has cargo build a program with an allocator. Each program has a target directory: they share little, and can so be built
/// side by side.
fn build(program: &str, allocator: &str) -> Result<PathBuf> {
    let manifest = format!("dev/real/{program}/Cargo.toml");
    let target = lab("real").join(program);
    let target = target.to_str().context("the target directory is no text")?;
    let arguments = [
        "--release",
        "--manifest-path",
        &manifest,
        "--target-dir",
        target,
        "--target",
        "wasm32-wasip1",
    ];
    let build = Build {
        file: lab("modules").join(format!("real-{program}-{allocator}.wasm")),
        arguments: &arguments,
        manifests: &[
            "dev/real/Cargo.toml",
            LOCK,
            "dev/lab/allocators/Cargo.toml",
            &manifest,
        ],
        features: features_of(allocator, false),
        environment: &[],
    };
    build.run()
}

#[cfg(test)]
mod tests {
    use super::{DLMALLOC, Outcome, Run, rows, same_output};
    use std::time::Duration;

    fn outcome(allocator: &str, milliseconds: [u64; 3], pages: u64, output: &str) -> Outcome {
        let run = |milliseconds| Run {
            time: Duration::from_millis(milliseconds),
            start: 17,
            pages,
            output: output.into(),
        };
        Outcome {
            allocator: allocator.into(),
            bytes: 1234,
            runs: milliseconds.map(run).into(),
        }
    }

    #[test]
    fn a_row_is_to_dlmalloc() {
        let outcomes = [
            outcome("talc", [900, 9000, 1000], 300, "1"),
            outcome(DLMALLOC, [2000, 2000, 2000], 200, "1"),
        ];
        let rows = rows("sql", &outcomes);
        let expected = ["sql", "talc", "0.50", "1.00", "1.50", "300", "17", "1,234"];
        assert_eq!(rows[0], expected.map(String::from));
        assert_eq!((&*rows[1][2], &*rows[1][4]), ("1.00", "1.00"));
        assert_eq!(super::rows("sql", &outcomes[..1])[0][2], "–");
    }

    #[test]
    fn all_runs_say_the_same() {
        let mut outcomes = vec![
            outcome("talc", [1; 3], 1, "one"),
            outcome(DLMALLOC, [1; 3], 1, "one"),
        ];
        assert_eq!(same_output(&outcomes).unwrap(), "one");
        outcomes.push(outcome("pageslab", [1; 3], 1, "two"));
        let error = same_output(&outcomes).unwrap_err().to_string();
        assert_eq!(error, "two with pageslab is not one");
        assert!(same_output(&[]).is_err());
    }
}
