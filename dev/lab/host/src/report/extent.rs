//! A test of all charts: no text goes beyond its drawing, where it would be cut off.

use super::canvas::{BOLD, width};
use super::charts::sections;
use super::palette::Palette;
use super::readme;
use crate::results::{Cell, Results};
use crate::summary::fixture;

/// The value of an element's attribute.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, value) = element
        .split_once(&format!(" {name}=\""))
        .unwrap_or_else(|| panic!("no {name}: {element}"));
    value.split('"').next().unwrap()
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).parse().unwrap()
}

/// The texts of a drawing that go beyond it at the left, the right, the top or the bottom.
fn overflowing(svg: &str) -> Vec<String> {
    let head = svg.split('>').next().unwrap();
    let view: Vec<f64> = attribute(head, "viewBox")
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let [left, top, wide, high] = view[..] else {
        panic!("{head}");
    };
    let mut beyond = Vec::new();
    for element in svg.split("<text").skip(1) {
        let (tag, rest) = element.split_once('>').unwrap();
        let text = rest.split("</text>").next().unwrap().trim();
        let shown = text.replace("&lt;", "<").replace("&gt;", ">");
        let size = number(tag, "font-size");
        let bold = if tag.contains("bold") { BOLD } else { 1.0 };
        let length = f64::from(width(&shown.replace("&amp;", "&"), size * bold));
        let (x, y) = (number(tag, "x"), number(tag, "y"));
        let start = match attribute(tag, "text-anchor") {
            "start" => x,
            "middle" => x - length / 2.0,
            _ => x - length,
        };
        // Text stands above, on or below its point.
        let fits = start >= left && start + length <= left + wide && y >= top && y <= top + high;
        if !fits {
            beyond.push(text.into());
        }
    }
    beyond
}

fn assert_fits(results: &Results) {
    let palette = Palette::new(results);
    for platform in &results.platforms {
        for section in sections(platform, &palette).unwrap() {
            for chart in section.charts {
                let beyond = overflowing(&chart);
                assert_eq!(beyond, Vec::<String>::new(), "{}", section.heading);
            }
        }
    }
    for alone in [readme::chart(results), readme::soak(results)] {
        assert_eq!(overflowing(&alone.unwrap()), Vec::<String>::new());
    }
}

#[test]
fn no_text_goes_beyond_its_chart() {
    assert_fits(&fixture::results());
}

#[test]
fn not_even_with_figures_that_are_far_apart() {
    let mut results = fixture::results();
    for platform in &mut results.platforms {
        for (number, workload) in platform.workloads.iter_mut().enumerate() {
            let power = number as i32 % 7 - 3;
            for (name, cell) in &mut workload.cells {
                if let (true, Cell::Measured { nanoseconds, .. }) = (name != "dlmalloc", cell) {
                    *nanoseconds *= 10f64.powi(power);
                }
            }
        }
        for size in &mut platform.sizes {
            size.outcome = size.outcome.clone().map(|bytes| bytes * 1000);
        }
    }
    assert_fits(&results);
}

#[test]
fn the_committed_charts_fit() {
    for chart in ["chart", "soak"] {
        let path = format!(
            "{}/../../../docs/figures/{chart}.svg",
            env!("CARGO_MANIFEST_DIR")
        );
        let svg = std::fs::read_to_string(path).unwrap();
        assert_eq!(overflowing(&svg), Vec::<String>::new(), "{chart}");
    }
}

#[test]
fn what_goes_beyond_is_found() {
    let text = |x: i32, anchor: &str| {
        format!(
            "<svg viewBox=\"0 0 100 50\"><text x=\"{x}\" y=\"9\" text-anchor=\"{anchor}\" font-size=\"20\">\nlong\n</text></svg>"
        )
    };
    assert!(overflowing(&text(0, "start")).is_empty());
    assert_eq!(overflowing(&text(90, "start")), ["long"]);
    assert_eq!(overflowing(&text(9, "end")), ["long"]);
    assert_eq!(overflowing(&text(90, "middle")), ["long"]);
}
