//! What a lock waits in: a model of a futex, and of what else `src/global/futex.rs` has, the code itself.

/// A futex of the system: it compares and waits in one step, and wakes the thread that has waited longest.
pub mod futex {
    use loom::lazy_static;
    use loom::sync::atomic::{AtomicU32, Ordering};
    use loom::sync::{Condvar, Mutex};

    lazy_static! {
        /// There is one lock, and so one queue.
        static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// Makes the queue before there are threads: the first use would synchronize all later ones with it.
    pub fn prepare() {
        let _ = &*QUEUE;
    }

    pub fn wait(word: &AtomicU32, expected: u32) {
        let (queue, woken) = &*QUEUE;
        let queue = queue.lock().expect("a panic ends the check");
        if word.load(Ordering::Relaxed) == expected {
            drop(woken.wait(queue));
        }
    }

    pub fn wake_one(_: &AtomicU32) {
        wake();
    }

    pub fn wake_for_nothing() {
        wake();
    }

    fn wake() {
        let (queue, woken) = &*QUEUE;
        let _queue = queue.lock().expect("a panic ends the check");
        woken.notify_one();
    }
}

/// The semaphore as an event: the crate's code for WASI, which `build.rs` has written, over a model of the semaphore.
macro_rules! event {
    ($name:ident, $source:literal) => {
        pub mod $name {
            use crate::semaphore::{__errno_location, sem_getvalue, sem_post, sem_wait};
            use loom::sync::atomic::AtomicU32;

            pub use crate::semaphore::{prepare, wake_for_nothing};
            pub use platform::{wait, wake_one};

            mod platform {
                include!(concat!(env!("OUT_DIR"), "/", $source, ".rs"));
            }
        }
    };
}

event!(event, "event");
event!(event_with_weaker_fence, "weaker_fence");
event!(event_that_keeps_none, "keeps_none");

/// Nothing to wait in: the crate's code for where that may be, which `build.rs` has written.
pub mod looking {
    use loom::sync::atomic::AtomicU32;

    pub use platform::{wait, wake_one};

    mod platform {
        include!(concat!(env!("OUT_DIR"), "/looking.rs"));
    }

    pub fn prepare() {}

    pub fn wake_for_nothing() {}
}
