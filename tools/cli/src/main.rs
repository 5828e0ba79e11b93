//! `pageslab`: runs guests that have pageslab, and tells what their heaps hold.

mod bench;
mod checks;
mod map;
mod output;
mod report;
mod run;
mod svg;
mod text;
#[cfg(feature = "view")]
mod view;

use anyhow::{Context as _, Result};
use checks::{Check, Findings};
use clap::Parser;
use output::Output;
use pageslab_snapshot::{Diff, Snapshot};
use report::{Contents, Report};
use run::{Command, Host, NoHeap, Run, Sample};
use std::fs;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "Exit codes of `run`:
  the guest's own, if it ends by itself and no check fails
  120  misuse: the guest trapped, and pageslab said why (with --fail-on misuse)
  121  leak: blocks are live when the guest ends (with --fail-on leak)
  122  growth: memory still grew in the second half of the run (with --fail-on growth)
  123  the guest does not export __pageslab_heap
  124  the guest was stopped from the live view
  125  pageslab itself failed: no such file, no such directory
  134  the guest trapped";

/// Runs WebAssembly guests that have pageslab, and tells what their heaps hold
#[derive(Parser)]
#[command(name = "pageslab", version, after_help = EXIT_CODES)]
enum Cli {
    /// Run a guest, and watch its heap
    Run(RunArguments),
    /// Record what a guest asks of its allocator, whichever that is, and replay it under pageslab, dlmalloc and talc
    Bench(bench::Arguments),
    /// Run a guest, and write a snapshot of its heap
    Snapshot {
        /// Where to write it
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,

        /// Stop the guest then, unless it ended before. A guest that waits for input is not stopped
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        after: Option<Duration>,

        #[command(flatten)]
        command: Command,
    },
    /// Tell what a snapshot holds
    Show {
        /// The snapshot
        #[arg(value_name = "FILE.snap")]
        file: PathBuf,

        /// As JSON: the summary, the live blocks by length, and all runs
        #[arg(long)]
        json: bool,

        /// Draw the heap, too
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Tell what is live in one of two snapshots only
    Diff {
        /// The snapshot before
        #[arg(value_name = "BEFORE.snap")]
        before: PathBuf,

        /// The snapshot after
        #[arg(value_name = "AFTER.snap")]
        after: PathBuf,

        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
struct RunArguments {
    /// Print lines for logs, not the live view. So it is where stdout or stderr is no terminal
    #[arg(long)]
    plain: bool,

    /// How often to read the heap [default: 1 second in lines, 0.1 in the live view]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,

    /// List what is live when the guest ends
    #[arg(long)]
    leaks: bool,

    /// Fail if any of these is found
    #[arg(long, value_name = "CHECKS", value_enum, value_delimiter = ',')]
    fail_on: Vec<Check>,

    /// Let so many bytes be live at the end before it is a leak
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    allow: u64,

    /// Write what was found to a file; may be repeated
    #[arg(long, value_name = "json=FILE|junit=FILE")]
    report: Vec<Report>,

    #[command(flatten)]
    command: Command,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let done = match Cli::parse() {
        Cli::Run(arguments) => arguments.run(),
        Cli::Bench(arguments) => arguments.run(),
        Cli::Snapshot {
            out,
            after,
            command,
        } => take(&out, after, &command).map(|()| 0),
        Cli::Show { file, json, svg } => show(&file, json, svg.as_deref()).map(|()| 0),
        Cli::Diff {
            before,
            after,
            json,
        } => diff(&before, &after, json).map(|()| 0),
    };
    let code = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        match error.is::<NoHeap>() {
            true => checks::NO_HEAP,
            false => checks::FAILED,
        }
    });
    ExitCode::from(code)
}

impl RunArguments {
    fn run(&self) -> Result<u8> {
        let (run, lines) = self.watch()?;
        if let run::End::Trap(trap) = &run.end {
            eprintln!("{trap}");
        }
        let findings = Findings::new(&run, lines);
        let code = findings.code(&self.fail_on, self.allow);
        if self.leaks {
            let sum = text::bytes(findings.leaked());
            eprintln!("{sum} are live at the end");
            eprint!("{}", text::groups(&findings.leaks, usize::MAX));
        }
        for &check in &self.fail_on {
            if let Some(why) = findings.failure(check, self.allow) {
                eprintln!("failed: {why}");
            }
        }
        if self.fail_on.contains(&Check::Growth) && findings.growth == checks::Growth::TooShort {
            eprintln!("the run was too short to tell whether memory grows");
        }
        let contents = Contents {
            guest: self.command.name(),
            seconds: run.time.as_secs_f64(),
            code,
            findings: &findings,
            summary: run.snapshot.ok().map(|snapshot| snapshot.summary()),
            checks: &self.fail_on,
            allowed: self.allow,
        };
        for report in &self.report {
            report.write(&contents)?;
        }
        Ok(code)
    }

    /// Runs the guest with a view of its heap, and returns what became of it, and its lines about misuse.
    fn watch(&self) -> Result<(Run, Vec<String>)> {
        #[cfg(feature = "view")]
        if !self.plain && view::has_terminal() {
            let interval = self.interval.unwrap_or(Duration::from_millis(100));
            return view::run(&self.command, interval);
        }
        let stderr = Output::stderr();
        let mut last = None;
        let host = Host {
            has_input: true,
            stdout: Output::stdout(),
            stderr: stderr.clone(),
            interval: self.interval.unwrap_or(Duration::from_secs(1)),
            watch: Box::new(move |Sample { time, snapshot }| {
                if last.as_ref() != Some(&snapshot) {
                    eprintln!("{}", text::line(time, &snapshot));
                    last = Some(snapshot);
                }
                ControlFlow::Continue(())
            }),
        };
        let run = run::run(&self.command, host)?;
        match &run.snapshot {
            Ok(snapshot) => eprintln!("{}", text::line(run.time, snapshot)),
            Err(error) => eprintln!("the heap cannot be read: {error}"),
        }
        Ok((run, stderr.misuse()))
    }
}

/// Runs a guest to its end, a trap, or until it is time, and writes a snapshot.
fn take(out: &Path, after: Option<Duration>, command: &Command) -> Result<()> {
    let host = Host {
        has_input: true,
        stdout: Output::stdout(),
        stderr: Output::stderr(),
        interval: after.unwrap_or(Duration::MAX),
        watch: Box::new(move |sample| match after {
            Some(after) if sample.time >= after => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }),
    };
    let run = run::run(command, host)?;
    if let run::End::Trap(trap) = &run.end {
        eprintln!("{trap}");
    }
    write(out, &run.snapshot?.encode())
}

fn show(file: &Path, json: bool, svg: Option<&Path>) -> Result<()> {
    let snapshot = read(file)?;
    if let Some(file) = svg {
        write(file, svg::svg(&snapshot).as_bytes())?;
    }
    print(&match json {
        true => to_json(&serde_json::json!({
            "summary": snapshot.summary(),
            "live": snapshot.holders(),
            "snapshot": snapshot,
        }))?,
        false => text::snapshot(&snapshot),
    })
}

fn diff(before: &Path, after: &Path, json: bool) -> Result<()> {
    let diff = Diff::new(&read(before)?, &read(after)?);
    print(&match json {
        true => to_json(&diff)?,
        false => text::diff(&diff),
    })
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Prints to whoever still reads it.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn read(file: &Path) -> Result<Snapshot> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read {name}"))?;
    Snapshot::decode(&bytes).with_context(|| format!("cannot read {name}"))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
