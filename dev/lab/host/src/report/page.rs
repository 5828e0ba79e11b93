//! The report as one HTML page: it needs no network, no script, and shows itself as its reader's device would have
//! it, narrow or wide, light or dark.

use super::canvas::escape;
use super::charts::{self, Section};
use super::palette::{self, Palette};
use crate::plan::LEFT_OUT;
use crate::results::{PAGESLAB, Platform, Results};
use crate::summary::table::Table;
use crate::summary::tables::cells::FAILED;
use crate::summary::{compact, failures, goals, sentences, tables};
use anyhow::Result;
use std::fmt::Write;

const ABOUT: &str = "pageslab is a memory allocator for WebAssembly guests: size classes of slots in linear memory, \
                     constant time, and every free validated.";

const HOW_TO_READ: &str = "Allocators take turns, round by round, and the medians are compared, so a machine whose \
    speed drifts slows all of them alike. Times, instructions and memory are ratios to <b>dlmalloc</b>, which Rust's \
    wasm32-unknown-unknown has by default: below 1 is better than it. Means are geometric. A peer that could not do \
    something is shown as <b>failed</b>, and is not in its means, which have an asterisk then.";

const ABOUT_GOALS: &str = "What its developers aim for, and what they reached in this run. Some are to limit, which \
                           checks nothing; none says anything of the other allocators.";

/// The page: first what came out, then all of it, last what only pageslab's developers ask.
pub fn html(results: &Results) -> Result<String> {
    let palette = Palette::new(results);
    let mut body = String::new();
    opening(&mut body, results);
    for (number, platform) in results.platforms.iter().enumerate() {
        let sections = charts::sections(platform, &palette)?;
        body.push_str(&platform_part(number, platform, &sections));
    }
    failed(&mut body, results);
    measured(&mut body, results);
    let goals = tables::goals(&goals::goals(results));
    let _ = writeln!(
        body,
        "<h2 id=\"goals\">{}</h2>\n<p>{ABOUT_GOALS}</p>\n{}",
        escape(&goals.title),
        boxed(&goals, "listing")
    );
    let style = include_str!("style.css");
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>pageslab: benchmarks of {date}</title>\n<style>\n{style}{charts}{dark}</style>\n</head>\n<body>\n\
         {body}</body>\n</html>\n",
        date = escape(&results.date),
        charts = palette::background(),
        dark = palette::stylesheet(),
    ))
}

/// What came out, and pageslab beside the others.
fn opening(body: &mut String, results: &Results) {
    let kind = if results.quick { "a quick run, " } else { "" };
    let _ = writeln!(
        body,
        "<h1>pageslab beside other allocators</h1>\n<p class=\"faint\">{kind}{}, {}</p>",
        escape(&results.date),
        escape(&results.machine)
    );
    for sentence in sentences::sentences(results) {
        let _ = writeln!(body, "<p>{}</p>", escape(&sentence));
    }
    missing(body, results);
    for platform in &results.platforms {
        let _ = writeln!(body, "<h2>{}, dlmalloc = 1.00</h2>", escape(&platform.name));
        body.push_str(&boxed(&compact::whole(platform), "figures"));
    }
    body.push_str("<nav>");
    for (number, platform) in results.platforms.iter().enumerate() {
        let name = escape(&platform.name);
        let _ = write!(
            body,
            "<a href=\"#platform-{number}\">Charts and tables: {name}</a>"
        );
    }
    body.push_str(
        "<a href=\"#measured\">How it was measured</a><a href=\"#goals\">pageslab's own goals</a></nav>\n",
    );
}

fn missing(body: &mut String, results: &Results) {
    for (peer, reason) in results.missing() {
        let _ = writeln!(
            body,
            "<p class=\"missing\"><strong>Missing: {}</strong>: {}</p>",
            escape(&peer),
            escape(reason)
        );
    }
}

fn measured(body: &mut String, results: &Results) {
    let versions: Vec<String> = results
        .versions
        .iter()
        .map(|(name, version)| format!("{}&nbsp;{}", escape(name), escape(version)))
        .collect();
    let _ = writeln!(
        body,
        "<h2 id=\"measured\">How it was measured</h2>\n<p>{ABOUT}</p>\n<p>{HOW_TO_READ}</p>\n<dl>\n\
         <dt>date</dt><dd>{}</dd>\n<dt>machine</dt><dd>{}</dd>\n<dt>versions</dt><dd>{}</dd>\n\
         <dt>command</dt><dd><code>{}</code></dd>\n<dt>rounds</dt><dd>{}</dd>\n</dl>",
        escape(&results.date),
        escape(&results.machine),
        versions.join(", "),
        escape(&results.command),
        results.rounds
    );
    if results.quick {
        let _ = writeln!(body, "<p>A quick run leaves out {}.</p>", escape(LEFT_OUT));
    }
}

