//! A heap as a static, without a lock.

use core::cell::UnsafeCell;

pub struct Alone<H>(UnsafeCell<H>);

// SAFETY: the benchmarks are single-threaded.
unsafe impl<H> Sync for Alone<H> {}

impl<H> Alone<H> {
    pub const fn with(heap: H) -> Self {
        Self(UnsafeCell::new(heap))
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "see SAFETY")]
    pub fn heap(&self) -> &mut H {
        // SAFETY: single-threaded, and no heap calls back.
        unsafe { &mut *self.0.get() }
    }
}
