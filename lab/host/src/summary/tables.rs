//! The tables: which there are, and what is in their cells, as text. The summary prints them and the report shows
//! them; neither computes anything itself.

use super::failures::Failure;
use super::figures::{self, Mean, Quantity, mean, ratio, worst};
use super::goals::Goal;
use super::modes;
use super::soak;
use crate::results::{
    Cell, DLMALLOC, Density, DensityFigures, LIMIT, Percentiles, Platform, SoakFigures, Workload,
};
use std::collections::BTreeSet;

/// Where an allocator failed.
pub const FAILED: &str = "failed";
/// Where it was not measured.
pub const NOTHING: &str = "–";
/// After a mean that lacks some workloads.
const INCOMPLETE: char = '*';
pub(super) const KIB_PER_PAGE: u64 = 64;

pub struct Table {
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

pub struct Row {
    pub cells: Vec<String>,
    /// A mean or the like, not a single measurement.
    pub is_summary: bool,
}

impl Table {
    /// A table with a column per allocator.
    pub(super) fn per_allocator(
        platform: &Platform,
        title: &str,
        note: &str,
        first: &[&str],
    ) -> Self {
        let first = first.iter().map(ToString::to_string);
        Self {
            title: title.into(),
            note: note.into(),
            header: first.chain(platform.allocators.iter().cloned()).collect(),
            rows: Vec::new(),
        }
    }

    /// A table that has no allocators as columns.
    fn listing<const N: usize>(
        title: &str,
        header: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) -> Self {
        let mut table = Self {
            title: title.into(),
            note: String::new(),
            header: header.map(String::from).into(),
            rows: Vec::new(),
        };
        rows.for_each(|row| table.row(row));
        table
    }

    /// With what its marks mean, if it has any.
    pub(super) fn explained(mut self) -> Self {
        let mut cells = self.rows.iter().flat_map(|row| &row.cells);
        if cells.any(|cell| cell.ends_with(INCOMPLETE)) {
            self.remark(&format!("{INCOMPLETE}: without workloads that failed."));
        }
        self
    }

    pub(super) fn remark(&mut self, remark: &str) {
        let space = if self.note.is_empty() { "" } else { " " };
        self.note = format!("{}{space}{remark}", self.note);
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.push(cells, false);
    }

    pub(super) fn summary(&mut self, cells: impl IntoIterator<Item = String>) {
        self.push(cells, true);
    }

    fn push(&mut self, cells: impl IntoIterator<Item = String>, is_summary: bool) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(Row { cells, is_summary });
    }
}

/// Everything that was measured on a platform; what was not, has no table.
#[must_use]
pub fn all(platform: &Platform) -> Vec<Table> {
    let mut tables = vec![times(platform), programs(platform)];
    tables.extend([instructions(platform), memory(platform)]);
    tables.extend(growth(platform));
    tables.extend(["alloc", "free"].map(|call| latency(platform, call)));
    tables.extend([soak(platform), density(platform), sizes(platform)]);
    tables.push(modes::table(platform));
    tables.retain(|table| !table.rows.is_empty());
    tables.into_iter().map(Table::explained).collect()
}

fn times(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Time to limit",
        "",
        &["workload", "limit, ns per call"],
    );
    let calls = figures::calls(platform);
    for workload in &calls {
        let per_call = figures::figure(workload, Quantity::Time, LIMIT)
            .filter(|_| workload.calls > 0)
            .map_or(NOTHING.into(), |time| {
                nanoseconds(time / workload.calls as f64)
            });
        let cells = platform
            .allocators
            .iter()
            .map(|name| ratio_cell(workload, Quantity::Time, name, LIMIT));
        table.row([workload.name.clone(), per_call].into_iter().chain(cells));
    }
    means(&mut table, platform, Quantity::Time, &[String::new()]);
    table
}

/// A row per group and one for all but programs: geometric means to `limit`.
fn means(table: &mut Table, platform: &Platform, quantity: Quantity, padding: &[String]) {
    let mut row = |label: String, workloads: &[&Workload]| {
        let label = [label].into_iter().chain(padding.iter().cloned());
        table.summary(label.chain(mean_cells(platform, workloads, quantity, LIMIT)));
    };
    let groups = figures::groups(platform);
    for group in groups
        .into_iter()
        .filter(|group| *group != figures::PROGRAM)
    {
        let workloads = figures::group(platform, group);
        row(format!("mean of {group} ({})", workloads.len()), &workloads);
    }
    let all = figures::calls(platform);
    if !all.is_empty() {
        row(format!("mean of all ({})", all.len()), &all);
    }
}

