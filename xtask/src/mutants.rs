//! Mutation testing, by cargo-mutants: changes the code in one place at a time (another operator, a function that returns at
//! once), and sees whether a test fails. What survives is either not tested or makes no difference; `docs/mutation.md` says
//! which.
//!
//! It takes more than an hour, and so is no part of the tests. Writes to target/mutants only.

use crate::step;
use anyhow::{Result, ensure};
use clap::Args;
use std::process::Command;

const OUTPUT: &str = "target/mutants";

#[derive(Args)]
pub struct Options {
    /// Only what survived the last time, or was not there yet
    #[arg(long)]
    iterate: bool,
}

/// What is changed, and which tests have to notice.
struct Part {
    name: &'static str,
    features: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

const PARTS: [Part; 2] = [
    Part {
        name: "core",
        features: "allocator-api2",
        files: &[
            "src/bitmap.rs",
            "src/check.rs",
            "src/class.rs",
            "src/controller.rs",
            "src/error.rs",
            "src/global.rs",
            "src/invariant.rs",
            "src/map.rs",
            "src/reserved.rs",
            "src/runs.rs",
            "src/slab.rs",
        ],
        tests: &[
            "allocator_api",
            "boundaries",
            "controller",
            "exhaustion",
            "full_memory",
            "global",
            "misuse",
            "misuse_handler",
            "model",
            "poisoned",
        ],
    },
    Part {
        name: "checked",
        features: "checked",
        files: &["src/checked.rs", "src/global/checked.rs", "src/report.rs"],
        tests: &["checked", "controller", "misuse", "misuse_handler", "model"],
    },
];

pub fn run(options: &Options) -> Result<()> {
    step::install("cargo-mutants", "mutants")?;
    // What survives is for a person to judge: cargo-mutants fails then, and the next part is to be run all the same.
    let mut survived = Vec::new();
    for part in &PARTS {
        let title = format!("mutants of {}", part.name);
        if step::run(&title, &mut mutants(part, options)).is_err() {
            survived.push(format!("{OUTPUT}/{}/mutants.out/missed.txt", part.name));
        }
    }
    ensure!(
        survived.is_empty(),
        "mutants survived, or could not be tried: see {}",
        survived.join(" and ")
    );
    Ok(())
}

fn mutants(part: &Part, options: &Options) -> Command {
    let mut cargo = step::cargo(&["mutants", "--package", "pageslab", "--no-shuffle"]);
    cargo
        .args(["--output", &format!("{OUTPUT}/{}", part.name)])
        .args(["--minimum-test-timeout", "60"])
        .args(["--features", part.features]);
    if options.iterate {
        cargo.arg("--iterate");
    }
    for file in part.files {
        cargo.args(["--file", file]);
    }
    cargo.args(["--", "--lib"]);
    for test in part.tests {
        cargo.args(["--test", test]);
    }
    cargo
}
