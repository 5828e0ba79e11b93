//! A block of the heap with a pattern of its own in every byte, by which it notices when another block overlaps it.

use crate::random::Random;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};

/// Checks its bytes whenever it changes, and in the end.
pub struct Block {
    ptr: *mut u8,
    layout: Layout,
    pattern: u32,
}

// SAFETY: a block belongs to one owner, whichever thread that is in.
unsafe impl Send for Block {}

impl Block {
    /// Of a random length, alignment and pattern.
    pub fn new(random: &mut Random) -> Self {
        let len = len(random);
        Self::with_len(random, len)
    }

    /// Of this length, and of a random alignment and pattern.
    pub fn with_len(random: &mut Random, len: usize) -> Self {
        let align = 1 << random.below(9);
        let layout = Layout::from_size_align(len, align).expect("a short length");
        let zeroed = random.below(4) == 0;
        // SAFETY: no length is 0.
        let ptr = unsafe {
            match zeroed {
                true => alloc_zeroed(layout),
                false => alloc(layout),
            }
        };
        if ptr.is_null() {
            handle_alloc_error(layout);
        }
        assert_eq!(ptr.align_offset(align), 0, "aligned as asked");
        let block = Self {
            ptr,
            layout,
            pattern: random.word(),
        };
        if zeroed {
            assert!((0..layout.size()).all(|place| block.byte(place) == 0));
        }
        block.fill();
        block
    }

    /// Gives it another random length.
    pub fn resize(&mut self, random: &mut Random) {
        self.check(self.layout.size());
        let new_len = len(random);
        // SAFETY: the block is live and has this layout, and no length is 0.
        let ptr = unsafe { realloc(self.ptr, self.layout, new_len) };
        if ptr.is_null() {
            handle_alloc_error(self.layout);
        }
        self.ptr = ptr;
        let kept = new_len.min(self.layout.size());
        self.layout =
            Layout::from_size_align(new_len, self.layout.align()).expect("a short length");
        self.check(kept);
        self.fill();
    }

    fn fill(&self) {
        for place in 0..self.layout.size() {
            // SAFETY: the place is in the block.
            unsafe { self.ptr.add(place).write(byte_at(self.pattern, place)) };
        }
    }

    /// Checks the first `len` bytes.
    fn check(&self, len: usize) {
        for place in 0..len {
            let expected = byte_at(self.pattern, place);
            assert_eq!(self.byte(place), expected, "byte {place} of {len}");
        }
    }

    /// The byte at a place that is in the block, and initialized.
    fn byte(&self, place: usize) -> u8 {
        assert!(place < self.layout.size());
        // SAFETY: the place is in the block, and all callers have filled it, or had it zeroed.
        unsafe { self.ptr.add(place).read() }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: the block is live and has this layout.
        unsafe { dealloc(self.ptr, self.layout) }
    }
}

/// Mostly that of a slot; seldom one of many frames, or of more than a page.
fn len(random: &mut Random) -> usize {
    let most = match random.below(100) {
        0 => 200_000,
        1..5 => 20_000,
        5..30 => 2_000,
        _ => 100,
    };
    1 + random.below(most) as usize
}

fn byte_at(pattern: u32, place: usize) -> u8 {
    (pattern.rotate_left(place as u32) as u8).wrapping_add(place as u8)
}