fn programs(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Whole programs: time to dlmalloc",
        "",
        &["program", "dlmalloc, ms"],
    );
    let programs = figures::programs(platform);
    for program in &programs {
        let time = figures::figure(program, Quantity::Time, DLMALLOC)
            .map_or(NOTHING.into(), |time| format!("{:.2}", time / 1e6));
        let cells = platform
            .allocators
            .iter()
            .map(|name| ratio_cell(program, Quantity::Time, name, DLMALLOC));
        table.row([program.name.clone(), time].into_iter().chain(cells));
    }
    if !programs.is_empty() {
        let label = [format!("mean ({})", programs.len()), String::new()];
        let means = mean_cells(platform, &programs, Quantity::Time, DLMALLOC);
        table.summary(label.into_iter().chain(means));
    }
    table
}

fn instructions(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Executed wasm instructions to limit",
        "",
        &["geometric mean"],
    );
    let is_known =
        |workload: &&Workload| figures::figure(workload, Quantity::Instructions, LIMIT).is_some();
    if platform
        .workloads
        .iter()
        .any(|workload| is_known(&workload))
    {
        means(&mut table, platform, Quantity::Instructions, &[]);
        let programs = figures::programs(platform);
        if programs.iter().any(is_known) {
            let label = [format!("programs ({}), to limit too", programs.len())];
            let means = mean_cells(platform, &programs, Quantity::Instructions, LIMIT);
            table.summary(label.into_iter().chain(means));
        }
    }
    table
}

fn memory(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Peak linear memory, KiB",
        "Without what the module starts with. Ratios are over workloads for which dlmalloc takes 16 pages (1 MiB) \
         or more.",
        &["workload", "live at once"],
    );
    for workload in &platform.workloads {
        let pages = |name: &String| figures::figure(workload, Quantity::Memory, name);
        if !platform.allocators.iter().any(|name| pages(name).is_some()) {
            continue;
        }
        let live = match workload.peak {
            0 => NOTHING.into(),
            peak => thousands(peak.div_ceil(1024)),
        };
        let cells = platform.allocators.iter().map(|name| {
            measured_cell(workload, name, || {
                pages(name).map(|pages| thousands(pages as u64 * KIB_PER_PAGE))
            })
        });
        table.row([workload.name.clone(), live].into_iter().chain(cells));
    }
    let large = figures::large(platform);
    if !large.is_empty() {
        let label = [format!("mean to dlmalloc ({})", large.len()), String::new()];
        let means = mean_cells(platform, &large, Quantity::Memory, DLMALLOC);
        table.summary(label.into_iter().chain(means));
        let label = ["worst to dlmalloc".into(), String::new()];
        table.summary(label.into_iter().chain(worst_cells(platform, &large)));
        for name in platform.allocators.iter().filter(|name| *name != DLMALLOC) {
            if let Some((workload, ratio)) = worst(&large, Quantity::Memory, name, DLMALLOC) {
                table.remark(&format!("Worst of {name}: {} ({ratio:.2}).", workload.name));
            }
        }
    }
    table
}

pub(super) fn worst_cells(platform: &Platform, workloads: &[&Workload]) -> Vec<String> {
    let cell = |name: &String| {
        worst(workloads, Quantity::Memory, name, DLMALLOC)
            .map_or(NOTHING.into(), |(_, ratio)| ratio_text(ratio))
    };
    platform.allocators.iter().map(cell).collect()
}

fn growth(platform: &Platform) -> [Table; 2] {
    let table = |title: &str, show: fn(&crate::results::GrowthFigures) -> String| {
        let mut table = Table::per_allocator(platform, title, "", &["live blocks"]);
        let lives: BTreeSet<u64> = platform.growth.iter().map(|point| point.live).collect();
        for live in lives {
            let cells = platform.allocators.iter().map(|name| {
                let mut points = platform.growth.iter();
                let point = points.find(|point| point.live == live && point.allocator == *name);
                outcome_cell(point.map(|point| &point.outcome), show)
            });
            table.row([thousands(live)].into_iter().chain(cells));
        }
        table
    };
    [
        table("Growth: ns per pair of free and alloc", |figures| {
            nanoseconds(figures.nanoseconds)
        }),
        table("Growth: pages of 64 KiB", |figures| {
            thousands(figures.pages)
        }),
    ]
}

