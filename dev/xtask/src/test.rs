//! `cargo xtask test`: runs stages (`stages.rs`) and says what came of them.
//!
//! Each has a line. What the commands print goes into a log; a failure shows the end of it, with the command that repeats
//! just that. With `CI` in the environment all of it is printed as well, since a log is then hard to come by.
//!
//! Stages that build apart from others run beside them, in a lane of their own: much of the time a stage has one thread, and
//! leaves a core to the other lane.

use crate::log::Log;
use crate::outcome::{Counts, Failure};
use crate::stages::{self, STAGES, Stage, When};
use crate::step;
use crate::tools::{self, Tool};
use crate::work::Work;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::cmp::Reverse;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

const LOG: &str = "xtask/test.log";

/// The seconds and the name of each stage, for scripts.
const TIMES: &str = "xtask/times";

#[derive(Args)]
pub struct Options {
    /// Run these stages only
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Run all stages
    #[arg(long, conflicts_with = "stages")]
    all: bool,
    /// Run the stages that continuous integration has beyond those that run without an option
    #[arg(long, conflicts_with_all = ["stages", "all"])]
    more: bool,
    /// Name the stages, with what they test and how long they usually take
    #[arg(long)]
    list: bool,
}

/// Of a stage that needs what is missing.
const SKIPPED: &str = "SKIPPED";
const FAILED: &str = "FAILED";
/// Of a stage that leaves tests out, for want of what is missing.
const IN_PART: &str = "IN PART";

/// What came of a stage.
struct Row {
    number: usize,
    name: &'static str,
    counts: Counts,
    time: Duration,
    /// A word for it, unless all is well.
    trouble: &'static str,
    failures: Vec<Failure>,
    told: Vec<String>,
}

/// A stage and its number in this run.
type Numbered = (usize, &'static Stage);

/// What the lanes have in common.
struct Run<'a> {
    stages: usize,
    missing: &'a [Tool],
    /// Whether the log is shown.
    is_shown: bool,
    /// Whether there is one lane only.
    is_alone: bool,
}

pub fn run(options: &Options) -> Result<()> {
    if options.list {
        list();
        return Ok(());
    }
    let start = Instant::now();
    let chosen = options.chosen()?;
    let is_shown = std::env::var_os("CI").is_some();
    let mut log = Log::create(&step::target().join(LOG), is_shown)?;
    let place = log.place();
    println!("{} stages; the whole output goes to {place}", chosen.len());
    let missing = tools::missing(&chosen);
    tools::advise(&missing);

    let numbered = (1..).zip(chosen.iter().copied());
    let (apart, others): (Vec<_>, Vec<_>) = numbered.partition(|(_, stage)| stage.is_apart);
    let run = Run {
        stages: chosen.len(),
        missing: &missing,
        is_shown,
        is_alone: apart.is_empty() || others.is_empty(),
    };
    let mut beside = log.beside()?;
    let mut rows = thread::scope(|scope| {
        let lane = scope.spawn(|| run.lane(&apart, &mut beside));
        let mut rows = run.lane(&others, &mut log)?;
        let other = lane.join().unwrap_or_else(|_| bail!("a lane has panicked"));
        rows.extend(other?);
        anyhow::Ok(rows)
    })?;

    if is_shown {
        // Where minutes can be saved.
        rows.sort_by_key(|row| Reverse(row.time));
    } else {
        rows.sort_by_key(|row| row.number);
    }
    println!("\n{}", table(&rows, start.elapsed()));
    let times = rows
        .iter()
        .map(|row| format!("{} {}\n", row.time.as_secs(), row.name));
    std::fs::write(step::target().join(TIMES), times.collect::<String>())
        .with_context(|| format!("cannot write {TIMES}"))?;
    tools::advise(&missing);

    let is_skipped = rows.iter().any(|row| row.trouble == SKIPPED);
    if rows.iter().any(|row| row.trouble == FAILED) {
        println!();
        for row in &rows {
            for failure in &row.failures {
                let names = failure.names();
                println!("FAILED: {}: {names}\n    {}", row.name, failure.again);
            }
        }
        bail!("not all stages have passed; the whole output is in {place}");
    }
    // Who names a stage wants it, and CI wants all that it chose.
    if is_skipped && (is_shown || !options.stages.is_empty()) {
        bail!("not all stages could run; what is missing stands above");
    }
    Ok(())
}

