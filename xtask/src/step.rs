//! One step of a run: a command with its output on the terminal, announced, and an error that says what to do.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The repository's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// A `cargo` command in the repository. `CARGO` names the toolchain's own cargo, which knows no `+toolchain`,
/// so it is not used.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
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

fn announce(title: &str) {
    eprintln!("\n==> {title}");
}
