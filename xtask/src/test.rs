//! `cargo xtask test`: runs stages (`stages.rs`) and says what came of them.
//!
//! Each has a line. What the commands print goes into a log; a failure shows the end of it, with the command that repeats
//! just that. With `CI` in the environment all of it is printed as well, since a log is then hard to come by.
//!
//! Stages that build apart from others run beside them, in a lane of their own: much of the time a stage has one thread, and
//! leaves a core to the other lane.

use crate::log::Log;
use crate::outcome::{Counts, Failure};
use crate::stages::{STAGES, Stage};
use crate::step;
use crate::tools::Tool;
use crate::work::Work;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::cmp::Reverse;
use std::io::Write as _;
use std::sync::Mutex;
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
    /// Run the stages that `cargo xtask test` leaves out without `--all`
    #[arg(long, conflicts_with_all = ["stages", "all"])]
    rest: bool,
    /// Name the stages, with what they test and how long they usually take
    #[arg(long)]
    list: bool,
}

/// What came of a stage.
struct Row {
    number: usize,
    name: &'static str,
    counts: Counts,
    time: Duration,
    /// A word for it, unless all is well.
    trouble: &'static str,
    failures: Vec<Failure>,
}

/// A stage and its number in this run.
type Numbered = (usize, &'static Stage);

/// What the lanes have in common.
struct Run<'a> {
    stages: usize,
    missing: &'a [Tool],
    /// Whether there is one lane only.
    is_alone: bool,
    rows: Mutex<Vec<Row>>,
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
    let missing = missing(&chosen);
    advise(&missing);

    let numbered = (1..).zip(chosen.iter().copied());
    let (apart, others): (Vec<_>, Vec<_>) = numbered.partition(|(_, stage)| stage.is_apart);
    let run = Run {
        stages: chosen.len(),
        missing: &missing,
        is_alone: apart.is_empty() || others.is_empty(),
        rows: Mutex::default(),
    };
    let mut beside = log.beside()?;
    thread::scope(|scope| {
        let lane = scope.spawn(|| run.lane(&apart, &mut beside));
        let ended = run.lane(&others, &mut log);
        let other = lane.join().unwrap_or_else(|_| bail!("a lane has panicked"));
        ended.and(other)
    })?;

    let mut rows = run
        .rows
        .into_inner()
        .unwrap_or_else(|rows| rows.into_inner());
    rows.sort_by_key(|row| row.number);
    if is_shown {
        // Where minutes can be saved.
        rows.sort_by_key(|row| Reverse(row.time));
    }
    println!("\n{}", table(&rows, start.elapsed()));
    let times = rows
        .iter()
        .map(|row| format!("{} {}\n", row.time.as_secs(), row.name));
    std::fs::write(step::target().join(TIMES), times.collect::<String>())
        .with_context(|| format!("cannot write {TIMES}"))?;
    advise(&missing);
    if rows.iter().all(|row| row.failures.is_empty()) {
        return Ok(());
    }
    println!();
    for row in &rows {
        for failure in &row.failures {
            let names = failure.names();
            println!("FAILED: {}: {names}\n    {}", row.name, failure.again);
        }
    }
    bail!("not all stages have passed; the whole output is in {place}");
}

impl Run<'_> {
    /// Runs stages, one after the other.
    fn lane(&self, stages: &[Numbered], log: &mut Log) -> Result<()> {
        for &(number, stage) in stages {
            let title = format!("[{number}/{}] {}: {}", self.stages, stage.name, stage.about);
            if self.is_alone {
                print!("{title} ");
                std::io::stdout().flush()?;
            }
            log.write(&format!("\n==> {title}"))?;
            let row = self.row(number, stage, log);
            log.release()?;
            if self.is_alone {
                println!("{}", row.end_of_line());
            } else {
                println!("{title} {}", row.end_of_line());
            }
            for failure in &row.failures {
                println!("\n{}\n", explanation(stage.name, failure));
            }
            let mut rows = self.rows.lock().unwrap_or_else(|rows| rows.into_inner());
            rows.push(row);
        }
        Ok(())
    }

    fn row(&self, number: usize, stage: &Stage, log: &mut Log) -> Row {
        let mut row = Row {
            number,
            name: stage.name,
            counts: Counts::default(),
            time: Duration::ZERO,
            trouble: "SKIPPED",
            failures: Vec::new(),
        };
        if stage.needs.iter().any(|tool| self.missing.contains(tool)) {
            return row;
        }
        let start = Instant::now();
        let mut work = Work::new(log);
        work.go_through(stage);
        row.counts = work.counts;
        row.failures = work.failures;
        row.time = start.elapsed();
        row.trouble = if row.failures.is_empty() {
            ""
        } else {
            "FAILED"
        };
        row
    }
}

impl Options {
    fn chosen(&self) -> Result<Vec<&'static Stage>> {
        for name in &self.stages {
            if !STAGES.iter().any(|stage| stage.name == name) {
                bail!("there is no stage {name}; `cargo xtask test --list` names them");
            }
        }
        let is_chosen = |stage: &&Stage| match self.stages.is_empty() {
            true => self.all || stage.is_default != self.rest,
            false => self.stages.iter().any(|name| name == stage.name),
        };
        Ok(STAGES.iter().filter(is_chosen).collect())
    }
}

fn list() {
    println!("stage           warm   cold   what");
    for stage in STAGES {
        let [warm, cold] = stage.usual_time;
        let all = if stage.is_default { "" } else { " (--all)" };
        println!(
            "{:<13} {warm:>4} s {cold:>4} s   {}{all}",
            stage.name, stage.about
        );
    }
    println!(
        "\nUsual times on two cores. Warm: all is built. Cold: only what the stages before it build."
    );
}

/// What the stages need, or test less without, and is not there.
fn missing(stages: &[&Stage]) -> Vec<Tool> {
    let mut tools: Vec<Tool> = Vec::new();
    for tool in stages
        .iter()
        .flat_map(|stage| stage.needs.iter().chain(stage.uses))
    {
        if !tools.contains(tool) {
            tools.push(*tool);
        }
    }
    tools.retain(|tool| !tool.is_there());
    tools
}

fn advise(missing: &[Tool]) {
    for tool in missing {
        println!("{}", tool.advice());
    }
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
    fn end_of_line(&self) -> String {
        let seconds = self.time.as_secs();
        match self.trouble {
            "" => format!("... {} passed, {seconds} s", self.counts.passed),
            trouble => format!("... {trouble}, {seconds} s"),
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
    };
    let mut lines = vec![columns(["stage", "passed", "ignored", "failed", "seconds"])];
    for row in rows {
        all.counts += row.counts;
        lines.push(row.line());
    }
    lines.push(all.line());
    let Counts { passed, failed, .. } = all.counts;
    lines.push(format!("\n{passed} passed, {failed} failed"));
    lines.join("\n")
}
