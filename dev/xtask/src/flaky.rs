//! `cargo xtask flaky`: runs the tests again and again, on all cores, on one, and on all under load, each time in another
//! random order (but for examples). A test that depends on luck fails in some of the runs.
//!
//! The order comes from a seed, the number of the run, so that a failure's command repeats it (without the load). libtest shuffles for nightly
//! compilers only, or where `RUSTC_BOOTSTRAP` is set: it is set for the executables alone, as a part of their runner, since
//! cargo would build other things with it.

use crate::log::Log;
use crate::outcome::Counts;
use crate::stages::{self, STAGES, Stage};
use crate::step;
use crate::tools;
use crate::work::Work;
use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// Repeat these stages only [default: all that `cargo test` runs]
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// How often, in each setting
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Only in this setting; may be repeated
    #[arg(long, value_enum)]
    setting: Vec<Setting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Setting {
    /// As `cargo xtask test`.
    AllCores,
    /// All executables, and what they start, on one core, by `taskset`.
    OneCore,
    /// Beside two threads on each core that do nothing but compute.
    Load,
}

/// What is not built yet is built on all cores.
const SETTINGS: [Setting; 3] = [Setting::AllCores, Setting::OneCore, Setting::Load];

/// What runs an executable on one core.
const PINNED: [&str; 3] = ["taskset", "-c", "0"];

/// How the `cargo test` commands of a stage are repeated.
pub struct Repetition {
    setting: Setting,
    runs: u32,
}

pub fn run(options: &Options) -> Result<()> {
    let stages = options.chosen()?;
    let settings = match options.setting.is_empty() {
        true => &SETTINGS[..],
        false => &options.setting,
    };
    let is_pinned = settings.contains(&Setting::OneCore);
    ensure!(
        !is_pinned || step::succeeds(Command::new(PINNED[0]).args(&PINNED[1..]).arg("true")),
        "`{}` does not work here: name other settings with --setting",
        PINNED.join(" ")
    );
    let mut log = Log::create(&step::target().join("xtask/flaky.log"), false)?;
    println!(
        "{} runs a setting; the whole output goes to {}",
        options.runs,
        log.place()
    );
    let missing = tools::missing(&stages);
    tools::advise(&missing);
    ensure!(missing.is_empty(), "what is missing leaves tests out");
    let mut failures = Vec::new();
    let mut all = Counts::default();
    for stage in stages {
        for &setting in settings {
            print!("{:<14}{:<12}", stage.name, setting.name());
            std::io::stdout().flush()?;
            let start = Instant::now();
            let repetition = Repetition {
                setting,
                runs: options.runs,
            };
            let mut work = Work::repeated(&mut log, &repetition);
            beside_load(setting == Setting::Load, || work.go_through(stage));
            let Counts { passed, failed, .. } = work.counts;
            println!(
                "{} runs, {passed} passed, {failed} failed, {:.0} s",
                options.runs,
                start.elapsed().as_secs_f64()
            );
            all += work.counts;
            failures.extend(work.failures);
        }
    }
    println!("\n{} passed, {} failed", all.passed, all.failed);
    if failures.is_empty() {
        return Ok(());
    }
    for failure in failures {
        println!("FAILED: {}\n    {}", failure.names(), failure.again);
    }
    bail!(
        "some tests depend on luck; the whole output is in {}",
        log.place()
    );
}

impl Options {
    fn chosen(&self) -> Result<Vec<&'static Stage>> {
        if self.stages.is_empty() {
            return Ok(STAGES.iter().filter(|stage| stage.is_repeated).collect());
        }
        let named = stages::named(&self.stages)?;
        for stage in &named {
            ensure!(
                stage.is_repeated,
                "{} is not `cargo test` alone",
                stage.name
            );
        }
        Ok(named)
    }
}

impl Setting {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().into())
    }
}

impl Repetition {
    /// Runs a `cargo test` command as often as asked.
    pub fn run(&self, work: &mut Work, command: &Command) -> Result<()> {
        // What tells libtest its order does not tell rustdoc, which runs the examples.
        let is_selective = command.get_args().any(|word| {
            ["--lib", "--tests", "--test", "--doc"]
                .iter()
                .any(|one| word == *one)
        });
        let is_documentation = command.get_args().any(|word| word == "--doc");
        for seed in 1..=self.runs {
            if !is_documentation {
                let mut tests = self.prepared(command);
                if !is_selective {
                    tests.arg("--tests");
                }
                tests.args(["--", "-Zunstable-options"]);
                work.run(tests.arg(format!("--shuffle-seed={seed}")))?;
            }
            if !is_selective || is_documentation {
                let mut examples = self.prepared(command);
                if !is_documentation {
                    examples.arg("--doc");
                }
                work.run(&mut examples)?;
            }
        }
        Ok(())
    }

    /// The command, with executables that run where the setting says.
    fn prepared(&self, command: &Command) -> Command {
        let mut runner = vec!["env", "RUSTC_BOOTSTRAP=1"];
        if self.setting == Setting::OneCore {
            runner.extend(PINNED);
        }
        let mut prepared = Command::new(command.get_program());
        prepared.args(command.get_args());
        if let Some(directory) = command.get_current_dir() {
            prepared.current_dir(directory);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => prepared.env(name, value),
                None => prepared.env_remove(name),
            };
        }
        // It is named by the environment otherwise, which comes first.
        prepared.env_remove(step::WASIP1_RUNNER);
        let of_wasm = step::runner().display().to_string();
        let with_wasm = [&runner[..], &[&of_wasm]].concat();
        prepared
            .arg("--config")
            .arg(format!(
                "target.'cfg(not(target_family=\"wasm\"))'.runner={runner:?}"
            ))
            .arg("--config")
            .arg(format!("target.wasm32-wasip1.runner={with_wasm:?}"));
        prepared
    }
}

/// Calls, beside threads that keep all cores busy if that is asked for.
fn beside_load(is_wanted: bool, call: impl FnOnce()) {
    /// Ends the load, whatever becomes of the call.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    if !is_wanted {
        return call();
    }
    let is_over = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let _end = End(&is_over);
        call();
    });
}
