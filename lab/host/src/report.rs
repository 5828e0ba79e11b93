//! The report of a run: an HTML page of charts and tables, and charts for the README and the docs. What the figures are is
//! `summary`'s; how they look is known here.

mod bars;
mod canvas;
mod charts;
mod course;
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

/// Writes the chart of the soak, an SVG.
pub fn write_soak(results: &Results, path: &Path) -> Result<()> {
    write(path, &readme::soak(results)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
