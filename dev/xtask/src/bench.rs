//! The benchmarks: builds the lab (`dev/lab/host`), which builds its guests itself, and runs it, in minutes or in full. What
//! came out is the last that the terminal shows. Criterion's are only run when asked for: they take one allocator after the
//! other, and are for looking at one of them.

use crate::{setup, step};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::Path;
use std::process::Command;

/// What the lab writes, below cargo's target directory, and where of it is kept what the README shows.
const OUTPUT: &str = "lab";
const RESULTS: &str = "results.json";
const REPORT: &str = "report.html";
const CHART: &str = "chart.svg";
const FIGURES: &str = "docs/figures";

#[derive(Args)]
pub struct Options {
    /// All that there is, whole programs among it: most of an hour, for figures to keep. Without it, it is minutes
    #[arg(long)]
    full: bool,
    /// Run criterion's benchmarks as well, in their quick mode, natively and on wasm32-wasip1
    #[arg(long)]
    criterion: bool,
    /// Print the tables as Markdown, as they stand in the README
    #[arg(long)]
    markdown: bool,
    /// Keep results and chart in docs/figures, for the README; only with --full
    #[arg(long)]
    save: bool,
}

pub fn run(options: &Options) -> Result<()> {
    ensure!(
        options.full || !options.save,
        "what --save keeps are the README's figures, which are of a full run: cargo xtask bench --full --save"
    );
    if let Some(mut add) = setup::targets(&["wasm32-wasip1", "wasm32-unknown-unknown"]) {
        step::run("adding targets", &mut add).context(setup::NO_TARGETS)?;
    }
    if options.criterion {
        criterion()?;
    }
    step::run(
        "building the lab (the first time with wasmtime: about five minutes on two cores)",
        &mut step::cargo(&["build", "--release", "--package", "lab"]),
    )?;
    let output = step::target().join(OUTPUT);
    std::fs::create_dir_all(&output)
        .with_context(|| format!("cannot make {}", output.display()))?;
    measure(options, &output)?;
    if options.save {
        save(&output)?;
    }
    Ok(())
}

fn criterion() -> Result<()> {
    step::run("building the wasm runner", &mut setup::runner())?;
    let bench = || step::cargo(&["bench", "--bench", "allocators"]);
    step::run("criterion, native", bench().args(["--", "--quick"]))?;
    step::run(
        "criterion, wasm32-wasip1 under wasmtime",
        bench().args(["--target", "wasm32-wasip1", "--", "--quick"]),
    )
}

/// Runs the lab. It tells the time of each of its stages itself, and ends with what came out: nothing is to follow.
fn measure(options: &Options, output: &Path) -> Result<()> {
    let called_as = called_as(options);
    let mut command = Command::new(step::target().join("release/lab"));
    command
        .current_dir(step::root())
        .arg("--json")
        .arg(output.join(RESULTS))
        .arg("--html")
        .arg(output.join(REPORT))
        .arg("--chart")
        .arg(output.join(CHART))
        .args(["--called-as", &called_as]);
    let chosen = [(options.full, "--full"), (options.markdown, "--markdown")];
    for (_, flag) in chosen.iter().filter(|(is_chosen, _)| *is_chosen) {
        command.arg(flag);
    }
    let kind = if options.full { "in full" } else { "quickly" };
    eprintln!("\n==> measuring {kind}");
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {}", step::words(&command)))?;
    ensure!(
        status.success(),
        "measuring failed ({status}); what went wrong is above. To repeat it:\n    {called_as}"
    );
    Ok(())
}

/// The command that a person would type.
fn called_as(options: &Options) -> String {
    let flags = [
        (options.full, " --full"),
        (options.markdown, " --markdown"),
        (options.save, " --save"),
    ];
    let chosen = flags.iter().filter(|(is_chosen, _)| *is_chosen);
    let chosen: String = chosen.map(|(_, flag)| *flag).collect();
    format!("cargo xtask bench{chosen}")
}

/// Copies what the README shows.
fn save(output: &Path) -> Result<()> {
    let figures = step::root().join(FIGURES);
    for name in [RESULTS, CHART] {
        let copy = figures.join(name);
        std::fs::copy(output.join(name), &copy)
            .with_context(|| format!("cannot write {}", copy.display()))?;
        eprintln!("kept: {FIGURES}/{name}");
    }
    Ok(())
}
