//! An in-memory search engine whose documents come, change and go.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasherDefault, DefaultHasher},
};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "index",
    about: "keeps an inverted index of texts that are added, replaced and removed, and answers queries (std's hash \
            maps, B-trees, vectors and strings)",
    input,
    run,
};

/// `HashMap` with a hasher that is the same on every run.
type FixedHashMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// One command per line: `add ID TEXT`, `remove ID` or `find WORD WORD`.
fn input() -> String {
    let mut random = Random::new(4);
    let mut commands = String::new();
    for step in 0..425 {
        let command = match random.below(10) {
            0 if step > 100 => format!("remove {}\n", random.below(step)),
            1..3 => format!("find {}\n", random.words(2)),
            // Mostly a new text; sometimes one to replace an earlier one.
            kind => {
                let id = if kind == 3 {
                    random.below(step + 1)
                } else {
                    step
                };
                let sentences = 1 + random.below(6);
                format!("add {id} {}\n", random.paragraph(sentences))
            }
        };
        commands.push_str(&command);
    }
    commands
}

#[derive(Default)]
struct Index {
    texts: BTreeMap<u32, String>,
    /// By word: where it stands in each text, in words from its start.
    postings: FixedHashMap<String, BTreeMap<u32, Vec<u32>>>,
}

impl Index {
    fn add(&mut self, id: u32, text: &str) {
        self.remove(id);
        for (position, word) in words(text).enumerate() {
            let texts = self.postings.entry(word).or_default();
            texts.entry(id).or_default().push(position as u32);
        }
        self.texts.insert(id, text.to_owned());
    }

    fn remove(&mut self, id: u32) {
        let Some(text) = self.texts.remove(&id) else {
            return;
        };
        for word in words(&text).collect::<BTreeSet<_>>() {
            if let Some(texts) = self.postings.get_mut(&word) {
                texts.remove(&id);
                if texts.is_empty() {
                    self.postings.remove(&word);
                }
            }
        }
    }

    /// The best texts with all words of the query: snippets around their first hits.
    fn find(&self, query: &str) -> Vec<String> {
        let Some(lists) = words(query)
            .map(|word| self.postings.get(&word))
            .collect::<Option<Vec<_>>>()
        else {
            return Vec::new();
        };
        let Some((first, rest)) = lists.split_first() else {
            return Vec::new();
        };
        let mut ranked: Vec<(usize, u32, u32)> = first
            .iter()
            .filter(|(id, _)| rest.iter().all(|list| list.contains_key(id)))
            .map(|(&id, hits)| {
                let score = lists.iter().map(|list| list[&id].len()).sum();
                (score, id, hits[0])
            })
            .collect();
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let snippet = |&(score, id, hit): &(usize, u32, u32)| {
            let words: Vec<&str> = self.texts[&id]
                .split_whitespace()
                .skip(hit as usize)
                .take(6)
                .collect();
            format!("{id} ({score}): {}", words.join(" "))
        };
        ranked.iter().take(5).map(snippet).collect()
    }
}

/// The words of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn run(commands: &str) -> usize {
    let mut index = Index::default();
    let mut answers = Vec::new();
    for command in commands.lines() {
        match *command.splitn(3, ' ').collect::<Vec<_>>() {
            ["add", id, text] => index.add(id.parse().expect("an id"), text),
            ["remove", id] => index.remove(id.parse().expect("an id")),
            ["find", ..] => answers.push(index.find(&command["find ".len()..])),
            _ => panic!("no command: {command}"),
        }
    }
    index.postings.len() + answers.iter().flatten().map(String::len).sum::<usize>()
}
