//! Calls that may end in a trap, or in a panic, and what comes of it.
//!
//! A guest's host survives both. A trap ends the call where it is, with nothing dropped, and so does the jump that takes its
//! place here. Touches no heap.

use pageslab::Error;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

unsafe extern "C" {
    fn pageslab_call(call: unsafe extern "C" fn(*mut c_void), data: *mut c_void) -> i32;
    fn pageslab_trap() -> !;
}

thread_local! {
    /// Why the last call trapped.
    static MISUSE: Cell<Option<Error>> = const { Cell::new(None) };
    static MAY_TRAP: Cell<bool> = const { Cell::new(false) };
    static MAY_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// The listener for [`GlobalPageSlab::fuzz`](pageslab::GlobalPageSlab::fuzz): traps, if there is a call that may.
pub(crate) fn trap(error: Error) {
    if MAY_TRAP.get() {
        MISUSE.set(Some(error));
        // SAFETY: `trapping` is waiting, and the frames between it and this one are those of its call, which has nothing
        // to drop, and of the allocator's misuse, which has only a guard against panics.
        unsafe { pageslab_trap() };
    }
}

/// What a call returns, or why it trapped. The call is one of the allocator's, has nothing to drop, and makes no such call
/// itself.
///
/// # Errors
///
/// The misuse for which it trapped.
pub fn trapping<R>(call: impl FnOnce() -> R) -> Result<R, Error> {
    struct Data<F, R> {
        call: Option<F>,
        result: Option<R>,
    }

    unsafe extern "C" fn run<F: FnOnce() -> R, R>(data: *mut c_void) {
        // SAFETY: it is the data below, to which nobody else has a reference meanwhile.
        let data = unsafe { &mut *data.cast::<Data<F, R>>() };
        data.result = data.call.take().map(|call| call());
    }

    fn data<F: FnOnce() -> R, R>(call: F) -> (Data<F, R>, unsafe extern "C" fn(*mut c_void)) {
        let call = Some(call);
        (Data { call, result: None }, run::<F, R>)
    }

    let (mut data, run) = data(call);
    MAY_TRAP.set(true);
    // SAFETY: the function takes this data.
    unsafe { pageslab_call(run, (&raw mut data).cast()) };
    MAY_TRAP.set(false);
    data.result
        .ok_or_else(|| MISUSE.take().expect("a trap has a reason"))
}

/// What a call returns, or `None` if it panics, about which the fuzzer is not told.
pub fn panicking<R>(call: impl FnOnce() -> R) -> Option<R> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            if !MAY_PANIC.get() {
                hook(info);
            }
        }));
    });
    MAY_PANIC.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    MAY_PANIC.set(false);
    result.ok()
}
