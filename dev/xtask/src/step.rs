//! Commands: how they are made, named and run on the terminal. `log.rs` runs them where their output is kept.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The repository's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or(here.clone(), PathBuf::from)
}

/// Cargo's target directory of the repository.
pub fn target() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    root().join(set)
}

/// The program that runs executables for wasm32-wasip1, once it is built.
pub fn runner() -> PathBuf {
    target().join("release/wasm-runner")
}

/// Where commands of cargo's are installed, so that nothing changes outside of the repository.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// What changes how tests run, or what they print. Who wants it says so to `cargo test` itself.
const NOT_FOR_TESTS: [&str; 23] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TERM_QUIET",
    "CARGO_TERM_VERBOSE",
    "EXHAUSTIVE_DEEPER",
    "LOOM_CHECKPOINT_FILE",
    "LOOM_MAX_BRANCHES",
    "LOOM_MAX_DURATION",
    "LOOM_MAX_PERMUTATIONS",
    "LOOM_MAX_PREEMPTIONS",
    "MIRIFLAGS",
    "PROPTEST_CASES",
    "PROPTEST_RNG_SEED",
    "QUICKCHECK_TESTS",
    "RUSTFLAGS",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_TEST_NOCAPTURE",
    "RUST_TEST_SHUFFLE",
    "RUST_TEST_THREADS",
    "WASM_DETERMINISTIC",
    "WASM_DIR",
    "WASM_MAX_MEMORY_PAGES",
];

/// What cargo set for this program, and is not meant for the next.
const OF_THIS_PROGRAM: [&str; 4] = [
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_NAME",
];

const TARGET: &str = "CARGO_TARGET_DIR";
const COLOUR: &str = "CARGO_TERM_COLOR";
pub const WASIP1_RUNNER: &str = "CARGO_TARGET_WASM32_WASIP1_RUNNER";

/// A `cargo` command in the repository, which finds what was [installed](installation). `CARGO` names the toolchain's own cargo,
/// which knows no `+toolchain`, so it is not used.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_tools = std::env::split_paths(&path).chain([tools().join("bin")]);
    // A path that cannot be joined has a separator in it, and is not where tools are.
    command.env("PATH", std::env::join_paths(with_tools).unwrap_or(path));
    for name in OF_THIS_PROGRAM.iter().chain(&NOT_FOR_TESTS) {
        command.env_remove(name);
    }
    let has_toolchain = arguments.first().is_some_and(|word| word.starts_with('+'));
    if has_toolchain {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    // What `.cargo/config.toml` names would have cargo look for changes before each executable.
    // But cargo splits it at blanks.
    if !runner().to_string_lossy().contains(char::is_whitespace) {
        command.env(WASIP1_RUNNER, runner());
    }
    // One for all, however it was named; and what cargo says is read.
    command.env(TARGET, target()).env(COLOUR, "never");
    command
}

/// Runs a command whose output goes to the terminal, saying what it is for and how long it took.
pub fn run(title: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n==> {title}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!(
            "{title} failed ({status}); its output is above. To repeat it:\n    {}",
            words(command)
        );
    }
    eprintln!("    {title}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A command as one would type it in the repository.
pub fn words(command: &Command) -> String {
    let elsewhere = command
        .get_current_dir()
        .filter(|directory| *directory != root())
        .map(|directory| format!("cd {} &&", quoted(&directory.to_string_lossy())));
    let set = command
        .get_envs()
        // What is set for all commands and makes no difference to what they do, but for what was installed here.
        .filter(|(name, value)| {
            let is_target = *name == TARGET && *value == Some(target().as_os_str());
            !is_target
                && !["PATH", COLOUR, WASIP1_RUNNER]
                    .iter()
                    .any(|set| name == set)
        })
        .filter_map(|(name, value)| {
            let value = value?.to_string_lossy();
            Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
        });
    let called = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()));
    elsewhere
        .into_iter()
        .chain(set)
        .chain(called)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+@%".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Whether this can be run, and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command that installs a version of the crate that adds this command to cargo. `None` if any is there.
pub fn installation(name: &str, version: &str, command: &str) -> Option<Command> {
    if succeeds(&mut cargo(&[command, "--version"])) {
        return None;
    }
    let mut install = cargo(&["install", "--locked", "--version", version, "--root"]);
    install.arg(tools()).arg(name).env_remove(TARGET);
    Some(install)
}
