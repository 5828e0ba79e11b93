//! A static site generator: a book of Markdown chapters becomes HTML pages with tables of contents.

use std::{collections::BTreeMap, fmt::Write};

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "markdown",
    about: "renders the chapters of a book to HTML pages with tables of contents, anchors and an index of links \
            (pulldown-cmark)",
    input,
    run,
};

/// Stands between chapters.
const FORM_FEED: char = '\u{c}';

fn input() -> String {
    let mut random = Random::new(3);
    let mut book = String::new();
    for chapter in 0..80 {
        if chapter > 0 {
            book.push(FORM_FEED);
        }
        let _ = writeln!(book, "# {}\n", random.title());
        for _ in 0..3 + random.below(4) {
            write_section(&mut book, &mut random);
        }
        let _ = writeln!(book, "[^note]: {}\n", random.sentence());
    }
    book
}

fn write_section(book: &mut String, random: &mut Random) {
    let _ = writeln!(book, "## {}\n", random.title());
    for _ in 0..2 + random.below(4) {
        match random.below(7) {
            0 => {
                for item in 0..3 + random.below(5) {
                    let _ = writeln!(
                        book,
                        "{}. {} with `{}`",
                        item + 1,
                        random.sentence(),
                        random.word()
                    );
                    if random.one_in(3) {
                        let _ =
                            writeln!(book, "   - *{}*\n   - ~~{}~~", random.word(), random.word());
                    }
                }
                book.push('\n');
            }
            1 => {
                let _ = writeln!(book, "| {} | {} |\n|---|--:|", random.word(), random.word());
                for _ in 0..2 + random.below(6) {
                    let _ = writeln!(book, "| {} | {} |", random.title(), random.below(1000));
                }
                book.push('\n');
            }
            2 => {
                let _ = writeln!(
                    book,
                    "```rust\nlet {} = {};\nassert!({} < 3 && true);\n```\n",
                    random.word(),
                    random.below(100),
                    random.word()
                );
            }
            3 => {
                let _ = writeln!(book, "> {}\n> {}\n", random.sentence(), random.sentence());
            }
            4 => {
                let _ = writeln!(book, "### {} & {}\n", random.title(), random.title());
            }
            _ => {
                let _ = writeln!(
                    book,
                    "{} See **[{}](https://{}.example/{})** or *{}*.[^note] {}\n",
                    random.paragraph(2),
                    random.title(),
                    random.word(),
                    random.word(),
                    random.words(3),
                    random.paragraph(1)
                );
            }
        }
    }
}

/// A finished page.
struct Page {
    title: String,
    html: String,
}

fn run(book: &str) -> usize {
    let mut links: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let pages: Vec<Page> = book
        .split(FORM_FEED)
        .enumerate()
        .map(|(number, chapter)| render(number, chapter, &mut links))
        .collect();

    let mut index = String::from("<h1>Index</h1>\n");
    for (url, numbers) in &links {
        let titles: Vec<&str> = numbers
            .iter()
            .map(|&number| pages[number].title.as_str())
            .collect();
        let _ = writeln!(
            index,
            "<p><a href=\"{url}\">{url}</a>: {}</p>",
            titles.join(", ")
        );
    }
    index.len() + pages.iter().map(|page| page.html.len()).sum::<usize>()
}

/// Renders a chapter; `links` gets the addresses it refers to.
fn render(number: usize, chapter: &str, links: &mut BTreeMap<String, Vec<usize>>) -> Page {
    let mut events: Vec<Event<'_>> = Parser::new_ext(chapter, Options::all()).collect();

    let mut contents: Vec<(HeadingLevel, String, String)> = Vec::new();
    let mut heading: Option<(usize, HeadingLevel, String)> = None;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { level, .. }) => heading = Some((at, *level, String::new())),
            Event::Text(text) => {
                if let Some((_, _, title)) = &mut heading {
                    title.push_str(text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((start, level, title)) = heading.take() {
                    let anchor = format!("{number}-{}", slug(&title));
                    if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
                        *id = Some(CowStr::from(anchor.clone()));
                    }
                    contents.push((level, title, anchor));
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                links.entry(dest_url.to_string()).or_default().push(number)
            }
            _ => {}
        }
    }

    let mut page = String::from("<!doctype html>\n<nav><ul>\n");
    for (level, title, anchor) in &contents {
        let _ = writeln!(
            page,
            "<li class=\"{level}\"><a href=\"#{anchor}\">{title}</a></li>"
        );
    }
    page.push_str("</ul></nav>\n");
    html::push_html(&mut page, events.into_iter());
    let title = contents
        .into_iter()
        .next()
        .map_or_else(String::new, |(_, title, _)| title);
    Page { title, html: page }
}

/// A heading's text as part of an address.
fn slug(title: &str) -> String {
    title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}
