//! A platform's most important figures in one table: what the terminal shows, what the report opens with, and what the
//! README has. All to dlmalloc, but for what has a unit of its own.

use super::figures::{self, Quantity, describe, figure};
use super::goals::SMALL_GUEST;
use super::table::Table;
use super::tables::cells::{
    KIB_PER_PAGE, added_cell, added_label, mean_cells, measured_cell, relative_cells, thousands,
    worst_cells,
};
use super::tables::{ABOUT_ADDED, dense, size};
use crate::results::{DLMALLOC, LIMIT, Module, PAGESLAB, Platform, Workload};

#[must_use]
pub fn table(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        "Time and memory",
        "To dlmalloc, which is 1.00: less is better. Geometric means; in brackets, of how many workloads.",
        &[""],
    );
    for group in figures::groups(platform) {
        let workloads = figures::group(platform, group);
        means(
            &mut table,
            platform,
            describe(group),
            &workloads,
            Quantity::Time,
        );
    }
    let calls = figures::calls(platform);
    let time = "mean of all but programs";
    let time = if figures::programs(platform).is_empty() {
        "mean of all"
    } else {
        time
    };
    means(&mut table, platform, time, &calls, Quantity::Time);
    let label = "executed instructions";
    means(&mut table, platform, label, &calls, Quantity::Instructions);
    memory(&mut table, platform);
    singles(&mut table, platform);
    table.explained()
}

/// The same where all columns are shown, also the one that nobody would use.
#[must_use]
pub fn whole(platform: &Platform) -> Table {
    let mut table = table(platform);
    if platform.allocators.iter().any(|name| name == LIMIT) {
        table.remark(&format!("{LIMIT}: {ABOUT_LIMIT}"));
    }
    table
}

/// Those that people choose between, which are all that a README has room for: the last two are what the C library has.
pub const CHOICE: [&str; 7] = [
    PAGESLAB,
    DLMALLOC,
    "talc",
    "rlsf",
    "mimalloc-v3",
    "wasi-libc",
    "glibc",
];

/// The same of those only.
#[must_use]
pub fn choice(platform: &Platform) -> Table {
    let mut platform = platform.clone();
    platform
        .allocators
        .retain(|name| CHOICE.contains(&name.as_str()));
    table(&platform)
}

const ABOUT_LIMIT: &str = "no allocator to use, but a free list that checks nothing and gives nothing back, for what is \
                           physically possible.";

/// A row of means, unless dlmalloc has none. Those of a whole group are of several measurements.
fn means(
    table: &mut Table,
    platform: &Platform,
    label: &str,
    workloads: &[&Workload],
    quantity: Quantity,
) {
    let is_known = |workload: &&Workload| figure(workload, quantity, DLMALLOC).is_some();
    if !workloads.iter().any(is_known) {
        return;
    }
    let label = [format!("{label} ({})", workloads.len())];
    let row = label
        .into_iter()
        .chain(mean_cells(platform, workloads, quantity));
    if workloads.len() == figures::calls(platform).len() {
        table.summary(row);
    } else {
        table.row(row);
    }
}

fn memory(table: &mut Table, platform: &Platform) {
    let large = figures::large(platform);
    if !large.is_empty() {
        let label = "peak linear memory, mean";
        means(table, platform, label, &large, Quantity::Memory);
        let label = ["peak linear memory, worst".into()];
        table.row(label.into_iter().chain(worst_cells(platform, &large)));
    }
    let small = platform
        .workloads
        .iter()
        .find(|workload| workload.name == SMALL_GUEST);
    let pages = |workload, name: &String| figure(workload, Quantity::Memory, name);
    if let Some(small) = small
        && platform
            .allocators
            .iter()
            .any(|name| pages(small, name).is_some())
    {
        let cells = platform.allocators.iter().map(|name| {
            measured_cell(small, name, || {
                pages(small, name).map(|pages| thousands(pages as u64 * KIB_PER_PAGE))
            })
        });
        let label = ["memory of a small guest, KiB".into()];
        table.row(label.into_iter().chain(cells));
    }
}

/// Density at the most instances, and the modules' sizes.
fn singles(table: &mut Table, platform: &Platform) {
    let most = platform.densities.iter().map(|point| point.instances).max();
    if let Some(most) = most {
        let find = |name: &str| dense(platform, most, name);
        let resident = relative_cells(platform, find, |figures| figures.kib);
        let label = ["an instance: resident memory".into()];
        table.row(label.into_iter().chain(resident));
        let time = relative_cells(platform, find, |figures| figures.microseconds);
        let label = ["an instance: start and first job".into()];
        table.row(label.into_iter().chain(time));
    }
    for module in Module::ALL {
        let find = |name: &str| size(platform, module, name);
        if !platform.allocators.iter().any(|name| find(name).is_some()) {
            continue;
        }
        let cells = match module {
            Module::Programs => {
                let outcome = |name: &str| find(name).map(|size| &size.outcome);
                relative_cells(platform, outcome, |bytes| *bytes as f64)
            }
            _ => {
                let names = platform.allocators.iter();
                names.map(|name| added_cell(find(name))).collect()
            }
        };
        let label = match module {
            Module::Programs => module.describe().into(),
            _ => added_label(module),
        };
        table.row([label].into_iter().chain(cells));
        if module == Module::Words {
            table.remark(ABOUT_ADDED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn every_group_has_a_row_and_every_row_all_columns() {
        let results = fixture::results();
        for platform in &results.platforms {
            let table = table(platform);
            for group in figures::groups(platform) {
                let label = describe(group);
                assert!(table.rows.iter().any(|row| row.cells[0].starts_with(label)));
            }
            assert!(
                table
                    .rows
                    .iter()
                    .all(|row| row.cells.len() == table.header.len())
            );
        }
    }

    #[test]
    fn a_readme_has_those_that_people_choose_between() {
        for platform in &fixture::results().platforms {
            let header = choice(platform).header;
            let others = &header[1..];
            assert!(others.iter().all(|name| CHOICE.contains(&name.as_str())));
            assert_eq!(others[0], PAGESLAB);
            assert!(platform.allocators.len() > others.len() && others.len() >= 4);
        }
    }

    #[test]
    fn dlmalloc_is_one_in_every_row_without_a_unit() {
        for platform in &fixture::results().platforms {
            let table = table(platform);
            let own = table.header.iter().position(|name| name == DLMALLOC);
            let own = own.unwrap();
            for row in &table.rows {
                let has_unit = row.cells[0].contains("KiB") || row.cells[0].contains("bytes");
                assert!(has_unit || row.cells[own] == "1.00", "{}", row.cells[0]);
            }
        }
    }

    #[test]
    fn only_wasm_has_memory_and_sizes() {
        let results = fixture::results();
        let has = |platform: &Platform, label: &str| {
            table(platform)
                .rows
                .iter()
                .any(|row| row.cells[0].starts_with(label))
        };
        for label in [
            "peak linear memory, mean",
            "peak linear memory, worst",
            "memory of a small guest",
            "an instance",
            "smallest module",
            "module of the programs",
            "word counter, bytes added",
            "word counter (z), bytes added",
        ] {
            assert!(has(&results.platforms[0], label), "{label}");
            assert!(!has(&results.platforms[1], label), "{label}");
        }
    }
}
