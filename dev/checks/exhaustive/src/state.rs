//! A heap with what must be true of it, and the operations on both.

use crate::memory::Memory;
use pageslab::{Error, LinearMemory as _, MemoryController as _, PageSlab};

/// What a guest, a host or another party can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Allocates as many bytes.
    Alloc(u32),
    /// Allocates as many bytes at an alignment.
    AllocAligned(u32, u32),
    /// Frees the live block with this number, counted from the oldest.
    Free(usize),
    /// Changes the length of the live block with this number.
    Realloc(usize, u32),
    /// Frees the block that was freed last once more, which must err.
    FreeAgain,
    /// Memory refuses to grow from now on, or no longer.
    Refuse,
    /// Another party grows memory.
    ForeignGrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    ptr: u32,
    len: u32,
    /// What each of its bytes is.
    byte: u8,
}

/// A heap, and what must be true of it.
pub struct State {
    heap: PageSlab<Memory>,
    memory: Memory,
    live: Vec<Block>,
    freed: Option<Block>,
    next_byte: u8,
    has_foreign: bool,
    defect: Option<&'static str>,
}

impl State {
    /// An empty heap.
    #[must_use]
    pub fn new() -> Self {
        let memory = Memory::empty();
        Self {
            heap: PageSlab::new(memory),
            memory,
            live: Vec::new(),
            freed: None,
            next_byte: 1,
            has_foreign: false,
            defect: None,
        }
    }

    /// How many pages the heap has.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.heap.pages()
    }

    /// Does an operation. False if it is not possible, or would only repeat what another order of others does.
    pub fn apply(&mut self, operation: Operation) -> bool {
        self.memory.has_refused();
        match operation {
            Operation::Alloc(len) => {
                let result = self.heap.alloc(len);
                self.allocated(result, len, 1)
            }
            Operation::AllocAligned(len, align) => {
                let result = self.heap.alloc_aligned(len, align);
                self.allocated(result, len, align)
            }
            Operation::Free(number) => {
                if number >= self.live.len() {
                    return false;
                }
                let block = self.live.remove(number);
                self.expect(self.holds(block, block.len), "a block's bytes have changed");
                let freed = self.heap.free(block.ptr, block.len);
                self.expect(freed.is_ok(), "a live block cannot be freed");
                self.freed = Some(block);
                true
            }
            Operation::Realloc(number, len) => self.reallocate(number, len),
            Operation::FreeAgain => {
                let Some(Block { ptr, len, .. }) = self.freed else {
                    return false;
                };
                if self.live.iter().any(|block| block.ptr == ptr) {
                    return false;
                }
                let refused = matches!(
                    self.heap.free(ptr, len),
                    Err(Error::DoubleFree { .. } | Error::InvalidPointer { .. })
                );
                self.expect(refused, "a block can be freed twice");
                true
            }
            Operation::Refuse => {
                self.memory.refuse(!self.memory.refuses());
                true
            }
            Operation::ForeignGrow => {
                // Once is enough, for each sequence.
                !core::mem::replace(&mut self.has_foreign, true) && self.memory.foreign_grow()
            }
        }
    }

    fn allocated(&mut self, result: pageslab::Result<u32>, len: u32, align: u32) -> bool {
        match result {
            Ok(ptr) => {
                self.expect(ptr.is_multiple_of(align), "a block is not aligned");
                self.insert(ptr, len, self.live.len());
            }
            Err(error) => self.expect_exhausted(error, len),
        }
        true
    }

    fn reallocate(&mut self, number: usize, len: u32) -> bool {
        let Some(&old) = self.live.get(number) else {
            return false;
        };
        if old.len == len {
            return false;
        }
        match self.heap.realloc(old.ptr, old.len, len) {
            Ok(ptr) => {
                self.live.remove(number);
                let kept = Block { ptr, ..old };
                self.expect(
                    self.holds(kept, old.len.min(len)),
                    "realloc has lost a block's bytes",
                );
                self.freed = (ptr != old.ptr).then_some(old);
                self.insert(ptr, len, number);
            }
            Err(error) => {
                self.expect_exhausted(error, len);
                self.expect(len > old.len, "a block cannot become shorter");
            }
        }
        true
    }

    /// Notes a new block, and fills it.
    fn insert(&mut self, ptr: u32, len: u32, number: usize) {
        let end = ptr + len.max(1);
        let is_disjoint = self
            .live
            .iter()
            .all(|block| end <= block.ptr || block.ptr + block.len.max(1) <= ptr);
        self.expect(is_disjoint && ptr != 0, "two blocks overlap");
        let byte = self.next_byte;
        self.next_byte = self.next_byte.wrapping_add(1).max(1);
        self.heap.mut_mem(ptr, len).fill(byte);
        self.live.insert(number, Block { ptr, len, byte });
    }

    /// Whether the first bytes of a block are what they were.
    fn holds(&self, block: Block, len: u32) -> bool {
        (block.ptr..block.ptr + len).all(|ptr| {
            // SAFETY: the byte is one of a block of this heap's, to which nobody has a reference.
            let byte = unsafe { self.memory.address(ptr).read() };
            byte == block.byte
        })
    }

    /// A call may err only if memory has refused to grow meanwhile.
    fn expect_exhausted(&mut self, error: Error, len: u32) {
        let has_refused = self.memory.has_refused();
        self.expect(
            has_refused && error == Error::OutOfMemory { len },
            "a call errs for no reason",
        );
    }

    fn expect(&mut self, holds: bool, defect: &'static str) {
        if !holds {
            self.defect.get_or_insert(defect);
        }
    }

    /// Checks everything: what went wrong so far, the bytes of all blocks, wrong lengths, and the heap's invariants.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    ///
    /// # Panics
    ///
    /// If it is an invariant of the heap's.
    pub fn check(&mut self) -> Result<(), &'static str> {
        if let Some(defect) = self.defect {
            return Err(defect);
        }
        self.heap.check_invariants();
        let mut expected: Vec<_> = self
            .live
            .iter()
            .map(|block| (block.ptr, block.len))
            .collect();
        expected.sort_unstable();
        if !self.heap.live().eq(expected) {
            return Err("the heap has other live blocks");
        }
        for number in 0..self.live.len() {
            let Block { ptr, len, .. } = self.live[number];
            if !self.holds(self.live[number], len) {
                return Err("a block's bytes have changed");
            }
            let mismatch = Error::LengthMismatch {
                ptr,
                allocated: len,
                given: len + 1,
            };
            if self.heap.free(ptr, len + 1) != Err(mismatch) {
                return Err("a wrong length is accepted");
            }
        }
        Ok(())
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
