//! The heap's memory natively: 4 GiB of address space, or what the system grants of it.
//!
//! A process that forks has copies of all memory in the child, but of one thread only: were another in the heap, the child would wait
//! for it for ever. So a thread that forks has the heap meanwhile, as those of glibc do.

use crate::memory::LinearMemory;
use crate::{MAX_PAGES, ReservedMemory};
use core::ops::Range;

pub(super) struct NativeMemory(ReservedMemory);

impl NativeMemory {
    pub(super) const fn new() -> Self {
        Self(ReservedMemory::lazy(MAX_PAGES))
    }
}

// SAFETY: `ReservedMemory` keeps the promises.
unsafe impl LinearMemory for NativeMemory {
    #[inline(always)]
    fn address(&self, offset: u32) -> *mut u8 {
        self.0.address(offset)
    }

    #[inline]
    fn size(&self) -> u32 {
        self.0.size()
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        self.0.grow(pages)
    }

    /// None. It is asked for before all else, and again as long as the system grants nothing.
    fn initial(&mut self) -> Range<u32> {
        #[cfg(all(unix, not(miri)))]
        fork::register();
        0..0
    }
}

#[cfg(all(unix, not(miri)))]
mod fork {
    use crate::global::HEAP;
    use core::sync::atomic::{AtomicBool, Ordering};

    pub(super) fn register() {
        static IS_DONE: AtomicBool = AtomicBool::new(false);

        if IS_DONE.swap(true, Ordering::Relaxed) {
            return;
        }
        // SAFETY: any thread that forks may call the functions. For want of memory this may fail: then threads fork as they would
        // without it.
        unsafe { libc::pthread_atfork(Some(hold), Some(release), Some(release)) };
    }

    extern "C" fn hold() {
        HEAP.hold();
    }

    /// # Safety
    ///
    /// This thread called [`hold`], or it is the copy of one that did.
    unsafe extern "C" fn release() {
        // SAFETY: the caller's promise.
        unsafe { HEAP.release() };
    }
}

#[cfg(all(test, unix, not(miri)))]
mod tests {
    extern crate std;

    use crate::global::{HEAP, with_heap};
    use core::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn a_child_has_the_heap_whatever_other_threads_did() {
        static IS_HELD: AtomicBool = AtomicBool::new(false);
        static HAS_FORKED: AtomicBool = AtomicBool::new(false);
        let uses_the_heap = || with_heap(|heap| assert!(heap.alloc_at(1, 1).is_some()));

        uses_the_heap();
        let other = thread::spawn(|| {
            with_heap(|_| {
                IS_HELD.store(true, Ordering::Release);
                // Until the thread that forks waits for the heap, as it should, or did not.
                while !HEAP.is_contended() && !HAS_FORKED.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            });
        });
        while !IS_HELD.load(Ordering::Acquire) {
            thread::yield_now();
        }
        // SAFETY: the child does no more than use the heap, and end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: these have no conditions. A child that waits for ever ends by the signal.
            unsafe {
                libc::alarm(60);
                uses_the_heap();
                libc::_exit(0);
            }
        }
        HAS_FORKED.store(true, Ordering::Release);
        other.join().expect("it has not panicked");
        uses_the_heap();
        let mut status = -1;
        // SAFETY: the status can be written.
        let ended = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!((ended, status), (child, 0));
    }
}
