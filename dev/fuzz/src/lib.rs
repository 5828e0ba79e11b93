//! What the fuzz targets share: the [`Input`], the [`Model`] of a heap, against which every call and every byte is
//! checked, and the [`Interface`] that a target puts between the two.
//!
//! A target is one interface of pageslab's, and says how each of its calls is made; only `snapshot` has nothing of this, and reads
//! what it is given. The memory below is that of the tests,
//! which follows a script. [`docs/fuzzing.md`](../../../docs/fuzzing.md) tells how to run them.

mod interface;
mod model;
mod module;
mod operation;
#[path = "../../../tests/support/pattern.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the tests' own is for their model alone"
)]
mod pattern;
#[path = "../../../tests/support/mod.rs"]
#[expect(clippy::new_without_default, reason = "the tests need none")]
mod support;
mod trap;

pub use interface::{Interface, Sizes};
pub use model::run;
pub use module::Module;
pub use operation::Input;
pub use support::Scripted;
pub use trap::trapping;
