//! Which threads wait for the heap: pageslab's lock is the only caller of `sem_wait` here.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many threads wait.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// How often one went to wait.
static WAITS: AtomicU32 = AtomicU32::new(0);

/// How many waits there were.
pub fn count() -> u32 {
    WAITS.load(Ordering::SeqCst)
}

/// Where those are counted that wait, for a host that looks on.
pub fn waiting() -> *const AtomicU32 {
    &WAITING
}

/// What the linker puts in the place of `sem_wait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_sem_wait(semaphore: *mut std::ffi::c_void) -> std::ffi::c_int {
    unsafe extern "C" {
        fn __real_sem_wait(semaphore: *mut std::ffi::c_void) -> std::ffi::c_int;
    }

    WAITS.fetch_add(1, Ordering::SeqCst);
    WAITING.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller passes a semaphore.
    let ended = unsafe { __real_sem_wait(semaphore) };
    WAITING.fetch_sub(1, Ordering::SeqCst);
    ended
}
