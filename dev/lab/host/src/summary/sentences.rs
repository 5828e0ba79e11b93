//! What came out, in three sentences that one can repeat: how fast pageslab is, where it is behind, and how much memory
//! it takes. They say what the run measured, whatever that is.

use super::figures::{self, Quantity, describe, figure, mean, worst};
use super::tables::cells::ratio_text;
use crate::results::{DLMALLOC, LIMIT, PAGESLAB, Platform, Results, Workload};

/// Whom the first sentence is about.
const PEERS: [&str; 2] = [DLMALLOC, "talc"];

/// Times that differ by less than a run is exact to are alike (`docs/performance.md`).
const EXACT: f64 = 1.03;

#[must_use]
pub fn sentences(results: &Results) -> [String; 3] {
    [speed(results), behind(results), memory(results)]
}

/// A platform in the midst of a sentence.
fn place(platform: &Platform) -> &str {
    match platform.name.split_once(" under ") {
        Some((_, "wasmtime")) => "under wasmtime",
        Some((_, "Node")) => "under Node",
        _ if platform.name == "native" => "natively",
        _ => &platform.name,
    }
}

/// What is said of each platform, in one sentence; without platforms, that nothing was measured.
fn each(results: &Results, say: impl Fn(&Platform) -> String) -> String {
    let parts: Vec<String> = results.platforms.iter().map(say).collect();
    if parts.is_empty() {
        return "Nothing was measured.".into();
    }
    format!("{}.", capital(&parts.join("; ")))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

fn workloads(count: usize) -> String {
    format!("{count} workload{}", if count == 1 { "" } else { "s" })
}

fn speed(results: &Results) -> String {
    each(results, |platform| {
        let calls = figures::calls(platform);
        let said: Vec<String> = PEERS.iter().map(|peer| compared(&calls, peer)).collect();
        let (said, count) = (said.join(" and "), workloads(calls.len()));
        let calls =
            (!calls.is_empty()).then(|| format!("in the mean of {count}, {PAGESLAB} is {said}"));
        let said: Vec<String> = calls.into_iter().chain(programs(platform)).collect();
        match said.is_empty() {
            true => format!("no time was measured {}", place(platform)),
            false => format!("{}, {}", place(platform), said.join(", and ")),
        }
    })
}

/// "faster than talc (0.70 of its time)".
fn compared(workloads: &[&Workload], peer: &str) -> String {
    let Some(mean) = mean(workloads, Quantity::Time, PAGESLAB, peer) else {
        return format!("not compared with {peer}, which was not measured");
    };
    let word = match mean.value {
        ratio if ratio >= EXACT => "slower than",
        ratio if ratio <= 1.0 / EXACT => "faster than",
        _ => "about as fast as",
    };
    // Whoever failed a workload is compared by the others.
    let lost = match workloads.len() - mean.count {
        0 => String::new(),
        lost => format!(", without {lost} that failed"),
    };
    format!(
        "{word} {peer} ({} of its time{lost})",
        ratio_text(mean.value)
    )
}

/// Most of a program's time is not the allocator's, and a user wants to know what is left of the difference.
fn programs(platform: &Platform) -> Option<String> {
    let programs = figures::programs(platform);
    let mean = mean(&programs, Quantity::Time, PAGESLAB, DLMALLOC)?;
    let (ratio, count) = (ratio_text(mean.value), mean.count);
    Some(format!(
        "whole programs ({count}) take {ratio} of their time with {DLMALLOC}"
    ))
}

fn behind(results: &Results) -> String {
    each(results, |platform| {
        let place = place(platform);
        let mut workloads = platform.workloads.iter();
        if !workloads.any(|workload| workload.cells.contains_key(PAGESLAB)) {
            return format!("no time was measured {place}");
        }
        let groups = figures::groups(platform);
        let lost = groups.iter().filter_map(|group| lost(platform, group));
        let lost: Vec<String> = lost.collect();
        match lost.as_slice() {
            [] => format!("{place} it is behind no peer in any group of workloads"),
            lost => format!("{place} it is behind in {}", lost.join(" and in ")),
        }
    })
}

/// In which way pageslab is behind in a group, if it is: "a vector that grows alone (14.00 times dlmalloc's time)".
fn lost(platform: &Platform, group: &str) -> Option<String> {
    let workloads = figures::group(platform, group);
    let failed = workloads
        .iter()
        .filter(|workload| figure(workload, Quantity::Time, PAGESLAB).is_none())
        .count();
    if failed > 0 {
        let (all, what) = (workloads.len(), describe(group));
        return Some(format!("{what} (it failed {failed} of {all})"));
    }
    let to = |peer: &str| {
        let mean = mean(&workloads, Quantity::Time, PAGESLAB, peer)?;
        (mean.value >= EXACT).then(|| (peer.to_string(), mean.value))
    };
    let peers = platform.allocators.iter();
    let peers = peers.filter(|name| ![PAGESLAB, LIMIT].contains(&name.as_str()));
    let ahead = peers.filter_map(|peer| to(peer));
    let (first, by) = ahead.max_by(|one, other| one.1.total_cmp(&other.1))?;
    let mut ways = format!("{} times {first}'s time", ratio_text(by));
    if let Some((peer, by)) = to(DLMALLOC)
        && peer != first
    {
        ways = format!("{ways}, {} times {peer}'s", ratio_text(by));
    }
    Some(format!("{} ({ways})", describe(group)))
}

fn memory(results: &Results) -> String {
    let large = |platform: &Platform| -> Option<String> {
        let large = figures::large(platform);
        let mean = mean(&large, Quantity::Memory, PAGESLAB, DLMALLOC)?;
        let (workload, most) = worst(&large, Quantity::Memory, PAGESLAB, DLMALLOC)?;
        Some(format!(
            "it takes {} times dlmalloc's linear memory at the peak (mean of {}), and {} times where it takes most ({})",
            ratio_text(mean.value),
            workloads(mean.count),
            ratio_text(most),
            workload.name
        ))
    };
    let resident = |platform: &Platform| -> Option<String> {
        let most = platform
            .densities
            .iter()
            .map(|point| point.instances)
            .max()?;
        let kib = |name: &str| {
            let figures = super::tables::dense(platform, most, name)?.as_ref().ok()?;
            Some(figures.kib)
        };
        Some(format!(
            "a small instance holds {:.0} KiB of the host's memory, with dlmalloc {:.0}",
            kib(PAGESLAB)?,
            kib(DLMALLOC)?
        ))
    };
    let said = figures::wasm(results).map(|wasm| [large(wasm), resident(wasm)]);
    let said: Vec<String> = said.into_iter().flatten().flatten().collect();
    if said.is_empty() {
        return "Its memory was not compared with dlmalloc's.".into();
    }
    format!("{}.", capital(&said.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Cell;
    use crate::summary::fixture;

    /// The fixture, in which pageslab takes so many times its time and memory.
    fn results(time: f64, memory: f64) -> Results {
        let mut results = fixture::results();
        let workloads = results
            .platforms
            .iter_mut()
            .flat_map(|platform| &mut platform.workloads);
        for workload in workloads {
            if let Some(Cell::Measured {
                nanoseconds, pages, ..
            }) = workload.cells.get_mut(PAGESLAB)
            {
                *nanoseconds *= time;
                *pages = pages.map(|pages| (pages as f64 * memory).round() as u64);
            }
        }
        results
    }

    fn without(name: &str) -> Results {
        let mut results = fixture::results();
        for platform in &mut results.platforms {
            platform.allocators.retain(|own| own != name);
            for workload in &mut platform.workloads {
                workload.cells.remove(name);
            }
            platform.densities.retain(|point| point.allocator != name);
        }
        results
    }

    #[test]
    fn they_agree_with_the_figures() {
        let results = results(1.0, 1.0);
        let wasm = figures::wasm(&results).unwrap();
        let [speed, _, memory] = sentences(&results);
        for peer in PEERS {
            let calls = figures::calls(wasm);
            let mean = mean(&calls, Quantity::Time, PAGESLAB, peer).unwrap();
            let ratio = ratio_text(mean.value);
            let text = format!("faster than {peer} ({ratio} of its time)");
            assert!(speed.contains(&text), "{speed}");
        }
        assert!(
            speed.starts_with("Under wasmtime, in the mean of 15 workloads, pageslab is faster")
        );
        assert!(speed.contains("; natively, in the mean"), "{speed}");
        assert!(speed.contains("whole programs (5) take 0."), "{speed}");
        let large = figures::large(wasm);
        let mean = mean(&large, Quantity::Memory, PAGESLAB, DLMALLOC).unwrap();
        let ratio = ratio_text(mean.value);
        let text = format!("It takes {ratio} times dlmalloc's linear memory");
        assert!(memory.starts_with(&text), "{memory}");
        assert!(memory.contains("103 KiB") && memory.contains("dlmalloc 125"));
    }

    #[test]
    fn slower_is_said_to_be_slower() {
        let [speed, behind, memory] = sentences(&results(10.0, 3.0));
        assert!(!speed.contains("faster"), "{speed}");
        assert_eq!(speed.matches("slower than").count(), 4, "{speed}");
        for group in figures::groups(&fixture::results().platforms[0]) {
            assert!(behind.contains(describe(group)), "{behind}");
        }
        assert!(memory.starts_with("It takes 3."), "{memory}");
    }

    #[test]
    fn equal_within_what_a_run_is_exact_to_is_neither() {
        let mut results = fixture::results();
        for workload in &mut results.platforms[0].workloads {
            let mut cell = workload.cells[DLMALLOC].clone();
            if let Cell::Measured { nanoseconds, .. } = &mut cell {
                *nanoseconds *= 1.01;
            }
            workload.cells.insert(PAGESLAB.into(), cell);
        }
        let [speed, ..] = sentences(&results);
        assert!(speed.contains("about as fast as dlmalloc (1.01 of its time)"));
    }

    #[test]
    fn ahead_everywhere_is_behind_nowhere() {
        let [_, behind, _] = sentences(&results(0.01, 1.0));
        assert_eq!(
            behind,
            "Under wasmtime it is behind no peer in any group of workloads; natively it is behind no peer in any \
             group of workloads."
        );
    }

    #[test]
    fn where_it_is_behind_another_than_dlmalloc_that_one_is_named() {
        // Natively, the fixture's mimalloc is the only one that is quicker.
        let [_, behind, _] = sentences(&results(1.1, 1.0));
        let native = behind.split("natively").nth(1).unwrap();
        assert!(native.contains("times mimalloc-v2's time"), "{behind}");
        assert!(!native.contains("dlmalloc's"), "{behind}");
    }

    #[test]
    fn a_missing_peer_is_said_to_be_missing() {
        let [speed, ..] = sentences(&without("talc"));
        assert!(speed.contains("not compared with talc, which was not measured"));
        assert!(speed.contains("faster than dlmalloc"));
        let [speed, _, memory] = sentences(&without(DLMALLOC));
        assert!(speed.contains("not compared with dlmalloc"));
        assert_eq!(memory, "Its memory was not compared with dlmalloc's.");
    }

    #[test]
    fn a_failure_of_pageslab_is_told() {
        let mut results = fixture::results();
        let workload = &mut results.platforms[0].workloads[0];
        let group = workload.group().to_string();
        workload
            .cells
            .insert(PAGESLAB.into(), Cell::Failed("trap".into()));
        let [speed, behind, _] = sentences(&results);
        assert!(speed.contains("of its time, without 1 that failed)"));
        let text = format!("{} (it failed 1 of", describe(&group));
        assert!(behind.contains(&text), "{behind}");
    }

    #[test]
    fn a_run_of_some_workloads_says_only_what_it_knows() {
        let mut results = fixture::results();
        results.platforms.truncate(1);
        let wasm = &mut results.platforms[0];
        wasm.workloads
            .retain(|workload| workload.group() == figures::PROGRAM);
        let [speed, ..] = sentences(&results);
        assert!(
            speed.starts_with("Under wasmtime, whole programs (5) take"),
            "{speed}"
        );
        results.platforms[0].workloads.clear();
        let [speed, behind, _] = sentences(&results);
        assert_eq!(speed, "No time was measured under wasmtime.");
        assert_eq!(behind, speed);
    }

    #[test]
    fn without_platforms_nothing_was_measured() {
        let mut results = fixture::results();
        results.platforms.clear();
        let [speed, behind, memory] = sentences(&results);
        assert_eq!(
            (speed.as_str(), behind.as_str()),
            ("Nothing was measured.", "Nothing was measured.")
        );
        assert_eq!(memory, "Its memory was not compared with dlmalloc's.");
    }
}
