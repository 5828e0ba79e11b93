//! The benchmarks: criterion and the interleaved comparison, natively and on wasm32-wasip1 under wasmtime,
//! then the summary.

use crate::summary::{Metrics, Summary, Time, Workload};
use crate::{setup, step};
use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;
use std::io::Write;

const WASM: [&str; 2] = ["--target", "wasm32-wasip1"];

#[derive(Args)]
pub struct Options {
    /// Fewer rounds: minutes, and rougher figures
    #[arg(long)]
    quick: bool,
    /// Only the comparison and its summary, without criterion
    #[arg(long)]
    summary: bool,
    /// Print the summary as Markdown, as it stands in the README
    #[arg(long)]
    markdown: bool,
}

pub fn run(options: &Options) -> Result<()> {
    setup::targets(&["wasm32-wasip1"])?;
    setup::runner()?;
    let platforms: [(&str, &[&str]); 2] =
        [("native", &[]), ("wasm32-wasip1 under wasmtime", &WASM)];
    if !options.summary {
        for (platform, target) in platforms {
            let mut command = step::cargo(&["bench", "--bench", "allocators"]);
            command.args(target);
            if options.quick {
                command.args(["--", "--quick"]);
            }
            step::run(&format!("criterion, {platform}"), &mut command)?;
        }
    }
    let rounds = if options.quick { "5" } else { "31" };
    let mut summaries = Vec::new();
    for (platform, target) in platforms {
        let mut command = step::cargo(&["bench", "--bench", "compare"]);
        command
            .args(target)
            .args(["--", "--json", "--rounds", rounds]);
        let times = step::output(
            &format!("comparison, interleaved, {platform}"),
            &mut command,
        )?;
        let times = times
            .lines()
            .map(serde_json::from_str::<Time>)
            .collect::<Result<_, _>>()
            .context("the comparison's output")?;
        summaries.push(Summary {
            platform,
            times,
            metrics: Vec::new(),
            workloads: Vec::new(),
        });
    }
    if let Some(wasm) = summaries.last_mut() {
        (wasm.workloads, wasm.metrics) = measure(&wasm.times)?;
    }
    for summary in &summaries {
        println!("{}", summary.render(options.markdown));
    }
    Ok(())
}

/// Runs each workload once in each allocator, in an instance of its own, and once in none for the cost of all
/// else.
fn measure(times: &[Time]) -> Result<(Vec<Workload>, Vec<Metrics>)> {
    let module = module()?;
    let runner = step::root().join("target/release/wasm-runner");
    let mut list = std::process::Command::new(&runner);
    let list = step::output(
        "the workloads",
        list.arg(&module).arg("--list").current_dir(step::root()),
    )?;
    let workloads: Vec<Workload> = list
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("the list of workloads")?;
    let mut allocators: Vec<&str> = vec!["none"];
    for time in times {
        if !allocators.contains(&time.allocator.as_str()) {
            allocators.push(&time.allocator);
        }
    }
    let directory = step::root().join("target/xtask");
    std::fs::create_dir_all(&directory).context("cannot make target/xtask")?;
    let (runs, records) = (directory.join("runs"), directory.join("metrics"));
    let mut file = std::fs::File::create(&runs).context("cannot write target/xtask/runs")?;
    for workload in &workloads {
        for allocator in &allocators {
            writeln!(file, "--once {allocator} {}", workload.name)?;
        }
    }
    let mut command = std::process::Command::new(&runner);
    command
        .args(["--metrics", "--metrics-out"])
        .arg(&records)
        .arg("--each-from")
        .arg(&runs)
        .arg(&module)
        .current_dir(step::root());
    step::run("executed instructions and linear memory", &mut command)?;
    let records = std::fs::read_to_string(&records).context("cannot read target/xtask/metrics")?;
    let records: Vec<Record> = records
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("the runner's metrics")?;
    let mut metrics = Vec::new();
    for (workload, records) in workloads.iter().zip(records.chunks(allocators.len())) {
        for (allocator, record) in allocators.iter().zip(records).skip(1) {
            let works = record.error.is_none();
            metrics.push(Metrics {
                workload: workload.name.clone(),
                allocator: (*allocator).to_string(),
                instructions: works.then(|| record.fuel.saturating_sub(records[0].fuel)),
                pages: works.then(|| record.memory_pages.saturating_sub(records[0].memory_pages)),
            });
        }
    }
    Ok((workloads, metrics))
}

/// What the runner reports of one run.
#[derive(Deserialize)]
struct Record {
    fuel: u64,
    memory_pages: u64,
    error: Option<String>,
}

/// The file of the comparison's wasm module.
fn module() -> Result<String> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<String>,
    }
    let mut command = step::cargo(&[
        "bench",
        "--bench",
        "compare",
        "--no-run",
        "--message-format",
        "json",
    ]);
    let messages = step::output("the comparison's module", command.args(WASM))?;
    let mut executables = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
    executables
        .next_back()
        .context("cargo named no executable for the comparison")
}