/// The name of a percentile and where it is.
pub type Percentile = (&'static str, fn(&Percentiles) -> f64);

pub const PERCENTILES: [Percentile; 4] = [
    ("p50", |percentiles| percentiles.p50),
    ("p99", |percentiles| percentiles.p99),
    ("p99.99", |percentiles| percentiles.p9999),
    ("max", |percentiles| percentiles.max),
];

fn latency(platform: &Platform, call: &str) -> Table {
    let title = format!("Latency of {call}, ns");
    let note = "Calls that did not grow memory.";
    let first = ["live blocks", "percentile"];
    let mut table = Table::per_allocator(platform, &title, note, &first);
    let of_call = || platform.latencies.iter().filter(|point| point.call == call);
    let lives: BTreeSet<u64> = of_call().map(|point| point.live).collect();
    for live in lives {
        for (percentile, of) in PERCENTILES {
            let cells = platform.allocators.iter().map(|name| {
                let point = of_call().find(|point| point.live == live && point.allocator == *name);
                outcome_cell(point.map(|point| &point.outcome), |percentiles| {
                    nanoseconds(of(percentiles))
                })
            });
            table.row(
                [thousands(live), percentile.into()]
                    .into_iter()
                    .chain(cells),
            );
        }
    }
    table
}

fn soak(platform: &Platform) -> Table {
    let mut table = Table {
        title: "Soak: linear memory, KiB, after each cycle of sizes".into(),
        note: "In brackets: to the live bytes.".into(),
        header: vec![String::new()],
        rows: Vec::new(),
    };
    let names = platform.soaks.iter().map(|soak| soak.allocator.clone());
    table.header.extend(names);
    let mut row = |label: String, show: &dyn Fn(&SoakFigures) -> Option<String>| {
        let cells = platform.soaks.iter().map(|soak| {
            outcome_cell(Some(&soak.outcome), |figures| {
                show(figures).unwrap_or(NOTHING.into())
            })
        });
        table.row([label].into_iter().chain(cells));
    };
    let soaks = || {
        platform
            .soaks
            .iter()
            .filter_map(|soak| soak.outcome.as_ref().ok())
    };
    let Some(first) = soaks().next() else {
        return table;
    };
    for cycle in 0..soak::ends(first).len() {
        let operations = first.operations / u64::from(first.cycles) * (cycle as u64 + 1);
        row(
            format!("{} operations", thousands(operations)),
            &|figures| {
                let end = *soak::ends(figures).get(cycle)?;
                let kib = thousands(end.1 * KIB_PER_PAGE);
                Some(format!("{kib} ({})", ratio_text(soak::overhead(end))))
            },
        );
    }
    row("at the end to in the middle".into(), &|figures| {
        soak::grown(figures).map(|grown| format!("{grown:.3}"))
    });
    row("ns per operation".into(), &|figures| {
        Some(nanoseconds(figures.nanoseconds))
    });
    table
}

/// What is measured of an instance: its name with the unit, and where it is.
pub type DensityFigure = (&'static str, fn(&DensityFigures) -> f64);

pub const DENSITIES: [DensityFigure; 3] = [
    ("resident memory, KiB", |figures| figures.kib),
    ("instantiation and job, µs", |figures| figures.microseconds),
    ("instantiation, µs", |figures| {
        figures.instantiation_microseconds
    }),
];

pub(super) fn density(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Density: many instances in one process, per instance",
        "In brackets: to dlmalloc.",
        &["instances", "per instance"],
    );
    let counts: BTreeSet<u64> = platform
        .densities
        .iter()
        .map(|point| point.instances)
        .collect();
    for instances in counts {
        let find = |name: &str| -> Option<&Density> {
            let mut points = platform.densities.iter();
            points.find(|point| point.instances == instances && point.allocator == name)
        };
        for (name, of) in DENSITIES {
            let base = find(DLMALLOC).and_then(|point| point.outcome.as_ref().ok().map(of));
            let cells = platform.allocators.iter().map(|allocator| {
                outcome_cell(find(allocator).map(|point| &point.outcome), |figures| {
                    let value = of(figures);
                    let to = base.filter(|base| *base > 0.0).map(|base| value / base);
                    to.map_or(format!("{value:.1}"), |to| format!("{value:.1} ({to:.2})"))
                })
            });
            table.row([thousands(instances), name.into()].into_iter().chain(cells));
        }
    }
    table
}

pub(super) fn sizes(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Size of a module of alloc, free and realloc",
        "After wasm-opt -Oz.",
        &[""],
    );
    if !platform.sizes.is_empty() {
        let cells = platform.allocators.iter().map(|name| {
            let size = platform.sizes.iter().find(|size| size.allocator == *name);
            outcome_cell(size.map(|size| &size.outcome), |bytes| thousands(*bytes))
        });
        table.row(["bytes".into()].into_iter().chain(cells));
    }
    table
}

#[must_use]
pub fn goals(goals: &[Goal]) -> Table {
    let rows = goals.iter().map(|goal| {
        [
            goal.subject.clone(),
            goal.goal.clone(),
            goal.measured.clone(),
            goal.verdict.text().into(),
        ]
    });
    Table::listing("Goals", ["what", "goal", "reached", "verdict"], rows)
}

#[must_use]
pub fn failures(failures: &[Failure]) -> Table {
    let rows = failures.iter().map(|failure| {
        [
            failure.allocator.clone(),
            failure.platform.clone(),
            failure.what.join("; "),
            failure.reason.clone(),
        ]
    });
    Table::listing(
        "What failed",
        ["allocator", "platform", "measurements", "reason"],
        rows,
    )
}

