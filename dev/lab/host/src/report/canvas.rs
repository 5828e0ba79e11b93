//! What all charts share: a surface that becomes SVG, text on it, the title, and the legend.
//!
//! A surface is 720 units wide. Shown as wide as a phone, two units are a pixel, so text of 24 units is as large as
//! small print; plotters rounds to whole units, which are half a pixel then.

use super::palette::{FAINT, INK, Palette, Shade};
use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::{
    Circle, Cross, DrawingArea, IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text,
    TriangleMarker,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, TextStyle};

pub const WIDTH: i32 = 720;
pub const TEXT: f64 = 24.0;
pub const SMALL: f64 = 21.0;
const TITLE: f64 = 28.0;

const TITLE_LINE: i32 = 36;
const LEGEND_LINE: i32 = 34;
const SWATCH: i32 = 24;
const GAP: i32 = 8;

pub type Surface<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A drawing as an SVG element, with a label for those who do not see it.
pub fn svg(height: i32, label: &str, paint: impl FnOnce(&Surface) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
        let surface = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&surface)?;
        surface.present()?;
    }
    let described = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(label));
    Ok(svg.replacen("<svg ", &described, 1))
}

/// Text for HTML and SVG, in elements and in attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

/// A style of text that stands at, before, or around a point.
#[must_use]
pub fn style(size: f64, shade: Shade, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    // plotters' sizes are of the line, not of the font.
    const LINE: f64 = 1.24;
    TextStyle {
        font: ("sans-serif", size * LINE).into_font(),
        color: shade.colour().to_backend_color(),
        pos: Pos::new(horizontal, vertical),
    }
}

pub fn write(surface: &Surface, text: &str, at: (i32, i32), style: TextStyle) -> Result<()> {
    surface.draw(&Text::new(text.to_string(), at, style))?;
    Ok(())
}

/// As wide as a text may become: which font a reader has, nobody knows, so it is as in DejaVu Sans, which is among the
/// widest.
#[must_use]
pub fn width(text: &str, size: f64) -> i32 {
    (text.chars().map(advance).sum::<f64>() * size).ceil() as i32
}

/// How much wider bold letters are.
pub const BOLD: f64 = 1.15;

/// The width of a letter, to the font's size.
fn advance(letter: char) -> f64 {
    match letter {
        'f' | 'i' | 'j' | 'l' | 'I' | 'J' | '\'' | ' ' | ',' | '.' | '/' | ':' | ';' | '-' => 0.36,
        'r' | 't' | '(' | ')' | '[' | ']' | '!' | '"' => 0.46,
        'm' | 'w' | 'D' | 'G' | 'H' | 'M' | 'N' | 'O' | 'Q' | 'W' | '@' | '%' | '&' | '=' | '<'
        | '>' | '+' | '≤' => 0.9,
        letter if letter.is_uppercase() => 0.73,
        _ => 0.64,
    }
}

/// Breaks a text into lines that fit the surface.
#[must_use]
pub fn lines(text: &str, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            word.clone_into(line);
        } else if width(&format!("{line} {word}"), size) <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.into());
        }
    }
    lines
}

