//! A host that does not let memory grow: once, beyond a limit, or so that the call does not return.

use crate::afterwards::Heap;
use crate::calls::{Call, calls};
use crate::guest::{CHECKED, Growth, Guest, Outcome, PLAIN};
use wasmtime::Module;

const PAGE: u64 = 64 << 10;

/// A guest that was never stopped.
fn guest(module: &Module) -> Guest {
    let mut guest = Guest::new(module);
    guest.let_run();
    guest
}

/// Makes all calls, each with as much fuel as it takes.
fn make_all(guest: &mut Guest) {
    for call in calls() {
        guest.let_run();
        assert_eq!(guest.call(call), Outcome::Done, "{call:?}");
    }
}

/// How often the calls grow memory.
fn growths(module: &Module) -> u32 {
    let mut guest = guest(module);
    let before = guest.store.data().growths;
    make_all(&mut guest);
    guest.store.data().growths - before
}

/// Makes all calls on a host that refuses some growth, and returns how many calls were refused. These are made again when
/// growths are granted.
fn make_refused(module: &Module, growth: impl Fn(u32) -> Growth) -> u32 {
    let mut guest = guest(module);
    guest.store.data_mut().growth = growth(guest.store.data().growths);
    let mut refused = 0;
    for call in calls() {
        guest.let_run();
        match guest.call(call) {
            Outcome::Done => {}
            Outcome::Refused => {
                refused += 1;
                guest.assert_whole();
                guest.store.data_mut().growth = Growth::Granted;
                assert_eq!(guest.call(call), Outcome::Done, "{call:?} again");
            }
            other => panic!("{call:?}: {other:?}"),
        }
        guest.assert_bytes();
    }
    guest.assert_whole();
    guest.store.data_mut().growth = Growth::Granted;
    assert_eq!(guest.use_on(7), Heap::Usable);
    assert_eq!(guest.count(), 0, "blocks are lost");
    refused
}

#[test]
fn memory_grow_that_is_refused_at_every_n() {
    for nth in 0..growths(&PLAIN) {
        // A smaller growth, or what is cached, may make good for one.
        assert!(make_refused(&PLAIN, |first| Growth::Refused(first + nth)) <= 1);
    }
}

#[test]
fn memory_grow_that_is_refused_from_every_n_on() {
    for nth in 0..growths(&PLAIN) {
        let refused = make_refused(&PLAIN, |first| Growth::RefusedFrom(first + nth));
        assert_eq!(refused, 1, "from growth {nth} on");
    }
}

#[test]
fn memory_grow_that_is_refused_in_checked_mode() {
    let growths = growths(&CHECKED);
    let refused =
        (0..growths).map(|nth| make_refused(&CHECKED, |first| Growth::RefusedFrom(first + nth)));
    // The quarantine may make good for some.
    assert!(refused.sum::<u32>() > growths / 2);
}

fn trap_at_every_n(module: &Module) {
    let mut stops = 0;
    for nth in 0..growths(module) {
        let mut guest = guest(module);
        guest.store.data_mut().growth = Growth::Traps(guest.store.data().growths + nth);
        for call in calls() {
            guest.let_run();
            if guest.call(call) == Outcome::Stopped {
                stops += 1;
                // It does not grow in the midst of a change.
                assert_eq!(guest.use_on(nth.into()), Heap::Usable);
                break;
            }
        }
    }
    assert_eq!(stops, growths(module));
}

#[test]
fn memory_grow_that_traps_at_every_n() {
    trap_at_every_n(&PLAIN);
}

#[test]
fn memory_grow_that_traps_in_checked_mode() {
    trap_at_every_n(&CHECKED);
}

#[test]
fn a_first_block_beyond_a_limit_at_which_the_host_traps() {
    for module in [&PLAIN, &CHECKED] {
        let mut guest = guest(module);
        guest.store.data_mut().growth = Growth::TrapsBeyond(4 << 20);
        let (block, len, align) = (0, 10 << 20, 1);
        let alloc = Call::Alloc { block, len, align };
        assert_eq!(guest.call(alloc), Outcome::Stopped);
        assert!(!guest.is_dead());
        guest.assert_whole();
        assert_eq!(guest.count(), 0);
        let len = 1 << 20;
        let alloc = Call::Alloc { block, len, align };
        assert_eq!(guest.call(alloc), Outcome::Done);
        guest.store.data_mut().growth = Growth::Granted;
        assert_eq!(guest.use_on(9), Heap::Usable);
        assert_eq!(guest.count(), 0, "blocks are lost");
    }
}

/// Makes all calls that can be made in this many pages, and returns how many were refused.
fn make_within(guest: &mut Guest, pages: u64) -> u32 {
    let mut refused = 0;
    for call in calls() {
        guest.let_run();
        // Its block may have been refused.
        if call
            .needs()
            .is_some_and(|block| !guest.live.contains_key(&block))
        {
            continue;
        }
        let outcome = guest.call(call);
        if outcome != Outcome::Done {
            assert_eq!(outcome, Outcome::Refused, "{call:?}");
            assert!(!matches!(call, Call::Free { .. }));
            refused += 1;
            guest.assert_whole();
            assert_eq!(guest.count() as usize, guest.live.len(), "blocks are lost");
        }
        assert!(guest.pages() <= pages);
    }
    guest.assert_whole();
    refused
}

#[test]
fn a_memory_that_may_have_any_number_of_pages() {
    let mut free = guest(&PLAIN);
    let least = free.pages();
    make_all(&mut free);
    let peak = free.pages();
    for pages in least..=peak {
        let mut guest = guest(&PLAIN);
        let limit = (pages * PAGE) as usize;
        guest.store.data_mut().limit_memory(limit);
        let refused = make_within(&mut guest, pages);
        assert_eq!(refused == 0, pages == peak, "{refused} in {pages} pages");

        // With all that it wants it goes on as if nothing had been.
        guest.store.data_mut().limit_memory(usize::MAX);
        assert_eq!(guest.use_on(pages), Heap::Usable);
        assert_eq!(guest.count(), 0, "blocks are lost");
        make_all(&mut guest);
        guest.assert_whole();
    }
}
