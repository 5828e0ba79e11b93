//! Tells the crate whether several threads can call it, as `cfg(pageslab_threads)`: natively, and on wasm with
//! atomics.
//!
//! The compiler would tell by `cfg(target_feature = "atomics")`, but stable compilers keep that to themselves, also for
//! the target wasm32-wasip1-threads, which has the feature. Nightly ones tell, so where a flag goes past this script, such as
//! a profile's `rustflags`, `src/lib.rs` refuses to compile.

use std::env::var;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pageslab_threads)");
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rustc-check-cfg=cfg(pageslab_sanitizer)");
    println!("cargo::rustc-check-cfg=cfg(pageslab_geometry, values(\"tiny\"))");
    println!("cargo::rerun-if-changed=build.rs");
    if !is_wasm() || is_for_threads() || has_atomics() {
        println!("cargo::rustc-cfg=pageslab_threads");
    }
}

fn is_wasm() -> bool {
    var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32")
}

fn is_for_threads() -> bool {
    var("TARGET").is_ok_and(|target| target.ends_with("-threads"))
}

/// Whether the compiler says so, or was told so: by the feature, or by the one processor that has it.
fn has_atomics() -> bool {
    let features = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    features.split(',').any(|feature| feature == "atomics")
        || flags.contains("+atomics")
        || flags.contains("bleeding-edge")
}
