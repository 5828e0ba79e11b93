//! The report as one HTML page: it needs no network, no script, and shows itself as its reader's device would have
//! it, narrow or wide, light or dark.

use super::canvas::escape;
use super::charts::{self, Section};
use super::palette::{self, Palette};
use crate::results::{PAGESLAB, Platform, Results};
use crate::summary::tables::{self, FAILED, Table};
use crate::summary::{compact, failures, goals, is_numeric};
use anyhow::Result;
use std::fmt::Write;

const ABOUT: &str = "pageslab is a memory allocator for WebAssembly guests: size classes of slots in linear memory, \
                     constant time, and every free validated.";

const HOW_TO_READ: &str = "Allocators take turns, round by round, and the medians are compared, so a machine whose \
    speed drifts slows all of them alike. Times and instructions are ratios to <b>limit</b>, a free list that checks \
    nothing and stands for what is physically possible; whole programs and memory are ratios to <b>dlmalloc</b>, which \
    Rust's wasm32-unknown-unknown has by default. Below 1 is better than the yardstick. Means are geometric. A peer \
    that could not do something is shown as <b>failed</b>, and is not in its means, which have an asterisk then.";

/// The page.
pub fn html(results: &Results) -> Result<String> {
    let palette = Palette::new(results);
    let mut body = String::new();
    header(&mut body, results);
    for (number, platform) in results.platforms.iter().enumerate() {
        let sections = charts::sections(platform, &palette)?;
        body.push_str(&platform_part(number, platform, &sections));
    }
    failed(&mut body, results);
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

fn header(body: &mut String, results: &Results) {
    let versions: Vec<String> = results
        .versions
        .iter()
        .map(|(name, version)| format!("{name}&nbsp;{}", escape(version)))
        .collect();
    let _ = writeln!(
        body,
        "<h1>pageslab: benchmarks</h1>\n<p>{ABOUT}</p>\n<dl>\n<dt>date</dt><dd>{}</dd>\n<dt>machine</dt><dd>{}</dd>\n\
         <dt>versions</dt><dd>{}</dd>\n<dt>command</dt><dd><code>{}</code></dd>\n<dt>rounds</dt><dd>{}</dd>\n</dl>",
        escape(&results.date),
        escape(&results.machine),
        versions.join(", "),
        escape(&results.command),
        results.rounds
    );
    missing(body, results);
    let _ = writeln!(body, "<p>{HOW_TO_READ}</p>");
    body.push_str("<nav><a href=\"#goals\">Goals</a>");
    for (number, platform) in results.platforms.iter().enumerate() {
        let _ = write!(
            body,
            "<a href=\"#platform-{number}\">{}</a>",
            escape(&platform.name)
        );
    }
    body.push_str("</nav>\n<h2 id=\"goals\">Goals</h2>\n");
    let goals = goals::goals(results);
    body.push_str(&boxed(&tables::goals(&goals), "listing"));
}

fn missing(body: &mut String, results: &Results) {
    for (peer, reason) in &results.missing {
        let _ = writeln!(
            body,
            "<p class=\"missing\"><strong>Missing: {}</strong> could not be built here: {}</p>",
            escape(peer),
            escape(reason)
        );
    }
}

fn platform_part(number: usize, platform: &Platform, sections: &[Section]) -> String {
    let mut part = format!(
        "<h2 id=\"platform-{number}\">{}</h2>\n",
        escape(&platform.name)
    );
    part.push_str(&boxed(&compact::table(platform), "figures"));
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
    if is_numeric(table, column) {
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
        assert!(html(&results).unwrap().contains("not measured"));
    }
}
