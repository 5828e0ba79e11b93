//! Horizontal bars: one per allocator in each category, from zero. A bar that would dwarf the others is cut off, with
//! its figure behind it.

use super::canvas::{self, Head, Key, SMALL, Surface, TEXT, WIDTH, short, style, write};
use super::palette::{FAINT, GRID, INK, PAPER, Palette, Shade};
use crate::results::PAGESLAB;
use crate::summary::tables::cells::FAILED;
use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::prelude::{PathElement, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, TRANSPARENT};

pub struct Bars {
    pub title: String,
    /// What the figures are, with their unit.
    pub unit: String,
    pub allocators: Vec<String>,
    /// Where the yardstick is.
    pub reference: Option<f64>,
    pub categories: Vec<Category>,
    pub show: fn(f64) -> String,
}

pub struct Category {
    pub label: String,
    /// Broad bars with name and figure, or narrow ones.
    pub is_broad: bool,
    /// One for each of the allocators.
    pub bars: Vec<Bar>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    Figure(f64),
    Failed,
    Absent,
}

impl From<Option<f64>> for Bar {
    fn from(figure: Option<f64>) -> Self {
        figure.map_or(Self::Absent, Self::Figure)
    }
}

const LABEL_LINE: i32 = 36;
const BROAD: i32 = 28;
const NARROW: i32 = 15;
const SPACE: i32 = 14;
/// Between bars.
const GAP: i32 = 3;
/// From a bar to the figure behind it.
const BEHIND: i32 = 8;
/// Below the bars: the figures of the axis, then what they are.
const TICKS: i32 = 40;
const UNIT: i32 = 32;
/// How often longer than the longest that matters a bar may be.
const CUT: f64 = 4.0;
/// At the right of the plot.
const MARGIN: i32 = 36;

impl Category {
    fn pitch(&self, bar: Bar) -> i32 {
        // A failure is a word, which needs its height.
        if self.is_broad || bar == Bar::Failed {
            BROAD
        } else {
            NARROW
        }
    }

    fn present(&self) -> impl Iterator<Item = (usize, Bar)> {
        let bars = self.bars.iter().copied().enumerate();
        bars.filter(|(_, bar)| *bar != Bar::Absent)
    }

    fn height(&self) -> i32 {
        let rows: i32 = self.present().map(|(_, bar)| self.pitch(bar)).sum();
        LABEL_LINE + rows + SPACE
    }
}

