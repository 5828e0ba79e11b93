//! The summary of a run, to stdout: for a terminal all tables, for a README the compact ones, in Markdown. What is
//! missing comes last, where it is seen.

pub mod compact;
pub mod failures;
pub mod figures;
#[cfg(test)]
pub mod fixture;
pub mod goals;
pub mod modes;
pub mod soak;
pub mod tables;

use crate::results::Results;
use comfy_table::{CellAlignment, presets};
use std::fmt::Write;
use tables::Table;

/// Prints the summary.
pub fn print(results: &Results, markdown: bool) {
    print!("{}", render(results, markdown));
}

fn render(results: &Results, markdown: bool) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    let show = if markdown { in_markdown } else { in_terminal };
    let heading = |text: &str| {
        if markdown {
            format!("### {text}\n")
        } else {
            format!("== {text} ==\n")
        }
    };
    for platform in &results.platforms {
        line(&heading(&platform.name));
        if markdown {
            line(&show(&compact::table(platform)));
            let modes = modes::table(platform);
            if !modes.rows.is_empty() {
                line(&format!("{}:\n\n{}", modes.title, show(&modes)));
            }
        } else {
            for table in tables::all(platform) {
                line(&format!("{}\n{}", table.title, show(&table)));
            }
        }
    }
    line(&heading("Goals"));
    line(&show(&tables::goals(&goals::goals(results))));
    line(&provenance(results));
    for failure in failures::failures(results) {
        let failed = format!("{} ({})", failure.allocator, failure.platform);
        let what = failure.what.join("; ");
        line(&if markdown {
            format!(
                "**Failed: {}**: {}: {}\n",
                escape(&failed),
                escape(&what),
                escape(&failure.reason)
            )
        } else {
            format!("!!! FAILED: {failed}: {what}: {}\n", failure.reason)
        });
    }
    for (peer, reason) in &results.missing {
        line(&if markdown {
            format!(
                "**Missing: {}** could not be built here: {}\n",
                escape(peer),
                escape(reason)
            )
        } else {
            format!("!!! MISSING: {peer} could not be built here: {reason}")
        });
    }
    text
}

/// When, where and with what it was measured.
fn provenance(results: &Results) -> String {
    let versions: Vec<String> = results
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "Measured on {} on {}, medians of {} rounds, with {}, by `{}`.\n",
        results.date,
        results.machine,
        results.rounds,
        versions.join(", "),
        results.command
    )
}

fn comfy(table: &Table, change: impl Fn(&str) -> String) -> comfy_table::Table {
    let mut drawn = comfy_table::Table::new();
    drawn.set_header(table.header.iter().map(|cell| change(cell)));
    for row in &table.rows {
        drawn.add_row(row.cells.iter().map(|cell| change(cell)));
    }
    drawn
}

/// Whether a column holds figures: those stand at the right.
#[must_use]
pub fn is_numeric(table: &Table, column: usize) -> bool {
    let is_word = |cell: &str| cell.is_empty() || cell == tables::NOTHING || cell == tables::FAILED;
    let is_figure = |cell: &str| {
        cell.starts_with(|first: char| first.is_ascii_digit())
            && !cell.contains(char::is_alphabetic)
    };
    let mut cells = table.rows.iter().map(|row| row.cells[column].as_str());
    column > 0 && cells.clone().any(is_figure) && cells.all(|cell| is_word(cell) || is_figure(cell))
}

fn in_terminal(table: &Table) -> String {
    let mut drawn = comfy(table, str::to_string);
    drawn.load_style(presets::UTF8_FULL_CONDENSED);
    for (column, settings) in drawn.column_iter_mut().enumerate() {
        if is_numeric(table, column) {
            settings.set_cell_alignment(CellAlignment::Right);
        }
    }
    let note = if table.note.is_empty() {
        String::new()
    } else {
        format!("{}\n", table.note)
    };
    format!("{drawn}\n{note}")
}

/// comfy-table's Markdown, with the marks of alignment that it lacks.
fn in_markdown(table: &Table) -> String {
    let mut drawn = comfy(table, escape);
    drawn.load_style(presets::ASCII_MARKDOWN);
    let drawn = drawn.to_string();
    let lines = drawn.lines().enumerate().map(|(number, line)| {
        if number == 1 {
            alignments(table, line)
        } else {
            line.trim_end().to_string()
        }
    });
    let note = if table.note.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", table.note)
    };
    format!("{}\n{note}", lines.collect::<Vec<_>>().join("\n"))
}

/// `|---|---|` with a colon at the end of each column of figures.
fn alignments(table: &Table, line: &str) -> String {
    let columns = line.trim().trim_matches('|').split('|').enumerate();
    let columns = columns.map(|(column, dashes)| match dashes.strip_suffix('-') {
        Some(rest) if is_numeric(table, column) => format!("{rest}:"),
        _ => dashes.to_string(),
    });
    format!("|{}|", columns.collect::<Vec<_>>().join("|"))
}

/// What would end a cell or begin a tag.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_named_with_its_reason() {
        let results = fixture::results();
        for markdown in [false, true] {
            let text = render(&results, markdown);
            assert!(text.contains(fixture::MISSING));
            assert!(text.contains("no C compiler"));
            assert!(text.contains(fixture::FAILING));
            assert!(text.contains("patience"));
        }
    }

    #[test]
    fn both_forms_have_goals_and_allocators() {
        let results = fixture::results();
        for markdown in [false, true] {
            let text = render(&results, markdown);
            for platform in &results.platforms {
                assert!(text.contains(&platform.name));
                assert!(platform.allocators.iter().all(|name| text.contains(name)));
            }
            assert!(text.contains("≤ 1.15"));
        }
    }

    #[test]
    fn a_markdown_table_has_equally_many_bars_in_each_line() {
        let results = fixture::results();
        for table in [
            compact::table(&results.platforms[0]),
            tables::failures(&failures::failures(&results)),
            tables::goals(&goals::goals(&results)),
        ] {
            let text = in_markdown(&table);
            let bars = |line: &str| line.replace("\\|", "").matches('|').count();
            let lines: Vec<&str> = text
                .lines()
                .take_while(|line| line.starts_with('|'))
                .collect();
            assert!(lines.len() > 2);
            assert!(
                lines
                    .iter()
                    .all(|line| bars(line) == table.header.len() + 1),
                "{text}"
            );
        }
    }

    #[test]
    fn columns_of_figures_stand_at_the_right() {
        let goals = tables::goals(&goals::goals(&fixture::results()));
        assert!((0..4).all(|column| !is_numeric(&goals, column)));
        let table = compact::table(&fixture::results().platforms[0]);
        let text = in_markdown(&table);
        let marks = text.lines().nth(1).unwrap();
        assert_eq!(
            marks.matches("-:|").count(),
            table.header.len() - 1,
            "{marks}"
        );
    }

    #[test]
    fn nothing_measured_is_no_error() {
        let results = Results {
            platforms: vec![],
            ..fixture::results()
        };
        assert!(render(&results, false).contains("not measured"));
    }
}
