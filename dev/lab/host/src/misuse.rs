//! What allocators find of a program's mistakes, seen by making them: `lab misuse`.
//!
//! The host calls the guest's `allocate` and `deallocate`, wrongly once, and then goes on as a program that has done nothing
//! wrong: does the call refuse, does a later one, is the heap still one? Each mistake is made with blocks of several sizes,
//! each time in a new instance.

mod heap;

use crate::guest::Guest;
use crate::modules;
use crate::progress::{stage, step};
use crate::summary::table::Table;
use anyhow::{Context, Result};
use heap::{Heap, Trouble};
use lab_toolchain::{lab, run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Whose mistakes are made, as far as they are built as the lab's guests are.
const GUESTS: [&str; 8] = [
    "pageslab",
    "pageslab-checked",
    "rusty-alloc",
    "dlmalloc",
    "talc",
    "rlsf",
    "mimalloc-v3",
    "wasi-libc",
];
/// And one that is Zig's.
const ZIG: &str = "Zig's SafeAllocator";

const SIZES: [u32; 5] = [24, 100, 1000, 9000, 70_000];

/// A mistake: what is done with the heap, and the block that it is done with.
struct Misuse {
    name: &'static str,
    /// One for each way to make it.
    ways: &'static [Way],
}

/// Makes the mistake with the fifth of eight blocks of this size. What goes wrong with the wrong call itself is its error.
type Way = fn(&mut Heap, u32) -> Result<(), Trouble>;

/// Which of the blocks.
const VICTIM: usize = 4;

const MISUSES: [Misuse; 8] = [
    Misuse {
        name: "double free",
        ways: &[
            |heap, _| {
                let block = heap.free(VICTIM)?;
                heap.deallocate(block.at, block.size)
            },
            |heap, _| {
                let block = heap.free(VICTIM)?;
                heap.free(1)?;
                heap.deallocate(block.at, block.size)
            },
        ],
    },
    Misuse {
        name: "double free, after the memory has a new owner",
        ways: &[|heap, size| {
            let block = heap.free(VICTIM)?;
            for _ in 0..16 {
                if heap.allocate(size)? == block.at {
                    break;
                }
            }
            heap.deallocate(block.at, block.size)
        }],
    },
    Misuse {
        name: "wrong length, by 1",
        ways: &[
            |heap, _| free_as(heap, |size| size - 1),
            |heap, _| free_as(heap, |size| size + 1),
        ],
    },
    Misuse {
        name: "wrong length, by 64",
        ways: &[
            |heap, _| free_as(heap, |size| size.checked_sub(64).unwrap_or(size + 64)),
            |heap, _| free_as(heap, |size| size + 64),
        ],
    },
    Misuse {
        name: "free of the middle of a block",
        ways: &[|heap, size| {
            let half = (size / 2).next_multiple_of(heap::ALIGN);
            let at = heap.blocks[VICTIM].at;
            heap.deallocate(at + half, size - half)
        }],
    },
    Misuse {
        name: "free of a pointer that never was",
        ways: &[|heap, size| heap.deallocate(heap.never(), size)],
    },
    Misuse {
        name: "overflow by 1",
        ways: &[|heap, size| {
            let at = heap.blocks[VICTIM].at;
            write(heap, at + size, 1)
        }],
    },
    Misuse {
        name: "write after free",
        ways: &[|heap, _| {
            let block = heap.free(VICTIM)?;
            write(heap, block.at, block.size)
        }],
    },
];

fn free_as(heap: &mut Heap, length: impl Fn(u32) -> u32) -> Result<(), Trouble> {
    let block = heap.blocks.remove(VICTIM);
    heap.deallocate(block.at, length(block.size))
}

fn write(heap: &mut Heap, at: u32, length: u32) -> Result<(), Trouble> {
    let written = heap.overwrite(at, length);
    written.map_err(|_| Trouble::Corrupt("a block is outside of memory"))
}

/// What came of a mistake, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The wrong call ended the program.
    Refused,
    /// The wrong call said so, and the program goes on.
    Told,
    /// A later call ended the program.
    Later,
    Unnoticed,
    /// The wrong call or a later one reads or writes where no memory is, or has no end: chance, and no check.
    Crash,
    /// It goes on, with blocks that overlap or change.
    Corrupt,
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Told => "told",
            Self::Later => "found later",
            Self::Unnoticed => "unnoticed",
            Self::Crash => "crash",
            Self::Corrupt => "corrupt",
        }
    }
}

/// How often each outcome was seen, and the words of the first time.
type Seen = BTreeMap<Outcome, (usize, String)>;

fn try_out(guest: &Guest, misuse: &Misuse) -> Result<Seen> {
    let mut seen = Seen::new();
    for way in misuse.ways {
        for size in SIZES {
            let (outcome, words) = trial(guest, *way, size)?;
            seen.entry(outcome).or_insert((0, words)).0 += 1;
        }
    }
    Ok(seen)
}

