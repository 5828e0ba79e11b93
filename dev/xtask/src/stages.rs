//! The stages of the tests: what each runs, what it needs, and how long it usually takes.
//!
//! `cargo xtask test` runs those that say whether pageslab works. Continuous integration has `--more` as well, as much as fits into
//! its time on a slow machine; and `--all` has what takes long and is for whoever changes the core, and for a release.

use crate::tools::{
    CC, CHROMIUM, CXX, MIRI, NIGHTLY, NODE, NPM, Tool, WASM_CC, WASM_OPT, X86_64_LINUX,
};
use crate::work::Work;
use crate::{demo, fuzz, sanitize, size, step, suites, unsafe_code};
use anyhow::{Result, bail};
use std::process::Command;

/// When a stage is run, unless it is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    More,
    All,
}

pub struct Stage {
    pub name: &'static str,
    pub about: &'static str,
    pub when: When,
    /// Whether all or most of what it builds, but the runner, goes into target directories of its own, so that it can run beside
    /// stages of which that is not true.
    pub is_apart: bool,
    /// Whether `cargo xtask flaky` repeats it: all of it is `cargo test`.
    pub is_repeated: bool,
    /// The seconds that it took in `.ci/run`, or with `--all`, on two cores of a clean machine: with nothing built but by the stages
    /// before it, and beside the other lane.
    pub usual_time: u32,
    /// What it cannot do without.
    pub needs: &'static [Tool],
    /// Without what it leaves tests out.
    pub uses: &'static [Tool],
    pub work: fn(&mut Work) -> Result<()>,
}

/// What most stages are.
const STAGE: Stage = Stage {
    name: "",
    about: "",
    when: When::More,
    is_apart: false,
    is_repeated: true,
    usual_time: 0,
    needs: &[],
    uses: &[],
    work: |_| bail!("it has no work"),
};

/// In the order in which they run.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "native",
        about: "the crate's tests and examples, natively",
        when: When::Always,
        usual_time: 67,
        work: native,
        ..STAGE
    },
    Stage {
        name: "wasip1",
        about: "the same on wasm32-wasip1 under wasmtime",
        when: When::Always,
        usual_time: 480,
        work: wasip1,
        ..STAGE
    },
    Stage {
        name: "guests",
        about: "guests and their ABIs, driven by a host",
        when: When::Always,
        usual_time: 179,
        work: guests,
        ..STAGE
    },
    Stage {
        name: "c",
        about: "malloc, free and their family, in C and C++ guests and natively",
        when: When::Always,
        usual_time: 133,
        uses: &[WASM_CC, CC],
        work: c,
        ..STAGE
    },
    Stage {
        name: "checked",
        about: "checked mode, natively and on wasm32-wasip1",
        usual_time: 195,
        work: checked,
        ..STAGE
    },
    Stage {
        name: "zero-on-free",
        about: "freed bytes are zeros, natively and on wasm32-wasip1",
        usual_time: 29,
        work: zero_on_free,
        ..STAGE
    },
    Stage {
        name: "faults",
        about: "guests that are stopped, refused memory or overwritten",
        usual_time: 64,
        work: faults,
        ..STAGE
    },
    Stage {
        name: "components",
        about: "components and commands for wasm32-wasip2",
        usual_time: 57,
        work: components,
        ..STAGE
    },
    Stage {
        name: "threads",
        about: "threads that share the heap, on wasm32-wasip1-threads",
        usual_time: 13,
        work: threads,
        ..STAGE
    },
    Stage {
        name: "browsers",
        about: "JavaScript that calls guests, alone and with threads, in Node and in a browser",
        usual_time: 33,
        uses: &[NODE, CHROMIUM, NIGHTLY],
        work: browsers,
        ..STAGE
    },
    Stage {
        name: "other-hosts",
        about: "wasm-bindgen in Node and in a browser, SurrealDB's Transfer, wasmi",
        when: When::All,
        usual_time: 303,
        uses: &[NODE, CHROMIUM],
        work: other_hosts,
        ..STAGE
    },
    Stage {
        name: "page",
        about: "the page that shows a heap, in Chromium",
        is_apart: true,
        is_repeated: false,
        usual_time: 76,
        uses: &[NPM, CHROMIUM],
        work: demo::stage,
        ..STAGE
    },
    Stage {
        name: "suites",
        about: "the tests of well-known crates, with pageslab as their allocator",
        when: When::All,
        is_apart: true,
        is_repeated: false,
        usual_time: 207,
        work: suites::run,
        ..STAGE
    },
    Stage {
        name: "exhaustive",
        about: "every short sequence of operations, over a tiny geometry",
        is_apart: true,
        usual_time: 123,
        work: exhaustive,
        ..STAGE
    },
    Stage {
        name: "lock",
        about: "the lock in every interleaving of a few threads",
        usual_time: 53,
        work: lock,
        ..STAGE
    },
    Stage {
        name: "fuzz",
        about: "each fuzz target, a fixed number of inputs from its seeds on",
        when: When::All,
        is_apart: true,
        is_repeated: false,
        usual_time: 207,
        needs: &[MIRI, CXX],
        work: fuzz::stage,
        ..STAGE
    },
    Stage {
        name: "miri",
        about: "unit tests and the global allocator, under Miri",
        when: When::All,
        is_apart: true,
        is_repeated: false,
        usual_time: 234,
        needs: &[MIRI],
        work: miri,
        ..STAGE
    },
    Stage {
        name: "sanitizers",
        about: "native tests under the address sanitizer, threads under the thread sanitizer",
        when: When::All,
        is_apart: true,
        is_repeated: false,
        usual_time: 395,
        needs: &[MIRI, X86_64_LINUX],
        work: sanitize::run,
        ..STAGE
    },
    Stage {
        name: "targets",
        about: "compiling for what is not run here: Windows, macOS, FreeBSD, and wasm with and without more than the usual",
        is_repeated: false,
        usual_time: 52,
        uses: &[NIGHTLY],
        work: targets,
        ..STAGE
    },
    Stage {
        name: "unsafe",
        about: "unsafe code: how much there is, and whether each use is justified",
        is_repeated: false,
        usual_time: 1,
        work: unsafe_code::run,
        ..STAGE
    },
    Stage {
        name: "size",
        about: "the size of a module, which is not to grow unnoticed",
        is_repeated: false,
        usual_time: 9,
        uses: &[WASM_OPT],
        work: size::run,
        ..STAGE
    },
    Stage {
        name: "package",
        about: "what would be published, and that it builds",
        is_apart: true,
        is_repeated: false,
        usual_time: 29,
        work: package,
        ..STAGE
    },
    Stage {
        name: "tools",
        about: "the tests of the lab, of the tools, and of this one",
        usual_time: 41,
        work: tools,
        ..STAGE
    },
    Stage {
        name: "lint",
        about: "rustfmt, and clippy for the crate and for guests, for each target and mode",
        is_apart: true,
        is_repeated: false,
        usual_time: 216,
        work: lint,
        ..STAGE
    },
    Stage {
        name: "lint-hosts",
        about: "clippy for everything that runs on the host, Wasmtime's users among it",
        when: When::All,
        is_apart: true,
        is_repeated: false,
        usual_time: 300,
        work: lint_hosts,
        ..STAGE
    },
    Stage {
        name: "docs",
        about: "the documentation, without a warning",
        is_apart: true,
        is_repeated: false,
        usual_time: 36,
        work: docs,
        ..STAGE
    },
];

