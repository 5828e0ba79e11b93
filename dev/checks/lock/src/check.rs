//! The one scenario: threads that change the same value, all of whose changes must arrive.

use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A lock under test.
pub trait Lock: Send + Sync + 'static {
    fn new(value: Value) -> Self;
    fn with(&self, call: impl FnOnce(&mut Value));
    /// Ends a wait, if there is one, though the lock has not changed.
    fn wake_for_nothing();
}

/// What is locked. Loom fails where an access does not happen after all that have changed it.
pub struct Value(UnsafeCell<u32>);

impl Value {
    fn change(&mut self) {
        self.0.with_mut(|count| {
            // SAFETY: loom has just found that nobody else is at it.
            unsafe { *count += 1 }
        });
    }

    fn count(&mut self) -> u32 {
        self.0.with(|count| {
            // SAFETY: as above.
            unsafe { *count }
        })
    }
}

#[derive(Clone, Copy)]
pub struct Check {
    pub threads: usize,
    /// How often each thread calls with the value.
    pub calls: usize,
    /// How often a thread may be interrupted where it could go on. None: as often as can be.
    pub preemptions: Option<usize>,
    /// Whether one more thread ends a wait for nothing, at any time.
    pub wake_ups_for_nothing: bool,
}

/// # Panics
///
/// If in some interleaving a change is lost or seen too late, or a thread waits for ever.
pub fn check<L: Lock>(how: Check) {
    let interleavings = Arc::new(AtomicUsize::new(0));
    let counted = interleavings.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = how.preemptions;
    // Which the environment may have set.
    builder.max_duration = None;
    builder.max_permutations = None;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        run::<L>(how);
    });
    println!("{} interleavings", interleavings.load(Ordering::Relaxed));
}

/// One interleaving.
fn run<L: Lock>(how: Check) {
    let lock = Arc::new(L::new(Value(UnsafeCell::new(0))));
    let work = move |lock: &L| (0..how.calls).for_each(|_| lock.with(Value::change));
    let mut others: Vec<_> = (1..how.threads)
        .map(|_| {
            let lock = lock.clone();
            thread::spawn(move || work(&lock))
        })
        .collect();
    if how.wake_ups_for_nothing {
        others.push(thread::spawn(L::wake_for_nothing));
    }
    work(&lock);
    for other in others {
        other.join().expect("a panic ends the check");
    }
    lock.with(|value| assert_eq!(value.count() as usize, how.threads * how.calls));
}