pub(super) fn mean_cells(
    platform: &Platform,
    workloads: &[&Workload],
    quantity: Quantity,
    yardstick: &str,
) -> Vec<String> {
    let cell = |name: &String| {
        mean(workloads, quantity, name, yardstick).map_or(NOTHING.into(), mean_text)
    };
    platform.allocators.iter().map(cell).collect()
}

pub(super) fn mean_text(mean: Mean) -> String {
    let mark = (mean.absent > 0).then_some(INCOMPLETE);
    let mark = mark.map_or(String::new(), String::from);
    format!("{}{mark}", ratio_text(mean.value))
}

fn ratio_cell(workload: &Workload, quantity: Quantity, allocator: &str, yardstick: &str) -> String {
    measured_cell(workload, allocator, || {
        ratio(workload, quantity, allocator, yardstick).map(ratio_text)
    })
}

pub(super) fn measured_cell(
    workload: &Workload,
    allocator: &str,
    show: impl Fn() -> Option<String>,
) -> String {
    match workload.cells.get(allocator) {
        Some(Cell::Failed(_)) => FAILED.into(),
        _ => show().unwrap_or(NOTHING.into()),
    }
}

fn outcome_cell<T>(outcome: Option<&Result<T, String>>, show: impl Fn(&T) -> String) -> String {
    match outcome {
        None => NOTHING.into(),
        Some(Err(_)) => FAILED.into(),
        Some(Ok(figures)) => show(figures),
    }
}

/// Two digits behind the point, or three if nothing else were left.
#[must_use]
pub fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

/// With as many digits as mean something.
fn nanoseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        thousands(value.round() as u64)
    }
}

/// 1234567 as 1,234,567.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    fn find<'a>(tables: &'a [Table], title: &str) -> &'a Table {
        tables
            .iter()
            .find(|table| table.title.starts_with(title))
            .unwrap()
    }

    fn cell<'a>(table: &'a Table, row: &str, column: &str) -> &'a str {
        let column = table.header.iter().position(|name| name == column).unwrap();
        let row = table
            .rows
            .iter()
            .find(|cells| cells.cells[0].starts_with(row))
            .unwrap();
        &row.cells[column]
    }

    #[test]
    fn every_row_is_as_long_as_its_header() {
        let results = fixture::results();
        for table in results.platforms.iter().flat_map(all) {
            for row in &table.rows {
                assert_eq!(row.cells.len(), table.header.len(), "{}", table.title);
            }
        }
    }

    #[test]
    fn a_failed_peer_is_shown_as_such() {
        let results = fixture::results();
        let tables = all(&results.platforms[0]);
        let times = find(&tables, "Time to limit");
        assert_eq!(cell(times, "mix/1024", fixture::FAILING), FAILED);
        assert!(cell(times, "mean of mix", fixture::FAILING).ends_with('*'));
        assert!(cell(times, "mean of all", fixture::FAILING).ends_with('*'));
        assert!(!cell(times, "mean of pair", fixture::FAILING).ends_with('*'));
        for title in [
            "Growth",
            "Latency of alloc",
            "Latency of free",
            "Density",
            "Size",
            "Soak",
        ] {
            assert_eq!(cell(find(&tables, title), "", fixture::FAILING), FAILED);
        }
    }

    #[test]
    fn natively_there_are_no_tables_of_what_only_wasm_has() {
        let results = fixture::results();
        let titles: Vec<String> = all(&results.platforms[1])
            .into_iter()
            .map(|table| table.title)
            .collect();
        assert!(
            titles.iter().all(|title| !title.contains("memory")),
            "{titles:?}"
        );
        assert!(
            titles.iter().all(|title| !title.contains("instructions")),
            "{titles:?}"
        );
    }

    #[test]
    fn the_worst_memory_names_its_workload() {
        let results = fixture::results();
        let tables = all(&results.platforms[0]);
        let memory = find(&tables, "Peak linear memory");
        let worst = cell(memory, "worst", LIMIT);
        let remark = memory.note.split("Worst of limit: ").nth(1).unwrap();
        assert!(remark.split('.').next().unwrap().contains('/'), "{remark}");
        assert!(remark.contains(worst), "{remark}");
    }

    #[test]
    fn marks_are_explained_where_there_are_any() {
        let results = fixture::results();
        let tables = all(&results.platforms[0]);
        assert!(find(&tables, "Time to limit").note.contains("failed"));
        assert_eq!(find(&tables, "Whole programs").note, "");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(ratio_text(1.234), "1.23");
        assert_eq!(ratio_text(0.0061), "0.006");
        assert_eq!(nanoseconds(1.234), "1.23");
        assert_eq!(nanoseconds(12_345.6), "12,346");
    }
}