/// The stages of these names.
pub fn named(names: &[String]) -> Result<Vec<&'static Stage>> {
    for name in names {
        if !STAGES.iter().any(|stage| stage.name == name) {
            bail!("there is no stage {name}; `cargo xtask test --list` names them");
        }
    }
    let is_named = |stage: &&Stage| names.iter().any(|name| name == stage.name);
    Ok(STAGES.iter().filter(is_named).collect())
}

/// The features under test. `surrealism-01` is tested in guests, which need more.
const FEATURES: &str = "alloc,allocator-api2-02";

const WASIP1: [&str; 2] = ["--target", "wasm32-wasip1"];

/// Linear memory for the tests that fill it, in pages: 256 MiB. The host then refuses `memory.grow` long before 4 GiB.
const SMALL_MEMORY: &str = "4096";

fn native(work: &mut Work) -> Result<()> {
    work.test(&["--features", FEATURES])
}

fn wasip1(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-wasip1"])?;
    work.runner()?;
    work.tests(step::cargo(&["test", "--features", FEATURES]).args(WASIP1))?;
    work.tests(
        // With the features of the line above, so that nothing is built again.
        step::cargo(&["test", "--features", FEATURES, "--test", "full_memory"])
            .args(WASIP1)
            .env("WASM_MAX_MEMORY_PAGES", SMALL_MEMORY),
    )
}

fn guests(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown", "wasm32-wasip1"])?;
    wasm_tests(work, &["guests", "abi"])?;
    work.test(&["--release", "--package", "pageslab-cli"])?;
    work.test(&["--release", "--package", "wasm-tests", "--doc"])
}

fn faults(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown"])?;
    wasm_tests(work, &["faults"])
}

fn components(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-wasip1", "wasm32-wasip2"])?;
    wasm_tests(work, &["component", "command"])
}

fn threads(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-wasip1-threads"])?;
    wasm_tests(work, &["threads"])
}

