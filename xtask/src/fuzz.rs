//! Coverage-guided fuzzing: builds the targets of `fuzz/` and runs one after the other, from the seeds and from what was found
//! before. Writes to target/fuzz only.

use crate::{setup, step};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The targets: the files in fuzz/fuzz_targets.
const TARGETS: [&str; 6] = [
    "controller",
    "global_alloc",
    "alloc_free",
    "surrealism",
    "cabi_realloc",
    "c",
];

const OUTPUT: &str = "target/fuzz";

/// Long inputs from the beginning, and none that takes much longer than a millisecond.
const LENGTHS: [&str; 2] = ["-len_control=0", "-max_len=500"];

/// How long each target is run, unless told otherwise, in seconds.
const SECONDS: u32 = 10;

#[derive(Args)]
pub struct Options {
    /// How long each target is run, in seconds
    #[arg(long, default_value_t = SECONDS)]
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

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: SECONDS,
            target: None,
            checked: false,
            address: false,
        }
    }
}

pub fn run(options: &Options) -> Result<()> {
    if !setup::nightly() || !step::succeeds(Command::new("c++").arg("--version")) {
        eprintln!(
            "\n==> SKIPPED: fuzzing. It needs a C++ compiler and a nightly toolchain: rustup toolchain install nightly"
        );
        return Ok(());
    }
    step::install("cargo-fuzz", "fuzz")?;
    // All at once, since they share all but their last crate.
    step::run(
        "building the fuzz targets",
        fuzz("build", options).args(&options.target),
    )?;
    let is_asked = |name: &str| options.target.as_deref().is_none_or(|only| only == name);
    for target in TARGETS.into_iter().filter(|name| is_asked(name)) {
        run_target(target, options)?;
    }
    Ok(())
}

fn run_target(target: &str, options: &Options) -> Result<()> {
    let corpus = format!("{OUTPUT}/corpus/{target}");
    let crash = format!("{OUTPUT}/crash-{target}");
    copy_seeds(target, &corpus)?;
    let seconds = options.seconds;
    let run = step::run(
        &format!("fuzzing {target} for {seconds} s"),
        fuzz("run", options)
            .args([target, &corpus, "--"])
            .args(LENGTHS)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-exact_artifact_path={crash}"))
            .args(["-print_final_stats=1", "-verbosity=0"]),
    );
    run.with_context(|| {
        let command = fuzz("run", options);
        let arguments = command.get_args().map(|part| part.to_string_lossy());
        let arguments = arguments.collect::<Vec<_>>().join(" ");
        format!("{target} crashed. To see it again: cargo {arguments} {target} {crash}")
    })
}

/// A `cargo fuzz` command.
fn fuzz(command: &str, options: &Options) -> Command {
    let sanitizer = if options.address { "address" } else { "none" };
    let mut cargo = step::cargo(&["+nightly", "fuzz", command]);
    cargo
        .args(["--sanitizer", sanitizer])
        .args(["--target-dir", &format!("{OUTPUT}/build")]);
    if options.checked {
        cargo.args(["--features", "checked"]);
    }
    cargo
}

/// Puts the seeds of a target among what was found before.
fn copy_seeds(target: &str, corpus: &str) -> Result<()> {
    let seeds = step::root().join("fuzz/seeds").join(target);
    let corpus = step::root().join(corpus);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let copied = copy_files(&seeds, &corpus)
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
