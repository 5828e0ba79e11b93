//! `cargo xtask test`, `cargo xtask suites` and `cargo xtask bench`: set up what is missing, then run all tests, other
//! crates' tests with pageslab as their allocator, or all benchmarks with their report.

mod bench;
mod exhaustive;
mod fuzz;
mod mutants;
mod sanitize;
mod setup;
mod step;
mod suites;
mod test;
mod unsafe_code;

use clap::Parser;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Sets up what is missing, then tests or benchmarks pageslab"
)]
enum Command {
    /// Run all tests: natively, under miri, on wasm32 under wasmtime, and in guests that a host drives
    Test,
    /// Run the tests of well-known crates from crates.io on wasm32 under wasmtime, with pageslab as their allocator
    Suites,
    /// Try every short sequence of operations on a heap of tiny geometry
    Exhaustive,
    /// Run the fuzz targets, from their seeds on
    Fuzz(fuzz::Options),
    /// Change the code in one place at a time, and find the changes that no test notices
    Mutants(mutants::Options),
    /// Run the native tests under the address sanitizer, and those with threads under the thread sanitizer
    Sanitize,
    /// Count the unsafe code, and find what of it is not justified
    Unsafe,
    /// Run the benchmarks, natively and on wasm32 under wasmtime, print tables and write a report
    Bench(bench::Options),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Test => test::run(),
        Command::Suites => suites::run(),
        Command::Exhaustive => exhaustive::run(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Sanitize => sanitize::run(),
        Command::Unsafe => unsafe_code::run(),
        Command::Bench(options) => bench::run(&options),
    }
}
