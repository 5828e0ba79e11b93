//! Checks pageslab's lock in every interleaving of two threads and, up to a bound on preemptions, of three, with
//! [loom](https://docs.rs/loom): `cargo test -p lock-check --release`.
//!
//! The lock is `src/global/lock.rs`, which `build.rs` prepares, over a model of each thing that it waits in. Checked is
//! that one thread at a time has the value, that it sees what those before it wrote, and that no thread waits for ever.
//! The locks that `build.rs` breaks show that each of these checks can fail.

#![cfg(test)]

mod check;
mod semaphore;
mod wait;

use check::{Check, check};

/// Every interleaving.
const TWO: Check = Check {
    threads: 2,
    calls: 2,
    preemptions: None,
    wake_ups_for_nothing: false,
};

/// Every interleaving, with a third thread that only wakes one.
const TWO_WOKEN_FOR_NOTHING: Check = Check {
    calls: 1,
    wake_ups_for_nothing: true,
    ..TWO
};

/// As many as take seconds: each further preemption takes six times as long.
const THREE: Check = Check {
    threads: 3,
    calls: 1,
    preemptions: Some(5),
    wake_ups_for_nothing: false,
};

const THREE_WOKEN_FOR_NOTHING: Check = Check {
    preemptions: Some(3),
    wake_ups_for_nothing: true,
    ..THREE
};

/// A lock that `build.rs` has written, over a module of [`wait`].
macro_rules! lock {
    ($name:ident = $source:literal over $waiting:ident) => {
        mod $name {
            use crate::check::{self, Value};
            use crate::wait::$waiting as futex;

            // What forks is not checked.
            #[allow(dead_code)]
            mod lock {
                include!(concat!(env!("OUT_DIR"), "/", $source, ".rs"));
            }

            pub struct Lock(lock::Locked<Value>);

            impl check::Lock for Lock {
                fn new(value: Value) -> Self {
                    futex::prepare();
                    Self(lock::Locked::new(value))
                }

                fn with(&self, call: impl FnOnce(&mut Value)) {
                    self.0.with(call);
                }

                fn wake_for_nothing() {
                    futex::wake_for_nothing();
                }
            }
        }
    };
}

/// Locks, and the checks that they pass.
macro_rules! holds {
    ($($name:ident over $waiting:ident: $($check:ident = $how:ident),*;)*) => {$(
        lock!($name = "lock" over $waiting);

        mod $waiting {
            $(
                #[test]
                fn $check() {
                    crate::check::<crate::$name::Lock>(crate::$how);
                }
            )*
        }
    )*};
}

/// Broken locks, and the check that finds each, with what it says.
macro_rules! found {
    ($($name:ident = $source:literal over $waiting:ident by $how:ident: $message:literal;)*) => {$(
        lock!($name = $source over $waiting);

        #[test]
        #[should_panic(expected = $message)]
        fn $name() {
            check::<$name::Lock>($how);
        }
    )*};
}

holds! {
    lock_over_futex over futex:
        two_threads = TWO, three_threads = THREE,
        two_woken_for_nothing = TWO_WOKEN_FOR_NOTHING, three_woken_for_nothing = THREE_WOKEN_FOR_NOTHING;
    lock_over_event over event:
        two_threads = TWO, three_threads = THREE,
        two_woken_for_nothing = TWO_WOKEN_FOR_NOTHING, three_woken_for_nothing = THREE_WOKEN_FOR_NOTHING;
    // With a third thread, two would look in turn for ever, and loom does not know that no system lets them.
    lock_over_looking over looking:
        two_threads = TWO;
}

found! {
    acquired_relaxed = "acquired_relaxed" over futex by TWO: "Causality violation";
    acquired_relaxed_after_waiting = "acquired_relaxed_after_waiting" over futex by TWO: "Causality violation";
    released_relaxed = "released_relaxed" over futex by TWO: "Causality violation";
    taken_where_it_looks_free = "taken_where_it_looks_free" over futex by TWO: "Causality violation";
    waits_without_a_word = "waits_without_a_word" over futex by TWO: "deadlock";
    waits_without_a_word_for_the_event = "waits_without_a_word" over event by TWO: "deadlock";
    forgets_others_that_wait = "forgets_others_that_wait" over futex by THREE: "deadlock";
    wakes_nobody = "wakes_nobody" over futex by TWO: "deadlock";
    wakes_nobody_by_the_event = "wakes_nobody" over event by TWO: "deadlock";
    wakes_where_nobody_waits = "wakes_where_nobody_waits" over futex by TWO: "deadlock";
    event_with_weaker_fence = "lock" over event_with_weaker_fence by TWO: "deadlock";
    event_that_keeps_none = "lock" over event_that_keeps_none by TWO: "deadlock";
}
