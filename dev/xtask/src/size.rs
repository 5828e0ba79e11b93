//! The stage `size` of the tests: the module of alloc, free and realloc (`dev/lab/size`) must not become larger unnoticed.
//!
//! The bounds follow from figures that stand here, and change with the commits that have a reason for it. Without `wasm-opt`,
//! the size before it is bounded instead.

use crate::step;
use crate::work::Work;
use anyhow::Result;
use lab_toolchain::size;

/// A module's size when this was last changed.
struct Figure {
    feature: &'static str,
    /// Bytes after `wasm-opt -Oz`.
    optimized: u64,
    /// Bytes before it, without custom sections.
    stripped: u64,
}

const FIGURES: [Figure; 2] = [
    Figure {
        feature: "pageslab",
        optimized: 9_370,
        stripped: 11_967,
    },
    Figure {
        feature: "pageslab-inline",
        optimized: 9_365,
        stripped: 11_953,
    },
];

const ADVICE: &str = "Make the code smaller; or note the new sizes in dev/xtask/src/size.rs, and say in the commit what they \
                      are for.";

/// What a module may take: a hundredth more than the figure, since compilers differ, too.
fn bound(figure: u64) -> u64 {
    figure + figure / 100
}

pub fn run(work: &mut Work) -> Result<()> {
    work.targets(&["wasm32-unknown-unknown"])?;
    let wasm_opt = size::wasm_opt();
    for known in &FIGURES {
        let mut cargo = step::cargo(&["build"]);
        work.prepare(
            cargo
                .args(size::SMALLEST)
                .args(["--features", known.feature]),
        )?;
        let module = step::target().join("wasm32-unknown-unknown/size/lab_size.wasm");
        let stripped = size::stripped(&module)?;
        let (bytes, figure, when) = match &wasm_opt {
            Ok(wasm_opt) => {
                let bytes = size::optimized(wasm_opt, &module, known.feature)?;
                (
                    bytes,
                    known.optimized,
                    format!(" ({stripped} before wasm-opt)"),
                )
            }
            Err(_) => (stripped, known.stripped, " before wasm-opt".into()),
        };
        let bound = bound(figure);
        let feature = known.feature;
        let found =
            format!("{feature}: {bytes} bytes{when}; {figure} when last noted, {bound} allowed");
        work.tell(&found)?;
        if bytes <= bound {
            work.counts.passed += 1;
        } else {
            let again = "cargo xtask test size".into();
            work.fail(feature, again, format!("{found}\n{ADVICE}"));
        }
    }
    Ok(())
}
