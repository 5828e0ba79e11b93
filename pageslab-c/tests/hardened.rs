//! What hardened_malloc tests itself against: its cases, by their names, written anew for this family of functions, in
//! `programs/hardened.c`. Each test is one case, and says how it ends: under wasmtime and natively, with the library as it
//! is, with the feature `checked` and with `zero-on-free`.
//!
//! There, what is not refused at once runs into a guard page, a canary or zeroed memory. Linear memory has no pages that
//! trap; what stands in for them is the length of each block, to the byte, and checked mode. The table of cases tells
//! what goes unnoticed without it, and what in any mode. [`NOT_HERE`] are the cases that have no meaning here, and why.
//!
//! Without a compiler the tests are skipped, which is said.

#![cfg(not(target_family = "wasm"))]

mod workshop;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use workshop::{Place, Program, Workshop};

/// The names of hardened_malloc's cases that have no meaning here, and why they have none.
const NOT_HERE: [(&[&str], &str); 8] = [
    (
        &["mallinfo", "mallinfo2", "malloc_info", "offset"],
        "they print glibc's statistics, or how far blocks lie apart, and check nothing",
    ),
    (
        &[
            "malloc_object_size",
            "malloc_object_size_offset",
            "malloc_object_size_zero",
            "invalid_malloc_object_size_small",
            "invalid_malloc_object_size_small_canary",
            "invalid_malloc_object_size_small_quarantine",
            "quarantine_invalid_malloc_object_size_extended",
        ],
        "hardened_malloc's own function; malloc_usable_size is held to the same, and knows the length to the byte",
    ),
    (
        &["pvalloc"],
        "glibc's own function, which the family does not have",
    ),
    (
        &["realloc_split_mapping_large"],
        "linear memory is not made of mappings that could be split or moved",
    ),
    (
        &["read_zero_size"],
        "reads cannot be refused: in linear memory there is no page that traps when it is touched",
    ),
    (
        &["canary_leak"],
        "the pattern behind a block is no secret: it finds mistakes, and does not stop who knows it",
    ),
    (
        &[
            "memccpy_read_overflow",
            "memcpy_read_overflow",
            "memmove_read_overflow",
            "wmemcpy_read_overflow",
            "wmemmove_read_overflow",
        ],
        "the C library's functions that copy are not replaced, and a read changes nothing that could be found",
    ),
    (
        &[
            "memccpy_valid_mismatched",
            "memccpy_valid_same",
            "memcpy_valid_mismatched",
            "memcpy_valid_same",
            "memmove_valid_mismatched",
            "memmove_valid_same",
            "memset_valid_mismatched",
            "memset_valid_same",
            "wmemcpy_valid_mismatched",
            "wmemcpy_valid_same",
            "wmemmove_valid_mismatched",
            "wmemmove_valid_same",
            "wmemset_valid_mismatched",
            "wmemset_valid_same",
        ],
        "the C library's functions that copy are not replaced, and have nothing to refuse by mistake",
    ),
];

/// How a case ends.
#[derive(Clone, Copy)]
enum End {
    /// By a trap, with this on the first line on stderr, where `PTR` is what was handed back, and `OUTSIDE` if that was no
    /// address in the heap.
    Refused(&'static str),
    /// As a program should. What memory holds that it may not read is this, in hex.
    Unnoticed(&'static str),
}
use End::{Refused, Unnoticed};

/// As it should: nothing was wrong, or nothing is seen of it.
const ENDS: End = Unnoticed("");
const FREED: End = Refused("the allocation at PTR (length given: 0) was freed before");
const NO_BLOCK: End = Refused("no allocation starts at PTR");
const FOREIGN: End = Refused("no allocation starts at OUTSIDE");

/// What a library is built with.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Plain,
    Checked,
    ZeroOnFree,
}

impl Mode {
    fn features(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Checked => "checked",
            Self::ZeroOnFree => "zero-on-free",
        }
    }
}

/// The program, made for each place with each library.
static PROGRAMS: LazyLock<Vec<(Place, Mode, Program)>> = LazyLock::new(|| {
    let places = [Place::Guest, Place::Native];
    let modes = [Mode::Plain, Mode::Checked, Mode::ZeroOnFree];
    let made = |place, mode: Mode| {
        let workshop = Workshop::open(place, mode.features())?;
        // Unoptimized: compilers see through misuse, and remove it.
        let program = workshop.compile("tests/programs/hardened.c", &["-O0"]);
        Some((place, mode, program))
    };
    let all = places.map(|place| modes.map(|mode| made(place, mode)));
    all.into_iter().flatten().flatten().collect()
});

/// Runs a case everywhere. In each mode it ends in one way.
fn run(case: &str, expected: impl Fn(Mode) -> End) {
    for (place, mode, program) in &*PROGRAMS {
        let end = program.run(&[case], "");
        let context = format!("{case}, {place:?}, {mode:?}: {end:?}");
        match expected(*mode) {
            Refused(line) => {
                assert!(end.is_trap, "{context}");
                let told = end.stdout.lines().rev();
                let ptr = told.filter_map(|line| line.strip_prefix("at ")).next();
                let line = match (place, ptr) {
                    (Place::Guest, Some(ptr)) => line.replace("PTR", ptr).replace("OUTSIDE", ptr),
                    (Place::Native, Some(ptr)) => {
                        line.replace("PTR", &offset(ptr, &end.stderr)).replace("OUTSIDE", "0xffffffff")
                    }
                    (_, None) => panic!("the pointer was not told: {context}"),
                };
                let first = end.stderr.lines().next();
                assert_eq!(first, Some(format!("pageslab: {line}").as_str()), "{context}");
            }
            Unnoticed(bytes) => {
                assert_eq!(end.exit_code, Some(0), "{context}");
                assert_eq!(end.stderr, "", "{context}");
                let read = end.stdout.lines().filter_map(|line| line.strip_prefix("read "));
                assert_eq!(read.collect::<String>(), bytes, "{context}");
            }
        }
    }
}
