//! Whole programs that real guests resemble: the lab runs them, and records their allocations as traces.
//!
//! Each is deterministic to the last free. What stands in the way is std's `HashMap`, whose order is another one in
//! each run: a program keeps away from those parts of its crates that free in such an order.

mod atlas;
mod columns;
mod decompile;
mod derive;
mod index;
mod json;
mod markdown;
mod random;
mod regex;
mod script;
mod shaders;
mod sql;
mod template;

/// A program: its input, which is made before the recording, and what it does with it.
pub struct Program {
    /// Names the trace.
    pub name: &'static str,
    /// What it does, and with which crates.
    pub about: &'static str,
    pub input: fn() -> String,
    /// Returns some figure of what it did, so that none of it can be left out.
    pub run: fn(&str) -> usize,
}

pub const PROGRAMS: [Program; 12] = [
    atlas::PROGRAM,
    columns::PROGRAM,
    decompile::PROGRAM,
    derive::PROGRAM,
    index::PROGRAM,
    json::PROGRAM,
    markdown::PROGRAM,
    regex::PROGRAM,
    script::PROGRAM,
    shaders::PROGRAM,
    sql::PROGRAM,
    template::PROGRAM,
];

#[cfg(test)]
mod tests {
    use super::PROGRAMS;

    #[test]
    fn programs_do_the_same_each_time() {
        for program in &PROGRAMS {
            let input = (program.input)();
            let result = (program.run)(&input);
            assert!(result > 0, "{}", program.name);
            assert_eq!(
                (program.run)(&(program.input)()),
                result,
                "{}",
                program.name
            );
        }
    }
}
