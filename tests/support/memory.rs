//! Memories for tests: the target's own, and one that follows a script.

use super::{PAGE, pattern};
use pageslab::LinearMemory;
use std::{
    cell::{Cell, RefCell},
    ops::Range,
    rc::Rc,
};

/// The linear memory of the target: the module's own, or natively a simulated one.
#[cfg(target_family = "wasm")]
pub type Memory = pageslab::WasmMemory;
#[cfg(not(target_family = "wasm"))]
pub type Memory = pageslab::ReservedMemory;

/// A memory that can grow to 4 GiB (under Miri to 16 MiB, since there it is allocated in full).
#[cfg(target_family = "wasm")]
pub fn memory() -> Memory {
    Memory::new()
}

#[cfg(not(target_family = "wasm"))]
pub fn memory() -> Memory {
    Memory::new(super::rounds(pageslab::MAX_PAGES, 256))
}

/// Which calls of [`LinearMemory::grow`] are refused. Calls count from 1.
#[derive(Clone, Copy, Default)]
enum Refusal {
    #[default]
    None,
    Only(u32),
    From(u32),
    Beyond(u32),
}

/// What a memory has been told to do, and what it has done.
#[derive(Default)]
struct Script {
    refusal: Cell<Refusal>,
    grows: Cell<u32>,
    refused: Cell<u32>,
    /// How many pages the foreign party grows before and after each grow of a heap.
    foreign_before: Cell<u32>,
    foreign_after: Cell<u32>,
    /// The pages of the heaps, and those of the foreign party.
    granted: RefCell<Vec<Range<u32>>>,
    foreign: RefCell<Vec<Range<u32>>>,
}

/// A handle to a real memory that refuses to grow when told to, and that a foreign party grows as well.
///
/// Clones are handles to the same memory: one is the heap's, another the test's, a third perhaps that of a second heap.
#[derive(Clone)]
pub struct Scripted {
    memory: Rc<RefCell<Memory>>,
    script: Rc<Script>,
}

impl Scripted {
    pub fn new() -> Self {
        Self {
            memory: Rc::new(RefCell::new(memory())),
            script: Rc::default(),
        }
    }

    /// A memory that a foreign party grows by `pages` after each grow of a heap, so that no two of these are neighbours.
    pub fn with_foreign(pages: u32) -> Self {
        let memory = Self::new();
        memory.script.foreign_after.set(pages);
        memory
    }

    /// From now on the foreign party grows memory by `pages` right before each grow: after the heap has seen its size.
    pub fn foreign_grows_first(&self, pages: u32) {
        self.script.foreign_before.set(pages);
    }

    /// The foreign party grows memory by `pages` now, and writes to the first and the last of them.
    pub fn foreign_grows(&self, pages: u32) {
        let Some(first) = self.memory.borrow_mut().grow(pages) else {
            return;
        };
        let end = first + pages;
        self.script.foreign.borrow_mut().push(first..end);
        for page in [first, end - 1] {
            pattern::fill(self.page_mut(page), page);
        }
    }

    /// Panics if anybody wrote to the pages of the foreign party.
    pub fn assert_foreign_untouched(&self) {
        for range in self.script.foreign.borrow().iter() {
            for page in [range.start, range.end - 1] {
                let change = pattern::first_change(self.page_mut(page), page);
                assert_eq!(
                    change, None,
                    "a byte of the foreign page {page} has changed"
                );
            }
        }
    }

    #[expect(clippy::mut_from_ref, reason = "no two callers hold a page at once")]
    fn page_mut(&self, page: u32) -> &mut [u8] {
        let start = self.address(page * PAGE);
        // SAFETY: the page is the foreign party's, so nobody else refers to it, and memory never shrinks.
        unsafe { core::slice::from_raw_parts_mut(start, PAGE as usize) }
    }

    /// Refuses the `n`-th grow from now on, and no other.
    pub fn refuse_only(&self, n: u32) {
        self.script
            .refusal
            .set(Refusal::Only(self.script.grows.get() + n));
    }

    /// Refuses the `n`-th grow from now on, and all that follow.
    pub fn refuse_from(&self, n: u32) {
        self.script
            .refusal
            .set(Refusal::From(self.script.grows.get() + n));
    }

    /// Refuses whatever would make the memory larger than `pages`.
    pub fn refuse_beyond(&self, pages: u32) {
        self.script.refusal.set(Refusal::Beyond(pages));
    }

    /// Refuses nothing more.
    pub fn allow(&self) {
        self.script.refusal.set(Refusal::None);
    }

    /// How often a heap has asked the memory to grow.
    pub fn grows(&self) -> u32 {
        self.script.grows.get()
    }

    /// How often that was refused, by script or by the real memory.
    pub fn refused(&self) -> u32 {
        self.script.refused.get()
    }

    /// The ranges of pages that heaps were given.
    pub fn granted(&self) -> Vec<Range<u32>> {
        self.script.granted.borrow().clone()
    }

    /// Whether a heap was given this page.
    pub fn has_granted_page(&self, page: u32) -> bool {
        self.script
            .granted
            .borrow()
            .iter()
            .any(|range| range.contains(&page))
    }

    /// Whether heaps were given all pages of these bytes.
    pub fn has_granted(&self, bytes: Range<u64>) -> bool {
        let page = u64::from(PAGE);
        let mut pages = bytes.start / page..bytes.end.div_ceil(page);
        pages.all(|page| self.has_granted_page(page as u32))
    }

    fn is_refused(&self, pages: u32) -> bool {
        let call = self.script.grows.get();
        match self.script.refusal.get() {
            Refusal::None => false,
            Refusal::Only(n) => call == n,
            Refusal::From(n) => call >= n,
            Refusal::Beyond(most) => self.size() + pages > most,
        }
    }
}

// SAFETY: the memory behind the handle keeps the promises, for all handles alike; what the foreign party grows is recorded as
// its own and given to no heap, and nothing but `page_mut` touches memory, only there.
unsafe impl LinearMemory for Scripted {
    fn address(&self, offset: u32) -> *mut u8 {
        self.memory.borrow().address(offset)
    }

    fn size(&self) -> u32 {
        self.memory.borrow().size()
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let script = Rc::clone(&self.script);
        script.grows.set(script.grows.get() + 1);
        if script.foreign_before.get() > 0 {
            self.foreign_grows(script.foreign_before.get());
        }
        let previous = if self.is_refused(pages) {
            None
        } else {
            self.memory.borrow_mut().grow(pages)
        };
        let Some(first) = previous else {
            script.refused.set(script.refused.get() + 1);
            return None;
        };
        script.granted.borrow_mut().push(first..first + pages);
        if script.foreign_after.get() > 0 {
            self.foreign_grows(script.foreign_after.get());
        }
        previous
    }
}
