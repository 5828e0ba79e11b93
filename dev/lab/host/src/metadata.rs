//! When, where and with which versions a run measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The packages whose versions matter, as `Cargo.lock` names them.
const PACKAGES: [&str; 13] = [
    "wasmtime",
    "pageslab",
    "dlmalloc",
    "talc",
    "rlsf",
    "lol_alloc",
    "rusty_alloc",
    "rusty_alloc-api",
    "picoalloc",
    "mimalloc",
    "libmimalloc-sys",
    "tikv-jemallocator",
    "tikv-jemalloc-sys",
];

/// Today, as 2026-11-23, in UTC.
pub fn date() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = civil(now.map_or(0, |time| time.as_secs() / 86_400));
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day, which is counted from 1970-01-01, in the Gregorian calendar.
fn civil(day: u64) -> (u64, u64, u64) {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut left) = (1970, day);
    loop {
        let days = 365 + u64::from(leap(year));
        if left < days {
            break;
        }
        left -= days;
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for days in months {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    (year, month, left + 1)
}

/// The processor, and how many of its cores there are.
pub fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model(&processors).unwrap_or(std::env::consts::ARCH);
    match std::thread::available_parallelism() {
        Ok(cores) => format!("{model}, {cores} cores"),
        Err(_) => model.to_string(),
    }
}

fn model(processors: &str) -> Option<&str> {
    let line = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let (_, model) = line?.split_once(':')?;
    Some(model.trim())
}

/// The compiler's version, the repository's commit, and the packages' versions from its `Cargo.lock`.
pub fn versions(root: &Path) -> BTreeMap<String, String> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let mut versions = BTreeMap::new();
    for name in PACKAGES {
        if let Some(version) = locked(&lock, name) {
            versions.insert(name.to_string(), version.to_string());
        }
    }
    let mut ask = |name: &str, command: &[&str]| {
        if let Some(answer) = first_line(root, command) {
            // Some say who they are first.
            let answer = answer.strip_prefix(name).unwrap_or(&answer).trim();
            versions.insert(name.to_string(), answer.to_string());
        }
    };
    ask("rustc", &["rustc", "--version"]);
    let commit = ["git", "describe", "--always", "--dirty=, changed"];
    ask("pageslab's commit", &commit);
    if cfg!(target_env = "gnu") {
        ask("glibc", &["getconf", "GNU_LIBC_VERSION"]);
    }
    versions
}

/// A package's version in the text of a `Cargo.lock`.
pub fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let mut lines = lock.lines();
    let name = format!("name = \"{package}\"");
    lines.find(|line| *line == name)?;
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

/// The first line that a command prints, if it can be run and succeeds.
fn first_line(directory: &Path, command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?;
    output.status.success().then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::{civil, locked, model};

    #[test]
    fn days_are_dates() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_780, (2026, 11, 23)),
        ] {
            assert_eq!(civil(day), date);
        }
    }

    #[test]
    fn versions_are_the_locked_ones() {
        let lock = "[[package]]\nname = \"talc\"\nversion = \"5.1.1\"\nsource = \"s\"\n";
        assert_eq!(locked(lock, "talc"), Some("5.1.1"));
        assert_eq!(locked(lock, "tal"), None);
    }

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(
            model("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(model(""), None);
    }
}
