//! Runs a WebAssembly command (a test or bench executable built for `wasm32-wasip1`) as if it were
//! a native one: `.cargo/config.toml` makes it Cargo's runner for that target.

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use wasm_tests::guest::{Guest, Options, Run};

/// The exit code for a trap: what a shell reports of a native process that aborts (128 + SIGABRT).
const TRAPPED: i32 = 134;

/// Runs a WASI command module. It gets stdio, the environment, and the current directory as ".".
#[derive(Parser)]
#[command(name = "wasm-runner")]
struct Cli {
    /// A directory that the guest also finds under its absolute path; may be repeated
    #[arg(long, value_name = "DIR", env = "WASM_DIR", default_value = ".")]
    dir: Vec<PathBuf>,

    /// Let linear memory grow to N pages of 64 KiB and no further [default: the module's maximum]
    #[arg(long, value_name = "N", env = "WASM_MAX_MEMORY_PAGES")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=65536))]
    max_memory_pages: Option<u32>,

    /// Give the guest the same random numbers each time
    #[arg(long, env = "WASM_DETERMINISTIC")]
    deterministic: bool,

    /// Count fuel, and write a line of JSON for each run to stderr; then exit with 0 whatever the
    /// guest did, since the lines tell it
    #[arg(long)]
    metrics: bool,

    /// Write the lines of --metrics to FILE
    #[arg(long, value_name = "FILE", requires = "metrics")]
    metrics_out: Option<PathBuf>,

    /// Compile the module once and run it afresh with these arguments, split at whitespace; may be
    /// repeated. The exit code is that of the last run that failed
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    each: Vec<String>,

    /// As --each, for every line of FILE, after those
    #[arg(long, value_name = "FILE")]
    each_from: Option<PathBuf>,

    // One list, for everything after the module's name is the guest's, `--help` included.
    /// The module, and its arguments if there is no --each
    #[arg(required = true, num_args = 1.., value_names = ["MODULE.wasm", "ARGS"])]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// A line of `--metrics`.
#[derive(Serialize)]
struct Record<'a> {
    args: &'a [String],
    fuel: u64,
    memory_pages: u64,
    initial_pages: u64,
    exit_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let (module, args) = cli.command.split_first().context("no module")?;
    let runs = match cli.each.is_empty() && cli.each_from.is_none() {
        true => vec![args.to_vec()],
        false => cli.argument_lists()?,
    };
    let guest = Guest::compile(Path::new(module), cli.options())?;
    let mut metrics: Box<dyn Write> = match &cli.metrics_out {
        Some(file) => Box::new(File::create(file).context(file.display().to_string())?),
        None => Box::new(io::stderr()),
    };

    let mut failure = 0;
    for args in &runs {
        let run = guest.run(args)?;
        let exit_code = exit_code(&run);
        if cli.metrics {
            let record = Record {
                args,
                fuel: run.fuel,
                memory_pages: run.memory_pages,
                initial_pages: run.initial_pages,
                exit_code,
                error: run.outcome.err().map(|trap| trap.root_cause().to_string()),
            };
            writeln!(metrics, "{}", serde_json::to_string(&record)?)?;
        } else if exit_code != 0 {
            failure = exit_code;
        }
    }
    Ok(ExitCode::from(u8::try_from(failure)?))
}

/// The run's exit code. A trap has none of its own, so it is printed here, with its backtrace.
fn exit_code(run: &Run) -> i32 {
    match &run.outcome {
        Ok(code) => *code,
        Err(trap) => {
            eprintln!("{trap:?}");
            TRAPPED
        }
    }
}

impl Cli {
    fn options(&self) -> Options {
        Options {
            dirs: self.dir.clone(),
            max_memory_pages: self.max_memory_pages,
            count_fuel: self.metrics,
            is_deterministic: self.deterministic,
        }
    }

    /// One argument list for each `--each` and each line of `--each-from`.
    fn argument_lists(&self) -> Result<Vec<Vec<String>>> {
        let lines = match &self.each_from {
            Some(file) => fs::read_to_string(file).context(file.display().to_string())?,
            None => String::new(),
        };
        let lists = self.each.iter().map(String::as_str).chain(lines.lines());
        Ok(lists
            .map(|list| list.split_whitespace().map(str::to_owned).collect())
            .collect())
    }
}
