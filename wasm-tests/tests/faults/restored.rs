//! A host that puts the bytes of an instance's memory back as they were before: all but its size, which never shrinks.

use crate::afterwards::Heap;
use crate::calls::{Call, calls};
use crate::guest::{CHECKED, Guest, Outcome, PLAIN};
use wasmtime::Module;

const ROUNDS: u32 = 50;

fn make_all(guest: &mut Guest, calls: &[Call]) {
    for &call in calls {
        guest.let_run();
        assert_eq!(guest.call(call), Outcome::Done, "{call:?}");
    }
}

/// Makes the last calls again and again, each time in what the first ones have left.
fn restore_behind(module: &Module, first: usize, zeroed: bool) {
    let mut guest = Guest::new(module);
    let calls = calls();
    let (before, again) = calls.split_at(first);
    make_all(&mut guest, before);
    let (bytes, live) = (guest.memory().to_vec(), guest.live.clone());
    let mut needed = 0;
    for round in 0..ROUNDS {
        let pages = guest.pages();
        make_all(&mut guest, again);
        guest.assert_whole();
        let grown = guest.pages() - pages;
        if round == 0 {
            assert!(grown > 0, "nothing was grown that stays");
            // One more for the map, which covers those that were left behind.
            needed = grown + 1;
        }
        assert!(grown <= needed, "{grown} pages in round {round}");
        guest.put_back(&bytes, zeroed);
        guest.live.clone_from(&live);
        guest.assert_whole();
        assert_eq!(guest.count() as usize, live.len());
    }
    assert_eq!(guest.use_on(5), Heap::Usable);
}

#[test]
fn a_memory_that_is_put_back_again_and_again() {
    for first in (0..calls().len()).step_by(100) {
        restore_behind(&PLAIN, first, false);
        restore_behind(&PLAIN, first, true);
    }
}

#[test]
fn a_memory_that_is_put_back_in_checked_mode() {
    restore_behind(&CHECKED, 100, false);
    restore_behind(&CHECKED, 100, true);
}
