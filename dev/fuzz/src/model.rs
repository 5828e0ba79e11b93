//! What must be true of a heap: what is live, as a map, against which every call and every byte is checked.
//!
//! As the tests' model, for any [`Interface`]. Reads and writes blocks through memory.

use crate::operation::{Input, Operation, Pointer, WrongLen};
use crate::support::{FRAME, MAX_SLOT, room};
use crate::trap::panicking;
use crate::{Interface, Scripted, Sizes, pattern};
use pageslab::{Error, LinearMemory as _, MAX_PAGES, PAGE};
use std::collections::BTreeMap;

/// The most pages of a heap, and the most blocks: an input should take less than a millisecond.
const MOST_PAGES: u32 = 32;
const MOST_BLOCKS: usize = 1000;

#[derive(Clone, Copy, Debug)]
struct Block {
    len: u32,
    align: u32,
    seed: u32,
}

struct Model<I> {
    heap: I,
    memory: Scripted,
    max_pages: u32,
    blocks: BTreeMap<u32, Block>,
    /// All pointers that were ever returned, each with the last block there.
    returned: BTreeMap<u32, Block>,
    seed: u32,
    /// How often memory had refused to grow, before the present call.
    refused: u32,
}

/// Does what the input says, with all checks after each operation.
///
/// # Panics
///
/// If it shows a defect.
pub fn run<I: Interface>(input: &Input) {
    let mut model = Model::<I>::new(input);
    for operation in &input.operations {
        model.apply(operation);
        model.check();
    }
    model.finish();
}

