//! What the lab is doing, to stderr: each stage with the time that it took, so that a person who waits knows for what.

use std::time::Instant;

/// Does something that takes a while.
pub fn stage<T>(title: &str, work: impl FnOnce() -> T) -> T {
    eprintln!("==> {title}");
    let start = Instant::now();
    let outcome = work();
    eprintln!("    {title}: {:.0} s", start.elapsed().as_secs_f64());
    outcome
}

/// Something within a stage.
pub fn step(what: &str) {
    eprintln!("    {what}");
}
