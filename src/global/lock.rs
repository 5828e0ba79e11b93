//! The lock around the module's heap: nothing at all where one thread can call it, else one word.
//!
//! Several threads are possible natively, and on wasm where the target feature `atomics` is on: `build.rs` finds out,
//! and sets `cfg(pageslab_threads)`. The word is that of a mutex over a futex ([Drepper, 2011][drepper], the third variant): free,
//! held, or held while others may wait. A thread that finds it held spins for a moment, since calls of the heap are
//! short, and then waits in the platform's `futex`.
//!
//! It is not fair: a thread that releases it and wants it again at once mostly has it before one that waits has woken
//! up. So no release waits for another thread to wake up, and a thread that does nothing but hold the heap starves the others.
//!
//! [drepper]: https://www.akkadia.org/drepper/futex.pdf

use core::cell::UnsafeCell;

/// A value that one thread at a time can use.
pub(super) struct Locked<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: `with` is the only way to the value, and one thread at a time is in there: because of the lock, or because
// there is one thread.
unsafe impl<T: Send> Sync for Locked<T> {}

impl<T> Locked<T> {
    /// Where the value is, for a host that reads it.
    pub(super) const VALUE: usize = core::mem::offset_of!(Self, value);

    pub(super) const fn new(value: T) -> Self {
        Self {
            lock: Lock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls with the value. The call must not come back here: it would wait for itself, or have the value twice.
    #[inline(always)]
    pub(super) fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        let _held = self.lock.acquire();
        // SAFETY: the lock is held until `_held` is dropped, and callers promise not to come back: this is the only
        // reference.
        call(unsafe { &mut *self.value.get() })
    }

    /// Keeps the value from all other threads, until [`release`](Self::release).
    #[cfg(all(unix, not(target_arch = "wasm32")))]
    pub(super) fn hold(&self) {
        core::mem::forget(self.lock.acquire());
    }

    /// # Safety
    ///
    /// This thread called [`hold`](Self::hold), and has not called this since.
    #[cfg(all(unix, not(target_arch = "wasm32")))]
    pub(super) unsafe fn release(&self) {
        self.lock.release();
    }

    /// Whether a thread waits, or may.
    #[cfg(all(test, unix, not(miri)))]
    pub(super) fn is_contended(&self) -> bool {
        self.lock.is_contended()
    }
}

use word::Lock;

/// One thread: there is nothing to lock.
#[cfg(not(pageslab_threads))]
mod word {
    pub(super) struct Lock;

    pub(super) struct Held;

    impl Lock {
        pub(super) const fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(super) fn acquire(&self) -> Held {
            Held
        }
    }
}

#[cfg(pageslab_threads)]
mod word {
    use super::super::futex;
    use core::sync::atomic::{AtomicU32, Ordering};

    const FREE: u32 = 0;
    const HELD: u32 = 1;
    const CONTENDED: u32 = 2;

    /// How often a thread looks again before it waits: for about as long as a call of the heap takes.
    const SPINS: u32 = 100;

    pub(super) struct Lock(AtomicU32);

    /// The lock is held as long as this lives.
    pub(super) struct Held<'a>(&'a Lock);

    impl Lock {
        pub(super) const fn new() -> Self {
            Self(AtomicU32::new(FREE))
        }

        #[inline(always)]
        pub(super) fn acquire(&self) -> Held<'_> {
            if !self.try_acquire() {
                self.acquire_contended();
            }
            Held(self)
        }

        #[inline(always)]
        fn try_acquire(&self) -> bool {
            self.0
                .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        }

        /// For the thread that has acquired it.
        #[inline(always)]
        pub(super) fn release(&self) {
            if self.0.swap(FREE, Ordering::Release) == CONTENDED {
                futex::wake_one(&self.0);
            }
        }

        #[cfg(all(test, unix, not(miri)))]
        pub(super) fn is_contended(&self) -> bool {
            self.0.load(Ordering::Relaxed) == CONTENDED
        }

        #[cold]
        fn acquire_contended(&self) {
            for _ in 0..SPINS {
                if self.0.load(Ordering::Relaxed) == FREE && self.try_acquire() {
                    return;
                }
                core::hint::spin_loop();
            }
            // From here on this thread cannot tell whether others wait as well.
            while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
                futex::wait(&self.0, CONTENDED);
            }
        }
    }

    impl Drop for Held<'_> {
        #[inline(always)]
        fn drop(&mut self) {
            self.0.release();
        }
    }
}
