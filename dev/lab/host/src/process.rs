//! Processes of one allocator each, which are asked for one run after another over their standard input, in turns: the
//! native guests (`native`) and Node's (`node`). One that ends or answers with an error has failed that workload, and
//! there is a new one for the next.

use crate::plan::{ROUNDS, reason};
use crate::results::Cell;
use crate::times::{Subject, interleave};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// How an answer begins that says what went wrong.
const FAILED: &str = "failed: ";

struct Process {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
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
        match answer.strip_prefix(FAILED) {
            Some(why) => bail!("{}", why.trim()),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A workload in a process: the question that runs it, but for the number of repeats. The answer is in nanoseconds.
struct Asked<'a> {
    process: &'a mut Process,
    question: &'a str,
}

impl Subject for Asked<'_> {
    fn run(&mut self, repeats: u32) -> Result<Duration> {
        let answer = self.process.ask(&format!("{} {repeats}", self.question))?;
        let nanoseconds = answer.trim().parse().context("an answer is no number")?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

/// An allocator, and its process.
pub struct Player {
    allocator: String,
    command: Command,
    process: Result<Process>,
}

impl Player {
    pub fn new(allocator: &str, mut command: Command) -> Self {
        Self {
            allocator: allocator.into(),
            process: Process::start(&mut command),
            command,
        }
    }
}

/// The names of the whole programs, from the first that answers.
pub fn programs(players: &mut [Player]) -> Vec<String> {
    let processes = players.iter_mut().flat_map(|player| &mut player.process);
    let answer = processes
        .into_iter()
        .find_map(|process| process.ask("programs").ok());
    let names = answer.unwrap_or_default();
    names.split_whitespace().map(String::from).collect()
}

/// A workload in each process. What `prepare` asks, if anything, comes before all rounds.
pub fn cells(
    players: &mut [Player],
    prepare: Option<&str>,
    question: &str,
) -> BTreeMap<String, Cell> {
    let subjects = players.iter_mut().map(|player| {
        let process = player.process.as_mut();
        let process = process.map_err(|error| anyhow!(reason(error)))?;
        if let Some(prepare) = prepare {
            process.ask(prepare)?;
        }
        Ok(Asked { process, question })
    });
    let times = interleave(subjects.collect(), ROUNDS);
    let mut cells = BTreeMap::new();
    for (player, time) in players.iter_mut().zip(times) {
        let cell = match time {
            Ok(time) => Cell::Measured {
                nanoseconds: time.nanoseconds,
                quartiles: time.quartiles,
                instructions: None,
                pages: None,
            },
            Err(error) => {
                player.process = Process::start(&mut player.command);
                Cell::Failed(reason(&error))
            }
        };
        cells.insert(player.allocator.clone(), cell);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::{Player, cells, programs};
    use crate::results::Cell;
    use std::process::Command;

    /// A process that answers with what a shell script says to each question.
    fn player(answer: &str) -> Player {
        let mut command = Command::new("sh");
        let script = format!("while read -r question; do {answer}; done");
        command.args(["-c", &script]);
        Player::new("it", command)
    }

    #[test]
    fn an_answer_is_a_time_or_a_failure() {
        let cell = |answer| {
            let mut players = [player(answer)];
            let cells = cells(&mut players, Some("load"), "run");
            cells["it"].clone()
        };
        let time = cell("echo 1000000");
        assert!(matches!(time, Cell::Measured { .. }), "{time:?}");
        for (answer, expected) in [
            ("echo failed: no memory", "no memory"),
            ("echo words", "invalid digit"),
            ("exit 3", "the process ended"),
        ] {
            let cell = cell(answer);
            assert!(matches!(&cell, Cell::Failed(why) if why.contains(expected)));
        }
    }

    #[test]
    fn who_failed_once_may_try_again() {
        let script = r#"case $question in bad*) echo failed: bad; exit;; *) echo 900000;; esac"#;
        let mut players = [player(script)];
        for (question, fails) in [("bad", true), ("good", false)] {
            let cells = cells(&mut players, None, question);
            assert_eq!(matches!(cells["it"], Cell::Failed(_)), fails, "{question}");
        }
    }

    #[test]
    fn programs_have_names() {
        let mut players = [player("exit 1"), player("echo json sql")];
        assert_eq!(programs(&mut players), ["json", "sql"]);
    }
}
