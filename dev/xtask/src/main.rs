//! `cargo xtask`: sets up what is missing, then runs pageslab's tests, or its benchmarks with their report.

mod bench;
mod demo;
mod flaky;
mod fuzz;
mod log;
mod mutants;
mod outcome;
mod replay;
mod sanitize;
mod setup;
mod size;
mod stages;
mod step;
mod suites;
mod test;
mod tools;
mod unsafe_code;
mod work;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Sets up what is missing, then tests or benchmarks pageslab"
)]
enum Command {
    /// Run the tests: natively, on wasm32-wasip1 under wasmtime, guests that a host drives, and C; with --more and --all what takes longer
    Test(test::Options),
    /// Run the tests many times: on one core, on all, under load, and in random order
    Flaky(flaky::Options),
    /// Run the fuzz targets for some time, from their seeds on
    Fuzz(fuzz::Options),
    /// Change the code in one place at a time, and find the changes that no test notices
    Mutants(mutants::Options),
    /// Run the benchmarks, natively and on wasm32 under wasmtime, print tables and write a report
    Bench(bench::Options),
    /// Build the modules that `pageslab bench` has with it
    Replay,
    /// Build the page that shows a heap, live, and serve it on localhost
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let ended = match Command::parse() {
        Command::Test(options) => test::run(&options),
        Command::Flaky(options) => flaky::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Replay => replay::run(),
        Command::Demo(options) => demo::run(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With `{:?}` there would be a backtrace of this program, which helps nobody.
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
