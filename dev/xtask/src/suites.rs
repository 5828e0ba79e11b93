//! The test suites of well-known crates, with pageslab as their global allocator: programs that others wrote, and
//! whose authors say what is right.
//!
//! Cargo fetches each crate as published, at a pinned version. Two things are changed in the copy: pageslab becomes a
//! dependency, and `src/lib.rs` ends with the line that makes it the allocator, of the unit tests and of every
//! executable that links the library. Then `cargo test` runs for wasm32-wasip1, in which a panic ends the executable:
//! a test fails by ending its executable, which then has no summary.
//!
//! What cannot be is left out by name, with a reason that holds for any allocator.

use crate::log::Output;
use crate::outcome;
use crate::step;
use crate::work::Work;
use anyhow::{Context, Result, ensure};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// A name, and why it is left out.
type LeftOut = (&'static str, &'static str);

#[derive(Debug)]
struct Suite {
    name: &'static str,
    version: &'static str,
    /// Dependencies of its tests or benchmarks.
    dependencies: &'static [LeftOut],
    /// Test executables.
    executables: &'static [LeftOut],
    /// Single tests, by their full names.
    tests: &'static [LeftOut],
}

const SUITES: &[Suite] = &[
    Suite {
        name: "bytes",
        version: "1.12.2",
        dependencies: &[],
        executables: &[
            ("test_bytes_odd_alloc", OWN_ALLOCATOR),
            ("test_bytes_vec_alloc", OWN_ALLOCATOR),
            ("test_serde", NEEDS_FEATURE),
        ],
        tests: &[(
            "advance_bytes_mut_remaining_capacity",
            "prints three million lines, which takes most of a minute",
        )],
    },
    Suite {
        name: "hashbrown",
        version: "0.17.1",
        dependencies: &[("criterion", BENCHMARKS)],
        executables: &[
            ("hasher_unwind", UNWINDS),
            ("rayon", NEEDS_FEATURE),
            ("serde", NEEDS_FEATURE),
        ],
        tests: &[],
    },
    Suite {
        name: "indexmap",
        version: "2.14.2",
        dependencies: &[],
        executables: &[],
        tests: &[
            ("drain_bounds", UNWINDS),
            ("replace_index", UNWINDS),
            ("vacant_replace_index", UNWINDS),
        ],
    },
    Suite {
        name: "petgraph",
        version: "0.8.3",
        dependencies: &[],
        executables: &[("quickcheck", NEEDS_FEATURE)],
        tests: &[
            ("uf_rand", NO_ENTROPY),
            ("uf_u8", NO_ENTROPY),
            ("uf_u8_checked", NO_ENTROPY),
        ],
    },
    Suite {
        name: "rpds",
        version: "1.2.1",
        dependencies: &[("criterion", BENCHMARKS)],
        executables: &[],
        tests: &[],
    },
    Suite {
        name: "serde_json",
        version: "1.0.154",
        dependencies: &[
            (
                "serde_stacker",
                "is partly in C, for a test that needs a feature",
            ),
            ("trybuild", "for compiletest"),
        ],
        executables: &[
            ("compiletest", "runs rustc"),
            (
                "lexical",
                "takes in the library's source, and not the library with its allocator",
            ),
        ],
        tests: &[(
            "test_deserialize_from_stream",
            "listens on a TCP port, in a thread",
        )],
    },
];

const BENCHMARKS: &str = "only the benchmarks need it, and it takes long to build";
const NEEDS_FEATURE: &str = "has no tests without a feature that is not a default one";
const OWN_ALLOCATOR: &str = "has a global allocator of its own";
const UNWINDS: &str = "catches a panic";
const NO_ENTROPY: &str = "rand 0.5 has no source of entropy on wasm32-wasip1";

/// What `src/lib.rs` ends with.
const ALLOCATOR: &str = "
#[global_allocator]
static PAGESLAB: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();
";

/// What is in the names of pageslab's functions, which an executable has only if it allocates with them.
const SYMBOL: &[u8] = b"8pageslab";

/// What a suite's executables did.
#[derive(Default)]
struct Counts {
    executables: usize,
    passed: usize,
    ignored: usize,
    skipped: usize,
    failed: usize,
}

pub fn run(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-wasip1"])?;
    work.runner()?;
    let folder = step::target().join("suites");
    prepare(work, &folder)?;
    let mut rows = vec![row(
        "crate",
        "version",
        ["executables", "passed", "ignored", "skipped", "failed"],
    )];
    let mut total = Counts::default();
    for suite in SUITES {
        let counts = suite.run(work, &folder)?;
        rows.push(row(suite.name, suite.version, counts.columns()));
        total.add(&counts);
    }
    rows.push(row("total", "", total.columns()));
    work.note(&format!("\n{}", rows.join("\n")))
}

/// Fetches and changes the crates. Once, until what is to be done is no longer what was done: cargo then has little to build
/// the next time, and nothing to fetch.
fn prepare(work: &mut Work, folder: &Path) -> Result<()> {
    let plan = format!("{} {ALLOCATOR} {SUITES:#?}", step::root().display());
    let done = folder.join("done");
    if fs::read_to_string(&done).is_ok_and(|done| done == plan) {
        return Ok(());
    }
    // Cargo would leave what is there, changed already, as it is.
    let _ = fs::remove_dir_all(folder.join("source"));
    fetch(work, folder)?;
    for suite in SUITES {
        suite
            .change(&suite.source(folder))
            .with_context(|| suite.name)?;
    }
    fs::write(done, plan)?;
    Ok(())
}

