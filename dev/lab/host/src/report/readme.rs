//! The charts of the README and the docs: SVGs that stand alone, with their own background and their own colours for the
//! dark, since no page's style reaches into an image.

use super::course::{Course, TITLE};
use super::palette::{PAPER, Palette, hex, stylesheet};
use super::{canvas, charts};
use crate::results::Results;
use crate::summary::figures;
use anyhow::{Context, Result, ensure};

/// As wide as the drawing is shown where there is room, in pixels.
const SHOWN: i32 = 480;
/// Around the drawing, in its units.
const MARGIN: i32 = 20;

/// The chart of wasm's figures.
pub fn chart(results: &Results) -> Result<String> {
    let platform = figures::wasm(results).context("nothing was measured on wasm")?;
    let bars = charts::overview(platform);
    let drawing = bars.svg(&Palette::new(results))?;
    alone(&drawing, &bars.title, bars.height())
}

/// The chart of the soak.
pub fn soak(results: &Results) -> Result<String> {
    let platform = figures::wasm(results).context("nothing was measured on wasm")?;
    let course = Course::new(platform);
    ensure!(!course.is_empty(), "there was no soak");
    let drawing = course.svg(&Palette::new(results))?;
    alone(&drawing, TITLE, course.height())
}

/// A drawing with all that it needs from elsewhere in a page.
fn alone(drawing: &str, title: &str, height: i32) -> Result<String> {
    let inside = drawing.split_once('>').context("no SVG")?.1;
    let (wide, high) = (canvas::WIDTH + 2 * MARGIN, height + 2 * MARGIN);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{SHOWN}\" height=\"{shown}\" \
         viewBox=\"-{MARGIN} -{MARGIN} {wide} {high}\" role=\"img\">\n<title>{title}</title>\n<style>\n{style}</style>\n\
         <rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{wide}\" height=\"{high}\" rx=\"12\" fill=\"{paper}\"/>{inside}",
        shown = high * SHOWN / wide,
        title = canvas::escape(title),
        style = stylesheet(),
        paper = hex(PAPER),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::compact::CHOICE;
    use crate::summary::fixture;

    #[test]
    fn it_stands_alone_in_light_and_dark() {
        let results = fixture::results();
        for svg in [chart(&results).unwrap(), soak(&results).unwrap()] {
            assert!(svg.starts_with("<svg "));
            assert!(svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.matches("<svg").count(), 1);
            assert!(svg.contains("prefers-color-scheme: dark"));
            for name in &results.platforms[0].allocators {
                let is_there = svg.contains(&format!(">\n{name}\n<"));
                assert!(is_there || !CHOICE.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn without_a_soak_there_is_no_chart_of_it() {
        let mut results = fixture::results();
        results.platforms[0].soaks.clear();
        assert!(soak(&results).is_err() && chart(&results).is_ok());
    }

    #[test]
    fn without_wasm_there_is_none() {
        let mut results = fixture::results();
        results.platforms.remove(0);
        assert!(chart(&results).is_err());
    }
}
