//! What becomes of misuse through `GlobalAlloc`: a line on stderr and an end, or whatever the author's handler does.
//!
//! Each case runs in a process of its own, which is this one's program with another argument.

#![cfg(all(not(target_arch = "wasm32"), not(miri)))]

use pageslab::{Error, GlobalPageSlab, explain, panic_on_misuse};
use std::alloc::{GlobalAlloc, Layout};
use std::process::{Command, Output, exit};

static DEFAULT: GlobalPageSlab = GlobalPageSlab::new();
static EXITING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(tell_and_exit);
static UNWINDING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(unwind);
static PANICKING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(panic_on_misuse);
static MISUSING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(misuse);

/// The exit code of [`tell_and_exit`].
const TOLD: i32 = 42;

const LAYOUT: Layout = Layout::new::<[u64; 3]>();
const LONGER: Layout = Layout::new::<[u64; 4]>();

/// A handler that allocates, from the heap that was misused.
fn tell_and_exit(error: Error) -> ! {
    // SAFETY: the layout is valid.
    assert!(!unsafe { DEFAULT.alloc(LAYOUT) }.is_null());
    DEFAULT.check_invariants();
    println!("told: {error}");
    println!("{}", explain(error));
    exit(TOLD)
}

/// A handler that misuses its heap itself.
fn misuse(_: Error) -> ! {
    println!("entered");
    // SAFETY: no block is there, which the allocator promises to find out.
    unsafe { MISUSING.dealloc(std::ptr::null_mut(), LAYOUT) };
    exit(TOLD)
}

fn unwind(_: Error) -> ! {
    panic!("a handler must not unwind")
}

/// A wrong call of an allocator.
type Misuse = fn(&GlobalPageSlab);

/// The cases.
///
/// SAFETY: the calls break the contract of `GlobalAlloc` on purpose; the allocator promises to find that out.
const CASES: &[(&str, Misuse)] = &[
    ("double free", |heap| unsafe {
        let ptr = heap.alloc(LAYOUT);
        heap.dealloc(ptr, LAYOUT);
        heap.dealloc(ptr, LAYOUT);
    }),
    ("wrong length", |heap| unsafe {
        let ptr = heap.alloc(LAYOUT);
        heap.dealloc(ptr, LONGER);
    }),
    ("interior", |heap| unsafe {
        let ptr = heap.alloc(LAYOUT);
        heap.dealloc(ptr.add(8), LAYOUT);
    }),
    ("foreign", |heap| unsafe {
        let mut local = 0u64;
        heap.dealloc((&raw mut local).cast(), LAYOUT);
    }),
    ("null", |heap| unsafe {
        heap.dealloc(std::ptr::null_mut(), LAYOUT);
    }),
    ("realloc after free", |heap| unsafe {
        let ptr = heap.alloc(LAYOUT);
        heap.dealloc(ptr, LAYOUT);
        heap.realloc(ptr, LAYOUT, 100);
    }),
    ("realloc with a wrong length", |heap| unsafe {
        let ptr = heap.alloc(LAYOUT);
        heap.realloc(ptr, LONGER, 100);
    }),
    // As many bytes as this are not to be copied first: most of them are no memory.
    #[cfg(feature = "allocator-api2-02")]
    (
        "growing to another alignment with a wrong length",
        |heap| unsafe {
            use allocator_api2::alloc::Allocator;
            let long = |align| Layout::from_size_align_unchecked(1 << 30, align);
            let blocks = [(); 2].map(|()| heap.allocate(LAYOUT).expect("memory").cast::<u8>());
            let block = blocks
                .into_iter()
                .find(|block| block.addr().get() % 4096 != 0);
            let _ = heap.grow(block.expect("not both are aligned"), long(8), long(4096));
        },
    ),
];

/// How the error's message ends in each case.
const MESSAGES: &[&str] = &[
    "(length given: 24) was freed before",
    "has 24 bytes, but the call gave its length as 32",
    "no allocation starts at 0x",
    "no allocation starts at 0xffffffff",
    "no allocation starts at 0x0",
    "(length given: 24) was freed before",
    "has 24 bytes, but the call gave its length as 32",
    #[cfg(feature = "allocator-api2-02")]
    "has 24 bytes, but the call gave its length as 1073741824",
];

const ENV: &str = "PAGESLAB_MISUSE";