fn platform_part(number: usize, platform: &Platform, sections: &[Section]) -> String {
    let mut part = format!(
        "<h2 id=\"platform-{number}\">Charts and tables: {}</h2>\n",
        escape(&platform.name)
    );
    for section in sections {
        let _ = writeln!(
            part,
            "<h3>{}</h3>\n<p>{}</p>\n<div class=\"charts\">",
            escape(section.heading),
            escape(section.about)
        );
        for chart in &section.charts {
            let _ = writeln!(part, "<figure>{chart}</figure>");
        }
        part.push_str("</div>\n");
    }
    part.push_str("<h3>Tables</h3>\n");
    for table in tables::all(platform) {
        let _ = writeln!(
            part,
            "<details><summary>{}</summary>\n{}</details>",
            escape(&table.title),
            boxed(&table, "figures")
        );
    }
    part
}

fn failed(body: &mut String, results: &Results) {
    let table = tables::failures(&failures::failures(results));
    if !table.rows.is_empty() {
        let _ = writeln!(
            body,
            "<h2>{}</h2>\n{}",
            escape(&table.title),
            boxed(&table, "listing failures")
        );
    }
}

/// A table in a box of its own, which scrolls if the table is wider than the page.
fn boxed(table: &Table, class: &str) -> String {
    let mut html =
        format!("<div class=\"box\" tabindex=\"0\"><table class=\"{class}\">\n<thead><tr>");
    for (column, cell) in table.header.iter().enumerate() {
        let class = classes(table, column, "");
        let _ = write!(html, "<th{class}>{}</th>", escape(cell));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        html.push_str(if row.is_summary {
            "<tr class=\"summary\">"
        } else {
            "<tr>"
        });
        for (column, cell) in row.cells.iter().enumerate() {
            let class = classes(table, column, cell);
            let _ = write!(html, "<td{class}>{}</td>", escape(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    if !table.note.is_empty() {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escape(&table.note));
    }
    html
}

fn classes(table: &Table, column: usize, cell: &str) -> String {
    let mut classes = Vec::new();
    if table.is_numeric(column) {
        classes.push("number");
    }
    if table.header[column] == PAGESLAB {
        classes.push("own");
    }
    let is = |verdict: goals::Verdict| cell == verdict.text();
    if cell == FAILED {
        classes.push("failed");
    } else if is(goals::Verdict::Met) {
        classes.push("met");
    } else if is(goals::Verdict::Missed) {
        classes.push("missed");
    } else if is(goals::Verdict::NotMeasured) {
        classes.push("open");
    }
    if classes.is_empty() {
        String::new()
    } else {
        format!(" class=\"{}\"", classes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let html = html(&fixture::results()).unwrap();
        assert!(html.contains("name=\"viewport\""));
        for outside in ["<script", "<link", "@import", "src=", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        let addresses = html.matches("http").count();
        assert_eq!(
            addresses,
            html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
        );
    }

    #[test]
    fn what_the_results_say_is_escaped() {
        let html = html(&fixture::results()).unwrap();
        assert!(html.contains(&escape(fixture::REASON)));
        assert!(!html.contains(fixture::REASON));
        assert!(html.contains("&lt;made up&gt;"));
        assert!(html.contains("&lt;clang&gt;"));
    }

    #[test]
    fn what_failed_and_what_is_missing_is_shown() {
        let html = html(&fixture::results()).unwrap();
        assert!(html.contains(&format!("Missing: {}", fixture::MISSING)));
        assert!(html.contains("<td class=\"number failed\">failed</td>"));
        assert!(html.contains("What failed"));
    }

    #[test]
    fn what_came_out_is_first_and_the_goals_are_last() {
        let results = fixture::results();
        let html = html(&results).unwrap();
        let at = |text: &str| html.find(text).unwrap();
        let sentences = sentences::sentences(&results);
        let first = at(&escape(&sentences[0]));
        let table = at("<table");
        assert!(first < table && table < at("<svg"));
        let goals = at("<h2 id=\"goals\">pageslab&#39;s own goals</h2>");
        assert!(goals > html.rfind("<h2 id=\"measured\"").unwrap());
        assert!(html.find("MISSED").is_none_or(|missed| missed > goals));
        assert!(html[table..].find("limit: no allocator").is_some());
    }

    #[test]
    fn tags_are_closed() {
        let html = html(&fixture::results()).unwrap();
        for tag in [
            "div", "table", "figure", "svg", "tr", "td", "details", "p", "text",
        ] {
            let opened = html.matches(&format!("<{tag}>")).count()
                + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn without_platforms_there_is_still_a_page() {
        let results = Results {
            platforms: vec![],
            ..fixture::results()
        };
        assert!(html(&results).unwrap().contains("Nothing was measured"));
    }
}
