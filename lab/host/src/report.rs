//! The report of a run: an HTML page of charts and tables, and one chart for the README. What the figures are is
//! `summary`'s; how they look is known here.

mod bars;
mod canvas;
mod charts;
mod curves;
mod page;
mod palette;
mod readme;

use crate::results::Results;
use anyhow::{Context, Result};
use std::path::Path;

/// Writes the page.
pub fn write_html(results: &Results, path: &Path) -> Result<()> {
    write(path, &page::html(results)?)
}

/// Writes the README's chart, an SVG.
pub fn write_chart(results: &Results, path: &Path) -> Result<()> {
    write(path, &readme::svg(results)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
