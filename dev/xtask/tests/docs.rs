//! What a reader of README and docs meets: links that lead somewhere, lines that fit, and a README that is short.

use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 100;
const README_LINES: usize = 130;
const README_WORDS: usize = 1_100;

/// Folders below which documents are not ours.
const OTHERS: [&str; 4] = [".git", "target", "node_modules", "traces"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All documents, each with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut documents = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !OTHERS.contains(&name.as_ref()) {
                folders.push(path);
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).expect("it is text");
                documents.push((path, text));
            }
        }
    }
    assert!(documents.len() > 15);
    documents
}

/// The lines that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        is_code ^= line.starts_with("```");
        !is_code
    })
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        let folder = path.parent().expect("it is in a folder");
        for rest in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            // Those of rustdoc are checked by it.
            let is_elsewhere = target.contains("://") || target.starts_with("crate::");
            if !target.is_empty() && !is_elsewhere && !folder.join(target).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn lines_fit() {
    let mut long = Vec::new();
    for (path, text) in documents() {
        let is_long = |line: &&str| {
            let may_be = line.starts_with('|') || line.contains("](http") || line.starts_with('#');
            line.chars().count() > COLUMNS && !may_be
        };
        let lines = prose(&text).filter(is_long);
        long.extend(lines.map(|line| format!("{}: {line}", path.display())));
    }
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(root().join("README.md")).expect("there is one");
    assert!(text.lines().count() <= README_LINES);
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric));
    assert!(words.count() <= README_WORDS);
    assert!(prose(&text).all(|line| line.starts_with('|') || line.chars().count() <= COLUMNS));
}
