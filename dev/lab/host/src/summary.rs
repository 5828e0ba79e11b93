//! The summary of a run, to stdout: for a terminal one table of each platform that fits it, for a README the same with
//! those allocators that people choose between, in Markdown. What is missing comes behind them, where it is seen, and the last words are three
//! sentences that say what came out.

pub mod compact;
pub mod failures;
pub mod figures;
#[cfg(test)]
pub mod fixture;
pub mod goals;
pub mod modes;
pub mod sentences;
pub mod soak;
pub mod table;
pub mod tables;

use crate::plan::LEFT_OUT;
use crate::results::{Platform, Results};
use goals::Verdict;
use table::{Table, escape};

/// How wide a terminal is taken to be.
const COLUMNS: usize = 100;

/// How the summary is shown.
#[derive(Clone, Copy, Default)]
pub struct Form<'a> {
    pub is_markdown: bool,
    /// All tables instead of one for each platform, however wide they are.
    pub has_all: bool,
    /// Where the report is, which has what is not shown.
    pub report: Option<&'a str>,
}

/// Prints the summary.
pub fn print(results: &Results, form: Form) {
    print!("{}", render(results, form));
}

fn render(results: &Results, form: Form) -> String {
    let mut parts = Vec::new();
    for platform in &results.platforms {
        let tables = tables(platform, form);
        if !tables.is_empty() {
            let heading = format!("{}, dlmalloc = 1.00", platform.name);
            parts.push(if form.is_markdown {
                format!("### {heading}")
            } else {
                format!("== {heading} ==")
            });
            parts.extend(tables);
        }
    }
    let mut goals = goals::goals(results);
    goals.retain(|goal| goal.verdict != Verdict::NotMeasured);
    if form.is_markdown && !results.quick && !goals.is_empty() {
        let goals = tables::goals(&goals);
        parts.push(format!("### {}\n\n{}", goals.title, goals.in_markdown()));
    }
    parts.extend(remarks(results, form));
    let text = |part: &String| format!("{}\n", part.trim_end());
    let parts: Vec<String> = parts.iter().map(text).collect();
    parts.join("\n")
}

/// What is shown of a platform.
fn tables(platform: &Platform, form: Form) -> Vec<String> {
    let mut tables = match form {
        Form {
            is_markdown: true, ..
        } => vec![compact::choice(platform), modes::table(platform)],
        Form { has_all: true, .. } => {
            let compact = [compact::whole(platform)].into_iter();
            compact.chain(tables::all(platform)).collect()
        }
        _ => vec![compact::table(platform)],
    };
    tables.retain(|table| !table.rows.is_empty());
    let show = |table: Table| match form {
        Form {
            is_markdown: true, ..
        } => format!("{}:\n\n{}", table.title, table.in_markdown()),
        Form { has_all: true, .. } => {
            format!("{}\n\n{}{}", table.title, table.in_terminal(), table.note)
        }
        _ => fitted(table, form.report),
    };
    tables.into_iter().map(show).collect()
}

/// As much of a table as fits, and where the rest is.
fn fitted(mut table: Table, report: Option<&str>) -> String {
    let others = table.fit(COLUMNS).join(", ");
    let rest = match report {
        Some(path) if others.is_empty() => format!("The report has all tables and charts: {path}"),
        Some(path) => format!("The report also has {others}, all tables and charts: {path}"),
        None if others.is_empty() => String::new(),
        None => format!("Not shown: {others} (--tables shows all)"),
    };
    let note = wrapped(&format!("{}\n{rest}", table.note));
    format!("{}\n{note}", table.in_terminal())
}

/// What is to be said of the run, the sentences last.
fn remarks(results: &Results, form: Form) -> Vec<String> {
    let mut remarks = vec![provenance(results)];
    if results.quick {
        remarks.push(format!("A quick run: it leaves out {LEFT_OUT}."));
    }
    for failure in failures::failures(results) {
        let (who, what) = (&failure.allocator, failure.what.join("; "));
        let text = format!("{who} ({}): {what}: {}", failure.platform, failure.reason);
        remarks.push(loud("Failed", &text, form));
    }
    for (peer, reason) in results.missing() {
        remarks.push(loud("Missing", &format!("{peer}: {reason}"), form));
    }
    remarks.push(sentences::sentences(results).join("\n"));
    if !form.is_markdown {
        remarks
            .iter_mut()
            .for_each(|remark| *remark = wrapped(remark));
    }
    remarks
}

