//! The tables: which there are, and what is in them, as text. The summary prints them and the report shows them; neither
//! computes anything itself. Whatever is a ratio of allocators is to dlmalloc, which is 1.00.

pub mod cells;

use super::failures::Failure;
use super::figures::{self, Quantity, worst};
use super::goals::Goal;
use super::modes;
use super::soak;
use super::table::Table;
use crate::results::{
    DLMALLOC, Density, DensityFigures, GrowthFigures, Module, Percentiles, Platform, Size,
    SoakFigures, Workload,
};
use cells::{
    KIB_PER_PAGE, NOTHING, compared_cells, mean_cells, measured_cell, nanoseconds, outcome_cell,
    ratio_cell, ratio_text, thousands, worst_cells,
};
use std::collections::BTreeSet;

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
        "Time, dlmalloc = 1.00",
        "",
        &["workload", "dlmalloc, ns per call"],
    );
    for workload in figures::calls(platform) {
        let per_call = figures::figure(workload, Quantity::Time, DLMALLOC)
            .filter(|_| workload.calls > 0)
            .map_or(NOTHING.into(), |time| {
                nanoseconds(time / workload.calls as f64)
            });
        table.row(timed(platform, workload, per_call));
    }
    means(&mut table, platform, Quantity::Time, &[String::new()]);
    table
}

fn timed(platform: &Platform, workload: &Workload, time: String) -> Vec<String> {
    let cell = |name: &String| ratio_cell(workload, Quantity::Time, name);
    let first = [workload.name.clone(), time].into_iter();
    first.chain(platform.allocators.iter().map(cell)).collect()
}

/// A row per group and one for all but programs: geometric means.
fn means(table: &mut Table, platform: &Platform, quantity: Quantity, padding: &[String]) {
    let mut row = |label: String, workloads: &[&Workload]| {
        let label = [label].into_iter().chain(padding.iter().cloned());
        table.summary(label.chain(mean_cells(platform, workloads, quantity)));
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
        "Time of whole programs, dlmalloc = 1.00",
        "",
        &["program", "dlmalloc, ms"],
    );
    let programs = figures::programs(platform);
    for program in &programs {
        let time = figures::figure(program, Quantity::Time, DLMALLOC)
            .map_or(NOTHING.into(), |time| format!("{:.2}", time / 1e6));
        table.row(timed(platform, program, time));
    }
    if !programs.is_empty() {
        let label = [format!("mean ({})", programs.len()), String::new()];
        let means = mean_cells(platform, &programs, Quantity::Time);
        table.summary(label.into_iter().chain(means));
    }
    table
}

