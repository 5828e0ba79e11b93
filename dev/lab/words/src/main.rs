//! The small program whose size is measured: counts the words of its input, and prints them with their counts, the most
//! frequent first. It is what a first guest may be: strings, a hash map, input and output.

// The allocator is that crate's.
use lab_allocators as _;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for line in io::stdin().lines() {
        for word in line?.split_whitespace() {
            *counts.entry(word.into()).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(one, first), (other, second)| {
        (Reverse(first), one).cmp(&(Reverse(second), other))
    });
    let mut output = io::stdout().lock();
    for (word, count) in counts {
        writeln!(output, "{count} {word}")?;
    }
    Ok(())
}
