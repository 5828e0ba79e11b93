//! Heaps in words, for people and logs.

use pageslab_snapshot::{Diff, Group, Snapshot};
use std::fmt::Write as _;
use std::time::Duration;

/// A length with a unit, to three digits.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB"];
    let mut value = count as f64;
    let mut unit = "bytes";
    for next in units {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let digits = match (unit, value) {
        ("bytes", _) | (_, 100.0..) => 0,
        (_, 10.0..) => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// A heap in one line.
pub fn line(time: Duration, snapshot: &Snapshot) -> String {
    let summary = snapshot.summary();
    format!(
        "heap {:>8.2} s: {} live in {} blocks, {} free, {} of {} pages",
        time.as_secs_f64(),
        bytes(summary.live_bytes),
        summary.live_blocks,
        bytes(summary.free_bytes),
        snapshot.pages,
        snapshot.memory_pages
    )
}

/// All that is worth to be known of a heap.
pub fn snapshot(snapshot: &Snapshot) -> String {
    let summary = snapshot.summary();
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<12}{value}");
    };
    let state = match (snapshot.is_poisoned, snapshot.is_checked) {
        (true, _) => ", poisoned",
        (_, true) => ", in checked mode",
        _ => "",
    };
    row(
        "heap",
        format!(
            "{} of {} pages of memory{state}",
            snapshot.pages, snapshot.memory_pages
        ),
    );
    row(
        "growth",
        format!(
            "{} times, refused {} times",
            snapshot.growths, snapshot.refused_growths
        ),
    );
    row(
        "live",
        format!(
            "{} in {} blocks, in {} of slots and runs",
            bytes(summary.live_bytes),
            summary.live_blocks,
            bytes(summary.block_bytes)
        ),
    );
    row(
        "slabs",
        format!(
            "{}, of it {} in no live slot",
            bytes(summary.slab_bytes),
            bytes(summary.idle_bytes)
        ),
    );
    row("long blocks", bytes(summary.run_bytes));
    row(
        "free",
        format!(
            "{}, the longest {}, fragmentation {:.0}%",
            bytes(summary.free_bytes),
            bytes(summary.longest_free),
            summary.fragmentation() * 100.0
        ),
    );
    row("metadata", bytes(summary.metadata_bytes));
    if summary.other_bytes > 0 {
        row("other", bytes(summary.other_bytes));
    }
    if !summary.classes.is_empty() {
        out.push_str("\n    slot   slabs   slots    live       bytes\n");
    }
    for class in &summary.classes {
        let _ = writeln!(
            out,
            "{:>8}{:>8}{:>8}{:>8}{:>12}",
            class.slot_size, class.slabs, class.slots, class.live, class.live_bytes
        );
    }
    let holders = snapshot.holders();
    if !holders.is_empty() {
        out.push_str("\nlive blocks, most bytes first:\n");
        out.push_str(&groups(&holders, 20));
    }
    out
}

/// What is different between two heaps.
pub fn diff(diff: &Diff) -> String {
    let mut out = String::new();
    let sum: i64 = diff.net.iter().map(|change| change.bytes).sum();
    let blocks: i64 = diff.net.iter().map(|change| change.blocks).sum();
    let sign = if sum < 0 { '-' } else { '+' };
    let sum = bytes(sum.unsigned_abs());
    let _ = writeln!(out, "net: {sign}{sum} in {blocks:+} blocks");
    for change in &diff.net {
        let (class, tag) = class_and_tag(change.class, change.tag);
        let _ = writeln!(
            out,
            "{:>+8} x {:>8} bytes, {class}{tag}",
            change.blocks, change.len
        );
    }
    for (name, of) in [("added", &diff.added), ("removed", &diff.removed)] {
        let blocks: u64 = of.iter().map(|group| group.blocks).sum();
        let sum: u64 = of.iter().map(|group| group.bytes).sum();
        let _ = writeln!(out, "{name}: {} in {blocks} blocks", bytes(sum));
        out.push_str(&groups(of, usize::MAX));
    }
    let _ = writeln!(out, "pages: {} more", diff.pages);
    out
}

fn class_and_tag(class: Option<u8>, tag: Option<u16>) -> (String, String) {
    let class = class.map_or("class long".into(), |class| format!("class {class}"));
    let tag = tag.map_or(String::new(), |tag| format!(", tag {tag}"));
    (class, tag)
}

/// Blocks by length, class and tag: the first `most` of them.
pub fn groups(groups: &[Group], most: usize) -> String {
    let mut out = String::new();
    for group in groups.iter().take(most) {
        let (class, tag) = class_and_tag(group.class, group.tag);
        let _ = writeln!(
            out,
            "{:>8} x {:>8} bytes, {class}{tag}, first at {:#x}",
            group.blocks, group.len, group.first
        );
    }
    if groups.len() > most {
        let _ = writeln!(out, "         and {} more lengths", groups.len() - most);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn lengths_have_three_digits_and_a_unit() {
        let texts = [0, 999, 1000, 1024, 65536, 1_000_000, 4 << 30].map(bytes);
        let expected = [
            "0 bytes",
            "999 bytes",
            "0.98 KiB",
            "1.00 KiB",
            "64.0 KiB",
            "977 KiB",
            "4.00 GiB",
        ];
        assert_eq!(texts, expected);
    }
}
