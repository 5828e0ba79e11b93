//! What hardened_malloc tests itself against: its cases, by their names, written anew for this family of functions, in
//! `programs/hardened.c`, and those of C++ in `programs/hardened_delete.cpp`. Each test is one case, and says how it ends:
//! under wasmtime and natively, with the library as it is, with the feature `checked` and with `zero-on-free`.
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
use Mode::{Checked, Plain, ZeroOnFree};

/// As it should: nothing was wrong, or nothing is seen of it.
const ENDS: End = Unnoticed("");
const FREED: End = Refused("the allocation at PTR was freed before");
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
        let mut flags = vec!["-O0"];
        if place == Place::Guest {
            flags.push("tests/programs/hardened_delete.cpp");
            flags.extend(workshop::CPP);
        }
        let program = workshop.compile("tests/programs/hardened.c", &flags);
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
                let ptr = ptr.unwrap_or_else(|| panic!("the pointer was not told: {context}"));
                // Natively what is reported is an offset into the heap.
                let line = match place {
                    Place::Guest => line.replace("PTR", ptr).replace("OUTSIDE", ptr),
                    Place::Native if line.contains("PTR") => {
                        line.replace("PTR", &offset(ptr, &end.stderr))
                    }
                    Place::Native => line.replace("OUTSIDE", "0xffffffff"),
                };
                let first = end.stderr.lines().next();
                assert_eq!(
                    first,
                    Some(format!("pageslab: {line}").as_str()),
                    "{context}"
                );
            }
            Unnoticed(bytes) => {
                assert_eq!(end.exit_code, Some(0), "{context}");
                assert_eq!(end.stderr, "", "{context}");
                let read = end
                    .stdout
                    .lines()
                    .filter_map(|line| line.strip_prefix("read "));
                assert_eq!(read.collect::<String>(), bytes, "{context}");
            }
        }
    }
}

/// The address of this name as the report gives it: natively an offset into the heap.
fn offset(ptr: &str, stderr: &str) -> String {
    let first = stderr.lines().next().unwrap_or_default();
    let told = first
        .split([' ', ':', ','])
        .find(|word| word.starts_with("0x"));
    let told = told.unwrap_or_else(|| panic!("no pointer in {first:?}"));
    let low =
        |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("it is in hex");
    // The heap begins at the start of a page of 64 KiB.
    assert_eq!(low(ptr) % 0x1_0000, low(told) % 0x1_0000, "{first}");
    told.to_owned()
}

/// In checked mode by a trap with this line, else as if nothing were wrong.
fn if_checked(mode: Mode, line: &'static str) -> End {
    match mode {
        Checked => Refused(line),
        Plain | ZeroOnFree => ENDS,
    }
}

/// Freed bytes, read: what was written, checked mode's pattern, or zeros.
fn bytes_of_free_memory(mode: Mode) -> End {
    Unnoticed(match mode {
        Plain => "61",
        Checked => "a5",
        ZeroOnFree => "00",
    })
}

/// A test for each case: its name, and how it ends in a mode.
macro_rules! cases {
    ($($name:ident: $expected:expr;)*) => {
        const CASES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run(stringify!($name), $expected);
            }
        )*
    };
}

