//! A table of text, and how it is drawn: for a terminal, where it has to fit, and as Markdown.

use super::tables::cells::{FAILED, INCOMPLETE, NOTHING};
use crate::results::Platform;
use comfy_table::{CellAlignment, LineStyle, TableStyle, presets};

/// No lines but the one below the header: room for figures.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

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
    pub fn per_allocator(platform: &Platform, title: &str, note: &str, first: &[&str]) -> Self {
        let first = first.iter().map(ToString::to_string);
        Self {
            title: title.into(),
            note: note.into(),
            header: first.chain(platform.allocators.iter().cloned()).collect(),
            rows: Vec::new(),
        }
    }

    /// A table that has no allocators as columns.
    pub fn listing<const N: usize>(
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
    pub fn explained(mut self) -> Self {
        let mut cells = self.rows.iter().flat_map(|row| &row.cells);
        if cells.any(|cell| cell.ends_with(INCOMPLETE)) {
            self.remark(&format!("{INCOMPLETE}: without workloads that failed."));
        }
        self
    }

    pub fn remark(&mut self, remark: &str) {
        let space = if self.note.is_empty() { "" } else { " " };
        self.note = format!("{}{space}{remark}", self.note);
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.push(cells, false);
    }

    pub fn summary(&mut self, cells: impl IntoIterator<Item = String>) {
        self.push(cells, true);
    }

    fn push(&mut self, cells: impl IntoIterator<Item = String>, is_summary: bool) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(Row { cells, is_summary });
    }

    /// Leaves only the first columns, as many as fit a terminal of this width. Returns the names of the others.
    pub fn fit(&mut self, width: usize) -> Vec<String> {
        let mut taken = 0;
        let fitting = (0..self.header.len()).take_while(|column| {
            taken += self.width(*column);
            taken <= width
        });
        let count = fitting.count();
        for row in &mut self.rows {
            row.cells.truncate(count);
        }
        self.header.split_off(count)
    }

    /// Of a column, with the space at both sides.
    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| &row.cells[column]);
        let widths = cells.chain([&self.header[column]]);
        2 + widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    /// Whether a column holds figures: those stand at the right.
    #[must_use]
    pub fn is_numeric(&self, column: usize) -> bool {
        let is_word = |cell: &str| cell.is_empty() || cell == NOTHING || cell == FAILED;
        let is_figure = |cell: &str| {
            let digits = cell.trim_start_matches('−');
            digits.starts_with(|first: char| first.is_ascii_digit())
                && !cell.contains(char::is_alphabetic)
        };
        let mut cells = self.rows.iter().map(|row| row.cells[column].as_str());
        column > 0
            && cells.clone().any(|cell| !cell.is_empty())
            && cells.all(|cell| is_word(cell) || is_figure(cell))
    }

    fn drawn(&self, change: impl Fn(&str) -> String) -> comfy_table::Table {
        let mut drawn = comfy_table::Table::new();
        drawn.set_header(self.header.iter().map(|cell| change(cell)));
        for row in &self.rows {
            drawn.add_row(row.cells.iter().map(|cell| change(cell)));
        }
        drawn
    }

    /// For a terminal, without the note.
    #[must_use]
    pub fn in_terminal(&self) -> String {
        let mut drawn = self.drawn(str::to_string);
        drawn.load_style(STYLE);
        for (column, settings) in drawn.column_iter_mut().enumerate() {
            if self.is_numeric(column) {
                settings.set_cell_alignment(CellAlignment::Right);
            }
        }
        let drawn = drawn.to_string();
        let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
        format!("{}\n", lines.join("\n"))
    }

    /// As Markdown with its note: comfy-table's, with the marks of alignment that it lacks.
    #[must_use]
    pub fn in_markdown(&self) -> String {
        let mut drawn = self.drawn(escape);
        drawn.load_style(presets::ASCII_MARKDOWN);
        let drawn = drawn.to_string();
        let lines = drawn.lines().enumerate().map(|(number, line)| {
            if number == 1 {
                self.alignments(line)
            } else {
                line.trim_end().to_string()
            }
        });
        let note = if self.note.is_empty() {
            String::new()
        } else {
            format!("\n{}\n", escape(&self.note))
        };
        format!("{}\n{note}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// `|---|---|` with a colon at the end of each column of figures.
    fn alignments(&self, line: &str) -> String {
        let columns = line.trim().trim_matches('|').split('|').enumerate();
        let columns = columns.map(|(column, dashes)| match dashes.strip_suffix('-') {
            Some(rest) if self.is_numeric(column) => format!("{rest}:"),
            _ => dashes.to_string(),
        });
        format!("|{}|", columns.collect::<Vec<_>>().join("|"))
    }
}

/// What would end a cell or begin a tag, for Markdown.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use crate::summary::{compact, failures, fixture, goals, tables};

    #[test]
    fn a_markdown_table_has_equally_many_bars_in_each_line() {
        let results = fixture::results();
        for table in [
            compact::table(&results.platforms[0]),
            tables::failures(&failures::failures(&results)),
            tables::goals(&goals::goals(&results)),
        ] {
            let text = table.in_markdown();
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
        assert!((0..4).all(|column| !goals.is_numeric(column)));
        let table = compact::table(&fixture::results().platforms[0]);
        let text = table.in_markdown();
        let marks = text.lines().nth(1).unwrap();
        assert_eq!(
            marks.matches("-:|").count(),
            table.header.len() - 1,
            "{marks}"
        );
    }

    #[test]
    fn whatever_does_not_fit_is_left_out_and_named() {
        let platform = &fixture::results().platforms[0];
        let whole = compact::table(platform);
        for width in [40, 60, 80, 100, 1000] {
            let mut table = compact::table(platform);
            let others = table.fit(width);
            assert_eq!([&table.header[..], &others].concat(), whole.header);
            let text = table.in_terminal();
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
            // Nothing is wrapped or shortened.
            assert_eq!(text.lines().count(), table.rows.len() + 2, "{text}");
        }
    }
}
