//! A model of wasi-libc's semaphore, for the one that `src/global/futex.rs` has.
//!
//! The C library's atomic operations on its value are full barriers, as all of WebAssembly's are; only `sem_getvalue` is
//! a plain load. Loom has that strength in fences, not in operations. Were they no more than acquire and release, a
//! thread that gives the lock up could see the word of one that waits for a second time, and still the value from before
//! its first: the wake-up would be lost.

use loom::lazy_static;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::ffi::c_int;

struct Semaphore {
    value: AtomicU32,
    queue: Mutex<()>,
    posted: Condvar,
}

lazy_static! {
    static ref SEMAPHORE: Semaphore = Semaphore {
        value: AtomicU32::new(0),
        queue: Mutex::new(()),
        posted: Condvar::new(),
    };
}

/// Makes the semaphore before there are threads: the first use would synchronize all later ones with it.
pub fn prepare() {
    let _ = &*SEMAPHORE;
}

impl Semaphore {
    fn post(&self) {
        let _queue = self.queue.lock().expect("a panic ends the check");
        fence(Ordering::SeqCst);
        self.value.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.posted.notify_one();
    }

    fn wait(&self) {
        let mut queue = self.queue.lock().expect("a panic ends the check");
        while !self.take() {
            queue = self.posted.wait(queue).expect("a panic ends the check");
        }
    }

    fn take(&self) -> bool {
        fence(Ordering::SeqCst);
        let taken = self
            .value
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |value| {
                value.checked_sub(1)
            });
        fence(Ordering::SeqCst);
        taken.is_ok()
    }
}

pub fn wake_for_nothing() {
    SEMAPHORE.post();
}

pub unsafe fn sem_wait(_: *mut [c_int; 4]) -> c_int {
    SEMAPHORE.wait();
    0
}

pub unsafe fn sem_post(_: *mut [c_int; 4]) -> c_int {
    SEMAPHORE.post();
    0
}

pub unsafe fn sem_getvalue(_: *mut [c_int; 4], value: *mut c_int) -> c_int {
    // SAFETY: the caller says where a value can be written.
    unsafe { value.write(SEMAPHORE.value.load(Ordering::Relaxed) as c_int) };
    0
}

pub unsafe fn __errno_location() -> *mut c_int {
    thread_local! {
        static ERRNO: Cell<c_int> = const { Cell::new(0) };
    }
    ERRNO.with(Cell::as_ptr)
}
