//! A heap that is dead says so, whatever asks, and nothing goes round for ever.

use crate::guest::{CHECKED, Guest, PLAIN, POISONED};
use wasmtime::{Module, Trap};

/// A guest that was stopped in the midst of its first change.
fn poisoned(module: &Module) -> Guest {
    let stopped = (1..10_000).find_map(|fuel| {
        let mut guest = Guest::new(module);
        guest.store.set_fuel(fuel).expect("fuel is counted");
        let stopped = guest.export::<_, u32>("__alloc", (100_000, 1)).is_err();
        guest.let_run();
        (stopped && guest.is_dead()).then_some(guest)
    });
    stopped.expect("some amount of fuel ends within the change")
}

/// What the guest says went wrong last.
fn message(guest: &mut Guest) -> String {
    let text: u64 = guest.export("__heap_message", ()).expect("it never traps");
    let bytes = &guest.memory()[(text >> 32) as usize..][..text as u32 as usize];
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_host_that_asks_is_told() {
    for module in [&*PLAIN, &*CHECKED] {
        let mut guest = poisoned(module);
        let said = "the heap is poisoned: an earlier call was stopped in the midst of a change\n";
        for _ in 0..2 {
            let status: u32 = guest.export("__heap_status", ()).expect("it never traps");
            assert_eq!((status, message(&mut guest).as_str()), (POISONED, said));
        }
        let ptr: u32 = guest.export("__alloc", (1, 3)).expect("it never traps");
        assert_eq!(ptr, 0);
        let text = message(&mut guest);
        assert!(
            text.starts_with("the alignment 3") && text.ends_with(said),
            "{text}"
        );
    }
}

#[test]
fn its_blocks_are_not_counted() {
    let mut guest = poisoned(&CHECKED);
    let leaks: u32 = guest.export("__heap_leaks", ()).expect("it never traps");
    assert_eq!(leaks, u32::MAX);
    let live = guest.export::<_, u32>("live", ());
    live.expect_err("nobody knows");
}

#[test]
fn a_handler_that_allocates_is_not_entered_from_within_itself() {
    for module in [&*PLAIN, &*CHECKED] {
        let mut guest = poisoned(module);
        for _ in 0..3 {
            let allocated = guest.export::<_, u32>("retrying_alloc", 100_000);
            let trap = allocated.expect_err("there is no memory");
            assert_eq!(trap.downcast_ref(), Some(&Trap::UnreachableCodeReached));
        }
    }
}
