//! What is in a cell, as text: a figure with as many digits as mean something, a ratio to dlmalloc, or a word for why
//! there is none.

use crate::results::{Cell, DLMALLOC, Module, Platform, Size, Workload};
use crate::summary::figures::{Mean, Quantity, mean, ratio, worst};

/// Where an allocator failed.
pub const FAILED: &str = "failed";
/// Where it was not measured.
pub const NOTHING: &str = "–";
/// After a mean that lacks some workloads.
pub const INCOMPLETE: char = '*';
pub const KIB_PER_PAGE: u64 = 64;

/// An allocator's measurement of something, or its failure.
pub type Outcome<'a, T> = Option<&'a Result<T, String>>;

/// Of each allocator.
pub fn mean_cells(platform: &Platform, workloads: &[&Workload], quantity: Quantity) -> Vec<String> {
    let cell =
        |name: &String| mean(workloads, quantity, name, DLMALLOC).map_or(NOTHING.into(), mean_text);
    platform.allocators.iter().map(cell).collect()
}

/// Of each allocator, the most memory to dlmalloc's.
pub fn worst_cells(platform: &Platform, workloads: &[&Workload]) -> Vec<String> {
    let cell = |name: &String| {
        worst(workloads, Quantity::Memory, name, DLMALLOC)
            .map_or(NOTHING.into(), |(_, ratio)| ratio_text(ratio))
    };
    platform.allocators.iter().map(cell).collect()
}

pub fn mean_text(mean: Mean) -> String {
    let mark = (mean.absent > 0).then_some(INCOMPLETE);
    let mark = mark.map_or(String::new(), String::from);
    format!("{}{mark}", ratio_text(mean.value))
}

pub fn ratio_cell(workload: &Workload, quantity: Quantity, allocator: &str) -> String {
    measured_cell(workload, allocator, || {
        ratio(workload, quantity, allocator, DLMALLOC).map(ratio_text)
    })
}

pub fn measured_cell(
    workload: &Workload,
    allocator: &str,
    show: impl Fn() -> Option<String>,
) -> String {
    match workload.cells.get(allocator) {
        Some(Cell::Failed(_)) => FAILED.into(),
        _ => show().unwrap_or(NOTHING.into()),
    }
}

pub fn outcome_cell<T>(outcome: Outcome<T>, show: impl Fn(&T) -> String) -> String {
    match outcome {
        None => NOTHING.into(),
        Some(Err(_)) => FAILED.into(),
        Some(Ok(figures)) => show(figures),
    }
}

/// A figure of each allocator; in brackets, if dlmalloc has it too, to dlmalloc's.
pub fn compared_cells<'a, T: 'a>(
    platform: &Platform,
    find: impl Fn(&str) -> Outcome<'a, T>,
    of: impl Fn(&T) -> f64,
    show: impl Fn(f64) -> String,
) -> Vec<String> {
    let base = base(&find, &of);
    let cell = |name: &String| {
        outcome_cell(find(name), |figures| {
            let figure = of(figures);
            let shown = show(figure);
            base.map_or(shown.clone(), |base| {
                format!("{shown} ({})", ratio_text(figure / base))
            })
        })
    };
    platform.allocators.iter().map(cell).collect()
}

/// The same without the figure.
pub fn relative_cells<'a, T: 'a>(
    platform: &Platform,
    find: impl Fn(&str) -> Outcome<'a, T>,
    of: impl Fn(&T) -> f64,
) -> Vec<String> {
    let base = base(&find, &of);
    let cell = |name: &String| {
        outcome_cell(find(name), |figures| {
            base.map_or(NOTHING.into(), |base| ratio_text(of(figures) / base))
        })
    };
    platform.allocators.iter().map(cell).collect()
}

fn base<'a, T: 'a>(find: impl Fn(&str) -> Outcome<'a, T>, of: impl Fn(&T) -> f64) -> Option<f64> {
    let base = of(find(DLMALLOC)?.as_ref().ok()?);
    (base > 0.0).then_some(base)
}

/// What a module takes more than with std's default allocator, or all of it if it is not compared with that.
pub fn added_cell(size: Option<&Size>) -> String {
    outcome_cell(size.map(Size::added).as_ref(), |bytes| signed(*bytes))
}

#[must_use]
pub fn added_label(module: Module) -> String {
    let added = if module.is_compared_with_default() {
        " added"
    } else {
        ""
    };
    format!("{}, bytes{added}", module.describe())
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
pub fn nanoseconds(value: f64) -> String {
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

#[must_use]
pub fn signed(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}", thousands(value.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(signed(-1_234), "−1,234");
        assert_eq!(ratio_text(1.234), "1.23");
        assert_eq!(ratio_text(0.0061), "0.006");
        assert_eq!(nanoseconds(1.234), "1.23");
        assert_eq!(nanoseconds(12_345.6), "12,346");
    }

    #[test]
    fn dlmalloc_is_one_to_itself_and_without_it_there_is_no_ratio() {
        let wasm = &fixture::results().platforms[0];
        let (ok, bad) = (Ok(2.0), Err(String::new()));
        let find = |name: &str| match name {
            DLMALLOC => Some(&ok),
            fixture::FAILING => Some(&bad),
            _ => None,
        };
        let at = |cells: &[String], name: &str| {
            let place = wasm.allocators.iter().position(|own| own == name);
            cells[place.unwrap()].clone()
        };
        let cells = compared_cells(wasm, find, |figure| *figure, |figure| figure.to_string());
        assert_eq!(at(&cells, DLMALLOC), "2 (1.00)");
        assert_eq!(at(&cells, fixture::FAILING), FAILED);
        assert_eq!(at(&cells, "talc"), NOTHING);
        let none = |name: &str| find(name).filter(|_| name != DLMALLOC);
        let cells = relative_cells(wasm, none, |figure| *figure);
        assert!(cells.iter().all(|cell| cell == NOTHING || cell == FAILED));
    }
}
