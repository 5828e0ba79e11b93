//! Has the linker pass calls of `sem_wait` through `src/waits.rs`, which counts them.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "wasi") {
        println!("cargo::rustc-link-arg-bins=--wrap=sem_wait");
    }
}