/// Has cargo put the crates' sources, from crates.io or what is configured in its place, into `source`.
fn fetch(work: &mut Work, folder: &Path) -> Result<()> {
    let mut manifest = String::from(
        "[package]\nname = \"suites\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[dependencies]\n",
    );
    for Suite { name, version, .. } in SUITES {
        manifest += &format!("{name} = \"={version}\"\n");
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("lib.rs"), "")?;
    let mut vendor = step::cargo(&["vendor", "--versioned-dirs", "--respect-source-config"]);
    work.prepare(vendor.arg("source").current_dir(folder)).context(
        "cargo could not fetch the crates whose tests are to run. They come from crates.io, or the registry that cargo is \
         configured to use instead: the first time this needs the network.",
    )?;
    Ok(())
}

impl Suite {
    fn source(&self, folder: &Path) -> PathBuf {
        folder.join(format!("source/{}-{}", self.name, self.version))
    }

    /// Makes pageslab the allocator, and takes tables out of the manifest.
    fn change(&self, source: &Path) -> Result<()> {
        let path = source.join("Cargo.toml");
        let manifest = fs::read_to_string(&path)?;
        let mut tables: Vec<_> = manifest.split("\n[").collect();
        let dependencies = self.dependencies.iter();
        let executables = self.executables.iter();
        let left_out = dependencies
            .map(|(name, _)| format!("dev-dependencies.{name}]"))
            .chain(executables.map(|(name, _)| format!("[test]]\nname = \"{name}\"\n")));
        for start in left_out {
            let before = tables.len();
            tables.retain(|table| !table.starts_with(&start));
            ensure!(tables.len() < before, "its manifest has no [{start}");
        }
        let pageslab = format!("dependencies.pageslab]\npath = {:?}\n", step::root());
        // Of pageslab's optional dependencies nothing is resolved that changes from day to day.
        let stand_in = step::root().join("dev/fuzz/surrealism-types");
        let patch = format!("patch.crates-io.surrealism-types]\npath = {stand_in:?}\n");
        tables.extend([&*pageslab, &*patch, "workspace]\n"]);
        fs::write(path, tables.join("\n["))?;

        let path = source.join("src/lib.rs");
        let library = fs::read_to_string(&path)?;
        fs::write(path, library + ALLOCATOR)?;
        Ok(())
    }

    /// Builds and runs the tests.
    fn run(&self, work: &mut Work, folder: &Path) -> Result<Counts> {
        let source = self.source(folder);
        let mut tests = step::cargo(&["test", "--tests", "--no-fail-fast"]);
        tests
            .args(["--target", "wasm32-wasip1", "--target-dir"])
            .arg(folder.join("build"))
            .args(["--", "--exact"])
            .args(self.tests.iter().flat_map(|(name, _)| ["--skip", name]))
            .current_dir(&source)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // Some seed their random inputs by it.
            .env("WASM_DETERMINISTIC", "true");
        let output = work.output(&mut tests)?;
        work.judge(&tests, &output);
        let counts = Counts::of(&output);
        ensure!(
            counts.executables > 0
                && counts.passed > 0
                && output.is_success == (counts.failed == 0),
            "the tests of {} did not run",
            self.name
        );
        ensure!(
            counts.failed > 0 || counts.skipped == self.tests.len(),
            "{}: {} tests are skipped, and {} should be",
            self.name,
            counts.skipped,
            self.tests.len()
        );
        for executable in executables(&output.text) {
            let code = fs::read(source.join(executable))?;
            ensure!(
                code.windows(SYMBOL.len()).any(|name| name == SYMBOL),
                "{executable} does not allocate with pageslab"
            );
        }
        Ok(counts)
    }
}

/// The test executables that cargo said it runs.
fn executables(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, path) = line
            .trim_start()
            .strip_prefix("Running ")?
            .rsplit_once('(')?;
        path.strip_suffix(')')
    })
}

impl Counts {
    fn of(output: &Output) -> Self {
        let mut counts = Self {
            executables: executables(&output.text).count(),
            ..Self::default()
        };
        let mut ended = 0;
        for summary in outcome::results(&output.text) {
            ended += 1;
            counts.passed += outcome::number(summary, "passed");
            counts.ignored += outcome::number(summary, "ignored");
            counts.skipped += outcome::number(summary, "filtered out");
            counts.failed += outcome::number(summary, "failed");
        }
        counts.failed += counts.executables.saturating_sub(ended);
        counts
    }

    fn add(&mut self, other: &Self) {
        self.executables += other.executables;
        self.passed += other.passed;
        self.ignored += other.ignored;
        self.skipped += other.skipped;
        self.failed += other.failed;
    }

    fn columns(&self) -> [String; 5] {
        [
            self.executables,
            self.passed,
            self.ignored,
            self.skipped,
            self.failed,
        ]
        .map(|count| count.to_string())
    }
}

fn row(name: &str, version: &str, columns: [impl Display; 5]) -> String {
    let columns = columns.map(|column| format!("{column:>12}"));
    format!("{name:<12}{version:>12}{}", columns.concat())
}