impl<I: Interface> Model<I> {
    fn new(input: &Input) -> Self {
        let foreign = u32::from(input.foreign % 4);
        let memory = if input.foreign_is_first {
            Scripted::new()
        } else {
            Scripted::with_foreign(foreign)
        };
        if input.place.pages() > 0 {
            memory.foreign_grows(input.place.pages());
        }
        if input.foreign_is_first {
            memory.foreign_grows_first(foreign);
        }
        let max_pages = 1 + u32::from(input.limit) % MOST_PAGES;
        Self {
            heap: I::new(memory.clone(), max_pages),
            memory,
            max_pages,
            blocks: BTreeMap::new(),
            returned: BTreeMap::new(),
            seed: 0,
            refused: 0,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        self.refused = self.memory.refused();
        match *operation {
            Operation::Alloc {
                len,
                align,
                is_zeroed,
                count,
            } => {
                let (len, align) = I::request(len.get(), align.get());
                let count = if count < 128 { 1 } else { count % 64 + 1 };
                for _ in 0..count {
                    if self.blocks.len() == MOST_BLOCKS || !self.alloc(len, align, is_zeroed) {
                        break;
                    }
                }
            }
            Operation::Free { block } => {
                if let Some((ptr, _)) = self.pick(block) {
                    self.free(ptr);
                }
            }
            Operation::FreeEvery { step, is_backwards } => {
                let mut ptrs: Vec<_> = self.blocks.keys().copied().collect();
                if is_backwards {
                    ptrs.reverse();
                }
                for ptr in ptrs.into_iter().step_by(1 + usize::from(step % 8)) {
                    self.free(ptr);
                }
            }
            Operation::Realloc { block, len } => {
                if let Some((ptr, _)) = self.pick(block) {
                    self.realloc(ptr, len.get());
                }
            }
            Operation::Creep { block, by, times } => {
                let Some((mut ptr, mut block)) = self.pick(block) else {
                    return;
                };
                for _ in 0..times % 16 {
                    let len = block.len.saturating_add_signed(by.into());
                    ptr = self.realloc(ptr, len);
                    block = self.blocks[&ptr];
                }
            }
            Operation::Write { block } => {
                if let Some((ptr, _)) = self.pick(block) {
                    self.assert_holds(ptr, self.blocks[&ptr]);
                    self.write(ptr);
                }
            }
            Operation::MutMem { pointer, len } => {
                let (ptr, block) = self.point(pointer);
                self.mut_mem(ptr, wrong(len, block));
            }
            Operation::LenAt { pointer } => self.len_at(self.point(pointer).0),
            Operation::WrongFree { pointer, len } => {
                let (ptr, block) = self.point(pointer);
                self.misuse(ptr, wrong(len, block), |heap, ptr, len| {
                    Some(heap.free(ptr, len, 1))
                });
            }
            Operation::WrongRealloc {
                pointer,
                len,
                new_len,
            } => {
                let (ptr, block) = self.point(pointer);
                let (new_len, align) = I::request(new_len.get(), 1);
                self.misuse(ptr, wrong(len, block), |heap, ptr, len| {
                    let sizes = Sizes {
                        len,
                        align,
                        new_len,
                    };
                    Some(heap.realloc(ptr, sizes)?.map(drop))
                });
            }
            Operation::Misalign { block, align } => {
                if let Some((ptr, block)) = self.pick(block) {
                    self.misalign(ptr, block, align.get());
                }
            }
            Operation::Refuse { n: 0, .. } => self.memory.allow(),
            Operation::Refuse { n, all: true } => self.memory.refuse_from((n % 8).into()),
            Operation::Refuse { n, all: false } => self.memory.refuse_only((n % 8).into()),
            Operation::ForeignGrow { pages } => {
                let pages = u32::from(pages % 16);
                if pages > 0 {
                    self.memory.foreign_grows(pages);
                }
            }
        }
    }

    /// A live block, chosen by a number.
    fn pick(&self, number: u16) -> Option<(u32, Block)> {
        let count = self.blocks.len().max(1);
        let (&ptr, &block) = self.blocks.iter().nth(usize::from(number) % count)?;
        Some((ptr, block))
    }

    /// A pointer of any kind, and a block that has to do with it.
    fn point(&self, pointer: Pointer) -> (u32, Option<Block>) {
        let near = |number, off: &dyn Fn(Block) -> u32| match self.pick(number) {
            Some((ptr, block)) => (ptr.wrapping_add(off(block)), Some(block)),
            None => (number.into(), None),
        };
        match pointer {
            Pointer::Near(number, off) => near(number, &|_| i32::from(off) as u32),
            Pointer::End(number) => near(number, &|block| block.len),
            Pointer::Returned(number) => {
                let count = self.returned.len().max(1);
                match self.returned.iter().nth(usize::from(number) % count) {
                    Some((&ptr, &block)) => (ptr, Some(block)),
                    None => (0, None),
                }
            }
            Pointer::Frame(number) => (u32::from(number) * FRAME, None),
            Pointer::Any(ptr) => (ptr, None),
        }
    }

    /// Allocates, and checks the block. False if there was none.
    fn alloc(&mut self, len: u32, align: u32, is_zeroed: bool) -> bool {
        let zeroed = is_zeroed.then(|| self.heap.alloc_zeroed(len, align));
        let zeroed = zeroed.flatten();
        let is_zeroed = zeroed.is_some();
        match zeroed.unwrap_or_else(|| self.heap.alloc(len, align)) {
            Ok(ptr) => {
                assert!(is_alignment(align), "the alignment {align} is accepted");
                self.insert(ptr, len, align);
                assert!(
                    !is_zeroed || is_clear(self.bytes(ptr, len)),
                    "alloc_zeroed has not cleared"
                );
                self.write(ptr);
                true
            }
            Err(told) if is_alignment(align) => {
                self.assert_exhausted(&told, len, align);
                false
            }
            Err(told) => {
                let expected = Error::InvalidAlignment { align };
                assert!(I::is(&told, expected), "{told:?}, not {expected:?}");
                false
            }
        }
    }

    fn free(&mut self, ptr: u32) {
        let block = self.blocks.remove(&ptr).expect("the block is live");
        self.assert_holds(ptr, block);
        let freed = self.heap.free(ptr, block.len, block.align);
        assert!(freed.is_ok(), "free({ptr:#x}, {block:?}): {freed:?}");
        self.free_again(ptr, block);
    }

    /// Frees a block that was just freed. A run still tells so; a slot's slab may be gone.
    fn free_again(&mut self, ptr: u32, Block { len, align, .. }: Block) {
        self.misuse(ptr, len, |heap, ptr, len| {
            let again = heap.free(ptr, len, align);
            if let Err(told) = &again
                && len > MAX_SLOT
            {
                let expected = Error::DoubleFree { ptr, len };
                assert!(I::is(told, expected), "{told:?}, not {expected:?}");
            }
            Some(again)
        });
    }

    /// Changes a block's length, if the interface can. Its pointer then.
    fn realloc(&mut self, ptr: u32, new_len: u32) -> u32 {
        let block = self.blocks[&ptr];
        let (new_len, _) = I::request(new_len, block.align);
        let sizes = Sizes {
            len: block.len,
            align: block.align,
            new_len,
        };
        self.assert_holds(ptr, block);
        match self.heap.realloc(ptr, sizes) {
            None => ptr,
            Some(Ok(new)) => {
                self.blocks.remove(&ptr);
                self.insert(new, new_len, block.align);
                let kept = block.len.min(new_len);
                self.assert_holds(new, Block { len: kept, ..block });
                self.write(new);
                new
            }
            Some(Err(told)) => {
                self.assert_exhausted(&told, new_len, block.align);
                assert!(
                    new_len > block.len,
                    "realloc to {new_len} of {block:?} fails"
                );
                self.assert_holds(ptr, block);
                ptr
            }
        }
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) {
        let end = u64::from(ptr) + u64::from(len);
        let is_within = self
            .blocks
            .range(..=ptr)
            .rev()
            .take(2)
            .any(|(&start, block)| end <= u64::from(start) + u64::from(block.len));
        let address = self.memory.address(ptr);
        let heap = &mut self.heap;
        match panicking(|| heap.mut_mem(ptr, len).map(|bytes| &raw mut *bytes)) {
            Some(None) => {}
            Some(Some(bytes)) => {
                assert!(is_within, "mut_mem({ptr:#x}, {len}) leaves a block");
                assert_eq!(bytes.cast::<u8>(), address, "mut_mem({ptr:#x}, {len})");
                assert_eq!(bytes.len(), len as usize, "mut_mem({ptr:#x}, {len})");
            }
            None => assert!(!is_within, "mut_mem({ptr:#x}, {len}) panics"),
        }
    }

    fn len_at(&mut self, ptr: u32) {
        if I::is_nothing(ptr, 0) {
            return;
        }
        match (self.heap.len_at(ptr), self.blocks.get(&ptr)) {
            (None, _) => {}
            (Some(Ok(len)), Some(block)) => assert_eq!(len, block.len, "len_at({ptr:#x})"),
            (Some(Ok(len)), None) => panic!("len_at({ptr:#x}) is {len}, of no block"),
            (Some(Err(told)), Some(block)) => panic!("len_at({ptr:#x}): {told:?}, for {block:?}"),
            (Some(Err(told)), None) => self.assert_told(&told, ptr, 0),
        }
    }

    /// A call with a pointer and a length of which one is wrong, which must be refused.
    fn misuse(
        &mut self,
        ptr: u32,
        len: u32,
        call: impl FnOnce(&mut I, u32, u32) -> Option<Result<(), I::Told>>,
    ) {
        if I::is_nothing(ptr, len) || self.blocks.get(&ptr).is_some_and(|block| block.len == len) {
            return;
        }
        let pages = self.heap.pages();
        match call(&mut self.heap, ptr, len) {
            None => {}
            Some(Ok(())) => panic!("a call on {len} bytes at {ptr:#x} must be refused"),
            Some(Err(told)) => self.assert_told(&told, ptr, len),
        }
        assert_eq!(self.heap.pages(), pages, "a refused call has grown memory");
    }

    /// A call on a block with an alignment that it has not, which must be refused.
    fn misalign(&mut self, ptr: u32, block: Block, align: u32) {
        if is_alignment(align) && ptr.is_multiple_of(align) {
            return;
        }
        let expected = Error::InvalidAlignment { align };
        match self.heap.misalign(ptr, block.len, align) {
            None => {}
            Some(Ok(())) => panic!("a call on {ptr:#x}, aligned to {align}, must be refused"),
            Some(Err(told)) => assert!(I::is(&told, expected), "{told:?}, not {expected:?}"),
        }
    }

    /// Notes a new block, of which nobody has anything.
    fn insert(&mut self, ptr: u32, len: u32, align: u32) {
        assert!(
            ptr != 0 && ptr.is_multiple_of(align.max(16)),
            "{ptr:#x} is not aligned to {align}"
        );
        let end = end(ptr, len);
        assert!(
            self.memory.has_granted(u64::from(ptr)..end),
            "{len} bytes at {ptr:#x} are in others' pages"
        );
        let before = self.blocks.range(..=ptr).next_back();
        let after = self.blocks.range(ptr..).next();
        assert!(
            before.is_none_or(|(&before, block)| self::end(before, block.len) <= u64::from(ptr))
                && after.is_none_or(|(&after, _)| end <= u64::from(after)),
            "{len} bytes at {ptr:#x} are others', too"
        );
        let seed = self.seed;
        let block = Block { len, align, seed };
        self.returned.insert(ptr, block);
        self.blocks.insert(ptr, block);
    }

    /// Fills a live block with a pattern of its own.
    fn write(&mut self, ptr: u32) {
        self.seed = self.seed.wrapping_add(0x9E37_79B9);
        let seed = self.seed;
        let block = self.blocks.get_mut(&ptr).expect("the block is live");
        block.seed = seed;
        let len = block.len;
        pattern::fill(self.bytes(ptr, len), seed);
    }

    #[expect(clippy::mut_from_ref, reason = "no two callers have bytes at once")]
    fn bytes(&self, ptr: u32, len: u32) -> &mut [u8] {
        // SAFETY: callers name bytes of a live block, or of one that has just moved, to which nobody has a reference.
        unsafe { std::slice::from_raw_parts_mut(self.memory.address(ptr), len as usize) }
    }

    fn assert_holds(&self, ptr: u32, block: Block) {
        let change = pattern::first_change(self.bytes(ptr, block.len), block.seed);
        assert_eq!(change, None, "a byte of {block:?} at {ptr:#x} has changed");
    }

    /// A call may fail only if memory has refused to grow meanwhile, or if there might be no more of it.
    fn assert_exhausted(&self, told: &I::Told, len: u32, align: u32) {
        let expected = Error::OutOfMemory { len };
        assert!(I::is(told, expected), "{told:?}, not {expected:?}");
        let size = self.memory.size();
        let first = self.memory.granted().first().map_or(size, |run| run.start);
        // Some for the map, which covers foreign pages, too, and some for runs that do not fit.
        let spare = 4 + (size - first) / 16;
        let needed = (u64::from(len) + u64::from(align)) / u64::from(PAGE) + u64::from(spare);
        let room = (self.max_pages - self.heap.pages()).min(MAX_PAGES - size);
        assert!(
            self.memory.refused() > self.refused || needed > room.into(),
            "there was memory for {len} bytes"
        );
    }

    /// What is told of a pointer and a length must be what the model knows of them.
    fn assert_told(&self, told: &I::Told, ptr: u32, len: u32) {
        let invalid = Error::InvalidPointer { ptr };
        let expected = match self.blocks.get(&ptr) {
            Some(&Block { len: allocated, .. }) => vec![Error::LengthMismatch {
                ptr,
                allocated,
                given: len,
            }],
            // The heap may have forgotten that it once returned the pointer.
            None if self.returned.contains_key(&ptr) => {
                vec![invalid, Error::DoubleFree { ptr, len }]
            }
            None => vec![invalid],
        };
        let is_expected = expected.iter().any(|&error| I::is(told, error));
        assert!(is_expected, "{told:?}, not one of {expected:?}");
    }

    /// Checks the heap's invariants, and that it holds exactly the model's blocks.
    fn check(&self) {
        self.heap.check_invariants();
        let blocks = self.blocks.iter().map(|(&ptr, block)| (ptr, block.len));
        assert!(
            self.heap.live().into_iter().eq(blocks),
            "the heap has other live blocks"
        );
        assert!(self.heap.pages() <= self.max_pages);
    }

    /// Checks every byte, frees everything, and makes sure that the heap can still be used.
    fn finish(&mut self) {
        for (&ptr, &block) in &self.blocks {
            self.assert_holds(ptr, block);
        }
        self.memory.assert_foreign_untouched();
        while let Some((&ptr, _)) = self.blocks.first_key_value() {
            self.free(ptr);
        }
        self.check();
        self.memory.allow();
        self.refused = self.memory.refused();
        for len in [40, 9000] {
            let (len, align) = I::request(len, 1);
            if self.alloc(len, align, false) {
                let (&ptr, _) = self.blocks.first_key_value().expect("it is live");
                self.free(ptr);
            }
        }
        self.check();
    }
}

/// The length that is said to be a block's.
fn wrong(len: WrongLen, block: Option<Block>) -> u32 {
    let right = block.map_or(16, |block| block.len);
    match len {
        WrongLen::Same => right,
        WrongLen::Off(by) => right.wrapping_add_signed(by.into()),
        WrongLen::Room => room(right),
        WrongLen::Of(len) => len.get(),
        WrongLen::Max => u32::MAX,
    }
}

/// In large pieces, since each comparison in this crate tells the fuzzer something.
fn is_clear(bytes: &[u8]) -> bool {
    const CLEAR: [u8; 4096] = [0; 4096];
    bytes
        .chunks(CLEAR.len())
        .all(|chunk| chunk == &CLEAR[..chunk.len()])
}

fn is_alignment(align: u32) -> bool {
    align.is_power_of_two() && align <= PAGE
}

/// The first byte behind a block. A block of 0 bytes still has its pointer to itself.
fn end(ptr: u32, len: u32) -> u64 {
    u64::from(ptr) + u64::from(len.max(1))
}
