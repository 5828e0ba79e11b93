//! Compiles the landing of traps, which is in C, since a function that returns twice cannot be called from Rust.

fn main() {
    println!("cargo::rerun-if-changed=src/landing.c");
    cc::Build::new().file("src/landing.c").compile("landing");
}
