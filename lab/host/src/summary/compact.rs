//! The table of a platform for a README: means per group, and the figures that the goals are about.

use super::figures::{self, Quantity, describe, figure, yardstick};
use super::goals::SMALL_GUEST;
use super::tables::{
    KIB_PER_PAGE, Table, density, mean_cells, measured_cell, sizes, thousands, worst_cells,
};
use crate::results::{DLMALLOC, LIMIT, Platform, Workload};

#[must_use]
pub fn table(platform: &Platform) -> Table {
    let mut table = Table::per_allocator(
        platform,
        &platform.name,
        "Times and instructions are geometric means to limit, unless it says otherwise; in brackets, of how many \
         workloads.",
        &[""],
    );
    for group in figures::groups(platform) {
        let label = match yardstick(group) {
            LIMIT => describe(group).to_string(),
            other => format!("{}, to {other}", describe(group)),
        };
        let workloads = figures::group(platform, group);
        if let Some(row) = means(
            platform,
            &label,
            &workloads,
            Quantity::Time,
            yardstick(group),
        ) {
            table.row(row);
        }
    }
    let calls = figures::calls(platform);
    for (label, quantity) in [
        ("all but programs", Quantity::Time),
        (
            "executed instructions, all but programs",
            Quantity::Instructions,
        ),
    ] {
        if let Some(row) = means(platform, label, &calls, quantity, LIMIT) {
            table.summary(row);
        }
    }
    memory(&mut table, platform);
    singles(&mut table, platform);
    table.explained()
}

/// A row of means, unless the yardstick has none.
fn means(
    platform: &Platform,
    label: &str,
    workloads: &[&Workload],
    quantity: Quantity,
    yardstick: &str,
) -> Option<Vec<String>> {
    let is_known = |workload: &&Workload| figure(workload, quantity, yardstick).is_some();
    workloads.iter().any(is_known).then(|| {
        let mut row = vec![format!("{label} ({})", workloads.len())];
        row.extend(mean_cells(platform, workloads, quantity, yardstick));
        row
    })
}

fn memory(table: &mut Table, platform: &Platform) {
    let large = figures::large(platform);
    let label = "peak linear memory, mean to dlmalloc";
    if let Some(row) = means(platform, label, &large, Quantity::Memory, DLMALLOC) {
        table.summary(row);
        let label = ["peak linear memory, worst to dlmalloc".into()];
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
        table.row(
            ["linear memory of a small guest, KiB".into()]
                .into_iter()
                .chain(cells),
        );
    }
}

/// Density at the most instances, and the module's size.
fn singles(table: &mut Table, platform: &Platform) {
    let most = platform.densities.iter().map(|point| point.instances).max();
    let most = most.map(thousands);
    for row in density(platform).rows {
        let [instances, name, cells @ ..] = row.cells.as_slice() else {
            continue;
        };
        if Some(instances) == most.as_ref() {
            let label = [format!("{name}, each of {instances} instances")];
            table.row(label.into_iter().chain(cells.iter().cloned()));
        }
    }
    for row in sizes(platform).rows {
        let label = ["module of alloc, free and realloc, bytes".into()];
        table.row(label.into_iter().chain(row.cells.into_iter().skip(1)));
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
            "linear",
            "module",
        ] {
            assert!(has(&results.platforms[0], label), "{label}");
            assert!(!has(&results.platforms[1], label), "{label}");
        }
    }
}
