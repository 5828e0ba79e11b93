//! `pageslab bench`: what a guest's own calls of its allocator take under pageslab, dlmalloc and talc.
//!
//! The guest need not know of pageslab. Its allocator's functions are found by their names ([`allocator`]), and made to write down
//! each call ([`instrument`]): the guest is neither built anew nor changed by hand. The calls become a script ([`script`]), which
//! modules with these allocators follow in turns ([`replay`]).

mod allocator;
mod instrument;
mod module;
mod record;
mod replay;
mod script;

use crate::checks;
use crate::run::Command;
use crate::text::bytes;
use anyhow::{Context as _, Result, ensure};
use pageslab_trace::Trace;
use record::{Ended, NoAllocator, Recording};
use replay::Measured;
use script::{Figures, Script};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// What a trace begins with, and a module.
const TRACE: &[u8] = b"mtrc";
const WASM: &[u8] = b"\0asm";

#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    /// Call this export, which takes no parameters. Of a library, `_initialize` is called before [default: _start]
    #[arg(long, value_name = "EXPORT")]
    call: Option<String>,

    /// How often each allocator has its turn; the medians are shown
    #[arg(long, value_name = "N", default_value_t = 21)]
    rounds: u32,

    /// As JSON
    #[arg(long)]
    json: bool,

    /// Write down the guest's calls, too. Such a file can be given in the place of the guest
    #[arg(long, value_name = "FILE.trace")]
    save: Option<PathBuf>,

    #[command(flatten)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes of `bench`:
    0  the table is there
    2  wrong arguments
  123  the guest's allocator is not found
  125  `pageslab` itself failed: no such file, no such export
  134  the guest trapped
  the guest's own, if it ended with one that is not 0";

/// What is told.
#[derive(Serialize)]
struct Report<'a> {
    guest: &'a str,
    /// How long the guest takes for its work, if it was run.
    guest_nanoseconds: Option<u64>,
    #[serde(flatten)]
    figures: Figures,
    /// Whether only its first calls were recorded.
    is_cut_short: bool,
    /// Whether it has a global allocator of its own: then calls that are inlined are missing.
    has_own_allocator: bool,
    allocators: Vec<Measured>,
}

impl Arguments {
    /// Records, replays and prints. Returns the exit code.
    pub fn run(&self) -> Result<u8> {
        match self.report() {
            Ok(text) => crate::print(&text).map(|()| 0),
            Err(error) => {
                let code = match (error.downcast_ref(), error.is::<NoAllocator>()) {
                    (Some(&Ended::Exit(code)), _) => u8::try_from(code).unwrap_or(u8::MAX),
                    (Some(Ended::Trap(_)), _) => checks::TRAPPED,
                    (None, true) => checks::NO_HEAP,
                    (None, false) => checks::FAILED,
                };
                eprintln!("error: {error:#}");
                Ok(code)
            }
        }
    }

    fn report(&self) -> Result<String> {
        let guest = self.command.name();
        let file = fs::read(guest).with_context(|| format!("cannot read {guest}"))?;
        let recording = if file.starts_with(TRACE) {
            let trace = Trace::decode(&file).with_context(|| format!("cannot read {guest}"))?;
            Recording::of(Script::of(&trace))
        } else {
            ensure!(
                file.starts_with(WASM),
                "{guest} is no WebAssembly module, and no trace"
            );
            record::record(&file, &self.command, self.call.as_deref())?
        };
        let script = recording.script;
        if let Some(file) = &self.save {
            let trace = script.encode(guest);
            fs::write(file, trace).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let report = Report {
            guest,
            guest_nanoseconds: recording.time.map(|time| time.as_nanos() as u64),
            figures: script.figures,
            is_cut_short: recording.is_cut_short,
            has_own_allocator: recording.has_own,
            allocators: replay::replay(&script, self.rounds)?,
        };
        match self.json {
            true => crate::to_json(&report),
            false => Ok(table(&report)),
        }
    }
}

/// The report for people. dlmalloc is 1.00.
fn table(report: &Report<'_>) -> String {
    let figures = &report.figures;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} calls: {} allocs, {} reallocs, {} frees",
        figures.calls(),
        figures.allocs,
        figures.reallocs,
        figures.frees
    );
    let _ = writeln!(
        out,
        "at most {} live in {} blocks",
        bytes(figures.peak_bytes),
        figures.peak_blocks
    );
    if report.is_cut_short {
        out.push_str("the guest makes more calls; these are the first\n");
    }
    if report.has_own_allocator {
        out.push_str(
            "the guest has its own global allocator: only a debug build shows all calls\n",
        );
    }
    out.push_str("\n             time   ns a call   memory");
    if report.guest_nanoseconds.is_some() {
        out.push_str("                of the guest's time");
    }
    out.push('\n');
    let Some(first) = report.allocators.first() else {
        return out;
    };
    for measured in &report.allocators {
        let ratio = |of: fn(&Measured) -> u64| of(measured) as f64 / of(first).max(1) as f64;
        let _ = write!(
            out,
            "{:<11}{:>6.2}{:>12.1}{:>9.2}{:>12}",
            measured.allocator,
            ratio(|of| of.nanoseconds),
            measured.nanoseconds as f64 / figures.calls().max(1) as f64,
            ratio(|of| of.memory_bytes),
            bytes(measured.memory_bytes)
        );
        if let Some(all) = report.guest_nanoseconds {
            let share = 100.0 * measured.nanoseconds as f64 / all.max(1) as f64;
            let _ = write!(out, "{share:>20.1} %");
        }
        out.push('\n');
    }
    out
}
