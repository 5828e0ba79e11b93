//! The global allocator where there is less address space than it asks for, and under Miri.

#![cfg(all(unix, not(target_arch = "wasm32"), target_pointer_width = "64"))]

use pageslab::GlobalPageSlab;
use std::env;
use std::process::Command;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

#[test]
fn allocates() {
    let boxes: Vec<_> = (0..1000).map(Box::new).collect();
    assert!(boxes.iter().map(|number| **number).eq(0..1000));
    assert!(ALLOCATOR.live().expect("it is whole") > 1000);
}

/// The limit is in KiB: 4 GiB is refused, 2 GiB, and 1 GiB.
#[test]
#[cfg_attr(miri, ignore = "it has no other processes")]
#[cfg_attr(
    pageslab_sanitizer,
    ignore = "the sanitizer itself needs more address space"
)]
fn less_than_4_gib_is_enough() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().expect("the test has a file"))
        .args(["--exact", "allocates", "--test-threads=1"])
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{output:?}");
}
