//! Threads that have to wait for the heap, since their host stops the one that has it.
//!
//! The first thread checks the heap, which it has locked meanwhile. Its host looks on: at each look it stops that thread and
//! gives another one a turn, which is an allocation. A turn that ends shows that the heap was free just then; if it was not,
//! the other thread goes to wait, and so do all others, each in a turn of its own. Only then does the first thread go on.

use crate::{ALLOCATOR, scenarios, waits};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Has the host look on from now on, until `others` threads wait or this thread calls [`look_away`].
    fn look_on(
        turns: *const AtomicU32,
        ends: *const AtomicU32,
        waiting: *const AtomicU32,
        others: u32,
    );
    fn look_away();
}

/// How many threads wait for their first turn.
static READY: AtomicUsize = AtomicUsize::new(0);
/// How many turns there were: each thread has every `others`th.
static TURNS: AtomicU32 = AtomicU32::new(0);
/// How many of them have ended.
static ENDS: AtomicU32 = AtomicU32::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);

pub fn held(others: usize, _seed: u64, _steps: usize) {
    thread::scope(|scope| {
        let spawn = |first| scope.spawn(move || take_turns((first..).step_by(others)));
        let threads: Vec<_> = (0..others).map(spawn).collect();
        // Who starts needs the heap as well, and a thread that waits for that has no turns.
        while READY.load(Ordering::SeqCst) < others {
            thread::yield_now();
        }
        let before = waits::count();
        // SAFETY: the words live as long as the program.
        unsafe { look_on(&TURNS, &ENDS, waits::waiting(), others as u32) };
        ALLOCATOR.check_invariants();
        // SAFETY: it has no conditions.
        unsafe { look_away() };
        let waits = waits::count() - before;
        assert!(
            waits as usize >= others,
            "of {others} threads, {waits} had to wait"
        );
        IS_OVER.store(true, Ordering::SeqCst);
        scenarios::join(threads);
    });
}

/// Allocates once in each of these turns.
fn take_turns(turns: impl Iterator<Item = usize>) {
    READY.fetch_add(1, Ordering::SeqCst);
    for turn in turns {
        while TURNS.load(Ordering::SeqCst) as usize <= turn {
            if IS_OVER.load(Ordering::SeqCst) {
                return;
            }
            thread::yield_now();
        }
        drop(black_box(Box::new(turn)));
        ENDS.fetch_add(1, Ordering::SeqCst);
    }
}
