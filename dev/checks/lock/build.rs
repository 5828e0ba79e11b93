//! Takes the lock and the semaphore's protocol from the crate's own source, and prepares them for loom: as they are,
//! and broken in the ways that the checks must find.
//!
//! Little is changed, and each change must find its text, so that none is lost when the source is edited: atomics are
//! loom's, which `const fn` cannot make; a thread looks once more before it waits, and not a hundred times; one that looks
//! lets others go on, as loom asks for; the C library's functions are those of `src/semaphore.rs`.

use std::env::var_os;
use std::fs::{read_to_string, write};
use std::path::{Path, PathBuf};

const LOCK: &str = "../../../src/global/lock.rs";
const FUTEX: &str = "../../../src/global/futex.rs";

/// What is replaced by what.
type Change = (&'static str, &'static str);

const FOR_LOOM: Change = ("core::sync::atomic", "loom::sync::atomic");

/// Locks that are broken: name and changes.
const BROKEN_LOCKS: [(&str, &[Change]); 8] = [
    (
        "acquired_relaxed",
        &[("HELD, Ordering::Acquire", "HELD, Ordering::Relaxed")],
    ),
    (
        "acquired_relaxed_after_waiting",
        &[(
            "CONTENDED, Ordering::Acquire",
            "CONTENDED, Ordering::Relaxed",
        )],
    ),
    (
        "released_relaxed",
        &[("FREE, Ordering::Release", "FREE, Ordering::Relaxed")],
    ),
    (
        "taken_where_it_looks_free",
        &[("== FREE && self.try_acquire()", "== FREE")],
    ),
    (
        "waits_without_a_word",
        &[
            ("swap(CONTENDED", "swap(HELD"),
            ("wait(&self.0, CONTENDED)", "wait(&self.0, HELD)"),
        ],
    ),
    (
        "forgets_others_that_wait",
        &[(
            "while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {",
            "while !self.try_acquire() && self.0.swap(CONTENDED, Ordering::Acquire) != FREE {",
        )],
    ),
    ("wakes_nobody", &[("futex::wake_one(&self.0);", "")]),
    (
        "wakes_where_nobody_waits",
        &[(
            "Ordering::Release) == CONTENDED",
            "Ordering::Release) == HELD",
        )],
    ),
];

/// Protocols of the semaphore that are broken.
const BROKEN_EVENTS: [(&str, &[Change]); 2] = [
    (
        "weaker_fence",
        &[("fence(Ordering::SeqCst);", "fence(Ordering::Release);")],
    ),
    ("keeps_none", &[("if value == 0", "if value != 0")]),
];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pageslab_threads)");
    println!("cargo::rustc-cfg=pageslab_threads");

    let lock = Source::read(LOCK)
        .with(FOR_LOOM)
        .with(("const fn new", "fn new"))
        .with(("SPINS: u32 = 100", "SPINS: u32 = 1"));
    lock.write("lock");
    for (name, changes) in BROKEN_LOCKS {
        lock.with_all(changes).write(name);
    }

    let event = Source::read(FUTEX)
        .module("#[cfg(target_os = \"wasi\")]")
        .with(FOR_LOOM)
        .without("    #[link(name = \"c\")]", "\n    }\n")
        .with(("use super::AtomicU32;", "use super::*;"))
        .with(("pub(in super::super)", "pub"));
    event.write("event");
    for (name, changes) in BROKEN_EVENTS {
        event.with_all(changes).write(name);
    }

    Source::read(FUTEX)
        .module("#[cfg(not(any(")
        .with(FOR_LOOM)
        .with(("core::hint::spin_loop", "loom::hint::spin_loop"))
        .with(("pub(in super::super)", "pub"))
        // Loom runs natively, and switches threads itself.
        .without("            #[cfg(all(unix", "};\n")
        .write("looking");
}

/// The text of a file, or of a part of it.
struct Source {
    path: &'static str,
    text: String,
}

impl Source {
    /// A file without its `//!` lines, which could not be included.
    fn read(path: &'static str) -> Self {
        println!("cargo::rerun-if-changed={path}");
        let text = read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines = text.lines().filter(|line| !line.starts_with("//!"));
        Self {
            path,
            text: lines.flat_map(|line| [line, "\n"]).collect(),
        }
    }

    /// What is between the braces of the module at file level whose `cfg` begins like this.
    fn module(&self, cfg: &str) -> Self {
        let (_, module) = self.split(&self.text, cfg);
        let (_, module) = self.split(module, "\nmod platform {\n");
        let (text, _) = self.split(module, "\n}\n");
        self.of(format!("{text}\n"))
    }

    fn with(&self, (from, to): Change) -> Self {
        self.split(&self.text, from);
        self.of(self.text.replace(from, to))
    }

    fn with_all(&self, changes: &[Change]) -> Self {
        changes
            .iter()
            .fold(self.of(self.text.clone()), |source, &change| {
                source.with(change)
            })
    }

    /// Leaves out what begins and ends like this.
    fn without(&self, start: &str, end: &str) -> Self {
        let (before, rest) = self.split(&self.text, start);
        let (_, after) = self.split(rest, end);
        self.of(format!("{before}{after}"))
    }

    fn of(&self, text: String) -> Self {
        Self { text, ..*self }
    }

    /// What is before and behind a text that must be there.
    fn split<'a>(&self, text: &'a str, at: &str) -> (&'a str, &'a str) {
        text.split_once(at).unwrap_or_else(|| {
            panic!(
                "{} has no {at:?} any more: see what took its place",
                self.path
            )
        })
    }

    fn write(&self, name: &str) {
        let folder = PathBuf::from(var_os("OUT_DIR").expect("cargo sets it"));
        let path = Path::new(&folder).join(name).with_extension("rs");
        write(&path, &self.text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
