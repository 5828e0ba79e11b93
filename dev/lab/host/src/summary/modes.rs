//! What pageslab's modes cost: ratios to pageslab without them. They are no peers of the other allocators, and are in
//! no other table.

use super::figures::{self, Quantity, describe, figure, mean, worst};
use super::table::Table;
use super::tables::cells::{NOTHING, added_label, mean_text, outcome_cell, ratio_text, signed};
use super::tables::{ABOUT_ADDED, size};
use crate::results::{Module, PAGESLAB, Platform, Size, Workload};

/// Below this many pages of pageslab's, a ratio of memory says more about rounding than about a mode.
const LEAST_PAGES: f64 = 16.0;

/// A column per mode; no rows if no mode was measured.
#[must_use]
pub fn table(platform: &Platform) -> Table {
    let mut table = Table {
        title: "What the modes cost, to pageslab without them".into(),
        note: "Geometric means; in brackets, of how many workloads.".into(),
        header: [String::new()]
            .into_iter()
            .chain(platform.modes.iter().cloned())
            .collect(),
        rows: Vec::new(),
    };
    if platform.modes.is_empty() {
        return table;
    }
    for group in figures::groups(platform) {
        let label = format!("time, {}", describe(group));
        means(
            &mut table,
            platform,
            &label,
            &figures::group(platform, group),
            Quantity::Time,
        );
    }
    let calls = figures::calls(platform);
    means(
        &mut table,
        platform,
        "time, all but programs",
        &calls,
        Quantity::Time,
    );
    let label = "executed instructions (and bytes filled or copied), all but programs";
    means(&mut table, platform, label, &calls, Quantity::Instructions);
    let mut large: Vec<&Workload> = platform.workloads.iter().collect();
    large.retain(|workload| {
        figure(workload, Quantity::Memory, PAGESLAB).is_some_and(|pages| pages >= LEAST_PAGES)
    });
    means(
        &mut table,
        platform,
        "peak linear memory, mean",
        &large,
        Quantity::Memory,
    );
    if !large.is_empty() {
        let cells = platform.modes.iter().map(|mode| {
            worst(&large, Quantity::Memory, mode, PAGESLAB)
                .map_or(NOTHING.into(), |(_, ratio)| ratio_text(ratio))
        });
        table.row(
            ["peak linear memory, worst".into()]
                .into_iter()
                .chain(cells),
        );
    }
    sizes(&mut table, platform);
    table.explained()
}

/// A row of means, unless pageslab has none.
fn means(
    table: &mut Table,
    platform: &Platform,
    label: &str,
    workloads: &[&Workload],
    quantity: Quantity,
) {
    let is_known = |workload: &&Workload| figure(workload, quantity, PAGESLAB).is_some();
    if !workloads.iter().any(is_known) {
        return;
    }
    let cells = platform
        .modes
        .iter()
        .map(|mode| mean(workloads, quantity, mode, PAGESLAB).map_or(NOTHING.into(), mean_text));
    let label = [format!("{label} ({})", workloads.len())];
    table.row(label.into_iter().chain(cells));
}

fn sizes(table: &mut Table, platform: &Platform) {
    for module in Module::ALL {
        let added = |name: &str| size(platform, module, name).map(Size::added);
        let Some(Ok(plain)) = added(PAGESLAB) else {
            continue;
        };
        let cells = platform.modes.iter().map(|mode| {
            outcome_cell(added(mode).as_ref(), |bytes| {
                let ratio = *bytes as f64 / plain as f64;
                format!("{} ({})", signed(*bytes), ratio_text(ratio))
            })
        });
        let label = format!("{} (ratio)", added_label(module));
        table.row([label].into_iter().chain(cells));
        if module == Module::Words {
            table.remark(ABOUT_ADDED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Cell, Results};
    use crate::summary::{compact, fixture, tables};

    const MODE: &str = "pageslab-careful";

    /// The fixture with a mode that takes twice the time and memory of pageslab, and three times the code.
    fn results() -> Results {
        let mut results = fixture::results();
        let wasm = &mut results.platforms[0];
        wasm.modes.push(MODE.into());
        for workload in &mut wasm.workloads {
            let mut cell = workload.cells[PAGESLAB].clone();
            if let Cell::Measured {
                nanoseconds, pages, ..
            } = &mut cell
            {
                *nanoseconds *= 2.0;
                *pages = pages.map(|pages| pages * 2);
            }
            workload.cells.insert(MODE.into(), cell);
        }
        for module in Module::ALL {
            let plain = size(wasm, module, PAGESLAB).unwrap().clone();
            let added = plain.added().unwrap() as u64;
            wasm.sizes.push(Size {
                allocator: MODE.into(),
                outcome: Ok(plain.default + added * 3),
                ..plain
            });
        }
        results
    }

    #[test]
    fn ratios_are_to_pageslab() {
        let results = results();
        let table = table(&results.platforms[0]);
        let cell = |label: &str| -> Vec<&str> {
            let rows = table
                .rows
                .iter()
                .filter(|row| row.cells[0].starts_with(label));
            rows.map(|row| row.cells[1].as_str()).collect()
        };
        assert!(cell("time").len() > 5 && cell("time").iter().all(|cell| *cell == "2.00"));
        assert_eq!(cell("executed"), ["1.00"]);
        assert_eq!(cell("peak"), ["2.00", "2.00"]);
        for module in Module::ALL {
            let label = added_label(module);
            assert!(cell(&label)[0].ends_with("(3.00)"), "{label}");
        }
    }

    #[test]
    fn a_mode_is_in_no_other_table() {
        let results = results();
        let wasm = &results.platforms[0];
        let mut all = tables::all(wasm);
        all.push(compact::table(wasm));
        let with = all
            .iter()
            .filter(|table| table.header.iter().any(|name| name == MODE));
        assert_eq!(with.count(), 1);
    }

    #[test]
    fn without_modes_there_is_no_row() {
        assert!(table(&fixture::results().platforms[0]).rows.is_empty());
    }
}
