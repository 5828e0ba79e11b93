//! Waiting until a word changes, by what the platform has for it. A wait may end for no reason.

use core::sync::atomic::AtomicU32;

pub(super) use platform::{wait, wake_one};

/// A semaphore of wasi-libc, which waits by `memory.atomic.wait32`: stable Rust has the instruction nowhere else.
///
/// There is one semaphore for the one lock, and it is used as an event: a wake-up is kept in it for whoever waits next,
/// and more than one only if threads give the lock up at once. None is lost, since atomic operations of WebAssembly are
/// seen in one order by all: `dev/checks/lock` tries this code.
#[cfg(target_os = "wasi")]
mod platform {
    use super::AtomicU32;
    use core::cell::UnsafeCell;
    use core::ffi::c_int;
    use core::sync::atomic::{Ordering, fence};

    /// `sem_t` of [wasi-libc][semaphore], of which four zeros are a semaphore of value 0.
    ///
    /// [semaphore]: https://github.com/WebAssembly/wasi-libc/blob/main/libc-top-half/musl/include/semaphore.h
    #[repr(C)]
    struct Semaphore(UnsafeCell<[c_int; 4]>);

    // SAFETY: the functions below synchronize by themselves.
    unsafe impl Sync for Semaphore {}

    static EVENT: Semaphore = Semaphore(UnsafeCell::new([0; 4]));

    #[link(name = "c")]
    unsafe extern "C" {
        fn sem_wait(semaphore: *mut [c_int; 4]) -> c_int;
        fn sem_post(semaphore: *mut [c_int; 4]) -> c_int;
        fn __errno_location() -> *mut c_int;
        fn sem_getvalue(semaphore: *mut [c_int; 4], value: *mut c_int) -> c_int;
    }

    /// Waits for a wake-up, which may be an old one: the caller looks at the word again.
    #[cold]
    pub(in super::super) fn wait(_: &AtomicU32, _: u32) {
        // SAFETY: it is a semaphore; `errno` is this thread's. `sem_wait` sets it even where it succeeds, and C's `free` must
        // leave it as it is.
        unsafe {
            let errno = __errno_location().read();
            sem_wait(EVENT.0.get());
            __errno_location().write(errno);
        }
    }

    /// Wakes a thread. If a wake-up is already kept, no thread sleeps through it, and one is enough.
    #[cold]
    pub(in super::super) fn wake_one(_: &AtomicU32) {
        // `sem_getvalue` is a plain load, which must not come before the lock was given up.
        fence(Ordering::SeqCst);
        let mut value = 0;
        // SAFETY: it is a semaphore, and the value is this function's.
        unsafe {
            sem_getvalue(EVENT.0.get(), &mut value);
            if value == 0 {
                sem_post(EVENT.0.get());
            }
        }
    }
}

#[cfg(all(target_os = "linux", not(target_arch = "wasm32")))]
mod platform {
    use super::AtomicU32;
    use core::ptr::null;

    /// Waits while the word is `expected`.
    #[cold]
    pub(in super::super) fn wait(word: &AtomicU32, expected: u32) {
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word lives throughout; there is no timeout. `errno` is this thread's, and C's `free` must leave it as it is.
        unsafe {
            let errno = libc::__errno_location().read();
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                operation,
                expected,
                null::<libc::timespec>(),
            );
            libc::__errno_location().write(errno);
        }
    }

    /// Wakes one thread that waits for the word.
    #[cold]
    pub(in super::super) fn wake_one(word: &AtomicU32) {
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the call only looks for threads that wait for this address.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
    }
}

#[cfg(windows)]
mod platform {
    use super::AtomicU32;
    use windows_sys::Win32::Foundation::{GetLastError, SetLastError};
    use windows_sys::Win32::System::Threading::{INFINITE, WaitOnAddress, WakeByAddressSingle};

    /// Waits while the word is `expected`.
    #[cold]
    pub(in super::super) fn wait(word: &AtomicU32, expected: u32) {
        // SAFETY: both words live throughout, and have the size that is given. The last error is this thread's, as `errno` is.
        unsafe {
            let error = GetLastError();
            WaitOnAddress(
                word.as_ptr().cast(),
                (&raw const expected).cast(),
                size_of::<u32>(),
                INFINITE,
            );
            SetLastError(error);
        }
    }

    /// Wakes one thread that waits for the word.
    #[cold]
    pub(in super::super) fn wake_one(word: &AtomicU32) {
        // SAFETY: the call only looks for threads that wait for this address.
        unsafe { WakeByAddressSingle(word.as_ptr().cast()) };
    }
}

/// Nobody waits: a thread that wants the lock looks until the word has changed, which writes nothing.
///
/// So it is on wasm outside of WASI: a browser's main thread traps at `memory.atomic.wait32`, and no instruction tells whether
/// a thread is that one.
#[cfg(not(any(
    target_os = "wasi",
    all(target_os = "linux", not(target_arch = "wasm32")),
    windows
)))]
mod platform {
    use super::AtomicU32;
    use core::sync::atomic::Ordering;

    /// Looks while the word is `expected`.
    #[cold]
    pub(in super::super) fn wait(word: &AtomicU32, expected: u32) {
        while word.load(Ordering::Relaxed) == expected {
            // Others may need the processor to get on.
            #[cfg(all(unix, not(target_arch = "wasm32")))]
            // SAFETY: it has no conditions.
            unsafe {
                libc::sched_yield()
            };
            core::hint::spin_loop();
        }
    }

    #[cold]
    pub(in super::super) fn wake_one(_: &AtomicU32) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{AtomicU32, wait};

    #[test]
    fn a_wait_that_fails_leaves_errno_as_it_is() {
        // SAFETY: it is this thread's.
        let errno = || unsafe { &mut *libc::__errno_location() };
        *errno() = libc::EDOM;
        // The word is another by now.
        wait(&AtomicU32::new(1), 2);
        assert_eq!(*errno(), libc::EDOM);
    }
}
