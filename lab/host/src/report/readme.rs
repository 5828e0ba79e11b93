//! The chart of the README: an SVG that stands alone, with its own background and its own colours for the dark, since
//! no page's style reaches into an image.

use super::palette::{PAPER, Palette, hex, stylesheet};
use super::{canvas, charts};
use crate::results::Results;
use crate::summary::figures;
use anyhow::{Context, Result};

/// As wide as the drawing is shown where there is room, in pixels.
const SHOWN: i32 = 480;
/// Around the drawing, in its units.
const MARGIN: i32 = 20;

/// The chart of wasm's figures.
pub fn svg(results: &Results) -> Result<String> {
    let platform = figures::wasm(results).context("nothing was measured on wasm")?;
    let bars = charts::overview(platform);
    let drawing = bars.svg(&Palette::new(results))?;
    let inside = drawing.split_once('>').context("no SVG")?.1;
    let height = bars.height();
    let (wide, high) = (canvas::WIDTH + 2 * MARGIN, height + 2 * MARGIN);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{SHOWN}\" height=\"{shown}\" \
         viewBox=\"-{MARGIN} -{MARGIN} {wide} {high}\" role=\"img\">\n<title>{title}</title>\n<style>\n{style}</style>\n\
         <rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{wide}\" height=\"{high}\" rx=\"12\" fill=\"{paper}\"/>{inside}",
        shown = high * SHOWN / wide,
        title = canvas::escape(&bars.title),
        style = stylesheet(),
        paper = hex(PAPER),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn it_stands_alone_in_light_and_dark() {
        let results = fixture::results();
        let svg = svg(&results).unwrap();
        assert!(svg.starts_with("<svg "));
        assert!(svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("<svg").count(), 1);
        assert!(svg.contains("prefers-color-scheme: dark"));
        for name in &results.platforms[0].allocators {
            assert!(svg.contains(&format!(">\n{name}\n<")), "{name}");
        }
    }

    #[test]
    fn without_wasm_there_is_none() {
        let mut results = fixture::results();
        results.platforms.remove(0);
        assert!(svg(&results).is_err());
    }
}
