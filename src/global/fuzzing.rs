//! The module's heap under a fuzzer (`--cfg fuzzing`): each input gets an empty heap in a memory of its own, and learns of
//! misuse where a guest would trap.
//!
//! The flag is set for all crates of a program that is fuzzed, among them those that only use this one. So nothing differs
//! before a target asks for it. One thread may do that, and use the heap.

extern crate alloc;

use super::{HEAP, OwnMemory, own_memory, with_heap};
use crate::global::lock::Locked;
use crate::{Error, GlobalPageSlab, LinearMemory, PageSlab};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

/// What the heap lies in.
pub(super) enum Memory {
    /// What it has otherwise.
    Own(OwnMemory),
    /// What a target has given it.
    Given(Box<dyn LinearMemory>),
}

// SAFETY: whoever gives the heap a memory that may not go to other threads promises that there are none.
unsafe impl Send for Memory {}

pub(super) const fn memory() -> Memory {
    Memory::Own(own_memory())
}

// SAFETY: both keep the promises, and which of them it is does not change while a heap has it.
unsafe impl LinearMemory for Memory {
    fn address(&self, offset: u32) -> *mut u8 {
        match self {
            Self::Own(memory) => memory.address(offset),
            Self::Given(memory) => memory.address(offset),
        }
    }

    fn size(&self) -> u32 {
        match self {
            Self::Own(memory) => memory.size(),
            Self::Given(memory) => memory.size(),
        }
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        match self {
            Self::Own(memory) => memory.grow(pages),
            Self::Given(memory) => memory.grow(pages),
        }
    }

    fn initial(&mut self) -> Range<u32> {
        match self {
            Self::Own(memory) => memory.initial(),
            Self::Given(memory) => memory.initial(),
        }
    }
}

/// What is told of misuse before anybody else is.
static LISTENER: Locked<Option<fn(Error)>> = Locked::new(None);

/// Tells of misuse.
pub(super) fn tell(error: Error) {
    if let Some(listener) = LISTENER.with(|listener| *listener) {
        listener(error);
    }
}

/// For targets of a fuzzer only.
#[doc(hidden)]
impl GlobalPageSlab {
    /// Puts an empty heap of at most `max_pages` pages in this memory into the place of the module's, and tells `listener`
    /// of each misuse that ends in a trap, before it does. The listener may never return.
    ///
    /// # Safety
    ///
    /// Nobody uses a block of the heap that was there before, and no other thread uses this one.
    pub unsafe fn fuzz(memory: impl LinearMemory + 'static, max_pages: u32, listener: fn(Error)) {
        LISTENER.with(|current| *current = Some(listener));
        let heap = PageSlab::with_limit(Memory::Given(Box::new(memory)), max_pages);
        HEAP.with(|current| *current = heap);
    }

    /// As [`PageSlab::live`].
    pub fn blocks() -> Vec<(u32, u32)> {
        with_heap(|heap| heap.live().collect())
    }
}
