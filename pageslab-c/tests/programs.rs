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
        &cpp("-std=c++20"),
        "",
        &format!("49 classes, sum {sum}, block of 77, aligned\n"),
    );
}

/// What `c_library.c` is run with, and prints.
const LINES: &str = "a line\nand another that is longer\n";
const ONE_HEAP: &str = "one heap\n40 handlers\n";

#[test]
fn what_the_c_library_allocates_is_in_the_one_heap() {
    let source = "tests/programs/c_library.c";
    prints(source, &["-D_GNU_SOURCE"], LINES, ONE_HEAP);
}

#[test]
fn the_c_library_that_comes_with_rust_allocates_in_the_one_heap() {
    let Some(workshop) = &*WORKSHOP else { return };
    let compile = |target| {
        workshop.compile_with_rust("tests/programs/c_library.c", &["-D_GNU_SOURCE"], target)
    };
    let end = compile("wasm32-wasip1").run(&[], LINES);
    assert_eq!(
        (end.exit_code, &*end.stdout),
        (Some(0), ONE_HEAP),
        "{}",
        end.stderr
    );
    // These link. The runner has neither components nor threads.
    compile("wasm32-wasip2");
    compile("wasm32-wasip1-threads");
}

#[test]
fn a_program_in_cpp_calls_the_family_natively() {
    if lab_toolchain::on_path("c++").is_none() {
        return;
    }
    let Some(workshop) = Workshop::open(Place::Native, "") else {
        return;
    };
    let end = workshop
        .compile("tests/programs/native.cpp", &["-std=c++17", "-lstdc++"])
        .run(&[], "");
    assert_eq!(
        (end.exit_code, &*end.stdout),
        (Some(0), "100\n"),
        "{}",
        end.stderr
    );
}

#[test]
fn static_objects_of_cpp_are_destroyed() {
    let expected = "40 objects destroyed\n";
    prints(
        "tests/programs/statics.cpp",
        &cpp("-std=c++20"),
        "",
        expected,
    );
}

#[test]
fn operators_of_cpp() {
    let Some(program) = &*OPERATORS else { return };
    let end = program.run(&[], "");
    assert_eq!(end.stdout, "every form does what it is meant to\n");
    assert_eq!(end.exit_code, Some(0), "{}", end.stderr);
}

/// The flags of a program in C++.
fn cpp(flag: &'static str) -> Vec<&'static str> {
    workshop::CPP.into_iter().chain([flag]).collect()
}

static OPERATORS: LazyLock<Option<Program>> = LazyLock::new(|| {
    let workshop = WORKSHOP.as_ref()?;
    let program = workshop.compile("tests/programs/operators.cpp", &cpp("-std=c++20"));
    Some(program)
});

/// Has `misuse.c` do this, which must trap, with this line on stderr, where `PTR` is what it handed back.
fn refused(what: &str, line: &str) {
    static PROGRAM: LazyLock<Option<Program>> = LazyLock::new(|| {
        let workshop = WORKSHOP.as_ref()?;
        Some(workshop.compile("tests/programs/misuse.c", &[]))
    });
    refused_in(&PROGRAM, what, line);
}

fn refused_in(program: &Option<Program>, what: &str, line: &str) {
    let Some(program) = program else { return };
    let end = program.run(&[what], "");
    let ptr = end.stdout.lines().last().expect("the pointer was printed");
    let line = line.replace("PTR", ptr);
    assert_eq!(end.stderr.lines().next(), Some(line.as_str()), "{what}");
    assert!(end.is_trap, "{what}: {}", end.stderr);
}

#[test]
fn operators_of_cpp_with_another_size() {
    let line = |size, given| {
        format!(
            "pageslab: the allocation at PTR has {size} bytes, but the call gave its length as {given}"
        )
    };
    for what in ["delete", "delete[]", "aligned delete", "aligned delete[]"] {
        refused_in(&OPERATORS, &format!("{what}: size"), &line(24, 23));
    }
    refused_in(&OPERATORS, "delete of a base", &line(16, 8));
}

#[test]
fn operators_of_cpp_with_another_alignment() {
    let line = |align| format!("pageslab: {}", pageslab::Error::InvalidAlignment { align });
    for form in [
        "delete",
        "delete[]",
        "delete, nothrow",
        "delete[], nothrow",
        "sized delete",
        "sized delete[]",
    ] {
        refused_in(&OPERATORS, &format!("{form}: alignment"), &line(64));
    }
    refused_in(&OPERATORS, "new: alignment", &line(131_072));
}

#[test]
fn operators_of_cpp_in_the_middle_of_a_block() {
    for form in [
        "delete",
        "delete[]",
        "delete, nothrow",
        "delete[], nothrow",
        "aligned delete",
    ] {
        let line = "pageslab: no allocation starts at PTR";
        refused_in(&OPERATORS, &format!("{form}: middle"), line);
    }
}

#[test]
fn operators_of_cpp_without_memory() {
    let len = i32::MAX as u32;
    let line = format!("pageslab: {}", pageslab::Error::OutOfMemory { len });
    for form in ["new", "new[]", "aligned new", "aligned new[]"] {
        refused_in(&OPERATORS, &format!("{form}: memory"), &line);
    }
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
