//! A file with the output of all commands of a run, which the terminal gets as well if that is wanted.
//!
//! What runs beside others keeps its output in memory to its end, so that it stands in one piece.

use crate::step::{root, words};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Log {
    path: PathBuf,
    file: File,
    /// What is not written yet, if it waits for the end.
    held: Option<String>,
    /// Whether the terminal gets it all as well.
    is_shown: bool,
}

/// What a command printed, and whether it succeeded.
pub struct Output {
    pub is_success: bool,
    /// Stdout and stderr, in the order in which they came.
    pub text: String,
}

impl Log {
    pub fn create(path: &Path, is_shown: bool) -> Result<Self> {
        let create = || {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            File::create(path)
        };
        Ok(Self {
            file: create().with_context(|| format!("cannot write {}", path.display()))?,
            path: path.into(),
            held: None,
            is_shown,
        })
    }

    /// A part of the same log, for what runs beside others. It is written by [`release`](Self::release).
    pub fn beside(&self) -> Result<Self> {
        let file = self.file.try_clone();
        Ok(Self {
            file: file.with_context(|| format!("cannot write {}", self.place()))?,
            path: self.path.clone(),
            held: Some(String::new()),
            is_shown: self.is_shown,
        })
    }

    /// Writes what waits, in one piece.
    pub fn release(&mut self) -> Result<()> {
        match self.held.as_mut().map(std::mem::take) {
            Some(held) => self.put(&held),
            None => Ok(()),
        }
    }

    /// Where it is, from the repository on if it is in there.
    pub fn place(&self) -> String {
        let path = self.path.strip_prefix(root()).unwrap_or(&self.path);
        path.display().to_string()
    }

    pub fn write(&mut self, line: &str) -> Result<()> {
        match &mut self.held {
            Some(held) => {
                held.push_str(line);
                held.push('\n');
                Ok(())
            }
            None => self.put(&format!("{line}\n")),
        }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.place()))?;
        if self.is_shown {
            io::stdout().write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Runs a command to its end.
    pub fn output(&mut self, command: &mut Command) -> Result<Output> {
        let name = words(command);
        let cannot = || format!("cannot run {name}");
        self.write(&format!("\n$ {name}"))?;
        let (reader, writer) = io::pipe().with_context(cannot)?;
        let other = writer.try_clone().with_context(cannot)?;
        command.stdin(Stdio::null()).stdout(writer).stderr(other);
        let spawned = command.spawn();
        // The running command has copies of its own: the pipe must end with it.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = spawned.with_context(cannot)?;
        let mut text = String::new();
        let mut lines = BufReader::new(reader);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let shown = String::from_utf8_lossy(&line);
            self.write(shown.trim_end_matches(['\n', '\r']))?;
            text.push_str(&shown);
            line.clear();
        }
        Ok(Output {
            is_success: running.wait()?.success(),
            text,
        })
    }
}
