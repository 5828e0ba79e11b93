//! The page that shows a heap, live (`tools/page`): builds it and serves it on localhost, and the stage `page`, which tests it in
//! Chromium.
//!
//! Cargo builds the decoder and the guests, npm the rest.

use crate::log::Output;
use crate::outcome;
use crate::step;
use crate::tools::{CHROMIUM, NPM};
use crate::work::Work;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// Write the screenshots of docs/figures instead of serving the page: its tests make them
    #[arg(long)]
    screenshots: bool,
}

const TARGET: &str = "wasm32-unknown-unknown";

/// The guests are built with each of these, too: the page compares allocators, and shows what checked mode tells.
const FEATURES: [&str; 3] = ["checked", "dlmalloc", "talc"];

/// What the tests write screenshots to.
const SCREENSHOTS: &str = "PAGE_SCREENSHOTS";

pub fn run(options: &Options) -> Result<()> {
    ensure!(NPM.is_there(), "{}", NPM.advice());
    if let Some(mut add) = crate::setup::targets(&[TARGET, "wasm32-wasip1"]) {
        step::run("std for WebAssembly", &mut add)?;
    }
    modules(|cargo| step::run("cargo build", cargo))?;
    install(|npm| step::run("npm ci", npm))?;
    if !options.screenshots {
        return step::run("the page", &mut npm(&["run", "--silent", "serve"]));
    }
    ensure!(CHROMIUM.is_there(), "{}", CHROMIUM.advice());
    step::run("the page", &mut npm(&["run", "--silent", "build"]))?;
    step::run("a guest for the tests", &mut guest())?;
    let figures = step::root().join("docs/figures");
    let mut tests = npm(&["test", "--silent", "--", "--grep", "@screenshot"]);
    step::run("screenshots", tests.env(SCREENSHOTS, figures))
}

/// The stage: as far as the tools go that are there.
pub fn stage(work: &mut Work) -> Result<()> {
    work.targets(&[TARGET, "wasm32-wasip1"])?;
    modules(|cargo| work.prepare(cargo))?;
    if !NPM.is_there() {
        return Ok(());
    }
    install(|npm| work.prepare(npm))?;
    work.prepare(&mut npm(&["run", "--silent", "check"]))?;
    work.prepare(&mut npm(&["run", "--silent", "build"]))?;
    if !CHROMIUM.is_there() {
        return Ok(());
    }
    work.prepare(&mut guest())?;
    let mut tests = npm(&["test", "--silent"]);
    let output = work.output(&mut tests)?;
    judge(work, &tests, &output)
}

/// Playwright's last lines tell how many tests passed.
fn judge(work: &mut Work, tests: &Command, output: &Output) -> Result<()> {
    let count = |word| {
        let mut lines = output.text.lines().map(str::trim);
        let line = lines.rfind(|line| {
            line.starts_with(|first: char| first.is_ascii_digit()) && line.contains(word)
        });
        line.map_or(0, |line| outcome::number(line, word))
    };
    work.counts.passed += count("passed");
    if !output.is_success {
        work.fail("page", step::words(tests), outcome::end_of(&output.text));
    }
    ensure!(
        !output.is_success || count("passed") > 0,
        "no test of the page ran"
    );
    Ok(())
}

/// Has cargo build the decoder and the guests.
fn modules(mut run: impl FnMut(&mut Command) -> Result<()>) -> Result<()> {
    let release = ["build", "--release", "--target", TARGET];
    let mut both = step::cargo(&release);
    run(both.args(["--package", "page-decoder", "--package", "page-guests"]))?;
    // One folder for the others, so that what they depend on is built once; and what is built is copied away from the next.
    let folder = step::target().join("page-guests");
    for feature in FEATURES {
        let mut cargo = step::cargo(&release);
        cargo.args([
            "--package",
            "page-guests",
            "--features",
            feature,
            "--target-dir",
        ]);
        run(cargo.arg(&folder))?;
        let built = folder.join(TARGET).join("release/page_guests.wasm");
        fs::copy(&built, folder.join(feature).with_extension("wasm"))
            .with_context(|| built.display().to_string())?;
    }
    Ok(())
}

/// The command of WASI that the tests open.
fn guest() -> Command {
    step::cargo(&[
        "build",
        "--release",
        "--target",
        "wasm32-wasip1",
        "--package",
        "guest-cli",
    ])
}

fn folder() -> PathBuf {
    step::root().join("tools/page")
}

fn npm(arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments)
        .current_dir(folder())
        .env("CARGO_TARGET_DIR", step::target());
    npm
}

/// Installs what `package-lock.json` names, unless it is there. No package runs a script for it, and the browser is the system's.
fn install(run: impl FnOnce(&mut Command) -> Result<()>) -> Result<()> {
    let lock = folder().join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| lock.display().to_string())?;
    // What was installed last, as a whole.
    let done = folder().join("node_modules/installed.json");
    if fs::read(&done).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    run(&mut npm(&["ci", "--ignore-scripts"]))?;
    fs::write(&done, wanted).with_context(|| done.display().to_string())
}