/// A figure of an axis, with as many digits as it needs: 1000 as 1k, 20000000 as 20M.
#[must_use]
pub fn short(value: f64) -> String {
    let (number, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = format!("{number:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// How an allocator is shown in the legend, as in the chart.
#[derive(Clone, Copy)]
pub enum Key {
    Bar,
    Marker,
}

/// A chart's title and legend, and what its vertical axis means.
pub struct Head<'a> {
    title: Vec<String>,
    axis: Vec<String>,
    allocators: &'a [String],
    places: Vec<(i32, i32)>,
    key: Key,
}

impl<'a> Head<'a> {
    #[must_use]
    pub fn new(title: &str, axis: &str, allocators: &'a [String], key: Key) -> Self {
        let (mut x, mut y) = (0, 0);
        let mut places = Vec::new();
        for name in allocators {
            let entry = SWATCH + GAP + width(name, SMALL);
            if x > 0 && x + entry > WIDTH {
                (x, y) = (0, y + LEGEND_LINE);
            }
            places.push((x, y));
            x += entry + 2 * GAP;
        }
        let axis = if axis.is_empty() {
            vec![]
        } else {
            lines(axis, SMALL)
        };
        Self {
            title: lines(title, TITLE * BOLD),
            axis,
            allocators,
            places,
            key,
        }
    }

    fn legend_at(&self) -> i32 {
        self.title.len() as i32 * TITLE_LINE + GAP
    }

    fn axis_at(&self) -> i32 {
        self.legend_at() + self.places.last().map_or(0, |(_, y)| y + LEGEND_LINE) + GAP
    }

    #[must_use]
    pub fn height(&self) -> i32 {
        self.axis_at() + self.axis.len() as i32 * LEGEND_LINE + GAP
    }

    pub fn draw(&self, surface: &Surface, palette: &Palette) -> Result<()> {
        let title = || {
            let style = style(TITLE, INK, HPos::Left, VPos::Top);
            TextStyle {
                font: style.font.style(FontStyle::Bold),
                ..style
            }
        };
        for (number, line) in self.title.iter().enumerate() {
            write(surface, line, (0, number as i32 * TITLE_LINE), title())?;
        }
        for (name, (x, y)) in self.allocators.iter().zip(&self.places) {
            let middle = self.legend_at() + y + LEGEND_LINE / 2;
            let shade = palette.shade(name);
            match self.key {
                Key::Bar => surface.draw(&Rectangle::new(
                    [(*x, middle - SWATCH / 2), (x + SWATCH, middle + SWATCH / 2)],
                    shade.colour().filled(),
                ))?,
                Key::Marker => {
                    surface.draw(&PathElement::new(
                        vec![(*x, middle), (x + SWATCH, middle)],
                        shade.colour().stroke_width(4),
                    ))?;
                    mark(surface, (x + SWATCH / 2, middle), palette, name)?;
                }
            }
            let style = style(SMALL, INK, HPos::Left, VPos::Center);
            write(surface, name, (x + SWATCH + GAP, middle), style)?;
        }
        for (number, line) in self.axis.iter().enumerate() {
            let at = (0, self.axis_at() + number as i32 * LEGEND_LINE);
            write(
                surface,
                line,
                at,
                style(SMALL, FAINT, HPos::Left, VPos::Top),
            )?;
        }
        Ok(())
    }
}

/// A point of a curve, in the allocator's shape.
pub fn mark(surface: &Surface, at: (i32, i32), palette: &Palette, allocator: &str) -> Result<()> {
    const RADIUS: i32 = 7;
    let colour = palette.shade(allocator).colour();
    match allocator {
        crate::results::PAGESLAB => surface.draw(&Circle::new(at, RADIUS + 2, colour.filled()))?,
        crate::results::LIMIT => surface.draw(&Rectangle::new(
            [
                (at.0 - RADIUS, at.1 - RADIUS),
                (at.0 + RADIUS, at.1 + RADIUS),
            ],
            colour.filled(),
        ))?,
        _ => match palette.number(allocator) % 3 {
            0 => surface.draw(&Circle::new(at, RADIUS, colour.filled()))?,
            1 => surface.draw(&TriangleMarker::new(at, RADIUS + 2, colour.filled()))?,
            _ => surface.draw(&Cross::new(at, RADIUS, colour.stroke_width(3)))?,
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_means_something_in_html_is_escaped() {
        assert_eq!(
            escape("<b a='1' c=\"2\">&amp;"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"
        );
    }

    #[test]
    fn no_text_is_wider_than_it_is_taken_to_be() {
        // As wide as DejaVu Sans has them, and bold, to the font's size.
        for (text, plain, bold) in [
            ("Time and memory of allocators in wasm guests", 23.76, 26.63),
            ("ratio, geometric mean; shorter is better", 19.92, 22.61),
            ("MISSED mimalloc-v3 » 15.06", 14.40, 16.00),
        ] {
            assert!(f64::from(width(text, 1000.0)) > plain * 1000.0, "{text}");
            assert!(
                f64::from(width(text, 1000.0 * BOLD)) > bold * 1000.0,
                "{text}"
            );
        }
    }

    #[test]
    fn figures_of_an_axis_have_no_idle_digits() {
        for (figure, text) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (1.0, "1"),
            (999.0, "999"),
            (100_000.0, "100k"),
            (2_500_000.0, "2.5M"),
        ] {
            assert_eq!(short(figure), text);
        }
    }

    #[test]
    fn a_long_title_takes_more_lines_and_loses_no_word() {
        let title = "a title that is by far too long to be shown on one line of a telephone";
        let lines = lines(title, TITLE * BOLD);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| width(line, TITLE * BOLD) <= WIDTH));
        assert_eq!(lines.join(" "), title);
    }

    #[test]
    fn a_legend_stays_within_the_surface() {
        let names: Vec<String> = (0..12)
            .map(|number| format!("allocator-{number}"))
            .collect();
        let head = Head::new("title", "", &names, Key::Bar);
        assert_eq!(head.places.len(), names.len());
        for (name, (x, _)) in names.iter().zip(&head.places) {
            assert!(x + SWATCH + GAP + width(name, SMALL) <= WIDTH);
        }
    }
}