fn instructions(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Executed wasm instructions, dlmalloc = 1.00",
        "",
        &["geometric mean"],
    );
    let is_known = |workload: &&Workload| {
        figures::figure(workload, Quantity::Instructions, DLMALLOC).is_some()
    };
    if platform
        .workloads
        .iter()
        .any(|workload| is_known(&workload))
    {
        means(&mut table, platform, Quantity::Instructions, &[]);
        let programs = figures::programs(platform);
        if programs.iter().any(is_known) {
            let label = [format!("whole programs ({})", programs.len())];
            let means = mean_cells(platform, &programs, Quantity::Instructions);
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
        let means = mean_cells(platform, &large, Quantity::Memory);
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

/// What the figures in brackets are, where there are some.
const IN_BRACKETS: &str = "In brackets: to dlmalloc.";

fn growth(platform: &Platform) -> [Table; 2] {
    let table = |title: &str, of: fn(&GrowthFigures) -> f64, show: fn(f64) -> String| {
        let mut table = Table::per_allocator(platform, title, IN_BRACKETS, &["live blocks"]);
        let lives: BTreeSet<u64> = platform.growth.iter().map(|point| point.live).collect();
        for live in lives {
            let find = |name: &str| {
                let mut points = platform.growth.iter();
                let point = points.find(|point| point.live == live && point.allocator == name);
                point.map(|point| &point.outcome)
            };
            let cells = compared_cells(platform, find, of, show);
            table.row([thousands(live)].into_iter().chain(cells));
        }
        table
    };
    [
        table(
            "Growth: ns per pair of free and alloc",
            |figures| figures.nanoseconds,
            nanoseconds,
        ),
        table(
            "Growth: pages of 64 KiB",
            |figures| figures.pages as f64,
            |pages| thousands(pages as u64),
        ),
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
    let note = format!("Calls that did not grow memory. {IN_BRACKETS}");
    let first = ["live blocks", "percentile"];
    let mut table = Table::per_allocator(platform, &title, &note, &first);
    let of_call = || platform.latencies.iter().filter(|point| point.call == call);
    let lives: BTreeSet<u64> = of_call().map(|point| point.live).collect();
    for live in lives {
        for (percentile, of) in PERCENTILES {
            let find = |name: &str| {
                let point = of_call().find(|point| point.live == live && point.allocator == name);
                point.map(|point| &point.outcome)
            };
            let cells = compared_cells(platform, find, of, nanoseconds);
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

/// Where instances of an allocator were so many.
pub fn dense<'a>(
    platform: &'a Platform,
    instances: u64,
    name: &str,
) -> cells::Outcome<'a, DensityFigures> {
    let is = |point: &&Density| point.instances == instances && point.allocator == name;
    let point = platform.densities.iter().find(is);
    point.map(|point| &point.outcome)
}

fn density(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Density: many instances in one process, per instance",
        IN_BRACKETS,
        &["instances", "per instance"],
    );
    let counts: BTreeSet<u64> = platform
        .densities
        .iter()
        .map(|point| point.instances)
        .collect();
    for instances in counts {
        for (name, of) in DENSITIES {
            let find = |name: &str| dense(platform, instances, name);
            let cells = compared_cells(platform, find, of, |figure| format!("{figure:.1}"));
            table.row([thousands(instances), name.into()].into_iter().chain(cells));
        }
    }
    table
}

/// What the modules are.
pub const ABOUT_SIZES: &str = "The smallest module has alloc, free and realloc, after wasm-opt -Oz. The programs and the word \
                               counter are without custom sections; (z): built for size, else for speed.";

/// What bytes added are.
pub const ABOUT_ADDED: &str =
    "Bytes added: over the same program with std's default allocator, wasi-libc's.";

pub fn size<'a>(platform: &'a Platform, module: Module, name: &str) -> Option<&'a Size> {
    let is = |size: &&Size| size.module == module && size.allocator == name;
    platform.sizes.iter().find(is)
}

fn sizes(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Size of modules, bytes",
        &format!("{ABOUT_SIZES} {IN_BRACKETS}"),
        &[""],
    );
    for module in Module::ALL {
        let find = |name: &str| size(platform, module, name).map(|size| &size.outcome);
        if platform.allocators.iter().any(|name| find(name).is_some()) {
            let show = |bytes| thousands(bytes as u64);
            let cells = compared_cells(platform, find, |bytes| *bytes as f64, show);
            table.row([module.describe().into()].into_iter().chain(cells));
        }
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
    Table::listing(
        "pageslab's own goals",
        ["what", "goal", "reached", "verdict"],
        rows,
    )
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

#[cfg(test)]
mod tests {
    use super::cells::FAILED;
    use super::*;
    use crate::results::LIMIT;
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
        let times = find(&tables, "Time, dlmalloc");
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
        assert!(find(&tables, "Time, dlmalloc").note.contains("failed"));
        assert_eq!(find(&tables, "Time of whole").note, "");
    }

    #[test]
    fn dlmalloc_is_one_in_every_ratio() {
        let results = fixture::results();
        for table in results.platforms.iter().flat_map(all) {
            let Some(column) = table.header.iter().position(|name| name == DLMALLOC) else {
                continue;
            };
            let is_ratio = table.title.contains("dlmalloc = 1.00");
            let has_ratios = table.note.contains("In brackets: to dlmalloc");
            for row in &table.rows {
                let (label, cell) = (&row.cells[0], &row.cells[column]);
                let one = if is_ratio || label.contains("to dlmalloc") {
                    cell == "1.00"
                } else {
                    !has_ratios || cell.ends_with("(1.00)")
                };
                assert!(one, "{}: {label}: {cell}", table.title);
            }
        }
    }
}
