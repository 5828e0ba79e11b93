//! The benchmarks: builds the lab (`lab/host`), which builds its guests itself, and runs it. Criterion's are only
//! run when asked for: they take one allocator after the other, and are for looking at one of them.

use crate::{setup, step};
use anyhow::{Context, Result};
use clap::Args;
use std::path::Path;
use std::process::Command;

/// Where the lab's output goes, and of it what the README shows.
const OUTPUT: &str = "target/lab";
const RESULTS: &str = "results.json";
const REPORT: &str = "report.html";
const CHART: &str = "chart.svg";
const FIGURES: &str = "docs/figures";

#[derive(Args)]
pub struct Options {
    /// Fewer rounds, and without the whole programs, whose modules take long to build: minutes, and rougher figures
    #[arg(long)]
    quick: bool,
    /// Run criterion's benchmarks as well, in their quick mode, natively and on wasm32-wasip1
    #[arg(long)]
    criterion: bool,
    /// Print the tables as Markdown, as they stand in the README
    #[arg(long)]
    markdown: bool,
    /// Keep results and chart in docs/figures, for the README
    #[arg(long)]
    save: bool,
}

pub fn run(options: &Options) -> Result<()> {
    setup::targets(&["wasm32-wasip1", "wasm32-unknown-unknown"])?;
    if options.criterion {
        criterion()?;
    }
    step::run(
        "building the lab (the first time with wasmtime: about seven minutes on two cores)",
        &mut step::cargo(&["build", "--release", "--package", "lab"]),
    )?;
    let output = step::root().join(OUTPUT);
    std::fs::create_dir_all(&output).with_context(|| format!("cannot make {OUTPUT}"))?;
    step::run("the lab", &mut lab(options))?;
    let mut written = vec![
        format!("{OUTPUT}/{RESULTS}"),
        format!("{OUTPUT}/{REPORT}"),
        format!("{OUTPUT}/{CHART}"),
    ];
    if options.save {
        written.extend(save(&output)?);
    }
    eprintln!("\n==> written: {}", written.join(", "));
    Ok(())
}

fn criterion() -> Result<()> {
    setup::runner()?;
    let bench = || step::cargo(&["bench", "--bench", "allocators"]);
    step::run("criterion, native", bench().args(["--", "--quick"]))?;
    step::run(
        "criterion, wasm32-wasip1 under wasmtime",
        bench().args(["--target", "wasm32-wasip1", "--", "--quick"]),
    )
}

/// The lab's command line. The paths in it are relative, so that the results name it as one would type it.
fn lab(options: &Options) -> Command {
    let mut command = Command::new(step::root().join("target/release/lab"));
    command.current_dir(step::root());
    command.args(["--json", &format!("{OUTPUT}/{RESULTS}")]);
    command.args(["--html", &format!("{OUTPUT}/{REPORT}")]);
    command.args(["--chart", &format!("{OUTPUT}/{CHART}")]);
    if options.quick {
        command.args(["--quick", "--no-programs"]);
    }
    if options.markdown {
        command.arg("--markdown");
    }
    command
}

/// Copies what the README shows. Returns where to.
fn save(output: &Path) -> Result<Vec<String>> {
    let figures = step::root().join(FIGURES);
    std::fs::create_dir_all(&figures).with_context(|| format!("cannot make {FIGURES}"))?;
    let mut copies = Vec::new();
    for name in [RESULTS, CHART] {
        let copy = format!("{FIGURES}/{name}");
        std::fs::copy(output.join(name), step::root().join(&copy))
            .with_context(|| format!("cannot write {copy}"))?;
        copies.push(copy);
    }
    Ok(copies)
}
