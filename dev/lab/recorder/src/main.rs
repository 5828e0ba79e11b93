//! Records the malloc traces in `dev/lab/workloads/traces`: runs real programs on real crates under an allocator that writes
//! down every call.
//!
//! Traces are of 32-bit guests, so only the wasm32 build records; a native build can check what was recorded.
//! A program is deterministic: recorded again, it gives the same bytes.

mod recording;
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use lab_programs::{PROGRAMS, Program};
use lab_workloads::trace::Trace;
use report::Figures;

const USAGE: &str =
    "usage: trace-recorder --out DIR      record every program, write DIR/*.trace and DIR/README.md
       trace-recorder --check DIR    check DIR/*.trace and print their figures";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let figures = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--out", dir] => record(Path::new(dir)),
        ["--check", dir] => check(Path::new(dir)),
        _ => Err(USAGE.to_owned()),
    };
    match figures {
        Ok(figures) => {
            print!("{}", report::table(&figures));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Records all programs into `dir`, in the order of [`PROGRAMS`].
fn record(dir: &Path) -> Result<Vec<Figures>, String> {
    if usize::BITS != 32 {
        return Err("only a 32-bit target records: add --target wasm32-wasip1".to_owned());
    }
    let mut all = Vec::new();
    for program in &PROGRAMS {
        let input = (program.input)();
        let (result, events) = recording::record(|| (program.run)(&input));
        let file = recording::encode(program.name, &events);
        let path = trace_path(dir, program);
        fs::write(&path, &file).map_err(|error| format!("{}: {error}", path.display()))?;
        let figures = figures(&path)?;
        eprintln!(
            "{}: result {result}, {} operations",
            program.name,
            figures.ops()
        );
        all.push(figures);
    }
    let path = dir.join("README.md");
    fs::write(&path, report::readme(&all))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(all)
}

/// Checks all traces in `dir`: those of [`PROGRAMS`], and no others.
fn check(dir: &Path) -> Result<Vec<Figures>, String> {
    let paths = PROGRAMS.map(|program| trace_path(dir, &program));
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|it| it == "trace") && !paths.contains(&path) {
            return Err(format!("{}: no program has this name", path.display()));
        }
    }
    paths.iter().map(|path| figures(path)).collect()
}

fn trace_path(dir: &Path, program: &Program) -> PathBuf {
    dir.join(program.name).with_extension("trace")
}

/// Decodes and replays one file.
fn figures(path: &Path) -> Result<Figures, String> {
    let file = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let trace = Trace::decode(&file).map_err(|error| format!("{}: {error}", path.display()))?;
    Figures::of(&trace, file.len()).map_err(|error| format!("{}: {error}", path.display()))
}