cases! {
    double_free_small: |_| FREED;
    double_free_small_delayed: |_| FREED;
    double_free_large: |_| FREED;
    double_free_large_delayed: |_| FREED;
    quarantine_double_free_extended: |_| FREED;
    quarantine_double_free_extended_delayed: |_| FREED;
    realloc_c23_undefined_behaviour: |_| ENDS;
    realloc_c23_undefined_behaviour_double_free: |_| FREED;
    unaligned_free_small: |_| NO_BLOCK;
    unaligned_free_large: |_| NO_BLOCK;
    invalid_free_small_region: |_| NO_BLOCK;
    invalid_free_small_region_far: |_| NO_BLOCK;
    invalid_free_unprotected: |_| FOREIGN;
    invalid_free_protected: |_| FOREIGN;
    uninitialized_free: |_| FOREIGN;
    uninitialized_realloc: |_| FOREIGN;
    free_sized_small: |_| ENDS;
    free_sized_large: |_| ENDS;
    delete_type_size_mismatch:
        |_| Refused("the allocation at PTR has 1 bytes, but the call gave its length as 32");
    aligned_sized_delete_small: |_| ENDS;
    aligned_sized_delete_small_min_align: |_| ENDS;
    aligned_sized_delete_large: |_| ENDS;
    invalid_aligned_sized_delete_small:
        |_| Refused("the allocation at PTR has 64 bytes, but the call gave its length as 54");
    invalid_aligned_sized_delete_large:
        |_| Refused("the allocation at PTR has 16384 bytes, but the call gave its length as 16374");
    invalid_free_aligned_sized_small:
        |_| Refused("the alignment 3 is not a power of two between 1 and 65536, or not the allocation's");
    invalid_malloc_usable_size_small: |_| NO_BLOCK;
    invalid_malloc_usable_size_small_unused: |_| NO_BLOCK;
    invalid_malloc_usable_size_small_quarantine: |_| FREED;
    quarantine_invalid_malloc_usable_size_extended: |_| FREED;
    unaligned_malloc_usable_size_small: |_| NO_BLOCK;
    uninitialized_malloc_usable_size: |_| FOREIGN;
    impossibly_large_malloc: |_| ENDS;
    impossibly_large_realloc: |_| Unnoticed("61");
    calloc_overflow: |_| ENDS;
    reallocarray_overflow: |_| Unnoticed("61");
    calloc_zeroed: |_| Unnoticed("00");
    aligned_alloc_einval: |_| ENDS;
    aligned_alloc_zero_size: |_| ENDS;
    posix_memalign_einval: |_| ENDS;
    malloc_zero_different: |_| ENDS;
    malloc_noreuse: |_| ENDS;
    large_array_growth: |_| ENDS;
    realloc_init: |_| ENDS;
    read_after_free_small: bytes_of_free_memory;
    read_after_free_large: bytes_of_free_memory;
    read_after_realloc_shrink_large: bytes_of_free_memory;
    realloc_c23_undefined_behaviour_use_after_free: bytes_of_free_memory;
    uninitialized_read_small: bytes_of_free_memory;
    uninitialized_read_large: bytes_of_free_memory;
    overflow_small_1_byte:
        |mode| if_checked(mode, "overflow: byte 8 of the allocation at PTR, which has 8 bytes, was written");
    overflow_small_8_byte:
        |mode| if_checked(mode, "overflow: byte 15 of the allocation at PTR, which has 8 bytes, was written");
    overflow_large_1_byte:
        |mode| if_checked(mode, "overflow: byte 262144 of the allocation at PTR, which has 262144 bytes, was written");
    overflow_large_8_byte:
        |mode| if_checked(mode, "overflow: byte 262151 of the allocation at PTR, which has 262144 bytes, was written");
    overflow_large_aligned:
        |mode| if_checked(mode, "overflow: byte 262144 of the allocation at PTR, which has 262144 bytes, was written");
    overflow_realloc_shrink_large:
        |mode| if_checked(mode, "overflow: byte 1048576 of the allocation at PTR, which has 1048576 bytes, was written");
    write_zero_size:
        |mode| if_checked(mode, "overflow: byte 0 of the allocation at PTR, which has 0 bytes, was written");
    string_overflow: |mode| if_checked(mode, SIXTEEN_OVERFLOWN);
    memset_buffer_overflow: |mode| if_checked(mode, SIXTEEN_OVERFLOWN);
    memcpy_buffer_overflow: |mode| if_checked(mode, SIXTEEN_OVERFLOWN);
    memmove_buffer_overflow: |mode| if_checked(mode, SIXTEEN_OVERFLOWN);
    memccpy_buffer_overflow: |mode| if_checked(mode, SIXTEEN_OVERFLOWN);
    wmemset_buffer_overflow: |mode| if_checked(mode, WIDE_OVERFLOWN);
    wmemcpy_buffer_overflow: |mode| if_checked(mode, WIDE_OVERFLOWN);
    wmemmove_buffer_overflow: |mode| if_checked(mode, WIDE_OVERFLOWN);
    write_after_free_small:
        |mode| if_checked(mode, "write after free: byte 65 of the free memory at PTR was written");
    write_after_free_small_reuse:
        |mode| if_checked(mode, "write after free: byte 65 of the free memory at PTR was written");
    write_after_free_large:
        |mode| if_checked(mode, "write after free: byte 65537 of the free memory at PTR was written");
    write_after_free_large_reuse:
        |mode| if_checked(mode, "write after free: byte 65537 of the free memory at PTR was written");
    quarantine_write_after_free_extended_reuse:
        |mode| if_checked(mode, "write after free: byte 100 of the free memory at PTR was written");
}

/// Of a block of 16 bytes, and of one of 16 wide characters.
const SIXTEEN_OVERFLOWN: &str =
    "overflow: byte 16 of the allocation at PTR, which has 16 bytes, was written";
const WIDE_OVERFLOWN: &str =
    "overflow: byte 64 of the allocation at PTR, which has 64 bytes, was written";

/// No case of the program is without a test, and none has no meaning and a test.
#[test]
fn each_case_has_a_test() {
    let tested: BTreeSet<&str> = CASES.iter().copied().collect();
    for (names, _) in NOT_HERE {
        assert!(names.iter().all(|name| !tested.contains(name)), "{names:?}");
    }
    for (_, _, program) in &*PROGRAMS {
        let end = program.run(&[], "");
        assert_eq!(end.stdout.lines().collect::<BTreeSet<_>>(), tested);
    }
}
