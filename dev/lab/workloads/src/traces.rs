//! The recorded traces of `traces`, as scripts.

use crate::steps::Step;
use crate::trace::Trace;

macro_rules! traces {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../traces/", $name, ".trace")).as_slice())),*]
    };
}

/// A trace as a script: its name, the slots that its table needs, the most bytes that are live at once, its steps.
pub struct Script {
    pub name: &'static str,
    pub slots: usize,
    pub peak: u64,
    pub steps: Vec<Step>,
}

pub fn all() -> Vec<Script> {
    let files = traces!(
        "atlas",
        "columns",
        "decompile",
        "derive",
        "index",
        "json",
        "markdown",
        "regex",
        "script",
        "shaders",
        "sql",
        "template"
    );
    let decode = |(name, bytes)| {
        let trace = Trace::decode(bytes).unwrap_or_else(|error| panic!("{name}.trace: {error}"));
        Script {
            name,
            slots: trace.max_live as usize,
            peak: trace.peak_bytes,
            steps: trace.ops.into_iter().map(Step::from).collect(),
        }
    };
    files.into_iter().map(decode).collect()
}
