//! The heap map as a picture: a grid of pages, each with its 64 frames.

use crate::map::{Cell, pages};
use crate::text::bytes;
use pageslab_snapshot::Snapshot;
use std::fmt::Write as _;

/// The sides of a frame's square and of a page's, in pixels, and the gap between pages.
const FRAME: usize = 5;
const PAGE: usize = 8 * FRAME;
const STEP: usize = PAGE + 6;

const COLUMNS: usize = 16;
const MARGIN: usize = 16;
const LINE: usize = 18;

/// For each cell its colour, in light and in dark.
fn colours(cell: Cell) -> (&'static str, &'static str) {
    match cell {
        Cell::Free => ("#e8eaed", "#2b2f36"),
        Cell::Slab(1) => ("#c6e2c6", "#1e4a2c"),
        Cell::Slab(2) => ("#92cc98", "#2a6d3e"),
        Cell::Slab(3) => ("#57ab63", "#3d9556"),
        Cell::Slab(_) => ("#257d38", "#5fc27a"),
        Cell::Block => ("#2f6fde", "#6aa0ff"),
        Cell::Metadata => ("#b58a00", "#d9b23c"),
        Cell::Held => ("#a04ac0", "#c583e0"),
        Cell::Unknown => ("#d03030", "#ff6b6b"),
        Cell::Foreign => ("#b9bec5", "#555b64"),
    }
}

/// The picture.
pub fn svg(snapshot: &Snapshot) -> String {
    let pages = pages(snapshot);
    let summary = snapshot.summary();
    let rows = pages.len().div_ceil(COLUMNS);
    let width = 2 * MARGIN + COLUMNS * STEP;
    let legend = MARGIN + 2 * LINE + rows * STEP + LINE;
    let height = legend + Cell::ALL.len().div_ceil(4) * LINE + MARGIN;
    let title = format!(
        "A heap of {} pages: {} live in {} blocks, {} free",
        snapshot.pages,
        bytes(summary.live_bytes),
        summary.live_blocks,
        bytes(summary.free_bytes)
    );

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">{title}</title>\n<style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #1f2328; }}\n.back {{ fill: #ffffff; }}\n"
    );
    for cell in Cell::ALL {
        let _ = writeln!(out, ".{} {{ fill: {}; }}", cell.name(), colours(cell).0);
    }
    out.push_str("@media (prefers-color-scheme: dark) {\ntext { fill: #e6edf3; }\n.back { fill: #0d1117; }\n");
    for cell in Cell::ALL {
        let _ = writeln!(out, ".{} {{ fill: {}; }}", cell.name(), colours(cell).1);
    }
    out.push_str("}\n</style>\n");
    let _ = writeln!(
        out,
        "<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n<text x=\"{MARGIN}\" y=\"{}\">{title}</text>",
        MARGIN + LINE / 2
    );
    for (place, page) in pages.iter().enumerate() {
        let x = MARGIN + place % COLUMNS * STEP;
        let y = MARGIN + 2 * LINE + place / COLUMNS * STEP;
        let _ = writeln!(
            out,
            "<g transform=\"translate({x} {y})\"><title>page {}</title>",
            page.number
        );
        for (row, frames) in page.frames.chunks(8).enumerate() {
            let mut column = 0;
            // Neighbours that are alike are one rectangle.
            for alike in frames.chunk_by(|left, right| left == right) {
                let _ = writeln!(
                    out,
                    "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{FRAME}\"/>",
                    alike[0].name(),
                    column * FRAME,
                    row * FRAME,
                    alike.len() * FRAME
                );
                column += alike.len();
            }
        }
        out.push_str("</g>\n");
    }
    for (place, cell) in Cell::ALL.into_iter().enumerate() {
        let x = MARGIN + place % 4 * (width / 4 - MARGIN / 2);
        let y = legend + place / 4 * LINE;
        let _ = writeln!(
            out,
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\"/><text x=\"{}\" y=\"{}\">{}</text>",
            cell.name(),
            x + 18,
            y + 11,
            cell.label()
        );
    }
    out.push_str("</svg>\n");
    out
}
