//! A call that is stopped in the midst of a change of the heap's lists poisons it: whatever needs them says so from then on,
//! and what does not still works. Here it is stopped by a memory that panics when new pages are taken in; under wasmtime,
//! `wasm-tests` does it by fuel.
#![cfg(all(panic = "unwind", not(feature = "checked")))]

mod support;

use pageslab::{Error, LinearMemory, MemoryController as _, PageSlab};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{Scripted, panic_message};

/// A memory that panics when it is asked for an address right after it has grown beyond its first page.
struct Stopping(Scripted, Cell<bool>);

// SAFETY: the memory behind it keeps the promises.
unsafe impl LinearMemory for Stopping {
    fn address(&self, offset: u32) -> *mut u8 {
        assert!(!self.1.replace(false), "stopped");
        self.0.address(offset)
    }

    fn size(&self) -> u32 {
        self.0.size()
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        self.1.set(self.0.size() > 0);
        self.0.grow(pages)
    }
}

#[test]
fn heaps_say_so_and_change_nothing_more() {
    let mut heap = PageSlab::new(Stopping(Scripted::new(), Cell::new(false)));
    let slot = heap.alloc(24).expect("there is memory");
    let run = heap.alloc(9000).expect("there is memory");
    heap.mut_mem(slot, 24).fill(7);
    let stopped = catch_unwind(AssertUnwindSafe(|| heap.alloc(1_000_000)));
    assert!(stopped.is_err());

    assert_eq!(heap.alloc(100_000), Err(Error::Poisoned));
    assert_eq!(heap.alloc_aligned(10, 4096), Err(Error::Poisoned));
    assert_eq!(heap.alloc_zeroed(700, 1), Err(Error::Poisoned));
    assert_eq!(heap.free(run, 9000), Err(Error::Poisoned));
    assert_eq!(heap.free(run, 8999), Err(Error::Poisoned));
    assert_eq!(heap.realloc(run, 9000, 20_000), Err(Error::Poisoned));
    assert_eq!(heap.realloc(run, 9000, 5000), Err(Error::Poisoned));
    assert_eq!(heap.realloc(slot, 24, 20_000), Err(Error::Poisoned));
    // It could move to a slot, which needs no list, but not leave where it is.
    assert_eq!(heap.realloc(run, 9000, 20), Err(Error::Poisoned));
    assert_eq!(heap.len_at(slot), Err(Error::Poisoned));
    assert!(heap.is_poisoned() && heap.live().count() == 0);
    assert_eq!(heap.try_mut_mem(slot, 24), Err(Error::Poisoned));
    let message = panic_message(|| {
        heap.mut_mem(slot, 24);
    });
    assert!(message.contains("poisoned"), "{message}");
    // SAFETY: the byte is one of the heap's.
    assert_eq!(unsafe { heap.memory().address(slot).read() }, 7);

    // A slot needs no list.
    let other = heap.alloc(20).expect("its slab has room");
    assert_eq!(heap.free(other, 20), Ok(()));
    assert_eq!(heap.free(slot, 24), Ok(()));
    assert_eq!(heap.alloc(100_000), Err(Error::Poisoned));
}