/// What nobody should overlook.
fn loud(word: &str, text: &str, form: Form) -> String {
    if form.is_markdown {
        format!("**{word}**: {}", escape(text))
    } else {
        format!("!!! {}: {text}", word.to_uppercase())
    }
}

/// When, where and with what it was measured.
fn provenance(results: &Results) -> String {
    let versions: Vec<String> = results
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "Measured on {} on {}, medians of {} rounds, with {}, by `{}`.",
        results.date,
        results.machine,
        results.rounds,
        versions.join(", "),
        results.command
    )
}

/// Lines that fit a terminal, where words allow it.
fn wrapped(text: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > COLUMNS {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "target/lab/report.html";
    const TERMINAL: Form = Form {
        is_markdown: false,
        has_all: false,
        report: Some(REPORT),
    };
    const MARKDOWN: Form = Form {
        is_markdown: true,
        ..TERMINAL
    };
    const ALL: Form = Form {
        has_all: true,
        ..TERMINAL
    };

    fn quick() -> Results {
        Results {
            quick: true,
            ..fixture::results()
        }
    }

    #[test]
    fn everything_missing_is_named_with_its_reason() {
        let results = fixture::results();
        for form in [TERMINAL, MARKDOWN, ALL] {
            let text = render(&results, form);
            assert!(text.contains(fixture::MISSING));
            assert!(text.contains("no C compiler"));
            assert!(text.contains(fixture::FAILING));
            assert!(text.contains("patience"));
        }
    }

    #[test]
    fn every_form_names_its_allocators() {
        let results = fixture::results();
        for form in [TERMINAL, MARKDOWN, ALL] {
            let text = render(&results, form);
            for platform in &results.platforms {
                assert!(text.contains(&platform.name));
                let mut names = platform.allocators.clone();
                names.retain(|name| !form.is_markdown || compact::CHOICE.contains(&name.as_str()));
                assert!(names.iter().all(|name| text.contains(name)));
            }
        }
    }

    #[test]
    fn a_terminal_of_a_hundred_columns_is_wide_enough() {
        for results in [fixture::results(), quick()] {
            let text = render(&results, TERMINAL);
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
            assert!(text.contains(REPORT));
        }
    }

    #[test]
    fn the_sentences_are_the_end() {
        for form in [TERMINAL, MARKDOWN] {
            let results = fixture::results();
            let text = render(&results, form).replace('\n', " ");
            let sentences = sentences::sentences(&results).join(" ");
            assert!(text.trim_end().ends_with(&sentences), "{text}");
        }
    }

    #[test]
    fn goals_are_the_maintainers() {
        let has_goals = |results: &Results, form| render(results, form).contains("≤ 1.15");
        assert!(has_goals(&fixture::results(), MARKDOWN));
        assert!(!has_goals(&quick(), MARKDOWN));
        assert!(!has_goals(&fixture::results(), TERMINAL));
    }

    #[test]
    fn a_quick_run_says_what_it_leaves_out() {
        for form in [TERMINAL, MARKDOWN] {
            assert!(render(&quick(), form).contains("leaves out"));
            assert!(!render(&fixture::results(), form).contains("leaves out"));
        }
    }

    #[test]
    fn nothing_measured_is_no_error() {
        let results = Results {
            platforms: vec![],
            ..fixture::results()
        };
        assert!(render(&results, TERMINAL).contains("Nothing was measured"));
        let mut results = fixture::results();
        results.platforms[1].workloads.clear();
        assert!(!render(&results, TERMINAL).contains("== native"));
    }

    #[test]
    fn one_reason_is_told_once() {
        let mut results = fixture::results();
        let reason = results.missing[fixture::MISSING].clone();
        results.missing.insert("another".into(), reason);
        let text = render(&results, MARKDOWN);
        assert!(text.contains(&format!("another, {}: no C", fixture::MISSING)));
        assert_eq!(text.matches("no C compiler").count(), 1);
    }

    #[test]
    fn lines_are_broken_at_spaces_only() {
        let text = wrapped(&format!(
            "{} {}\nshort",
            "word ".repeat(40).trim_end(),
            "x".repeat(120)
        ));
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().any(|line| line.len() == 120));
        assert!(text.ends_with("\nshort"));
    }
}
