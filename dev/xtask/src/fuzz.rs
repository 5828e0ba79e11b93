//! Coverage-guided fuzzing: builds the targets of `dev/fuzz` and runs one after the other. Writes to target/fuzz only.
//!
//! `cargo xtask fuzz` runs each for some time, from the seeds and from what was found before. As a stage of the tests each runs
//! a fixed number of inputs from the seeds alone, in the order that a fixed seed gives: the same inputs each time.

use crate::log::Log;
use crate::outcome;
use crate::step;
use crate::tools;
use crate::work::Work;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The targets: the files in dev/fuzz/fuzz_targets.
const TARGETS: [&str; 7] = [
    "controller",
    "global_alloc",
    "alloc_free",
    "surrealism",
    "cabi_realloc",
    "c",
    "snapshot",
];

/// Long inputs from the beginning, and none that takes much longer than a millisecond.
const LENGTHS: [&str; 2] = ["-len_control=0", "-max_len=500"];

/// How many inputs a stage of the tests gives each target: some seconds of them.
const INPUTS: u32 = 6_000;

#[derive(Args)]
pub struct Options {
    /// How long each target is run, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Only this target
    #[arg(long, value_parser = TARGETS)]
    target: Option<String>,
    /// Fuzz checked mode
    #[arg(long)]
    checked: bool,
    /// With the address sanitizer, which finds reads and writes outside of the heap, and takes longer
    #[arg(long)]
    address: bool,
}

/// How far a target is run, and from where.
#[derive(Clone, Copy)]
enum Extent {
    /// From the seeds and what was found before.
    Seconds(u32),
    /// From the seeds.
    Inputs(u32),
}

/// As a command of its own: prints everything.
pub fn run(options: &Options) -> Result<()> {
    for tool in [tools::MIRI, tools::CXX] {
        ensure!(tool.is_there(), "{}", tool.advice());
    }
    let mut log = Log::create(&step::target().join("xtask/fuzz.log"), true)?;
    let mut work = Work::new(&mut log);
    fuzz_targets(&mut work, options, Extent::Seconds(options.seconds))?;
    match work.failures.first() {
        Some(failure) => bail!("a target failed. To see it again:\n    {}", failure.again),
        None => Ok(()),
    }
}

/// As a stage of the tests.
pub fn stage(work: &mut Work) -> Result<()> {
    let options = Options {
        seconds: 0,
        target: None,
        checked: false,
        address: false,
    };
    fuzz_targets(work, &options, Extent::Inputs(INPUTS))
}

fn fuzz_targets(work: &mut Work, options: &Options, extent: Extent) -> Result<()> {
    work.install("cargo-fuzz", "0.13.2", "fuzz")?;
    // All at once, since they share all but their last crate.
    work.prepare(fuzz("build", options).args(&options.target))?;
    let is_asked = |name: &str| options.target.as_deref().is_none_or(|only| only == name);
    for target in TARGETS.into_iter().filter(|name| is_asked(name)) {
        run_target(work, target, options, extent)?;
    }
    Ok(())
}

fn run_target(work: &mut Work, target: &str, options: &Options, extent: Extent) -> Result<()> {
    let corpus = match extent {
        Extent::Seconds(_) => output().join("corpus").join(target),
        Extent::Inputs(_) => fresh(&output().join("stage").join(target))?,
    };
    copy_seeds(target, &corpus)?;
    let crash = output().join(format!("crash-{target}"));
    let mut run = fuzz("run", options);
    run.arg(target)
        .arg(&corpus)
        .arg("--")
        .args(LENGTHS)
        .arg(match extent {
            Extent::Seconds(seconds) => format!("-max_total_time={seconds}"),
            Extent::Inputs(inputs) => format!("-runs={inputs}"),
        })
        .arg(format!("-exact_artifact_path={}", crash.display()))
        .args(["-print_final_stats=1", "-verbosity=0"]);
    if let Extent::Inputs(_) = extent {
        // One that takes this long takes for ever.
        run.args(["-seed=1", "-timeout=300"]);
    }
    let _ = fs::remove_file(&crash);
    let ended = work.output(&mut run)?;
    if ended.is_success {
        work.counts.passed += 1;
    } else {
        let mut again = fuzz("run", options);
        // cargo-fuzz may be installed here only.
        let again = step::words(again.arg(target).arg(&crash));
        let path = step::tools().join("bin");
        let again = format!("PATH=\"$PATH:{}\" {again}", path.display());
        work.fail(target, again, outcome::end_of(&ended.text));
    }
    Ok(())
}

fn output() -> PathBuf {
    step::target().join("fuzz")
}

/// A folder that is not there: nothing of an earlier run is.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    Ok(folder.into())
}

/// A `cargo fuzz` command.
fn fuzz(command: &str, options: &Options) -> Command {
    let sanitizer = if options.address { "address" } else { "none" };
    let mut cargo = step::cargo(&["+nightly", "fuzz", command]);
    cargo
        .args(["--fuzz-dir", "dev/fuzz", "--sanitizer", sanitizer])
        .arg("--target-dir")
        .arg(output().join("build"));
    if options.checked {
        cargo.args(["--features", "checked"]);
    }
    cargo
}

/// Puts the seeds of a target among what was found before.
fn copy_seeds(target: &str, corpus: &Path) -> Result<()> {
    let seeds = step::root().join("dev/fuzz/seeds").join(target);
    fs::create_dir_all(corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let copied = copy_files(&seeds, corpus)
        .with_context(|| format!("cannot copy the seeds in {}", seeds.display()))?;
    ensure!(copied > 0, "there are no seeds in {}", seeds.display());
    Ok(())
}

/// Copies the files of a folder. Returns how many.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<usize> {
    let mut count = 0;
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
        count += 1;
    }
    Ok(count)
}