impl Bars {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.categories
            .iter()
            .all(|category| category.present().count() == 0)
    }

    fn figures(&self) -> impl Iterator<Item = (usize, f64)> {
        let bars = self.categories.iter().flat_map(Category::present);
        bars.filter_map(|(index, bar)| match bar {
            Bar::Figure(figure) => Some((index, figure)),
            _ => None,
        })
    }

    /// The length of the longest bar that is shown in full: some times the yardstick's or, where there is none, pageslab's.
    fn longest(&self) -> f64 {
        let longest = self.figures().map(|(_, figure)| figure).fold(0.0, f64::max);
        let own = self
            .figures()
            .filter(|(index, _)| self.allocators[*index] == PAGESLAB);
        let own = own.map(|(_, figure)| figure).fold(0.0, f64::max);
        match self.reference.unwrap_or(own) {
            matters if matters > 0.0 => longest.min(CUT * matters),
            _ => longest,
        }
    }

    /// Where every bar bears its allocator's name, there is no need for a legend.
    fn head(&self) -> Head<'_> {
        let all_named = self.categories.iter().all(|category| category.is_broad);
        let legend = if all_named { &[][..] } else { &self.allocators };
        Head::new(&self.title, "", legend, Key::Bar)
    }

    /// How much wider than the longest bar the plot is: there is room for the widest figure behind it.
    fn room(&self, left: i32) -> f64 {
        let figures = self.figures().map(|(_, figure)| self.shown(figure));
        let widest = figures.map(|text| canvas::width(&text, SMALL)).max();
        let plot = f64::from(WIDTH - left - MARGIN);
        let figure = f64::from(widest.unwrap_or(0) + BEHIND - MARGIN);
        plot / (plot - figure.max(0.0)).max(1.0)
    }

    /// A figure, with a mark if its bar is cut off.
    fn shown(&self, figure: f64) -> String {
        let cut = if figure > self.longest() { "» " } else { "" };
        format!("{cut}{}", (self.show)(figure))
    }

    /// Of the bars alone.
    fn length(&self) -> i32 {
        self.categories.iter().map(Category::height).sum()
    }

    #[must_use]
    pub fn height(&self) -> i32 {
        self.head().height() + self.length() + TICKS + UNIT
    }

    pub fn svg(&self, palette: &Palette) -> Result<String> {
        let head = self.head();
        let bars = self.length();
        canvas::svg(self.height(), &self.title, |surface| {
            head.draw(surface, palette)?;
            let plot = surface.margin(head.height(), UNIT, 0, 0);
            let is_named = self.categories.iter().any(|category| category.is_broad);
            let names = self
                .allocators
                .iter()
                .map(|name| canvas::width(name, SMALL))
                .max();
            let left = if is_named {
                names.unwrap_or(0) + 10
            } else {
                12
            };
            let longest = self.longest().max(f64::MIN_POSITIVE);
            let mut chart = ChartBuilder::on(&plot)
                .margin_left(left)
                .margin_right(MARGIN)
                .x_label_area_size(TICKS)
                .build_cartesian_2d(0.0..longest * self.room(left), -f64::from(bars)..0.0)?;
            chart
                .configure_mesh()
                .disable_y_mesh()
                .disable_y_axis()
                .x_labels(5)
                .x_label_formatter(&|figure| short(*figure))
                .bold_line_style(GRID.colour())
                .light_line_style(TRANSPARENT)
                .axis_style(GRID.colour())
                .label_style(style(SMALL, FAINT, HPos::Center, VPos::Top))
                .draw()?;
            let place = |figure: f64, y: i32| chart.backend_coord(&(figure, -f64::from(y)));
            if let Some(reference) = self.reference {
                surface.draw(&PathElement::new(
                    vec![place(reference, 0), place(reference, bars)],
                    FAINT.colour().stroke_width(2),
                ))?;
            }
            let below = style(SMALL, INK, HPos::Center, VPos::Bottom);
            let middle = (WIDTH + left) / 2;
            write(surface, &self.unit, (middle, self.height() - 2), below)?;
            let mut top = 0;
            for category in &self.categories {
                self.draw(surface, palette, category, &|figure, y| {
                    place(figure, top + y)
                })?;
                top += category.height();
            }
            Ok(())
        })
    }

    fn draw(
        &self,
        surface: &Surface,
        palette: &Palette,
        category: &Category,
        place: &dyn Fn(f64, i32) -> (i32, i32),
    ) -> Result<()> {
        let (_, y) = place(0.0, LABEL_LINE / 2);
        legible(surface, &category.label, (0, y), TEXT, INK)?;
        let mut y = LABEL_LINE;
        for (index, bar) in category.present() {
            let name = &self.allocators[index];
            let figure = if let Bar::Figure(figure) = bar {
                figure
            } else {
                0.0
            };
            let shown = figure.min(self.longest());
            let (left, top) = place(0.0, y);
            let (right, bottom) = place(shown, y + category.pitch(bar) - GAP);
            y += category.pitch(bar);
            let colour = palette.shade(name).colour();
            surface.draw(&Rectangle::new(
                [(left, top), (right, bottom)],
                colour.filled(),
            ))?;
            let middle = (top + bottom) / 2;
            let cut = if figure > shown { "»" } else { "" };
            let (text, shade) = match bar {
                Bar::Failed if category.is_broad => (FAILED.to_string(), FAINT),
                Bar::Failed => (format!("{name} {FAILED}"), FAINT),
                _ if category.is_broad => (self.shown(figure), INK),
                _ => (cut.to_string(), INK),
            };
            legible(surface, &text, (right + BEHIND, middle), SMALL, shade)?;
            if category.is_broad {
                let shade = if name == PAGESLAB { INK } else { FAINT };
                let style = style(SMALL, shade, HPos::Right, VPos::Center);
                write(surface, name, (left - 8, middle), style)?;
            }
        }
        Ok(())
    }
}

