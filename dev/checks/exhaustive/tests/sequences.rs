//! All sequences, in several alphabets: with few operations deep, with many less deep.
//!
//! The tiny geometry has slots of 64, 128 and 192 bytes (at first 4, 2 and 1 in a slab), frames of 256 and pages of 4096.
#![cfg(pageslab_geometry = "tiny")]

use exhaustive_check::{Count, Explorer, Operation};
use std::thread;

use Operation::{Alloc, AllocAligned, ForeignGrow, Free, FreeAgain, Realloc, Refuse};

/// How many operations longer than usually, by the environment: each multiplies the time by about six.
fn deeper() -> usize {
    std::env::var("EXHAUSTIVE_DEEPER").map_or(0, |depth| depth.parse().expect("a number"))
}

/// Tries all sequences of at most `depth` operations of an alphabet, split by their first operation over two threads.
fn all_sequences(name: &str, alphabet: &[Operation], depth: usize) {
    let depth = depth + deeper();
    let halves = [0, 1].map(|half| alphabet.iter().skip(half).step_by(2));
    let counts = thread::scope(|scope| {
        let searches = halves.map(|first| {
            scope.spawn(move || {
                first
                    .map(|&operation| Explorer::new(alphabet, depth).run(&[operation]))
                    .fold(Count::default(), |all, one| Count {
                        sequences: all.sequences + one.sequences,
                        pages: all.pages.max(one.pages),
                    })
            })
        });
        searches.map(|search| search.join().expect("a sequence shows a defect"))
    });
    let sequences: u64 = counts.iter().map(|count| count.sequences).sum();
    let pages = counts.iter().map(|count| count.pages).max();
    println!(
        "{name}: {sequences} sequences of up to {depth} operations, heaps of up to {pages:?} pages"
    );
    assert!(sequences > 10_000);
}

#[test]
fn of_slots() {
    let alphabet = [Alloc(64), Alloc(128), Alloc(192), Free(0), Free(1), Free(2)];
    all_sequences("slots", &alphabet, 10);
}

#[test]
fn of_one_class_and_runs() {
    let alphabet = [
        Alloc(192),
        Alloc(300),
        Alloc(1500),
        Free(0),
        Free(1),
        Free(3),
    ];
    all_sequences("one class and runs", &alphabet, 10);
}

#[test]
fn of_runs_that_change_their_lengths() {
    let alphabet = [
        Alloc(500),
        Alloc(2000),
        Free(0),
        Free(1),
        Realloc(0, 1000),
        Realloc(0, 5000),
        Realloc(1, 200),
        Realloc(0, 90),
    ];
    all_sequences("reallocations", &alphabet, 8);
}

#[test]
fn with_refused_and_foreign_grows() {
    let alphabet = [
        Alloc(64),
        Alloc(192),
        Alloc(3000),
        Free(0),
        Free(1),
        Realloc(0, 3500),
        Refuse,
        ForeignGrow,
    ];
    all_sequences("refused and foreign grows", &alphabet, 8);
}

#[test]
fn with_alignments_and_double_frees() {
    let alphabet = [
        Alloc(0),
        Alloc(129),
        AllocAligned(100, 128),
        AllocAligned(10, 1024),
        AllocAligned(700, 4096),
        Free(0),
        Free(1),
        FreeAgain,
    ];
    all_sequences("alignments and double frees", &alphabet, 8);
}
