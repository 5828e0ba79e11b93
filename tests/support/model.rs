//! A model of the heap: what is live, as a map, against which every call and every byte is checked.

use super::{Random, Scripted, pattern};
use pageslab::{Error, LinearMemory as _, MemoryController as _, PageSlab, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A heap, and what must be true of it.
///
/// Each live block is filled with a pattern of its own, so that whoever writes where he must not is found out by the block's
/// next call or by [`check`](Self::check).
pub struct Model {
    pub heap: PageSlab<Scripted>,
    pub memory: Scripted,
    blocks: BTreeMap<u32, Block>,
    /// All pointers that were ever returned.
    returned: BTreeSet<u32>,
}

/// What the model knows of a live block.
#[derive(Clone, Copy)]
struct Block {
    len: u32,
    seed: u32,
}

impl Model {
    pub fn new(memory: Scripted) -> Self {
        Self::with_limit(memory, pageslab::MAX_PAGES)
    }

    pub fn with_limit(memory: Scripted, max_pages: u32) -> Self {
        Self {
            heap: PageSlab::with_limit(memory.clone(), max_pages),
            memory,
            blocks: BTreeMap::new(),
            returned: BTreeSet::new(),
        }
    }

    /// The live blocks: pointer and length, in order.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        self.blocks.iter().map(|(&ptr, block)| (ptr, block.len))
    }

    pub fn is_live(&self, ptr: u32, len: u32) -> bool {
        self.blocks.get(&ptr).is_some_and(|block| block.len == len)
    }

    pub fn is_live_at(&self, ptr: u32) -> bool {
        self.blocks.contains_key(&ptr)
    }

    /// A live block, chosen by a number.
    pub fn pick(&self, number: u32) -> Option<(u32, u32)> {
        let count = self.blocks.len().max(1);
        self.live().nth(number as usize % count)
    }

    /// A pointer that was returned at some time, and is live or not.
    pub fn returned(&self) -> impl Iterator<Item = u32> {
        self.returned.iter().copied()
    }

    /// Allocates, which must succeed.
    #[track_caller]
    pub fn alloc(&mut self, len: u32) -> u32 {
        self.try_alloc(len, None)
            .unwrap_or_else(|error| panic!("alloc({len}): {error}"))
    }

    /// Allocates, aligned if so asked, and checks all that `alloc` promises; memory may be exhausted.
    #[track_caller]
    pub fn try_alloc(&mut self, len: u32, align: Option<u32>) -> Result<u32> {
        let result = match align {
            Some(align) => self.heap.alloc_aligned(len, align),
            None => self.heap.alloc(len),
        };
        match result {
            Ok(ptr) => self.insert(ptr, len, align.unwrap_or(1)),
            Err(error) => assert_eq!(error, Error::OutOfMemory { len }),
        }
        result
    }

    /// Checks a new block, and fills it.
    #[track_caller]
    fn insert(&mut self, ptr: u32, len: u32, align: u32) {
        assert_ne!(ptr, 0, "the pointer is 0");
        assert!(ptr % 16 == 0, "{ptr:#x} is not aligned to 16");
        assert!(ptr % align == 0, "{ptr:#x} is not aligned to {align}");
        let end = end(ptr, len);
        assert!(
            self.memory.has_granted(u64::from(ptr)..end),
            "{ptr:#x} is in nobody's pages"
        );
        if let Some((&before, block)) = self.blocks.range(..=ptr).next_back() {
            let (len, end) = (block.len, self::end(before, block.len));
            assert!(
                end <= u64::from(ptr),
                "{ptr:#x} is in the {len} bytes at {before:#x}"
            );
        }
        if let Some((&after, _)) = self.blocks.range(ptr..).next() {
            assert!(
                end <= u64::from(after),
                "the {len} bytes at {ptr:#x} reach {after:#x}"
            );
        }
        self.returned.insert(ptr);
        self.blocks.insert(ptr, Block { len, seed: 0 });
        self.write(ptr);
    }

    /// Fills a live block with another pattern.
    #[track_caller]
    pub fn write(&mut self, ptr: u32) {
        let block = self.blocks.get_mut(&ptr).expect("the block is live");
        block.seed = Random::new(u64::from(ptr) << 32 | u64::from(block.seed + 1)).word() >> 1;
        pattern::fill(self.heap.mut_mem(ptr, block.len), block.seed);
    }

    /// Reads a part of a live block, and writes the same again.
    #[track_caller]
    pub fn touch(&mut self, ptr: u32, from: u32, len: u32) {
        let seed = self.blocks[&ptr].seed + from;
        let bytes = self.heap.mut_mem(ptr + from, len);
        if let Some(at) = pattern::first_change(bytes, seed) {
            panic!("byte {at} of the {len} at {from} behind {ptr:#x} has changed");
        }
        pattern::fill(bytes, seed);
    }

    /// Checks that the first bytes of a block still have a pattern.
    #[track_caller]
    fn assert_holds(&mut self, ptr: u32, len: u32, seed: u32) {
        if let Some(at) = pattern::first_change(self.heap.mut_mem(ptr, len), seed) {
            panic!("byte {at} of the {len} at {ptr:#x} has changed");
        }
    }

    /// Frees a live block, which must succeed.
    #[track_caller]
    pub fn free(&mut self, ptr: u32) {
        let Block { len, seed } = self.blocks.remove(&ptr).expect("the block is live");
        self.assert_holds(ptr, len, seed);
        if let Err(error) = self.heap.free(ptr, len) {
            panic!("free({ptr:#x}, {len}): {error}");
        }
    }

    /// Frees all live blocks, or those that `choose` leaves, in the order into which it brings them.
    #[track_caller]
    pub fn free_all(&mut self, choose: impl FnOnce(&mut Vec<u32>)) {
        let mut ptrs = self.blocks.keys().copied().collect();
        choose(&mut ptrs);
        ptrs.into_iter().for_each(|ptr| self.free(ptr));
    }

    /// Reallocates a live block, which must succeed.
    #[track_caller]
    pub fn realloc(&mut self, ptr: u32, new_len: u32) -> u32 {
        self.try_realloc(ptr, new_len)
            .unwrap_or_else(|error| panic!("realloc to {new_len}: {error}"))
    }

    /// Reallocates a live block, and checks all that `realloc` promises; memory may be exhausted.
    #[track_caller]
    pub fn try_realloc(&mut self, ptr: u32, new_len: u32) -> Result<u32> {
        let Block { len, seed } = self.blocks[&ptr];
        let result = self.heap.realloc(ptr, len, new_len);
        match result {
            Ok(new) => {
                self.blocks.remove(&ptr);
                self.assert_holds(new, len.min(new_len), seed);
                self.insert(new, new_len, 1);
            }
            Err(error) => {
                assert_eq!(error, Error::OutOfMemory { len: new_len });
                assert!(
                    new_len > len,
                    "realloc to {new_len} of {len} bytes: {error}"
                );
                self.assert_holds(ptr, len, seed);
            }
        }
        result
    }

    /// `free` and `realloc` must refuse this pointer and length, with this error, and change nothing.
    #[track_caller]
    pub fn refuses(&mut self, ptr: u32, len: u32, expected: Error) {
        self.refuses_with(ptr, len, expected);
        self.check();
    }

    /// As [`refuses`](Self::refuses), without a look at the whole heap.
    #[track_caller]
    pub fn refuses_with(&mut self, ptr: u32, len: u32, expected: Error) {
        self.refuses_with_one_of(ptr, len, &[expected]);
    }

    /// As [`refuses`](Self::refuses), where the heap may remember that the pointer was once valid, or not.
    #[track_caller]
    pub fn refuses_as_gone(&mut self, ptr: u32, len: u32) {
        self.refuses_with_one_of(
            ptr,
            len,
            &[
                Error::DoubleFree { ptr, len },
                Error::InvalidPointer { ptr },
            ],
        );
        self.check();
    }

    /// As [`refuses`](Self::refuses), with the error that follows from what the model knows of the pointer, and without a
    /// look at the whole heap.
    #[track_caller]
    pub fn refuses_wrong(&mut self, ptr: u32, len: u32) {
        let mismatch = |block: &Block| Error::LengthMismatch {
            ptr,
            allocated: block.len,
            given: len,
        };
        let gone = [
            Error::InvalidPointer { ptr },
            Error::DoubleFree { ptr, len },
        ];
        if let Some(block) = self.blocks.get(&ptr) {
            assert_ne!(block.len, len, "this length is right");
            self.refuses_with_one_of(ptr, len, &[mismatch(block)]);
        } else if self.returned.contains(&ptr) {
            self.refuses_with_one_of(ptr, len, &gone);
        } else {
            self.refuses_with_one_of(ptr, len, &gone[..1]);
        }
    }

    #[track_caller]
    fn refuses_with_one_of(&mut self, ptr: u32, len: u32, expected: &[Error]) {
        let pages = self.heap.pages();
        let assert_refused = |call: &str, result: core::result::Result<(), Error>| match result {
            Ok(()) => panic!("{call} of {len} bytes at {ptr:#x} must be refused"),
            Err(error) => assert!(
                expected.contains(&error),
                "{call}: {error:?}, not {expected:?}"
            ),
        };
        assert_refused("free", self.heap.free(ptr, len));
        for new_len in [0, 1, len, 3000, u32::MAX] {
            assert_refused("realloc", self.heap.realloc(ptr, len, new_len).map(drop));
        }
        assert_eq!(self.heap.pages(), pages, "a refused call has grown memory");
    }

    /// Checks the heap's invariants, and that it holds exactly the model's blocks.
    #[track_caller]
    pub fn check(&mut self) {
        self.heap.check_invariants();
        assert!(
            self.heap.live().eq(self.live()),
            "the heap has other live blocks than the model"
        );
        let granted: u32 = self
            .memory
            .granted()
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        assert!(
            self.heap.pages() <= granted,
            "the heap holds more pages than it was given"
        );
        assert!(self.memory.size() >= granted);
        // Miri takes long for what finds no undefined behaviour.
        if cfg!(not(miri)) {
            self.check_stats();
        }
    }

    /// Checks that the heap's figures are the model's, and that they add up.
    #[track_caller]
    fn check_stats(&self) {
        let stats = self.heap.stats().expect("no call was stopped");
        let live_bytes = self.live().map(|(_, len)| u64::from(len)).sum::<u64>();
        assert_eq!(stats.live_blocks as usize, self.live().count());
        assert_eq!(stats.live_bytes, live_bytes);
        assert_eq!(stats.pages, self.heap.pages());
        assert_eq!(stats.pages + stats.foreign_pages, self.heap.memory().size());
        let parts = [
            stats.slab_bytes,
            stats.run_bytes,
            stats.free_bytes,
            stats.metadata_bytes,
            stats.other_bytes,
        ];
        let all = u64::from(stats.pages) * u64::from(pageslab::PAGE);
        assert_eq!(parts.iter().sum::<u64>(), all, "{stats:?}");
        assert!(stats.longest_free <= stats.free_bytes);
        assert!(live_bytes <= stats.block_bytes);
        assert!(stats.block_bytes <= stats.slab_bytes + stats.run_bytes);
        let slots = |class: &pageslab::ClassStats| u64::from(class.slots * class.slot_size);
        assert!(stats.classes.iter().map(slots).sum::<u64>() <= stats.slab_bytes);
        assert!(stats.classes.iter().all(|class| class.live <= class.slots));
        assert_eq!(stats.growths == 0, stats.pages == 0);
    }

    /// Checks all of that, and every byte of every block and of the foreign party.
    #[track_caller]
    pub fn check_contents(&mut self) {
        self.check();
        let blocks: Vec<_> = self
            .blocks
            .iter()
            .map(|(&ptr, &block)| (ptr, block))
            .collect();
        for (ptr, Block { len, seed }) in blocks {
            self.assert_holds(ptr, len, seed);
        }
        self.memory.assert_foreign_untouched();
    }

    /// A slot and a run can be allocated and freed: whatever happened before has broken nothing.
    #[track_caller]
    pub fn assert_works(&mut self) {
        for len in [40, 4000] {
            let ptr = self.alloc(len);
            self.free(ptr);
        }
        self.check_contents();
    }
}

/// The first byte behind a block. A block of 0 bytes still has its pointer to itself.
fn end(ptr: u32, len: u32) -> u64 {
    u64::from(ptr) + u64::from(len.max(1))
}
