//! C and C++ programs, compiled for wasm32-wasip1, linked to the library and run under wasmtime.
//!
//! Their sources lie in `tests/programs` and `examples`. Without a compiler, and with none to fetch, all of them are
//! skipped, which is said.

#![cfg(not(target_family = "wasm"))]

#[path = "programs/index.rs"]
mod index;

mod workshop;

use std::sync::LazyLock;
use workshop::{Place, Program, Workshop};

static WORKSHOP: LazyLock<Option<Workshop>> = LazyLock::new(|| Workshop::open(Place::Guest, ""));

/// Compiles a program, and has it print this.
fn prints(source: &str, flags: &[&str], input: &str, expected: &str) {
    let Some(workshop) = &*WORKSHOP else { return };
    let end = workshop.compile(source, flags).run(&[], input);
    assert_eq!(end.stdout, expected, "{}", end.stderr);
    assert_eq!(end.exit_code, Some(0), "{}", end.stderr);
}

#[test]
fn the_example() {
    prints(
        "examples/c_guest/main.c",
        &["-std=c11"],
        "to be or\nnot to be",
        "18 bytes\n2 to\n2 be\n1 or\n1 not\n",
    );
}

#[test]
fn every_function_does_what_the_header_says() {
    // Clang, if it knows what these functions are for, takes it that they leave errno alone.
    prints(
        "tests/programs/family.c",
        &["-fno-builtin"],
        "",
        "all is as the header says\n",
    );
}

#[test]
fn a_program_of_tables_strings_and_matrices() {
    prints("tests/programs/index.c", &[], "", &index::output());
}

#[test]
fn containers_of_cpp() {
    // Every second of 97 classes.
    let sum: u32 = (0..10_000).filter(|number| number % 97 % 2 == 0).sum();
    prints(
        "tests/programs/containers.cpp",
        &["-std=c++20", "-fno-exceptions", "-lc++", "-lc++abi"],
        "",
        &format!("49 classes, sum {sum}, block of 77, aligned\n"),
    );
}

/// Has `misuse.c` do this, which must trap, with this line on stderr, where `PTR` is what it handed back.
fn refused(what: &str, line: &str) {
    static PROGRAM: LazyLock<Option<Program>> = LazyLock::new(|| {
        let workshop = WORKSHOP.as_ref()?;
        Some(workshop.compile("tests/programs/misuse.c", &[]))
    });
    let Some(program) = &*PROGRAM else { return };
    let end = program.run(&[what], "");
    let ptr = end.stdout.lines().last().expect("the pointer was printed");
    let line = line.replace("PTR", ptr);
    assert_eq!(end.stderr.lines().next(), Some(line.as_str()));
    assert!(end.is_trap, "{}", end.stderr);
}

#[test]
fn double_free() {
    let line = "pageslab: the allocation at PTR was freed before";
    refused("double free", line);
    refused("double free of a long block", line);
}

#[test]
fn interior_free() {
    let line = "pageslab: no allocation starts at PTR";
    refused("interior free", line);
    refused("interior free of a long block", line);
}

#[test]
fn foreign_free() {
    let line = "pageslab: no allocation starts at PTR";
    refused("foreign free", line);
    refused("free of a static object", line);
    refused("free of the stack", line);
}

#[test]
fn wrong_free_sized() {
    refused(
        "wrong free_sized",
        "pageslab: the allocation at PTR has 24 bytes, but the call gave its length as 23",
    );
    refused(
        "free_sized after free",
        "pageslab: the allocation at PTR (length given: 24) was freed before",
    );
}

#[test]
fn wrong_free_aligned_sized() {
    refused(
        "free_aligned_sized of another length",
        "pageslab: the allocation at PTR has 24 bytes, but the call gave its length as 25",
    );
    let error = |align| format!("pageslab: {}", pageslab::Error::InvalidAlignment { align });
    refused("free_aligned_sized of no alignment", &error(24));
    refused("free_aligned_sized of a block aligned to less", &error(64));
}

#[test]
fn realloc_of_no_live_block() {
    refused(
        "realloc after free",
        "pageslab: the allocation at PTR was freed before",
    );
    refused(
        "realloc of the middle",
        "pageslab: no allocation starts at PTR",
    );
}

#[test]
fn usable_size_of_no_live_block() {
    refused(
        "malloc_usable_size after free",
        "pageslab: the allocation at PTR was freed before",
    );
}
