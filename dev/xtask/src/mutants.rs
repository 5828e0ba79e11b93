//! Mutation testing, by cargo-mutants: changes the code in one place at a time (another operator, a function that returns at
//! once), and sees whether a test fails. What survives is either not tested or makes no difference; `docs/mutation.md` says
//! which.
//!
//! The code is tried as guests have it, and what survives that is tried in the modes that are features, together with what
//! is only theirs. It takes more than an hour, and so is no part of the tests. Writes to target/mutants only.

use crate::step;
use anyhow::{Context, Result, ensure};
use clap::Args;

const OUTPUT: &str = "target/mutants";

#[derive(Args)]
pub struct Options {
    /// Try only what survived the last time, or was not there yet
    #[arg(long)]
    iterate: bool,
}

/// One way to build the code: what of it is changed then, and which tests have to notice.
struct Pass {
    features: &'static str,
    /// Beside the [`CORE`].
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

const CORE: &[&str] = &[
    "src/controller.rs",
    "src/error.rs",
    "src/frames/*.rs",
    "src/global.rs",
    "src/heap/*.rs",
    "src/invariant.rs",
    "src/memory/reserved.rs",
    "src/sizes/*.rs",
    "src/slabs/*.rs",
];

const PASSES: [Pass; 4] = [
    // Few tests, which are soon built and notice most.
    Pass {
        features: "alloc,allocator-api2-02",
        files: &[],
        tests: &["controller", "misuse", "model"],
    },
    Pass {
        features: "alloc,allocator-api2-02",
        files: &[],
        tests: &[
            "allocator_api",
            "boundaries",
            "exhaustion",
            "full_memory",
            "global",
            "global_controller",
            "vectors",
            "misuse_handler",
            "poisoned",
        ],
    },
    Pass {
        features: "checked",
        files: &["src/checked/*.rs", "src/global/checked.rs", "src/hooks.rs"],
        tests: &["checked", "controller", "misuse", "misuse_handler", "model"],
    },
    Pass {
        features: "zero-on-free",
        files: &[],
        tests: &["zero_on_free"],
    },
];

/// How cargo-mutants ends if all mutants were noticed, if some were not, and if that took too long for some.
const CODES: [i32; 3] = [0, 2, 3];

pub fn run(options: &Options) -> Result<()> {
    if let Some(mut install) = step::installation("cargo-mutants", "27.1.0", "mutants") {
        step::run("installing cargo-mutants", &mut install)?;
    }
    let mut code = Some(0);
    for (number, pass) in PASSES.iter().enumerate() {
        let mut mutants = step::cargo(&["mutants", "--package", "pageslab", "--no-shuffle"]);
        mutants
            .args(["--output", OUTPUT, "--minimum-test-timeout", "30"])
            .args(["--features", pass.features, "--exclude-re", "tests::"])
            // Nobody reads what they print.
            .envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("RUST_BACKTRACE", "0")]);
        if options.iterate || number > 0 {
            mutants.arg("--iterate");
        }
        for file in CORE.iter().chain(pass.files) {
            mutants.args(["--file", file]);
        }
        // To build only these, too.
        mutants.arg("--cargo-arg=--lib");
        for test in pass.tests {
            mutants.arg(format!("--cargo-arg=--test={test}"));
        }
        eprintln!("\n==> mutants, with {}", pass.features);
        // What survives one pass another may notice.
        code = mutants.status().context("cannot run cargo")?.code();
        ensure!(
            code.is_some_and(|code| CODES.contains(&code)),
            "{mutants:?} failed; its output is above"
        );
    }
    ensure!(
        matches!(code, Some(0 | 3)),
        "those in {OUTPUT}/mutants.out/missed.txt survived all passes"
    );
    Ok(())
}