/// In a child: runs the case that the parent chose. In the parent, nothing.
#[test]
fn child() {
    let Ok(chosen) = std::env::var(ENV) else {
        return;
    };
    let (handler, case) = chosen.split_once(':').expect("a handler and a case");
    let heap = match handler {
        "default" => &DEFAULT,
        "exiting" => &EXITING,
        "panicking" => &PANICKING,
        "misusing" => &MISUSING,
        _ => &UNWINDING,
    };
    let (_, misuse) = CASES
        .iter()
        .find(|(name, _)| *name == case)
        .expect("the case exists");
    misuse(heap);
    println!("went on");
}

/// Runs a case in a child.
fn run(handler: &str, case: &str) -> Output {
    Command::new(std::env::current_exe().expect("a program has a place"))
        .args(["--exact", "child", "--nocapture"])
        .env(ENV, format!("{handler}:{case}"))
        .output()
        .expect("a child runs")
}

#[test]
fn the_default_writes_a_line_and_ends_the_program() {
    for ((case, _), message) in CASES.iter().zip(MESSAGES) {
        let Output {
            status,
            stdout,
            stderr,
        } = run("default", case);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(
            !status.success() && status.code().is_none_or(|code| code != TOLD),
            "{case}"
        );
        assert!(
            !String::from_utf8_lossy(&stdout).contains("went on"),
            "{case}"
        );
        let lines: Vec<&str> = stderr
            .lines()
            .filter(|line| line.starts_with("pageslab: "))
            .collect();
        // Others tell into which block a pointer is, and in checked mode what is known of the memory.
        let most = 1 + usize::from(*case == "interior") + usize::from(cfg!(feature = "checked"));
        assert!(
            (1..=most).contains(&lines.len())
                && (*case != "interior" || lines[1].contains(" is 8 bytes behind the start of "))
                && lines[0].contains(message)
                && stderr.ends_with('\n'),
            "{case}: {stderr}"
        );
    }
}

#[test]
fn a_handler_of_the_authors_gets_the_error_and_may_allocate() {
    for ((case, _), message) in CASES.iter().zip(MESSAGES) {
        let Output { status, stdout, .. } = run("exiting", case);
        let stdout = String::from_utf8_lossy(&stdout);
        assert_eq!(status.code(), Some(TOLD), "{case}: {stdout}");
        assert!(
            stdout.contains("told: ") && stdout.contains(message),
            "{case}: {stdout}"
        );
        // It can tell what is known of the block, too.
        let into = stdout.contains("8 bytes behind the start of the allocation at 0x");
        assert_eq!(into, *case == "interior", "{case}: {stdout}");
        let reports = stdout.contains(" 24 bytes asked for, in a slot of 32");
        let has_block = !["foreign", "null"].contains(case);
        let is_reported = cfg!(feature = "checked") && has_block;
        assert_eq!(reports, is_reported, "{case}: {stdout}");
    }
}

#[test]
fn a_handler_that_panics_shows_what_is_known_and_ends_the_program() {
    let Output {
        status,
        stdout,
        stderr,
    } = run("panicking", "interior");
    assert!(!status.success() && status.code() != Some(101), "{status}");
    assert!(!String::from_utf8_lossy(&stdout).contains("went on"));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(
        stderr.contains("panicked") && stderr.contains("8 bytes behind the start of"),
        "{stderr}"
    );
}

#[test]
fn a_handler_that_misuses_the_heap_is_not_entered_again() {
    let Output {
        status,
        stdout,
        stderr,
    } = run("misusing", "double free");
    assert!(!status.success() && status.code() != Some(TOLD), "{status}");
    let stdout = String::from_utf8_lossy(&stdout);
    assert_eq!(stdout.matches("entered").count(), 1, "{stdout}");
    let stderr = String::from_utf8_lossy(&stderr);
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("pageslab: "))
        .collect();
    assert_eq!(lines, ["pageslab: no allocation starts at 0xffffffff"]);
}

#[test]
fn a_handler_that_unwinds_ends_the_program() {
    let Output { status, stdout, .. } = run("unwinding", "double free");
    assert!(!status.success());
    assert_ne!(
        status.code(),
        Some(101),
        "the panic must not reach the test"
    );
    assert!(!String::from_utf8_lossy(&stdout).contains("went on"));
}
