//! The slot whose `free` takes effect with the next one.
//!
//! `free` validates at once, and marks the slot's cell as freed; but the slot's bit is set only when the next slot is freed. So
//! the word that the next `alloc` loads does not wait for the pointer that the last one gave, which has to pass through the map
//! and a multiplication first. It also delays reuse by one, which helps whoever writes after free.

use crate::slabs::slab::SlabPtr;

/// A slot of a slab, or of [`SlabPtr::EMPTY`] if there is none.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Pending {
    pub(super) slab: SlabPtr,
    pub(super) slot: u32,
}

impl Pending {
    pub(super) const NONE: Self = Self {
        slab: SlabPtr::EMPTY,
        slot: 0,
    };

    /// Puts another into its place, and returns it. On wasm32 that is one store, so that a call which is stopped leaves one or
    /// the other.
    #[inline(always)]
    pub(super) fn replace(&mut self, slab: SlabPtr, slot: u32) -> Self {
        let before = *self;
        #[cfg(target_arch = "wasm32")]
        {
            let word = u64::from(slot) << 32 | slab.as_ptr().addr() as u64;
            // SAFETY: it is eight bytes, aligned to eight: the pointer and then the slot. What the pointer points to is exposed: it is
            // in linear memory (`LinearMemory::address`).
            unsafe { (&raw mut *self).cast::<u64>().write(word) };
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            *self = Self { slab, slot };
        }
        before
    }
}
