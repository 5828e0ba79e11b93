//! One step of a run: a command with its output on the terminal, announced, and an error that says what to do.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The repository's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where commands of cargo's are installed, so that nothing changes outside of the repository.
const TOOLS: &str = "target/tools";

/// A `cargo` command in the repository, which finds what was [installed](install). `CARGO` names the toolchain's own cargo,
/// which knows no `+toolchain`, so it is not used.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_tools = std::env::split_paths(&path).chain([root().join(TOOLS).join("bin")]);
    // A path that cannot be joined has a separator in it, and is not where tools are.
    command.env("PATH", std::env::join_paths(with_tools).unwrap_or(path));
    // What cargo set for this program is not meant for the next.
    for name in [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "CARGO_PKG_NAME",
        "RUSTUP_TOOLCHAIN",
    ] {
        if name != "RUSTUP_TOOLCHAIN"
            || arguments
                .first()
                .is_some_and(|first| first.starts_with('+'))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command, saying what it is for and how long it took.
pub fn run(title: &str, command: &mut Command) -> Result<()> {
    announce(title);
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{title}: {command:?} failed ({status}); its output is above");
    }
    eprintln!("    {title}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Whether this can be run, and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs the crate that adds this command to cargo, if it is missing.
pub fn install(name: &str, command: &str) -> Result<()> {
    if succeeds(&mut cargo(&[command, "--version"])) {
        return Ok(());
    }
    run(
        &format!("installing {name}"),
        &mut cargo(&["install", "--locked", "--root", TOOLS, name]),
    )
}

fn announce(title: &str) {
    eprintln!("\n==> {title}");
}
