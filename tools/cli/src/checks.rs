//! What is asked of a run, and the exit code that tells the answer.

use crate::run::{End, Run};
use crate::text;
use pageslab_snapshot::Group;
use serde::Serialize;

/// The exit codes. `docker run` and `env` have 125 for the same, and a shell 134 for what aborts.
pub const MISUSE: u8 = 120;
pub const LEAK: u8 = 121;
pub const GROWTH: u8 = 122;
pub const NO_HEAP: u8 = 123;
pub const STOPPED: u8 = 124;
pub const FAILED: u8 = 125;
pub const TRAPPED: u8 = 134;

/// Runs of fewer epochs are too short to tell whether memory still grows: a tenth of a second.
const MIN_EPOCHS: u64 = 10;

/// What makes a run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Check {
    /// The guest trapped, and pageslab said why
    Misuse,
    /// Blocks are live when the guest ends
    Leak,
    /// Memory still grew in the second half of the run
    Growth,
}

/// What was found in a run.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// The guest's exit code, if it has one.
    pub exit: Option<i32>,
    /// Why it trapped, if it did.
    pub trap: Option<String>,
    /// What pageslab said before the trap: empty unless there was one.
    pub misuse: Vec<String>,
    /// What is live at the end of a guest that came to its end, most bytes first.
    pub leaks: Vec<Group>,
    /// Why the heap cannot be read at the end, if so.
    pub unreadable: Option<String>,
    pub growth: Growth,
}

/// Whether memory still grew in the second half of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    No,
    Yes,
    TooShort,
}

impl Growth {
    fn of(last: u64, epochs: u64) -> Self {
        match last {
            _ if epochs < MIN_EPOCHS => Self::TooShort,
            _ if 2 * last > epochs => Self::Yes,
            _ => Self::No,
        }
    }
}

impl Findings {
    /// What a run and its lines about misuse tell.
    pub fn new(run: &Run, lines: Vec<String>) -> Self {
        let (exit, trap) = match &run.end {
            End::Exit(code) => (Some(*code), None),
            End::Trap(trap) => (None, Some(trap.clone())),
            End::Stopped => (None, None),
        };
        Self {
            exit,
            misuse: if trap.is_some() { lines } else { Vec::new() },
            trap,
            leaks: match &run.snapshot {
                Ok(snapshot) if exit.is_some() => snapshot.holders(),
                _ => Vec::new(),
            },
            unreadable: run.snapshot.as_ref().err().map(ToString::to_string),
            growth: Growth::of(run.last_growth, run.epochs),
        }
    }

    /// Bytes that are live at the end.
    pub fn leaked(&self) -> u64 {
        self.leaks.iter().map(|group| group.bytes).sum()
    }

    /// Why a check fails, if it does. Up to `allowed` bytes may stay live.
    pub fn failure(&self, check: Check, allowed: u64) -> Option<String> {
        match check {
            Check::Misuse => self.misuse.first().cloned(),
            Check::Leak if self.unreadable.is_some() => self
                .unreadable
                .as_ref()
                .map(|why| format!("the heap cannot be read: {why}")),
            Check::Leak => (self.leaked() > allowed).then(|| {
                let blocks: u64 = self.leaks.iter().map(|group| group.blocks).sum();
                format!(
                    "{} are live at the end in {blocks} blocks",
                    text::bytes(self.leaked())
                )
            }),
            Check::Growth => (self.growth == Growth::Yes)
                .then(|| "memory still grew in the second half of the run".to_owned()),
        }
    }

    /// The exit code. What ended the guest comes first.
    pub fn code(&self, checks: &[Check], allowed: u64) -> u8 {
        let fails = |check| checks.contains(&check) && self.failure(check, allowed).is_some();
        match self.exit {
            None if fails(Check::Misuse) => MISUSE,
            None if self.trap.is_some() => TRAPPED,
            None => STOPPED,
            Some(0) if fails(Check::Leak) => LEAK,
            Some(0) if fails(Check::Growth) => GROWTH,
            Some(code) => u8::try_from(code).unwrap_or(u8::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;

    #[test]
    fn memory_grows_if_it_did_in_the_second_half() {
        assert_eq!(Growth::of(0, 0), Growth::TooShort);
        assert_eq!(Growth::of(9, 9), Growth::TooShort);
        assert_eq!(Growth::of(5, 10), Growth::No);
        assert_eq!(Growth::of(6, 10), Growth::Yes);
        assert_eq!(Growth::of(0, 1000), Growth::No);
        assert_eq!(Growth::of(1000, 1000), Growth::Yes);
    }
}
