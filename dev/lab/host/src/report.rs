//! The report of a run: an HTML page of charts and tables, and charts for the README and the docs. What the figures are is
//! `summary`'s; how they look is known here.

mod bars;
mod canvas;
mod charts;
mod course;
mod curves;
#[cfg(test)]
mod extent;
mod page;
mod palette;
mod readme;

use anyhow::{Context, Result};
use std::path::Path;

pub use page::html;
pub use readme::{chart, soak};

pub fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
