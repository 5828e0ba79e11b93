//! A column store: a CSV file becomes columns that all grow side by side, and is grouped, filtered and written again.

use std::{collections::BTreeMap, fmt::Write};

use csv::{Reader, StringRecord, Writer};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "columns",
    about: "reads a CSV file into columns that grow side by side, sorts, filters and groups them, and writes CSV (csv)",
    input,
    run,
};

/// Readings of weather stations.
fn input() -> String {
    let mut random = Random::new(5);
    let stations: Vec<String> = (0..24).map(|_| random.title()).collect();
    let mut text = String::from("station,day,hour,temperature,pressure,humidity,wind,sky,remark\n");
    for reading in 0..9000 {
        let _ = writeln!(
            text,
            "{},{},{},{:.1},{},{},{:.1},{},{}",
            stations[random.below(stations.len())],
            reading / 360,
            reading / 15 % 24,
            random.below(400) as f64 / 10.0 - 10.0,
            950 + random.below(100),
            random.below(101),
            random.below(300) as f64 / 10.0,
            random.pick(&["clear", "cloudy", "overcast", "rain", "snow"]),
            if random.one_in(4) {
                random.words(4)
            } else {
                String::new()
            }
        );
    }
    text
}

enum Column {
    Number(Vec<f64>),
    /// Texts by number, and the number in each row.
    Category {
        names: Vec<String>,
        numbers: BTreeMap<String, u32>,
        rows: Vec<u32>,
    },
    /// All texts one after the other, and where each ends.
    Text {
        all: String,
        ends: Vec<usize>,
    },
}

impl Column {
    fn new(name: &str) -> Self {
        match name {
            "station" | "sky" => Self::Category {
                names: Vec::new(),
                numbers: BTreeMap::new(),
                rows: Vec::new(),
            },
            "remark" => Self::Text {
                all: String::new(),
                ends: Vec::new(),
            },
            _ => Self::Number(Vec::new()),
        }
    }

    fn push(&mut self, field: &str) {
        match self {
            Self::Number(rows) => rows.push(field.parse().unwrap_or(f64::NAN)),
            Self::Category {
                names,
                numbers,
                rows,
            } => {
                let number = numbers.get(field).copied().unwrap_or_else(|| {
                    names.push(field.to_owned());
                    numbers.insert(field.to_owned(), names.len() as u32 - 1);
                    names.len() as u32 - 1
                });
                rows.push(number);
            }
            Self::Text { all, ends } => {
                all.push_str(field);
                ends.push(all.len());
            }
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Self::Number(rows) => rows[row].to_string(),
            Self::Category { names, rows, .. } => names[rows[row] as usize].clone(),
            Self::Text { all, ends } => {
                let start = row.checked_sub(1).map_or(0, |before| ends[before]);
                all[start..ends[row]].to_owned()
            }
        }
    }

    fn number(&self, row: usize) -> f64 {
        match self {
            Self::Number(rows) => rows[row],
            Self::Category { rows, .. } => f64::from(rows[row]),
            Self::Text { .. } => f64::NAN,
        }
    }
}

struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
    len: usize,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut reader = Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader
            .headers()
            .expect("a header")
            .iter()
            .map(str::to_owned)
            .collect();
        let mut columns: Vec<Column> = names.iter().map(|name| Column::new(name)).collect();
        let mut record = StringRecord::new();
        let mut len = 0;
        while reader.read_record(&mut record).expect("a record") {
            for (column, field) in columns.iter_mut().zip(&record) {
                column.push(field);
            }
            len += 1;
        }
        Self {
            names,
            columns,
            len,
        }
    }

    fn column(&self, name: &str) -> &Column {
        let at = self
            .names
            .iter()
            .position(|other| other == name)
            .expect("the column exists");
        &self.columns[at]
    }

    /// These rows as CSV.
    fn write(&self, rows: &[usize]) -> Vec<u8> {
        let mut writer = Writer::from_writer(Vec::new());
        writer
            .write_record(&self.names)
            .expect("a vector takes all bytes");
        for &row in rows {
            let fields = self.columns.iter().map(|column| column.text(row));
            writer
                .write_record(fields.collect::<Vec<_>>())
                .expect("a vector takes all bytes");
        }
        writer.into_inner().expect("a vector takes all bytes")
    }
}

fn run(text: &str) -> usize {
    let table = Table::read(text);
    let [station, sky, day] = ["station", "sky", "day"].map(|name| table.column(name));
    let [temperature, wind] = ["temperature", "wind"].map(|name| table.column(name));

    // Temperatures by station and day, for their medians.
    let mut groups: BTreeMap<(String, u32), Vec<f64>> = BTreeMap::new();
    for row in 0..table.len {
        let group = groups
            .entry((station.text(row), day.number(row) as u32))
            .or_default();
        group.push(temperature.number(row));
    }
    let mut summary = Writer::from_writer(Vec::new());
    for ((station, day), mut values) in groups {
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        let record = [
            station,
            day.to_string(),
            values.len().to_string(),
            format!("{median:.1}"),
        ];
        summary
            .write_record(&record)
            .expect("a vector takes all bytes");
    }
    let summary = summary.into_inner().expect("a vector takes all bytes");

    let mut stormy: Vec<usize> = (0..table.len)
        .filter(|&row| wind.number(row) > 22.0 && sky.text(row) != "clear")
        .collect();
    stormy.sort_by(|&a, &b| wind.number(b).total_cmp(&wind.number(a)));
    summary.len() + table.write(&stormy[..stormy.len().min(400)]).len()
}
