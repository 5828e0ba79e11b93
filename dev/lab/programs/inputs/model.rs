//! The messages of a harbour's traffic service; `derive` reads this file and writes their implementations.

use std::collections::BTreeMap;

/// Where something is, in degrees.
pub struct Position {
    pub latitude: f64,
    pub longitude: f64,
}

/// A ship as the register knows it.
pub struct Ship {
    /// Its number in the register, which never changes.
    pub number: u64,
    pub name: String,
    pub flag: Option<String>,
    pub length_m: f32,
    pub draught_m: f32,
    pub kind: ShipKind,
    pub former_names: Vec<String>,
}

pub enum ShipKind {
    Cargo { holds: u16, gross_tonnes: u32 },
    Tanker { product: Product, tanks: Vec<f64> },
    Passenger { cabins: u16, lifeboats: u16 },
    Ferry(Timetable),
    Fishing,
    Tug { bollard_pull_t: f32 },
    Other(String),
}

pub enum Product {
    CrudeOil,
    Gas { pressure_bar: f32, temperature_c: f32 },
    Water,
    Chemical(String, u8),
}

pub struct Timetable {
    pub routes: BTreeMap<String, Vec<Departure>>,
    pub valid_from: u64,
    pub valid_until: Option<u64>,
}

pub struct Departure {
    pub minute: u16,
    pub quay: u8,
    pub weekdays: [bool; 7],
}

/// What a ship's transponder sends.
pub struct Report {
    pub ship: u64,
    pub at: Position,
    pub speed_kn: f32,
    pub course_deg: f32,
    pub heading_deg: Option<f32>,
    pub state: State,
    pub sent: u64,
}

pub enum State {
    UnderWay { engine: bool, sails: bool },
    AtAnchor(Position),
    Moored { quay: u8, since: u64 },
    Aground,
    NotUnderCommand(String),
    Unknown,
}