/// Text that stands on paper, whatever line runs behind it.
fn legible(surface: &Surface, text: &str, at: (i32, i32), size: f64, shade: Shade) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let half = size as i32 / 2;
    let ends = (at.0 + canvas::width(text, size)).min(WIDTH);
    let behind = [(at.0 - 2, at.1 - half), (ends, at.1 + half)];
    surface.draw(&Rectangle::new(behind, PAPER.colour().filled()))?;
    write(
        surface,
        text,
        at,
        style(size, shade, HPos::Left, VPos::Center),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    fn bars(allocators: &[String]) -> Bars {
        let figures = allocators
            .iter()
            .enumerate()
            .map(|(index, name)| match name.as_str() {
                fixture::FAILING => Bar::Failed,
                _ => Bar::Figure(if index == 2 {
                    100.0
                } else {
                    1.0 + index as f64 / 10.0
                }),
            });
        Bars {
            title: "Time <to> limit".into(),
            unit: "ratio".into(),
            allocators: allocators.to_vec(),
            reference: Some(1.0),
            categories: vec![Category {
                label: "all & sundry".into(),
                is_broad: true,
                bars: figures.collect(),
            }],
            show: |figure| format!("{figure:.2}"),
        }
    }

    #[test]
    fn every_allocator_is_at_its_bar_and_has_its_colour() {
        let results = fixture::results();
        let palette = Palette::new(&results);
        let allocators = &results.platforms[0].allocators;
        let mut bars = bars(allocators);
        let svg = bars.svg(&palette).unwrap();
        bars.categories[0].is_broad = false;
        let narrow = bars.svg(&palette).unwrap();
        for name in allocators {
            let text = format!(">\n{name}\n<");
            assert_eq!(svg.matches(&text).count(), 1, "{name}");
            // In the legend.
            assert_eq!(narrow.matches(&text).count(), 1, "{name}");
            let plotters::style::RGBColor(red, green, blue) = palette.shade(name).colour();
            assert!(svg.contains(&format!("fill=\"#{red:02X}{green:02X}{blue:02X}\"")));
        }
    }

    #[test]
    fn a_failure_is_written_and_a_long_bar_is_cut() {
        let results = fixture::results();
        let svg = bars(&results.platforms[0].allocators)
            .svg(&Palette::new(&results))
            .unwrap();
        assert!(svg.contains(FAILED));
        assert!(svg.contains("» 100.00"));
        assert_eq!(svg.matches('»').count(), 1);
    }

    #[test]
    fn one_long_bar_does_not_dwarf_the_others_even_if_it_is_pageslabs() {
        let results = fixture::results();
        let mut bars = bars(&results.platforms[0].allocators);
        let own = bars.allocators.iter().position(|name| name == PAGESLAB);
        bars.categories[0].bars[own.unwrap()] = Bar::Figure(50.0);
        assert_eq!(bars.longest(), CUT);
        bars.reference = None;
        assert_eq!(bars.longest(), 100.0);
    }

    #[test]
    fn text_is_escaped() {
        let results = fixture::results();
        let svg = bars(&results.platforms[0].allocators)
            .svg(&Palette::new(&results))
            .unwrap();
        assert!(svg.contains("Time &lt;to&gt; limit"));
        assert!(svg.contains("all &amp; sundry"));
        assert!(!svg.contains("<to>"));
    }
}
