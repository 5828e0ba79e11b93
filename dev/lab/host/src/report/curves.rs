//! Curves over the number of live blocks, one per allocator, both axes logarithmic: what is flat in them does not
//! depend on that number. pageslab's lies above the others.

use super::canvas::{self, Head, Key, SMALL, TEXT, lines, mark, short, style, write};
use super::palette::{FAINT, GRID, INK, Palette};
use crate::results::PAGESLAB;
use anyhow::Result;
use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::prelude::{IntoLogRange, LineSeries};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, TRANSPARENT};

pub struct Curves<'a> {
    pub title: String,
    /// What the figures are, with their unit.
    pub unit: String,
    pub allocators: &'a [String],
    /// Of each allocator: live blocks and figure, by the number of live blocks.
    pub points: Vec<Vec<(u64, f64)>>,
    /// Who failed where; may be empty.
    pub remark: String,
}

const PLOT: i32 = 400;
const X_AXIS: i32 = 92;
const Y_AXIS: i32 = 76;
const REMARK_LINE: i32 = 30;

impl Curves<'_> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drawable().next().is_none()
    }

    /// A logarithmic axis has no place for zero.
    fn drawable(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.points.iter().flatten();
        points.filter_map(|&(live, figure)| {
            is_drawable((live, figure)).then_some((live as f64, figure))
        })
    }

    pub fn svg(&self, palette: &Palette) -> Result<String> {
        let head = Head::new(&self.title, &self.unit, self.allocators, Key::Marker);
        let remark = match self.remark.as_str() {
            "" => vec![],
            remark => lines(remark, SMALL),
        };
        let axes = head.height() + PLOT + X_AXIS;
        let height = axes + remark.len() as i32 * REMARK_LINE;
        canvas::svg(height, &self.title, |surface| {
            head.draw(surface, palette)?;
            let lives = bounds(self.drawable().map(|(live, _)| live));
            let figures = bounds(self.drawable().map(|(_, figure)| figure));
            let mut chart = ChartBuilder::on(&surface.margin(head.height(), height - axes, 0, 0))
                .margin_top(14)
                .margin_right(36)
                .x_label_area_size(X_AXIS)
                .y_label_area_size(Y_AXIS)
                .build_cartesian_2d(
                    (lives.0..lives.1).log_scale(),
                    (decade_below(figures.0)..decade_above(figures.1)).log_scale(),
                )?;
            let label = |horizontal, vertical| style(SMALL, FAINT, horizontal, vertical);
            chart
                .configure_mesh()
                .x_labels(6)
                .y_labels(7)
                .x_label_formatter(&|live| short(*live))
                .y_label_formatter(&|figure| short(*figure))
                .bold_line_style(GRID.colour())
                .light_line_style(TRANSPARENT)
                .axis_style(GRID.colour())
                .set_tick_mark_size(LabelAreaPosition::Bottom, 14)
                .x_label_style(label(HPos::Center, VPos::Top))
                .y_label_style(label(HPos::Right, VPos::Center))
                .draw()?;
            let middle = (canvas::WIDTH + Y_AXIS) / 2;
            let below = style(TEXT, INK, HPos::Center, VPos::Bottom);
            write(surface, "live blocks", (middle, axes - 6), below)?;
            for (number, line) in remark.iter().enumerate() {
                let at = (0, axes + number as i32 * REMARK_LINE);
                write(surface, line, at, label(HPos::Left, VPos::Top))?;
            }
            for own in [false, true] {
                let curves = self.allocators.iter().zip(&self.points);
                for (name, points) in curves.filter(|(name, _)| (*name == PAGESLAB) == own) {
                    let points: Vec<(f64, f64)> = points
                        .iter()
                        .filter(|point| is_drawable(**point))
                        .map(|&(live, figure)| (live as f64, figure))
                        .collect();
                    let line = palette
                        .shade(name)
                        .colour()
                        .stroke_width(if own { 7 } else { 4 });
                    chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
                    for point in &points {
                        mark(surface, chart.backend_coord(point), palette, name)?;
                    }
                }
            }
            Ok(())
        })
    }
}

fn is_drawable((live, figure): (u64, f64)) -> bool {
    live > 0 && figure > 0.0 && figure.is_finite()
}

/// The least and the largest; apart, so that a scale of them exists.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, 0.0f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    if least < most {
        (least, most)
    } else {
        (least / 10.0, least * 10.0)
    }
}

fn decade_below(value: f64) -> f64 {
    10f64.powf(value.log10().floor())
}

fn decade_above(value: f64) -> f64 {
    10f64.powf(value.log10().ceil())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn every_allocator_is_in_the_legend_even_without_points() {
        let results = fixture::results();
        let allocators = &results.platforms[0].allocators;
        let curves = Curves {
            title: "Latency".into(),
            unit: "ns".into(),
            allocators,
            points: allocators
                .iter()
                .map(|name| match name.as_str() {
                    fixture::FAILING => vec![],
                    _ => vec![(1000, 0.0), (10_000, 12.0), (100_000, 1300.0)],
                })
                .collect(),
            remark: "lol-alloc failed".into(),
        };
        assert!(!curves.is_empty());
        let svg = curves.svg(&Palette::new(&results)).unwrap();
        for name in allocators {
            assert_eq!(svg.matches(&format!(">\n{name}\n<")).count(), 1, "{name}");
        }
        assert!(!svg.contains("NaN"));
        assert!(svg.contains("live blocks"));
        assert!(svg.contains("lol-alloc failed"));
    }

    #[test]
    fn one_point_alone_can_be_drawn() {
        let results = fixture::results();
        let allocators = &results.platforms[0].allocators[..1];
        let points = vec![vec![(1000, 5.0)]];
        let (title, unit, remark) = (String::new(), String::new(), String::new());
        let curves = Curves {
            title,
            unit,
            allocators,
            points,
            remark,
        };
        assert!(!curves.svg(&Palette::new(&results)).unwrap().contains("NaN"));
    }
}
