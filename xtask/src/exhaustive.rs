//! Every sequence of operations up to some length, over a heap of tiny geometry: `checks/exhaustive`, built for it.

use crate::step;
use anyhow::Result;

/// Builds in a folder of its own, since everything is built with other flags.
pub fn run() -> Result<()> {
    let target = step::root().join("target/exhaustive");
    step::run(
        "every short sequence of operations, over a tiny geometry",
        step::cargo(&["test", "--release", "--package", "exhaustive-check"])
            .args(["--test", "sequences", "--", "--nocapture"])
            .env(
                "RUSTFLAGS",
                "--cfg pageslab_geometry=\"tiny\" -Cdebug-assertions",
            )
            .env("CARGO_TARGET_DIR", target),
    )
}
