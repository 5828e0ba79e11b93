//! The course of linear memory over a soak, one line per allocator, both axes linear: what is flat in it does not
//! grow. The grey line is what is live.

use super::canvas::{self, Head, Key, SMALL, TEXT, style, write};
use super::palette::{FAINT, GRID, INK, Palette};
use crate::results::{PAGESLAB, Platform, SoakFigures};
use crate::summary::tables::cells::FAILED;
use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::prelude::LineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, TRANSPARENT};

pub const TITLE: &str = "Linear memory over a soak";

const PLOT: i32 = 420;
const X_AXIS: i32 = 92;
const Y_AXIS: i32 = 76;
const MIB: f64 = (1 << 20) as f64;
const PAGES_PER_MIB: f64 = 16.0;

pub struct Course<'a> {
    allocators: Vec<String>,
    /// Of each allocator; nothing if it failed.
    soaks: Vec<Option<&'a SoakFigures>>,
}

impl<'a> Course<'a> {
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        let soaks = || platform.soaks.iter();
        Self {
            allocators: soaks().map(|soak| soak.allocator.clone()).collect(),
            soaks: soaks().map(|soak| soak.outcome.as_ref().ok()).collect(),
        }
    }

    fn figures(&self) -> impl Iterator<Item = &SoakFigures> {
        self.soaks.iter().copied().flatten()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.figures().next().is_none()
    }

    fn head(&self) -> Head<'_> {
        let lost = self.allocators.iter().zip(&self.soaks);
        let lost = lost.filter(|(_, figures)| figures.is_none());
        let lost = lost.map(|(name, _)| format!("; {name} {FAILED}"));
        let unit = format!("MiB; grey: what is live{}", lost.collect::<String>());
        Head::new(TITLE, &unit, &self.allocators, Key::Bar)
    }

    #[must_use]
    pub fn height(&self) -> i32 {
        self.head().height() + PLOT + X_AXIS
    }

    pub fn svg(&self, palette: &Palette) -> Result<String> {
        let head = self.head();
        let samples = self.figures().flat_map(|figures| &figures.samples);
        let pages = samples.map(|(_, pages)| *pages).max().unwrap_or(0);
        let operations = self.figures().map(|figures| figures.operations).max();
        let operations = operations.unwrap_or(0).max(1);
        canvas::svg(self.height(), TITLE, |surface| {
            head.draw(surface, palette)?;
            let most = pages.max(1) as f64 / PAGES_PER_MIB * 1.1;
            let mut chart = ChartBuilder::on(&surface.margin(head.height(), 0, 0, 0))
                .margin_top(14)
                .margin_right(48)
                .x_label_area_size(X_AXIS)
                .y_label_area_size(Y_AXIS)
                .build_cartesian_2d(0.0..operations as f64 / 1e6, 0.0..most)?;
            let label = |horizontal, vertical| style(SMALL, FAINT, horizontal, vertical);
            chart
                .configure_mesh()
                .x_labels(6)
                .y_labels(7)
                .x_label_formatter(&|millions| format!("{millions:.0}"))
                .y_label_formatter(&|mib| format!("{mib:.0}"))
                .bold_line_style(GRID.colour())
                .light_line_style(TRANSPARENT)
                .axis_style(GRID.colour())
                .x_label_style(label(HPos::Center, VPos::Top))
                .y_label_style(label(HPos::Right, VPos::Center))
                .draw()?;
            let middle = (canvas::WIDTH + Y_AXIS) / 2;
            let below = style(TEXT, INK, HPos::Center, VPos::Bottom);
            let at = (middle, self.height() - 6);
            write(surface, "million operations", at, below)?;
            if let Some(figures) = self.figures().next() {
                let live = course(figures, |(live, _)| live as f64 / MIB);
                chart.draw_series(LineSeries::new(live, FAINT.colour().stroke_width(2)))?;
            }
            // pageslab's lies above the others.
            for own in [false, true] {
                let lines = self.allocators.iter().zip(&self.soaks);
                for (name, figures) in lines.filter(|(name, _)| (*name == PAGESLAB) == own) {
                    let Some(figures) = figures else { continue };
                    let width = if own { 6 } else { 4 };
                    let line = palette.shade(name).colour().stroke_width(width);
                    let memory = course(figures, |(_, pages)| pages as f64 / PAGES_PER_MIB);
                    chart.draw_series(LineSeries::new(memory, line))?;
                }
            }
            Ok(())
        })
    }
}

/// A figure of each sample, over the millions of operations up to it.
fn course(figures: &SoakFigures, of: fn((u64, u64)) -> f64) -> impl Iterator<Item = (f64, f64)> {
    let each = figures.operations as f64 / figures.samples.len() as f64 / 1e6;
    let samples = (1u32..).zip(&figures.samples);
    samples.map(move |(number, sample)| (f64::from(number) * each, of(*sample)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn whoever_did_not_fail_has_a_line() {
        let results = fixture::results();
        let course = Course::new(&results.platforms[0]);
        let lines = |course: &Course| {
            let svg = course.svg(&Palette::new(&results)).unwrap();
            assert!(svg.contains(&format!("{} {FAILED}", fixture::FAILING)));
            assert!(!svg.contains("NaN"));
            svg.matches("<polyline").count()
        };
        let all = lines(&course);
        let without_one = Course {
            allocators: course.allocators.clone(),
            soaks: vec![None; course.soaks.len() - 1]
                .into_iter()
                .chain(course.soaks.last().copied())
                .collect(),
        };
        assert_eq!(all - lines(&without_one), course.figures().count() - 1);
    }

    #[test]
    fn without_a_soak_there_is_no_course() {
        let results = fixture::results();
        assert!(!Course::new(&results.platforms[0]).is_empty());
        assert!(Course::new(&results.platforms[1]).is_empty());
    }
}