/// Some of the tests in which a host drives guests.
fn wasm_tests(work: &mut Work, tests: &[&str]) -> Result<()> {
    let mut cargo = step::cargo(&["test", "--release", "--package", "wasm-tests"]);
    work.tests(cargo.args(tests.iter().flat_map(|test| ["--test", test])))
}

fn other_hosts(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown", "wasm32-wasip1"])?;
    work.test(&["--release", "--package", "other-hosts"])?;
    // The examples that need SurrealDB's trait.
    let features = format!("{FEATURES},surrealism-01");
    work.test(&["--doc", "--features", &features, "surrealism"])
}

fn browsers(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown"])?;
    work.test(&["--release", "--package", "browsers"])
}

fn c(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-wasip1", "wasm32-wasip1-threads", "wasm32-wasip2"])?;
    work.runner()?;
    work.test(&["--release", "--package", "pageslab-c"])
}

fn checked(work: &mut Work) -> Result<()> {
    let native = [
        "allocator_api",
        "boundaries",
        "checked",
        "controller",
        "exhaustion",
        "global",
        "global_controller",
        "misuse",
        "misuse_handler",
        "model",
        "threads",
        "vectors",
    ];
    mode(work, "checked", &native, &["checked", "global", "misuse"])?;
    // Examples are for wasm32, and some of this mode alone.
    let features = format!("{FEATURES},checked");
    work.tests(step::cargo(&["test", "--doc", "--features", &features]).args(WASIP1))
}

fn zero_on_free(work: &mut Work) -> Result<()> {
    let native = ["controller", "misuse", "model", "threads", "zero_on_free"];
    mode(work, "zero-on-free", &native, &["zero_on_free"])
}

/// The tests of a feature that changes what the allocator does: those that say whether it still does what it must, and on
/// wasm32-wasip1 those of the mode's own, and of what may differ there.
fn mode(work: &mut Work, mode: &str, native: &[&str], wasip1: &[&str]) -> Result<()> {
    let features = format!("{FEATURES},{mode}");
    let of = |tests: &[&str]| {
        let mut cargo = step::cargo(&["test", "--features", &features, "--lib"]);
        cargo.args(tests.iter().flat_map(|test| ["--test", test]));
        cargo
    };
    work.tests(&mut of(native))?;
    work.targets(&["wasm32-wasip1"])?;
    work.runner()?;
    work.tests(of(wasip1).args(WASIP1))
}

/// In a target directory of its own, since everything is built with other flags.
fn exhaustive(work: &mut Work) -> Result<()> {
    work.tests(
        step::cargo(&["test", "--release", "--package", "exhaustive-check"])
            .args(["--test", "sequences"])
            .env(
                "RUSTFLAGS",
                "--cfg pageslab_geometry=\"tiny\" -Cdebug-assertions",
            )
            .env("CARGO_TARGET_DIR", step::target().join("exhaustive")),
    )
}

fn lock(work: &mut Work) -> Result<()> {
    work.test(&["--release", "--package", "lock-check"])
}

/// The suite's other files take Miri many minutes each. By the default rules for references, any use of a slice of bitvec's is an
/// error (ferrilab/bitvec issue 193), as in the checker, which all tests call. By the newer ones it is none.
fn miri(work: &mut Work) -> Result<()> {
    let tests = ["+nightly", "miri", "test", "--lib"];
    let files = ["address_space", "global_controller"];
    let mut cargo = step::cargo(&tests);
    cargo.env("MIRIFLAGS", "-Zmiri-tree-borrows");
    work.run(cargo.args(files.iter().flat_map(|file| ["--test", file])))
}

/// Where nothing can be run here: other systems, and what core must be built for, which docs/targets.md lists.
fn targets(work: &mut Work) -> Result<()> {
    let ready = [
        "aarch64-apple-darwin",
        "x86_64-pc-windows-msvc",
        "x86_64-unknown-freebsd",
        "wasm32v1-none",
    ];
    work.targets(&ready)?;
    for target in ready {
        let check = ["check", "--package", "pageslab", "--features", FEATURES];
        work.run(step::cargo(&check).args(["--target", target]))?;
    }
    work.targets(&["wasm32-unknown-unknown"])?;
    let fuzzing = ["check", "--package", "pageslab"];
    work.run(&mut built(
        &fuzzing,
        "wasm32-unknown-unknown",
        "--cfg fuzzing",
    ))?;
    if !NIGHTLY.is_there() {
        return Ok(());
    }
    let with_core = [
        "+nightly",
        "check",
        "--package",
        "pageslab",
        "-Zbuild-std=core,alloc",
    ];
    for (target, flags) in [
        ("wasm32-unknown-unknown", "-Ctarget-feature=+atomics"),
        ("wasm32-unknown-unknown", "-Ctarget-cpu=mvp"),
        ("wasm32-wali-linux-musl", ""),
    ] {
        work.run(&mut built(&with_core, target, flags))?;
    }
    Ok(())
}

