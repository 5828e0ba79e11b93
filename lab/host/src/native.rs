//! The workloads natively: a process per allocator (`lab/guest/src/native.rs`), asked for one run after another
//! over its standard input, in turns. A process that ends, since its allocator failed, is a failure of that
//! workload, and there is a new one for the next.

use crate::plan::{Plan, ROUNDS, reason};
use crate::progress::step;
use crate::results::{Cell, Workload};
use crate::times::{Subject, interleave};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A process of one allocator.
struct Process {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(file: &Path) -> Result<Self> {
        let mut child = Command::new(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", file.display()))?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            questions: questions.context("the process has no input")?,
            answers: BufReader::new(answers.context("the process has no output")?),
        })
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        let mut answer = String::new();
        // A process that has ended takes no question, and its answer is empty.
        let asked = writeln!(self.questions, "{question}");
        if asked.is_err() || self.answers.read_line(&mut answer)? == 0 {
            bail!("the process ended: {}", self.child.wait()?);
        }
        Ok(answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A workload in a process: the question that runs it, but for the number of repeats.
struct Asked<'a> {
    process: &'a mut Process,
    question: String,
}

impl Subject for Asked<'_> {
    fn run(&mut self, repeats: u32) -> Result<Duration> {
        let answer = self.process.ask(&format!("{} {repeats}", self.question))?;
        let nanoseconds = answer.trim().parse().context("an answer is no number")?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

/// The workloads that the plan wants, then the whole programs.
pub fn workloads(plan: &Plan, files: &[(String, PathBuf)]) -> Vec<Workload> {
    let start = |(_, file): &(String, PathBuf)| Process::start(file);
    let mut processes: Vec<Result<Process>> = files.iter().map(start).collect();
    let answer = |process: &mut Process| process.ask("programs").ok();
    let mut started = processes.iter_mut().flatten();
    let programs = started.find_map(answer).unwrap_or_default();
    let mut results = Vec::new();
    for (number, workload) in lab_workloads::all().into_iter().enumerate() {
        results.push((
            format!("run {number}"),
            Workload {
                name: workload.name,
                calls: workload.calls as u64,
                peak: workload.peak,
                cells: BTreeMap::new(),
            },
        ));
    }
    for (number, program) in programs.split_whitespace().enumerate() {
        results.push((
            format!("program {number}"),
            Workload {
                name: format!("program/{program}"),
                calls: 0,
                peak: 0,
                cells: BTreeMap::new(),
            },
        ));
    }
    results.retain(|(_, workload)| plan.wants(&workload.name));
    for (question, workload) in &mut results {
        step(&workload.name);
        let subjects = processes.iter_mut().map(|process| match process {
            Ok(process) => Ok(Asked {
                process,
                question: question.clone(),
            }),
            Err(error) => Err(anyhow!(reason(error))),
        });
        let times = interleave(subjects.collect(), ROUNDS);
        for (((allocator, file), process), time) in files.iter().zip(&mut processes).zip(times) {
            let cell = match time {
                Ok(time) => Cell::Measured {
                    nanoseconds: time.nanoseconds,
                    quartiles: time.quartiles,
                    instructions: None,
                    pages: None,
                },
                Err(error) => {
                    *process = Process::start(file);
                    Cell::Failed(reason(&error))
                }
            };
            workload.cells.insert(allocator.clone(), cell);
        }
    }
    results.into_iter().map(|(_, workload)| workload).collect()
}