impl Run<'_> {
    /// Runs stages, one after the other.
    fn lane(&self, stages: &[Numbered], log: &mut Log) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &(number, stage) in stages {
            let title = format!("[{number}/{}] {}: {}", self.stages, stage.name, stage.about);
            // Other lines may come before the end of this one.
            let is_one_line = self.is_alone && !self.is_shown;
            if is_one_line {
                print!("{title} ");
                std::io::stdout().flush()?;
            } else if !self.is_shown {
                println!("{title} ...");
            }
            log.write(&format!("\n==> {title}"))?;
            let row = self.row(number, stage, log);
            log.release()?;
            if is_one_line {
                println!("... {}", row.outcome());
            } else {
                println!(
                    "[{number}/{}] {}: {}",
                    self.stages,
                    stage.name,
                    row.outcome()
                );
            }
            for line in row.told.iter().filter(|_| !self.is_shown) {
                println!("    {line}");
            }
            for failure in &row.failures {
                println!("\n{}\n", explanation(stage.name, failure));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&self, number: usize, stage: &Stage, log: &mut Log) -> Row {
        let lacks = |tools: &[Tool]| tools.iter().any(|tool| self.missing.contains(tool));
        let mut row = Row {
            number,
            name: stage.name,
            counts: Counts::default(),
            time: Duration::ZERO,
            trouble: SKIPPED,
            failures: Vec::new(),
            told: Vec::new(),
        };
        if lacks(stage.needs) {
            return row;
        }
        let start = Instant::now();
        let mut work = Work::new(log);
        work.go_through(stage);
        row.counts = work.counts;
        row.failures = work.failures;
        row.told = work.told;
        row.time = start.elapsed();
        row.trouble = match () {
            () if !row.failures.is_empty() => FAILED,
            () if lacks(stage.uses) => IN_PART,
            () => "",
        };
        row
    }
}

impl Options {
    fn chosen(&self) -> Result<Vec<&'static Stage>> {
        if !self.stages.is_empty() {
            return stages::named(&self.stages);
        }
        let when = if self.more { When::More } else { When::Always };
        let is_chosen = |stage: &&Stage| self.all || stage.when == when;
        Ok(STAGES.iter().filter(is_chosen).collect())
    }
}

fn list() {
    let mut text = String::from("stage         usual time   what\n");
    for stage in STAGES {
        let when = match stage.when {
            When::Always => "",
            When::More => " (--more)",
            When::All => " (--all)",
        };
        text += &format!(
            "{:<14}{:>8} s   {}{when}\n",
            stage.name, stage.usual_time, stage.about
        );
    }
    text += "\nOn two cores, where nothing is built yet but by the stages before it; else most take a fraction.\n";
    // Who reads no further may close the pipe.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn explanation(stage: &str, failure: &Failure) -> String {
    let indented: Vec<_> = failure
        .output
        .lines()
        .map(|line| format!("    | {line}"))
        .collect();
    format!(
        "FAILED: {stage}: {}\n{}\n    To repeat it: {}",
        failure.names(),
        indented.join("\n"),
        failure.again
    )
}

impl Row {
    fn outcome(&self) -> String {
        let seconds = self.time.as_secs();
        let Counts { passed, .. } = self.counts;
        match (self.trouble, passed) {
            (SKIPPED, _) => "SKIPPED: what it needs is missing".into(),
            ("", 0) => format!("done, {seconds} s"),
            ("", _) => format!("{passed} passed, {seconds} s"),
            (trouble, _) => format!("{trouble}, {passed} passed, {seconds} s"),
        }
    }

    fn line(&self) -> String {
        let Counts {
            passed,
            ignored,
            failed,
        } = self.counts;
        let line = [
            self.name,
            &passed.to_string(),
            &ignored.to_string(),
            &failed.to_string(),
            &self.time.as_secs().to_string(),
        ];
        format!("{}  {}", columns(line), self.trouble)
            .trim_end()
            .into()
    }
}

fn columns([name, numbers @ ..]: [&str; 5]) -> String {
    let numbers = numbers.map(|number| format!("{number:>9}"));
    format!("{name:<14}{}", numbers.concat())
}

fn table(rows: &[Row], time: Duration) -> String {
    let mut all = Row {
        number: rows.len(),
        name: "all",
        counts: Counts::default(),
        time,
        trouble: "",
        failures: Vec::new(),
        told: Vec::new(),
    };
    let mut lines = vec![columns(["stage", "passed", "ignored", "failed", "seconds"])];
    for row in rows {
        all.counts += row.counts;
        lines.push(row.line());
    }
    lines.push(all.line());
    let Counts { passed, failed, .. } = all.counts;
    lines.push(format!("\n{passed} passed, {failed} failed"));
    let skipped = rows.iter().filter(|row| row.trouble == SKIPPED).count();
    if skipped > 0 {
        lines.push(format!("{skipped} of {} stages SKIPPED", rows.len()));
    }
    lines.join("\n")
}
