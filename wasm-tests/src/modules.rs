//! Guest modules, built by Cargo when a test asks for them.

use anyhow::{Context as _, Result, ensure};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Variables that are meant for, or come from, the Cargo that runs these tests.
const OUTER_CARGO: [&str; 8] = [
    "CARGO_BUILD_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_WASM32_",
    // `cargo xtask flaky` sets it for the tests' harness.
    "RUSTC_BOOTSTRAP",
    "RUSTFLAGS",
];

/// Has Cargo build these packages of the workspace for a target, in release mode, and returns the directory with their
/// modules.
pub fn build(packages: &[&str], target: &str) -> Result<PathBuf> {
    build_into(cargo(), &target_dir()?, packages, "", target, &[])
}

/// The same, of packages with features of theirs. They have a target directory of their own, since a module's name does not
/// tell its features.
pub fn build_with(packages: &[&str], features: &str, target: &str) -> Result<PathBuf> {
    let target_dir = target_dir()?.join("guests").join(features);
    build_into(cargo(), &target_dir, packages, features, target, &[])
}

/// The same, linked with these arguments, which are `name`d.
pub fn build_linked(
    packages: &[&str],
    features: &str,
    target: &str,
    (name, arguments): (&str, &[&str]),
) -> Result<PathBuf> {
    let target_dir = target_dir()?.join("guests").join(name).join(features);
    let arguments = arguments
        .iter()
        .map(|argument| format!("-Clink-arg={argument}"));
    let arguments = arguments.collect::<Vec<_>>().join(" ");
    build_into(
        cargo(),
        &target_dir,
        packages,
        features,
        target,
        &[(&flags_of(target), &arguments)],
    )
}

/// The same by the nightly compiler with these flags, which are `name`d, and with core and alloc compiled by them as well.
pub fn build_with_core(
    packages: &[&str],
    target: &str,
    (name, flags): (&str, &str),
) -> Result<PathBuf> {
    let mut cargo = Command::new("rustup");
    cargo
        .args(["run", "nightly", "cargo"])
        .args(BUILD)
        .arg("-Zbuild-std=core,alloc");
    build_into(
        without_outer(cargo),
        &target_dir()?.join("guests").join(name),
        packages,
        "",
        target,
        &[(&flags_of(target), flags)],
    )
}

/// The variable with the compiler's flags for a target.
fn flags_of(target: &str) -> String {
    let target = target.replace('-', "_").to_uppercase();
    format!("CARGO_TARGET_{target}_RUSTFLAGS")
}

/// What makes the release mode a debug one.
const UNOPTIMIZED: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
];

/// The same, of packages that are not optimized, and check themselves as debug builds do.
pub fn build_unoptimized(packages: &[&str], target: &str) -> Result<PathBuf> {
    let target_dir = target_dir()?.join("guests").join("unoptimized");
    build_into(cargo(), &target_dir, packages, "", target, &UNOPTIMIZED)
}

fn build_into(
    mut cargo: Command,
    target_dir: &Path,
    packages: &[&str],
    features: &str,
    target: &str,
    environment: &[(&str, &str)],
) -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    cargo
        .current_dir(here)
        .envs(environment.iter().copied())
        .args(["--target", target])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(["--features", features])
        .arg("--target-dir")
        .arg(target_dir);
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "cargo cannot build {packages:?}: {status}"
    );
    Ok(target_dir.join(target).join("release"))
}

/// A cargo that builds in release mode, without what was meant for the cargo that runs these tests.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(BUILD);
    without_outer(cargo)
}

const BUILD: [&str; 3] = ["build", "--quiet", "--release"];

fn without_outer(mut cargo: Command) -> Command {
    for (name, _) in env::vars_os() {
        let is_outer = |prefix: &&str| name.to_string_lossy().starts_with(*prefix);
        if OUTER_CARGO.iter().any(is_outer) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// What cargo puts into a target directory: the first only if it has made the directory itself.
const MARKS: [&str; 2] = ["CACHEDIR.TAG", ".rustc_info.json"];

/// The target directory of the program that runs.
fn target_dir() -> Result<PathBuf> {
    // It is in `<target directory>/<profile>/deps`, or one further up.
    let program = env::current_exe().context("a program has a place")?;
    let directory = program
        .ancestors()
        .find(|directory| MARKS.iter().any(|name| directory.join(name).exists()));
    Ok(directory.context("no target directory")?.to_path_buf())
}
