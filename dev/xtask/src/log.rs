//! A file with the output of all commands of a run, which the terminal gets as well if that is wanted.
//!
//! What runs beside others has a file of its own, which becomes a part of the log at its end, so that it stands there in one
//! piece.

use crate::step::{root, words};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Log {
    path: PathBuf,
    file: File,
    /// If this is a part: the log, and what it is to get.
    whole: Option<(File, String)>,
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
            whole: None,
            is_shown,
        })
    }

    /// A part of the log, for what runs beside others. The log gets it by [`release`](Self::release).
    pub fn beside(&self) -> Result<Self> {
        let mut part = Self::create(&self.path.with_extension("beside.log"), self.is_shown)?;
        let whole = self.file.try_clone();
        let whole = whole.with_context(|| format!("cannot write {}", self.place()))?;
        part.whole = Some((whole, String::new()));
        Ok(part)
    }

    /// Gives the log what this part has, in one piece.
    pub fn release(&mut self) -> Result<()> {
        if let Some((whole, text)) = &mut self.whole {
            whole.write_all(text.as_bytes())?;
            if self.is_shown {
                io::stdout().write_all(text.as_bytes())?;
            }
            text.clear();
        }
        Ok(())
    }

    /// Where it is, from the repository on if it is in there.
    pub fn place(&self) -> String {
        let path = self.path.strip_prefix(root()).unwrap_or(&self.path);
        path.display().to_string()
    }

    pub fn write(&mut self, line: &str) -> Result<()> {
        let text = format!("{line}\n");
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.place()))?;
        match &mut self.whole {
            Some((_, waiting)) => waiting.push_str(&text),
            None if self.is_shown => io::stdout().write_all(text.as_bytes())?,
            None => {}
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
