//! A small linear memory, made once for each thread and zeroed for each heap, since there are millions of heaps.

use pageslab::{LinearMemory, PAGE};
use std::cell::{Cell, UnsafeCell};

/// Pages in it.
pub const PAGES: u32 = 12;

const BYTES: usize = (PAGES * PAGE) as usize;

#[repr(C, align(65536))]
struct Bytes(UnsafeCell<[u8; BYTES]>);

thread_local! {
    static BYTES_OF_THREAD: Box<Bytes> = Box::new(Bytes(UnsafeCell::new([0; BYTES])));
    static SIZE: Cell<u32> = const { Cell::new(0) };
    static REFUSES: Cell<bool> = const { Cell::new(false) };
    static HAS_REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// A handle to the thread's memory, of which one heap at a time may be made.
#[derive(Clone, Copy)]
pub struct Memory {
    base: *mut u8,
}

impl Memory {
    /// The thread's memory, empty again.
    pub fn empty() -> Self {
        let base = BYTES_OF_THREAD.with(|bytes| bytes.0.get().cast::<u8>());
        let used = (SIZE.replace(0) * PAGE) as usize;
        // SAFETY: the bytes are this thread's, and no heap uses them any more.
        unsafe { base.write_bytes(0, used) };
        REFUSES.set(false);
        Self { base }
    }

    /// Whether it refuses to grow from now on.
    pub fn refuse(self, refuses: bool) {
        REFUSES.set(refuses);
    }

    pub fn refuses(self) -> bool {
        REFUSES.get()
    }

    /// Whether it has refused to grow since this was asked last.
    pub fn has_refused(self) -> bool {
        HAS_REFUSED.replace(false)
    }

    /// Another party grows it by one page, if there is one.
    pub fn foreign_grow(self) -> bool {
        let size = SIZE.get();
        if size == PAGES {
            return false;
        }
        SIZE.set(size + 1);
        true
    }
}

// SAFETY: the bytes stay where they are as long as the thread lives, are aligned to more than a page, and zero behind what
// was grown: nobody writes there. What the foreign party grows is not given out again.
unsafe impl LinearMemory for Memory {
    fn address(&self, offset: u32) -> *mut u8 {
        self.base.wrapping_add(offset as usize)
    }

    fn size(&self) -> u32 {
        SIZE.get()
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let size = SIZE.get();
        if REFUSES.get() || pages > PAGES - size {
            HAS_REFUSED.set(true);
            return None;
        }
        SIZE.set(size + pages);
        Some(size)
    }
}