/// A cargo that builds for a target with these flags.
fn built(arguments: &[&str], target: &str, flags: &str) -> Command {
    let name = target.replace('-', "_").to_uppercase();
    let mut cargo = step::cargo(arguments);
    cargo
        .args(["--target", target])
        .env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), flags);
    cargo
}

/// What is compiled for guests, and for which target.
const GUESTS: [(&str, &[&str]); 4] = [
    (
        "wasm32-unknown-unknown",
        &[
            "pageslab",
            "guest-abi",
            "guest-collections",
            "guest-controller",
            "guest-limits",
            "page-decoder",
            "guest-shared",
            "page-guests",
            "example-alloc-free",
            "example-bindgen",
        ],
    ),
    (
        "wasm32-wasip1",
        &[
            "pageslab-c",
            "guest-cli",
            "guest-surrealism",
            "example-surrealism",
        ],
    ),
    ("wasm32-wasip1-threads", &["pageslab", "guest-threads"]),
    ("wasm32-wasip2", &["pageslab", "example-component"]),
];

fn lint(work: &mut Work) -> Result<()> {
    work.targets(&GUESTS.map(|(target, _)| target))?;
    work.run(&mut step::cargo(&["fmt", "--all", "--check"]))?;
    let real = [
        "fmt",
        "--all",
        "--check",
        "--manifest-path",
        "dev/real/Cargo.toml",
    ];
    work.run(&mut step::cargo(&real))?;
    for package in ["pageslab", "pageslab-c", "pageslab-snapshot", "xtask"] {
        clippy(work, &["--all-targets", "--package", package])?;
    }
    for mode in ["checked", "zero-on-free"] {
        clippy(work, &["--all-targets", "--features", mode])?;
    }
    let wasip1 = ["--all-targets", "--features", FEATURES];
    clippy(work, &[&wasip1[..], &WASIP1].concat())?;
    for (target, packages) in GUESTS {
        // Each alone, since together they would have each other's features.
        for package in packages {
            clippy(work, &["--package", package, "--target", target])?;
        }
    }
    Ok(())
}

fn lint_hosts(work: &mut Work) -> Result<()> {
    clippy(work, &["--workspace", "--all-targets"])?;
    let mut doc = checking("doc");
    doc.args(["--no-deps", "--package", "wasm-tests"]);
    work.run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn clippy(work: &mut Work, arguments: &[&str]) -> Result<()> {
    let mut cargo = checking("clippy");
    work.run(cargo.args(arguments).args(["--", "-D", "warnings"]))
}

/// A cargo for what is checked and not built, which shares nothing with what is, and so has a target directory of its own.
fn checking(command: &str) -> Command {
    let mut cargo = step::cargo(&[command]);
    cargo.env("CARGO_TARGET_DIR", step::target().join("check"));
    cargo
}

fn docs(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown", "wasm32-wasip1"])?;
    let features = "alloc,allocator-api2-02,checked,surrealism-01";
    for arguments in [
        &["--features", features, "--document-private-items"][..],
        &["--target", "wasm32-unknown-unknown"],
        // As docs.rs does.
        &["--features", features, "--target", "wasm32-wasip1"],
        &["--package", "pageslab-c", "--package", "pageslab-snapshot"],
    ] {
        let mut cargo = checking("doc");
        cargo.arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings");
        work.run(cargo.args(arguments))?;
    }
    Ok(())
}

fn package(work: &mut Work) -> Result<()> {
    // The command takes Wasmtime's time to build, and its own stage has built it.
    let built = ["pageslab", "pageslab-snapshot", "pageslab-trace"].map(|name| ["--package", name]);
    let built = built.as_flattened();
    let mut cargo = step::cargo(&["publish", "--dry-run", "--allow-dirty"]);
    work.run(cargo.args(built))?;
    let mut cargo = step::cargo(&["package", "--no-verify", "--allow-dirty"]);
    work.run(cargo.args(built).args(["--package", "pageslab-cli"]))
}

fn tools(work: &mut Work) -> Result<()> {
    // The lab's programs and its recorder would take five minutes more to build, for six tests.
    let packages = [
        "lab",
        "lab-toolchain",
        "lab-workloads",
        "pageslab-snapshot",
        "xtask",
    ];
    let mut cargo = step::cargo(&["test", "--release"]);
    work.tests(cargo.args(packages.iter().flat_map(|name| ["--package", name])))
}