fn trial(guest: &Guest, way: Way, size: u32) -> Result<(Outcome, String)> {
    let mut heap = Heap::new(guest)?;
    let well = |outcome: Result<u32, Trouble>| {
        outcome.map_err(|trouble| anyhow::anyhow!("{trouble:?} without a mistake"))
    };
    for _ in 0..9 {
        well(heap.allocate(size))?;
    }
    well(heap.free(2).map(|block| block.at))?;
    let wrong = way(&mut heap, size);
    let words = heap.words();
    Ok(match wrong {
        Err(trouble) => outcome(trouble, Outcome::Refused),
        Ok(()) if !words.is_empty() => (Outcome::Told, words),
        Ok(()) => match heap.go_on(size) {
            Ok(()) => (Outcome::Unnoticed, String::new()),
            Err(trouble) => outcome(trouble, Outcome::Later),
        },
    })
}

/// What trouble means where the end of the program is `found`.
fn outcome(trouble: Trouble, found: Outcome) -> (Outcome, String) {
    match trouble {
        Trouble::Ended(words) if words.is_empty() => (found, "a trap without words".into()),
        Trouble::Ended(words) => (found, words),
        Trouble::Crashed(how) => (Outcome::Crash, how),
        Trouble::Corrupt(how) => (Outcome::Corrupt, how.into()),
    }
}

/// "refused", or "refused 6, corrupt 4".
fn cell(seen: &Seen) -> String {
    if let [outcome] = seen.keys().collect::<Vec<_>>()[..] {
        return outcome.text().into();
    }
    let parts = seen.iter();
    let parts = parts.map(|(outcome, (count, _))| format!("{} {count}", outcome.text()));
    parts.collect::<Vec<_>>().join(", ")
}

/// Makes all mistakes with all allocators, and prints what came of them as Markdown.
pub fn run_all() -> Result<()> {
    let (built, missing) = stage("building the guests", || modules::wasm(&GUESTS, false))?;
    let mut files: Vec<(&str, Result<PathBuf>)> = Vec::new();
    for guest in &built {
        files.push((&guest.name, Ok(guest.synthetic.clone())));
    }
    for (name, reason) in &missing {
        files.push((name, Err(anyhow::anyhow!("{reason}"))));
    }
    files.push((ZIG, stage("building Zig's", zig)));
    let mut table = Table {
        title: "What is found".into(),
        note: NOTE.into(),
        header: vec![String::new()],
        rows: Vec::new(),
    };
    let mut rows = MISUSES.map(|misuse| vec![misuse.name.to_string()]);
    let mut words = String::new();
    for (name, file) in files {
        step(name);
        let guest = file.and_then(|file| Guest::compile(&file, true));
        table.header.push(name.into());
        for (misuse, row) in MISUSES.iter().zip(&mut rows) {
            let seen = match &guest {
                Ok(guest) => try_out(guest, misuse),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            let seen = seen.with_context(|| format!("{name}, {}", misuse.name));
            row.push(match &seen {
                Ok(seen) => cell(seen),
                Err(_) => "missing".into(),
            });
            tell(&mut words, name, misuse, &seen)?;
        }
    }
    rows.into_iter().for_each(|row| table.row(row));
    println!("{}\n{words}", table.in_markdown());
    Ok(())
}

const NOTE: &str = "Refused: the wrong call ends the program. Found later: another call does. Unnoticed: the program goes \
                    on, and its heap is one. Crash: memory out of bounds, or a call without end. Corrupt: live blocks \
                    overlap or change. Where outcomes differ, with the number of trials that had each.";

/// What was said, or done, as a list.
fn tell(words: &mut String, name: &str, misuse: &Misuse, seen: &Result<Seen>) -> Result<()> {
    let what = misuse.name;
    match seen {
        Err(error) => writeln!(words, "- {error:#}")?,
        Ok(seen) => {
            for (outcome, (count, said)) in seen {
                if !said.is_empty() {
                    let outcome = outcome.text();
                    writeln!(words, "- {name}, {what}: {outcome} {count}: {said}")?;
                }
            }
        }
    }
    Ok(())
}

/// Zig's module, in debug mode, which its users have when they look for mistakes.
fn zig() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/misuse/safe_allocator.zig");
    let module = lab("modules").join("zig-safe.wasm");
    let exports = ["_initialize", "allocate", "deallocate"];
    run(lab_toolchain::zig()?
        .args(["build-exe", "-target", "wasm32-wasi", "-fno-entry"])
        .args(exports.map(|export| format!("--export={export}")))
        .arg(format!("-femit-bin={}", module.display()))
        .arg(source))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_and_anything_else_is_not() {
        let ended = |words: &str| Trouble::Ended(words.into());
        assert_eq!(
            outcome(ended("freed before"), Outcome::Refused),
            (Outcome::Refused, "freed before".into())
        );
        assert_eq!(outcome(ended(""), Outcome::Later).0, Outcome::Later);
        for (trouble, expected) in [
            (Trouble::Crashed("out of bounds".into()), Outcome::Crash),
            (Trouble::Corrupt("overlap"), Outcome::Corrupt),
        ] {
            assert_eq!(outcome(trouble, Outcome::Refused).0, expected);
        }
    }

    #[test]
    fn a_cell_counts_only_what_differs() {
        let all = Seen::from([(Outcome::Refused, (10, "words".into()))]);
        assert_eq!(cell(&all), "refused");
        let some = Seen::from([
            (Outcome::Corrupt, (4, String::new())),
            (Outcome::Refused, (6, String::new())),
        ]);
        assert_eq!(cell(&some), "refused 6, corrupt 4");
    }
}
