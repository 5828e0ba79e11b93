//! The work of one stage of the tests: its commands, what they counted, and what failed. A command that fails does not end
//! the stage, and an executable that fails does not end its command, so that one run tells all.

use crate::flaky::Repetition;
use crate::log::{Log, Output};
use crate::outcome::{self, Counts, Failure};
use crate::setup;
use crate::stages::Stage;
use crate::step;
use anyhow::{Context as _, Result, ensure};
use std::process::Command;
use std::sync::Mutex;

pub struct Work<'a> {
    log: &'a mut Log,
    /// How tests are repeated, where that is what they are run for.
    repetition: Option<&'a Repetition>,
    pub counts: Counts,
    pub failures: Vec<Failure>,
    /// What is shown behind the stage's line.
    pub told: Vec<String>,
}

impl<'a> Work<'a> {
    pub fn new(log: &'a mut Log) -> Self {
        Self {
            log,
            repetition: None,
            counts: Counts::default(),
            failures: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Runs the tests again and again.
    pub fn repeated(log: &'a mut Log, repetition: &'a Repetition) -> Self {
        Self {
            repetition: Some(repetition),
            ..Self::new(log)
        }
    }

    /// Does all of a stage.
    pub fn go_through(&mut self, stage: &Stage) {
        if let Err(error) = (stage.work)(self) {
            let again = format!("cargo xtask test {}", stage.name);
            self.fail(stage.name, again, format!("{error:#}"));
        }
    }

    /// Runs `cargo test` with these arguments.
    pub fn test(&mut self, arguments: &[&str]) -> Result<()> {
        self.tests(step::cargo(&["test"]).args(arguments))
    }

    /// Runs a `cargo test` command.
    pub fn tests(&mut self, command: &mut Command) -> Result<()> {
        command.arg("--no-fail-fast");
        match self.repetition {
            Some(repetition) => repetition.run(self, command),
            None => self.run(command),
        }
    }

    /// Runs a command, which counts if it tests.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        let output = self.output(command)?;
        self.judge(command, &output);
        Ok(())
    }

    /// Takes the counts, and the failures, of a command that has ended.
    pub fn judge(&mut self, command: &Command, output: &Output) {
        let counts = outcome::counts(&output.text);
        self.counts += counts;
        if !output.is_success || outcome::is_cut_short(&output.text) {
            let failures = outcome::failures(command, &output.text);
            // What ended its executable is in no count.
            let named = failures.iter().map(|failure| failure.tests.len().max(1));
            self.counts.failed += named.sum::<usize>().saturating_sub(counts.failed);
            self.failures.extend(failures);
        }
    }

    /// Runs a command whose output is for the caller.
    pub fn output(&mut self, command: &mut Command) -> Result<Output> {
        self.log.output(command)
    }

    /// Runs a command without which the rest of the stage is pointless.
    pub fn prepare(&mut self, command: &mut Command) -> Result<()> {
        let output = self.output(command)?;
        ensure!(
            output.is_success,
            "{}\n{} failed",
            outcome::end_of(&output.text),
            step::words(command)
        );
        Ok(())
    }

    /// Adds std for those of the targets that lack it.
    pub fn targets(&mut self, names: &[&str]) -> Result<()> {
        // rustup does one thing at a time.
        static RUSTUP: Mutex<()> = Mutex::new(());
        let _held = RUSTUP.lock();
        match setup::targets(names) {
            Some(mut add) => self.prepare(&mut add).context(setup::NO_TARGETS),
            None => Ok(()),
        }
    }

    /// Builds the runner for wasm32-wasip1 executables.
    pub fn runner(&mut self) -> Result<()> {
        self.prepare(&mut setup::runner())
    }

    /// Installs the crate that adds this command to cargo, if it is missing.
    pub fn install(&mut self, name: &str, version: &str, command: &str) -> Result<()> {
        match step::installation(name, version, command) {
            Some(mut install) => self.prepare(&mut install),
            None => Ok(()),
        }
    }

    pub fn note(&mut self, line: &str) -> Result<()> {
        self.log.write(line)
    }

    /// The same of what nobody should have to look for.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        self.told.push(line.into());
        self.note(line)
    }

    /// Notes a failure of something that is no test of an executable.
    pub fn fail(&mut self, what: &str, again: String, output: String) {
        self.counts.failed += 1;
        self.failures.push(Failure {
            tests: vec![what.into()],
            again,
            output,
        });
    }
}
