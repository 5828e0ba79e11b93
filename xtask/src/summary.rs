//! The summary: ratios to `limit` and to the others, as one table per platform.

use comfy_table::{Table, TableStyle, presets};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The yardstick of time, and the allocator whose memory is the measure.
const LIMIT: &str = "limit";
const MEMORY_PEER: &str = "dlmalloc";

/// From this peak of live bytes on, a trace counts for the comparison of memory.
const LARGE: u64 = 1 << 20;

const KIB_PER_PAGE: u64 = 64;

/// The median time of one allocator on one workload.
#[derive(Deserialize)]
pub struct Time {
    pub workload: String,
    pub allocator: String,
    nanoseconds: f64,
    /// Median over the rounds of the ratio to `limit` in the same round.
    ratio: f64,
}

/// What one run in a fresh instance took; nothing if it failed.
pub struct Metrics {
    pub workload: String,
    pub allocator: String,
    pub instructions: Option<u64>,
    pub pages: Option<u64>,
}

#[derive(Deserialize)]
pub struct Workload {
    pub name: String,
    /// The most bytes that are live at once, as asked for.
    peak: u64,
}

pub struct Summary<'a> {
    pub platform: &'a str,
    pub times: Vec<Time>,
    pub metrics: Vec<Metrics>,
    pub workloads: Vec<Workload>,
}

fn mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.fold((0.0, 0.0), |(sum, count), ratio| {
        (sum + f64::ln(ratio), count + 1.0)
    });
    f64::exp(sum / count)
}

impl Summary<'_> {
    fn allocators(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for time in &self.times {
            if !names.contains(&time.allocator.as_str()) {
                names.push(&time.allocator);
            }
        }
        names
    }

    fn pages(&self, allocator: &str, workload: &str) -> Option<u64> {
        self.metrics
            .iter()
            .find(|m| m.allocator == allocator && m.workload == workload)?
            .pages
    }

    pub fn render(&self, markdown: bool) -> String {
        let mut text = String::new();
        let preset = if markdown {
            presets::ASCII_MARKDOWN
        } else {
            presets::UTF8_FULL_CONDENSED
        };
        let allocators = self.allocators();
        let mut table = Table::new();
        table.load_style(preset);
        table.set_header(
            [
                vec![self.platform.to_string(), format!("{LIMIT}, ns per call")],
                allocators
                    .iter()
                    .map(|name| format!("{name}, to {LIMIT}"))
                    .collect(),
            ]
            .concat(),
        );
        let mut rows: Vec<&str> = Vec::new();
        let mut times: BTreeMap<(&str, &str), &Time> = BTreeMap::new();
        for time in &self.times {
            if !rows.contains(&time.workload.as_str()) {
                rows.push(&time.workload);
            }
            times.insert((&time.workload, &time.allocator), time);
        }
        for &workload in &rows {
            let cell = |allocator: &str| {
                times
                    .get(&(workload, allocator))
                    .map_or("failed".into(), |time| format!("{:.2}", time.ratio))
            };
            let limit = times
                .get(&(workload, LIMIT))
                .map_or(0.0, |time| time.nanoseconds);
            let mut row = vec![workload.to_string(), format!("{limit:.2}")];
            row.extend(allocators.iter().map(|name| cell(name)));
            table.add_row(row);
        }
        let mut row = vec!["geometric mean: time".to_string(), String::new()];
        row.extend(allocators.iter().map(|name| {
            format!(
                "{:.2}",
                mean(
                    self.times
                        .iter()
                        .filter(|time| time.allocator == *name)
                        .map(|time| time.ratio)
                )
            )
        }));
        table.add_row(row);
        if !self.metrics.is_empty() {
            let mut row = vec![
                "geometric mean: executed instructions".to_string(),
                String::new(),
            ];
            row.extend(
                allocators
                    .iter()
                    .map(|name| format!("{:.2}", self.instructions(name))),
            );
            table.add_row(row);
        }
        let _ = writeln!(text, "{table}");
        if !self.metrics.is_empty() {
            let _ = writeln!(text, "\n{}", self.render_memory(preset, &allocators));
        }
        text
    }

    /// The geometric mean of an allocator's executed instructions, to the limit's.
    fn instructions(&self, allocator: &str) -> f64 {
        let of = |metrics: &Metrics, name: &str| {
            (metrics.allocator == name)
                .then_some(metrics.instructions)
                .flatten()
        };
        let own = self
            .metrics
            .iter()
            .filter_map(|metrics| Some((&metrics.workload, of(metrics, allocator)?)));
        mean(own.filter_map(|(workload, own)| {
            let limit = self
                .metrics
                .iter()
                .find(|m| m.workload == *workload && m.allocator == LIMIT)?;
            Some(own as f64 / limit.instructions? as f64)
        }))
    }

    fn render_memory(&self, preset: TableStyle, allocators: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(preset);
        let mut header = vec!["linear memory, KiB".to_string(), "live peak".to_string()];
        header.extend(allocators.iter().map(ToString::to_string));
        table.set_header(header);
        for workload in &self.workloads {
            let mut row = vec![workload.name.clone(), (workload.peak / 1024).to_string()];
            row.extend(allocators.iter().map(|name| {
                self.pages(name, &workload.name)
                    .map_or("failed".into(), |pages| (pages * KIB_PER_PAGE).to_string())
            }));
            table.add_row(row);
        }
        let mut row = vec![
            format!(
                "geometric mean over traces with a live peak of 1 MiB and more, to {MEMORY_PEER}"
            ),
            String::new(),
        ];
        row.extend(allocators.iter().map(|name| {
            let large = self
                .workloads
                .iter()
                .filter(|workload| workload.peak >= LARGE && workload.name.starts_with("trace/"));
            let ratios = large.filter_map(|workload| {
                Some(
                    self.pages(name, &workload.name)? as f64
                        / self.pages(MEMORY_PEER, &workload.name)? as f64,
                )
            });
            format!("{:.2}", mean(ratios))
        }));
        table.add_row(row);
        table
    }
}
