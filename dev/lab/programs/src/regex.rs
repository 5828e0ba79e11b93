//! A log analyser: a set of rules, compiled at the start and run over each line.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use regex::{Captures, Regex, RegexSet};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "regex",
    about: "compiles a log analyser's rules, sorts log lines by them and rewrites what they match (regex)",
    input,
    run,
};

/// Name and pattern of each rule.
const RULES: [(&str, &str); 10] = [
    (
        "request",
        r#""(?<method>GET|POST|PUT|DELETE|PATCH) (?<path>/[^ "]*) HTTP/(?<version>[12](?:\.[01])?)""#,
    ),
    ("status", r"\bstatus=(?<code>[1-5]\d{2})\b"),
    ("latency", r"\blatency=(?<millis>\d+(?:\.\d+)?)ms\b"),
    (
        "address",
        r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b",
    ),
    ("mail", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}"),
    (
        "session",
        r"\bsession=(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b",
    ),
    (
        "error",
        r"(?i)\b(?:error|failed|refused|timed? ?out|panic(?:ked)?)\b",
    ),
    ("key", r"(?<key>[a-z_]+)=(?<value>[^ ]+)"),
    (
        "path",
        r"^.*?/(?<first>[a-z]+)(?:/(?<second>[a-z]+))?(?:\?(?<query>.*))?$",
    ),
    ("quoted", r#""(?:[^"\\]|\\.)*""#),
];

/// As usual, the compiled rules stay for good. (Their caches would be freed in the order of a hash map, too, which is
/// another one in each run.)
static COMPILED: LazyLock<(BTreeMap<String, Regex>, RegexSet)> = LazyLock::new(|| {
    let compile = |&(name, pattern): &(&str, &str)| {
        (
            name.to_owned(),
            Regex::new(pattern).expect("the rule is a pattern"),
        )
    };
    let set = RegexSet::new(RULES.map(|(_, pattern)| pattern)).expect("the rules are patterns");
    (RULES.iter().map(compile).collect(), set)
});

/// Lines of a web server's log.
fn input() -> String {
    let mut random = Random::new(2);
    let mut log = String::new();
    for line in 0..220 {
        let _ = write!(
            log,
            "2024-{:02}-{:02}T{:02}:{:02}:{:02}Z ",
            1 + line / 200,
            1 + line / 20 % 28,
            line / 60 % 24,
            line % 60,
            random.below(60)
        );
        let _ = write!(
            log,
            "10.{}.{}.{} ",
            random.below(256),
            random.below(256),
            random.below(256)
        );
        let _ = write!(
            log,
            "\"{} /{}/{}?q={} HTTP/1.1\" ",
            random.pick(&["GET", "GET", "GET", "POST", "PUT", "DELETE"]),
            random.word(),
            random.word(),
            random.word()
        );
        let _ = write!(
            log,
            "status={} latency={}.{}ms ",
            random.pick(&[200, 200, 200, 204, 304, 404, 500]),
            random.below(900),
            random.below(10)
        );
        if random.one_in(3) {
            let _ = write!(
                log,
                "session={:08x}-{:04x}-4000-8000-{:012x} ",
                random.below(1 << 30),
                random.below(1 << 16),
                random.below(1 << 30)
            );
        }
        if random.one_in(4) {
            let _ = write!(log, "user={}@{}.example ", random.word(), random.word());
        }
        if random.one_in(6) {
            let _ = write!(
                log,
                "{}: ",
                random.pick(&["Error", "connection refused", "Timed out", "panicked"])
            );
        }
        let len = 3 + random.below(10);
        log.push_str(&random.words(len));
        log.push('\n');
    }
    log
}

fn run(log: &str) -> usize {
    let (rules, set) = &*COMPILED;
    let mut matches_by_rule = vec![0usize; RULES.len()];
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut redacted = String::new();
    for line in log.lines() {
        for rule in &set.matches(line) {
            matches_by_rule[rule] += 1;
        }
        for captures in rules["key"].captures_iter(line) {
            let values = counts.entry(captures["key"].to_owned()).or_default();
            *values.entry(captures["value"].to_owned()).or_default() += 1;
        }
        if let Some(captures) = rules["request"].captures(line)
            && let Some(path) = rules["path"].captures(&captures["path"])
        {
            let place = format!("{} {}", &captures["method"], &path["first"]);
            *counts
                .entry("place".to_owned())
                .or_default()
                .entry(place)
                .or_default() += 1;
        }
        redacted.push_str(&redact(rules, line));
        redacted.push('\n');
    }
    let distinct: usize = counts.values().map(BTreeMap::len).sum();
    redacted.len() + distinct + matches_by_rule.iter().sum::<usize>()
}

/// The line without what could identify a person.
fn redact(rules: &BTreeMap<String, Regex>, line: &str) -> String {
    let line = rules["address"].replace_all(line, |address: &Captures<'_>| {
        address[0].split('.').take(2).collect::<Vec<_>>().join(".") + ".x.x"
    });
    let line = rules["mail"].replace_all(&line, "(mail)");
    let line = rules["session"].replace_all(&line, "session=(${id})");
    rules["error"]
        .replace_all(&line, |error: &Captures<'_>| error[0].to_uppercase())
        .into_owned()
}
