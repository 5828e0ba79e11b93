//! What cargo's and libtest's output says of a run of tests: how many passed, which did not, and how to run these alone.

use crate::step;
use std::ops::AddAssign;
use std::process::Command;

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub ignored: usize,
    pub failed: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.ignored += other.ignored;
        self.failed += other.failed;
    }
}

/// The tests of one executable, or of one library's documentation.
#[derive(Debug, Default)]
struct Executable<'a> {
    /// What makes `cargo test` run these tests only.
    selection: Vec<String>,
    lines: Vec<&'a str>,
}

/// What failed of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The tests' names, if they are known, else what ran them.
    pub tests: Vec<String>,
    /// A command that does it again.
    pub again: String,
    /// The end of its output, without what passed.
    pub output: String,
}

impl Failure {
    /// What failed.
    pub fn names(&self) -> String {
        match self.tests.is_empty() {
            true => "a command".into(),
            false => self.tests.join(", "),
        }
    }
}

/// How many lines of output a failure shows.
const SHOWN: usize = 80;

/// Of all executables in this output.
pub fn counts(text: &str) -> Counts {
    let mut counts = Counts::default();
    for result in results(text) {
        counts += Counts {
            passed: number(result, "passed"),
            ignored: number(result, "ignored"),
            failed: number(result, "failed"),
        };
    }
    counts
}

/// What each executable's last line says.
pub fn results(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("test result: "))
}

/// The number in front of a word.
pub fn number(result: &str, word: &str) -> usize {
    result
        .split_once(&format!(" {word}"))
        .and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// Whether an executable ended without a result: it then has tests of which nothing is known.
pub fn is_cut_short(text: &str) -> bool {
    executables(text)
        .iter()
        .any(|executable| results(&executable.lines.join("\n")).next().is_none())
}

/// What failed of a command that did not succeed, with this output: an entry for each executable, or one for all.
pub fn failures(command: &Command, text: &str) -> Vec<Failure> {
    let failed: Vec<_> = executables(text)
        .into_iter()
        .filter(|executable| !executable.has_passed())
        .map(|executable| Failure {
            again: again(command, &executable),
            output: shown(&executable.lines),
            tests: executable.failed(),
        })
        .collect();
    if !failed.is_empty() {
        return failed;
    }
    vec![Failure {
        tests: Vec::new(),
        again: step::words(command),
        output: end_of(text),
    }]
}

/// What cargo ran, in its order.
fn executables(text: &str) -> Vec<Executable<'_>> {
    let mut all: Vec<Executable> = Vec::new();
    for line in text.lines() {
        if let Some(selection) = selection(line) {
            all.push(Executable {
                selection,
                lines: Vec::new(),
            });
        } else if let Some(last) = all.last_mut() {
            last.lines.push(line);
        }
    }
    all
}

/// What selects the tests that this line of cargo announces.
fn selection(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start();
    if line.starts_with("Doc-tests ") {
        return Some(vec!["--doc".into()]);
    }
    let (source, program) = line.strip_prefix("Running ")?.rsplit_once(" (")?;
    let program = program.strip_suffix(')')?.rsplit(['/', '\\']).next()?;
    let name = program.rsplit_once('-')?.0;
    Some(match source.strip_prefix("unittests ") {
        Some(source) if source.ends_with("lib.rs") => vec!["--lib".into()],
        Some(_) => vec!["--bin".into(), name.into()],
        None => vec!["--test".into(), name.into()],
    })
}

impl Executable<'_> {
    /// Documentation is tested in several runs, each with a result. Cargo's word is needed as well: a sanitizer speaks up after
    /// the last result.
    fn has_passed(&self) -> bool {
        let is_refused = |line: &&str| {
            line.starts_with("error: test failed") || line.starts_with("error: doctest failed")
        };
        let mut results = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("test result: "))
            .peekable();
        results.peek().is_some()
            && results.all(|result| result.starts_with("ok."))
            && !self.lines.iter().any(is_refused)
    }

    /// The names of those that failed. A test that ended its executable has no more than a beginning, and in an executable with
    /// several threads not even that.
    fn failed(&self) -> Vec<String> {
        let mut begun = Vec::new();
        for line in &self.lines {
            if let Some((name, outcome)) = line
                .strip_prefix("test ")
                .and_then(|line| line.split_once(" ... "))
            {
                // No part of its name.
                let name = name.strip_suffix(" - should panic").unwrap_or(name);
                // What a test prints may follow in the same line.
                begun.retain(|other| other != name);
                if !outcome.ends_with("ok") && !outcome.starts_with("ignored") {
                    begun.push(name.to_owned());
                }
            } else if *line == "ok" {
                begun.pop();
            }
        }
        begun
    }
}

/// The command, for what failed of one of its executables.
fn again(command: &Command, executable: &Executable) -> String {
    let mut alone = Command::new(command.get_program());
    if let Some(directory) = command.get_current_dir() {
        alone.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            alone.env(name, value);
        }
    }
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut parts = arguments.splitn(2, |word| word == "--");
    let of_cargo = parts.next().unwrap_or_default();
    let of_tests = parts.next().unwrap_or_default();
    let mut words = of_cargo.iter();
    while let Some(word) = words.next() {
        match &**word {
            "--no-fail-fast" | "--lib" | "--tests" | "--doc" => {}
            "--test" => _ = words.next(),
            _ => _ = alone.arg(word),
        }
    }
    alone.args(&executable.selection);
    let mut failed = executable.failed();
    if of_tests
        .iter()
        .any(|word| word.starts_with("--shuffle-seed"))
    {
        // The order may be why it failed.
        failed.clear();
    }
    if !of_tests.is_empty() || !failed.is_empty() {
        alone.arg("--").args(of_tests);
    }
    if executable.selection == ["--doc"] {
        // Names of examples have blanks, at which rustdoc splits: all examples of the file.
        let mut files: Vec<_> = failed
            .iter()
            .filter_map(|name| name.split(' ').next())
            .collect();
        files.dedup();
        alone.args(files);
    } else if !failed.is_empty() {
        if !of_tests.iter().any(|word| word == "--exact") {
            alone.arg("--exact");
        }
        alone.args(failed);
    }
    step::words(&alone)
}

