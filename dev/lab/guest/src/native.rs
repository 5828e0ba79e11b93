//! The workloads as a native program whose global allocator a feature chooses. The host keeps one process of it
//! per allocator, lets them take turns, and reads what each measured itself.
//!
//! It answers lines: `programs` with the names of the whole programs that it has, `run N REPEATS` and
//! `program N REPEATS` with nanoseconds. It ends with its input. A line that it does not understand ends it as
//! well, as does an allocator that fails.

use lab_allocators::Global;
use lab_workloads::Workload;
use lab_workloads::steps::Place;
use std::io::{BufRead, Write};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let workloads = lab_workloads::all();
    let places = workloads.iter().map(Workload::slots).max();
    let mut table = vec![Place::EMPTY; places.unwrap_or(0)];
    let mut programs = programs::Programs::new();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        match words(&line) {
            ("programs", ..) => writeln!(output, "{}", programs.names())?,
            ("run", number, repeats) => {
                let workload = &workloads[number];
                let table = &mut table[..workload.slots()];
                let start = Instant::now();
                for _ in 0..repeats {
                    workload.run(&Global, table);
                }
                writeln!(output, "{}", start.elapsed().as_nanos())?;
            }
            ("program", number, repeats) => {
                programs.prepare(number);
                let start = Instant::now();
                for _ in 0..repeats {
                    programs.run(number);
                }
                writeln!(output, "{}", start.elapsed().as_nanos())?;
            }
            _ => return Err(std::io::Error::other(format!("not understood: {line}"))),
        }
        output.flush()?;
        line.clear();
    }
    Ok(())
}

/// A line's word and its numbers; 0 if there are none.
fn words(line: &str) -> (&str, usize, usize) {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (word, number(), number())
}

#[cfg(feature = "programs")]
mod programs {
    use lab_programs::PROGRAMS;
    use std::hint::black_box;

    /// The whole programs, and the input of the one that is running.
    pub struct Programs {
        prepared: Option<(usize, String)>,
    }

    impl Programs {
        pub fn new() -> Self {
            Self { prepared: None }
        }

        pub fn names(&self) -> String {
            PROGRAMS.map(|program| program.name).join(" ")
        }

        pub fn prepare(&mut self, number: usize) {
            if self.prepared.as_ref().is_none_or(|(of, _)| *of != number) {
                self.prepared = Some((number, (PROGRAMS[number].input)()));
            }
        }

        pub fn run(&self, number: usize) {
            if let Some((_, input)) = &self.prepared {
                black_box((PROGRAMS[number].run)(black_box(input)));
            }
        }
    }
}

#[cfg(not(feature = "programs"))]
mod programs {
    /// A build without the whole programs.
    pub struct Programs;

    impl Programs {
        pub fn new() -> Self {
            Self
        }

        pub fn names(&self) -> &'static str {
            ""
        }

        pub fn prepare(&mut self, _: usize) {}

        pub fn run(&self, _: usize) {}
    }
}
