//! What was found in a run, for programs that read it: CI.

use crate::checks::{Check, Findings, Growth};
use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use pageslab_snapshot::Summary;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

/// A report to be written: `json=FILE` or `junit=FILE`.
#[derive(Clone, Debug)]
pub struct Report {
    is_json: bool,
    file: PathBuf,
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_json, file) = match text.split_once('=') {
            Some(("json", file)) => (true, file),
            Some(("junit", file)) => (false, file),
            _ => return Err("not json=FILE or junit=FILE".to_owned()),
        };
        let file = file.into();
        Ok(Self { is_json, file })
    }
}

/// What a report tells.
#[derive(Serialize)]
pub struct Contents<'a> {
    pub guest: &'a str,
    pub seconds: f64,
    /// This program's exit code.
    pub code: u8,
    #[serde(flatten)]
    pub findings: &'a Findings,
    pub summary: Option<Summary>,
    #[serde(skip)]
    pub checks: &'a [Check],
    #[serde(skip)]
    pub allowed: u64,
}

impl Report {
    /// Writes the report.
    pub fn write(&self, contents: &Contents<'_>) -> Result<()> {
        let text = match self.is_json {
            true => serde_json::to_string_pretty(contents)? + "\n",
            false => junit(contents),
        };
        let file = &self.file;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// A test suite with a test for the guest's end, and one for each check.
fn junit(contents: &Contents<'_>) -> String {
    let findings = contents.findings;
    let end = match (&findings.trap, findings.exit) {
        (Some(trap), _) => Some(trap.clone()),
        (None, Some(0)) => None,
        (None, Some(code)) => Some(format!("exit code {code}")),
        (None, None) => Some("stopped".to_owned()),
    };
    let mut tests = vec![("end".to_owned(), end)];
    for &check in contents.checks {
        let name = check.to_possible_value();
        let name = name.map_or(String::new(), |value| value.get_name().to_owned());
        tests.push((name, findings.failure(check, contents.allowed)));
    }
    let failures = tests.iter().filter(|(_, why)| why.is_some()).count();
    let guest = escape(contents.guest);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"{guest}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">\n",
        tests.len(),
        contents.seconds
    );
    for (name, failure) in tests {
        let _ = write!(out, "<testcase classname=\"{guest}\" name=\"{name}\"");
        match failure {
            None if name == "growth" && findings.growth == Growth::TooShort => {
                out.push_str("><skipped message=\"the run was too short\"/></testcase>\n");
            }
            None => out.push_str("/>\n"),
            Some(why) => {
                let why = escape(&why);
                let first = why.lines().next().unwrap_or_default();
                let _ = writeln!(
                    out,
                    "><failure message=\"{first}\">{why}</failure></testcase>"
                );
            }
        }
    }
    out.push_str("</testsuite>\n");
    out
}

/// Text that may stand in XML: a guest can name its functions, and say, whatever it likes.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            '\0'..=' ' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_breaks_the_xml() {
        let text = "a<b>&\"c\"\u{1b}[0m\u{0}";
        let xml = format!("<a b=\"{0}\">{0}</a>", escape(text));
        assert!(roxmltree::Document::parse(&xml).is_ok(), "{xml}");
    }
}