/// The last lines of an output.
pub fn end_of(text: &str) -> String {
    shown(&text.lines().collect::<Vec<_>>())
}

/// The last lines, without those of tests that passed.
fn shown(lines: &[&str]) -> String {
    let kept: Vec<_> = lines
        .iter()
        .filter(|line| !(line.starts_with("test ") && line.ends_with(" ... ok")))
        .copied()
        .collect();
    let left_out = kept.len().saturating_sub(SHOWN);
    let mut text = kept[left_out..].join("\n");
    if left_out > 0 {
        text = format!("({left_out} lines more in the log)\n{text}");
    }
    text.trim_matches('\n').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
   Compiling pageslab v0.1.0
     Running unittests src/lib.rs (target/debug/deps/pageslab-574d0fc2e756eca2)

running 2 tests
test a::b ... ok
test a::c ... ignored

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.34s

     Running tests/model.rs (target/debug/deps/model-9dac8f69b3c4a8c3)

running 3 tests
test x ... ok
test y - should panic ... FAILED
test z ... ok

failures:

---- y stdout ----
assertion failed

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s

error: test failed, to rerun pass `--test model`
     Running tests/misuse.rs (target/wasm32-wasip1/debug/deps/misuse-3811d39c8a76f513.wasm)

running 2 tests
test p ... ok
test q ... thread 'main' panicked at tests/misuse.rs:3:1:
no
error: test failed, to rerun pass `--test misuse`
   Doc-tests pageslab

running 1 test
test src/lib.rs - A (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    fn command() -> Command {
        let mut command = Command::new("cargo");
        command.args(["test", "--features", "a,b", "--lib", "--test", "model"]);
        command.args(["--test", "misuse"]).env("PAGES", "3 4");
        command
    }

    #[test]
    fn all_executables_count() {
        let expected = Counts {
            passed: 4,
            ignored: 1,
            failed: 1,
        };
        assert_eq!(counts(OUTPUT), expected);
    }

    #[test]
    fn each_executable_that_did_not_pass_is_a_failure_with_its_tests_and_a_command() {
        let failures = failures(&command(), OUTPUT);
        let found: Vec<_> = failures
            .iter()
            .map(|one| (&*one.tests, &*one.again))
            .collect();
        let expected = [
            (
                &["y".to_string()][..],
                "PAGES='3 4' cargo test --features a,b --test model -- --exact y",
            ),
            (
                &["q".to_string()][..],
                "PAGES='3 4' cargo test --features a,b --test misuse -- --exact q",
            ),
        ];
        assert_eq!(found, expected);
        assert!(failures[0].output.contains("assertion failed"));
        assert!(!failures[0].output.contains("test x ... ok"));
        assert!(failures[1].output.contains("panicked at"));
    }

    #[test]
    fn a_command_keeps_its_folder_its_arguments_and_its_order() {
        let mut command = command();
        command
            .current_dir("/elsewhere")
            .args(["--", "--exact", "--skip", "a"]);
        let text = "     Running tests/a.rs (target/debug/deps/a-1)\ntest y ... FAILED\n";
        let again = |command: &Command| failures(command, text)[0].again.clone();
        let expected =
            "cd /elsewhere && PAGES='3 4' cargo test --features a,b --test a -- --exact --skip a y";
        assert_eq!(again(&command), expected);
        command.arg("--shuffle-seed=3");
        assert!(again(&command).ends_with(" -- --exact --skip a --shuffle-seed=3"));
    }

    #[test]
    fn an_executable_without_a_result_is_cut_short() {
        assert!(!is_cut_short("   Compiling a\n"));
        let text = "     Running tests/a.rs (target/debug/deps/a-1)\ntest p ... ok\n";
        assert!(is_cut_short(text));
        let ended = format!("{text}test result: ok. 1 passed; 0 failed; 0 ignored\n");
        assert!(!is_cut_short(&ended));
        assert!(executables(&ended)[0].has_passed());
        let refused = format!("{ended}error: test failed, to rerun pass `--test a`\n");
        assert!(!executables(&refused)[0].has_passed());
    }

    #[test]
    fn what_ended_before_any_test_is_a_failure_of_the_command() {
        let failures = failures(&command(), "error[E0425]: no\n");
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].tests, Vec::<String>::new());
        assert_eq!(failures[0].output, "error[E0425]: no");
        assert!(
            failures[0]
                .again
                .ends_with("--lib --test model --test misuse")
        );
    }

    #[test]
    fn what_a_test_prints_between_its_name_and_its_outcome_is_no_failure() {
        let text = "     Running tests/a.rs (target/debug/deps/a-1)\ntest p ... printed\nok\ntest q ... ok\n";
        let all = executables(text);
        assert_eq!(all[0].failed(), Vec::<String>::new());
        assert!(!all[0].has_passed(), "it has no result");
    }

    #[test]
    fn long_output_is_cut_at_its_beginning() {
        let lines = vec!["line"; SHOWN + 3];
        assert!(shown(&lines).starts_with("(3 lines more in the log)\nline"));
        assert_eq!(shown(&lines).lines().count(), SHOWN + 1);
    }
}
