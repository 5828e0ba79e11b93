//! How often a thread went to wait for the heap: pageslab's lock is the only caller of `sem_wait` here.

use std::sync::atomic::{AtomicU32, Ordering};

static WAITS: AtomicU32 = AtomicU32::new(0);

/// How many waits there were. Natively nobody counts.
pub fn count() -> u32 {
    WAITS.load(Ordering::Relaxed)
}

/// Where they are counted, for a host that looks on.
#[cfg(target_os = "wasi")]
pub fn word() -> *const AtomicU32 {
    &WAITS
}

/// What the linker puts in the place of `sem_wait`.
#[cfg(target_os = "wasi")]
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_sem_wait(semaphore: *mut std::ffi::c_void) -> std::ffi::c_int {
    unsafe extern "C" {
        fn __real_sem_wait(semaphore: *mut std::ffi::c_void) -> std::ffi::c_int;
    }

    WAITS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the caller passes a semaphore.
    unsafe { __real_sem_wait(semaphore) }
}
