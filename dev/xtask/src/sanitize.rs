//! The native tests under the address sanitizer, and those with threads under the thread sanitizer.
//!
//! A sanitizer knows the C library's blocks, the stack and static variables, but nothing of pageslab's blocks: to it a
//! linear memory is one mapping, all of which may be used. So the address sanitizer finds
//! - a read or write outside of a static variable (the heap's own fields and tables are in some), of the stack, of a
//!   test's memory, of which all but the heaps of `GlobalPageSlab` is the C library's, and of the mapping;
//! - what a test leaks of the C library's blocks: those to which only pageslab's blocks point would count as well.
//!
//! It does not find one block of the heap that reaches into the next, or one that is used once it is free. That is what
//! patterns in the tests' blocks, `check_invariants` and the feature `checked` are for.
//!
//! The thread sanitizer finds two accesses to the same bytes without an order between them, of the heap's metadata and of
//! blocks alike: where the lock orders too little, that a block is freed in one thread and handed out in another is such a
//! pair. It sees only the interleavings that happen; all those of a few threads are for `dev/checks/lock`.

use crate::step;
use crate::work::Work;
use anyhow::Result;
use std::process::Command;

/// Named, so that build scripts and procedural macros, which are not for a named target, are built without the sanitizer.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The tests with threads.
const THREADED: [&str; 2] = ["global", "threads"];

pub fn run(work: &mut Work) -> Result<()> {
    for features in ["alloc,allocator-api2-02", "alloc,allocator-api2-02,checked"] {
        work.tests(tests("address", features).args(["--lib", "--tests"]))?;
        let threaded = THREADED.iter().flat_map(|test| ["--test", test]);
        // It must see std's atomics, too.
        work.tests(tests("thread", features).arg("-Zbuild-std").args(threaded))?;
    }
    Ok(())
}

/// The tests, in a target directory for each sanitizer. Unoptimized code takes several times as long.
fn tests(sanitizer: &str, features: &str) -> Command {
    let mut cargo = step::cargo(&["+nightly", "test", "--features", features]);
    cargo
        .args(["--target", TARGET])
        .args(["--config", "profile.dev.package.pageslab.opt-level=1"])
        .arg("--target-dir")
        .arg(step::target().join("sanitize").join(sanitizer))
        // Parts that were compiled before do not always link with new ones.
        .env("CARGO_INCREMENTAL", "0")
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            format!("-Zsanitizer={sanitizer} --cfg=pageslab_sanitizer"),
        );
    cargo
}
