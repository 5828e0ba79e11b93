//! The soak: operations without end on a live set that stays as large as it is, while the sizes in it drift. An
//! allocator whose memory grows on and on has lost some of it to fragmentation.
//!
//! Sizes are spread evenly over their logarithms within a *window* of four octaves. The window moves from 8 to 128
//! bytes up to 4 to 64 KiB, and back: a *cycle*. While fewer bytes are live than the target, a block is
//! allocated, else one is freed; every eighth operation reallocates one to another size of the window instead.
//!
//! Most blocks are freed in random order. Some *last*, as a server's sessions and caches do: they hold an eighth of the
//! live bytes, come evenly over the operations, and go three quarters of a cycle later, in the order in which
//! they came. So there are always some from when other sizes were asked for, scattered among the others.

use crate::steps::{Place, Random, alloc, free, layout};
use std::alloc::GlobalAlloc;

/// Sizes as logarithms to base 2, in 256ths.
const OCTAVE: u32 = 256;
/// The window's lower end at its lowest and at its highest, and its width.
const LOWEST: u32 = 3 * OCTAVE;
const HIGHEST: u32 = 12 * OCTAVE;
const WIDTH: u32 = 4 * OCTAVE;
/// Operations from one move of the window to the next.
const STEADY: u64 = 1 << 12;

/// One operation in so many is a reallocation.
const REALLOCATIONS: u32 = 8;

/// One live byte in so many is of a block that lasts.
const LASTING: u64 = 8;
/// How long it does, in quarters of a cycle.
const QUARTERS: u64 = 3;

/// Of all blocks. Each is at least as long, and so has room for its size.
const ALIGN: u32 = 8;

/// Room in the table: blocks are more than 16 bytes long in the mean, even where they are shortest.
const MEAN: u64 = 16;

/// A soak in its midst. Its blocks are in a table of [`slots`] places, which are its own.
pub struct Soak {
    random: Random,
    operations: u64,
    /// Operations of a cycle.
    cycle: u64,
    /// How many bytes are to be live.
    target: u64,
    live: u64,
    /// Of these, in blocks that last.
    lasting: u64,
    /// In all blocks that last or have lasted.
    lasted: u64,
    /// The window's lower end.
    low: u32,
    /// Blocks at the front of the table, in no order.
    blocks: u32,
    /// The oldest of the blocks that last, and how many there are: a ring.
    oldest: u32,
    ring: u32,
}

/// How many places the table needs for this many live bytes.
#[must_use]
pub const fn slots(target: u32) -> u32 {
    others(target) + others(target) / LASTING as u32
}

/// How many of them are not for blocks that last.
const fn others(target: u32) -> u32 {
    target / MEAN as u32
}

impl Soak {
    #[must_use]
    pub const fn new(target: u32, cycle: u64) -> Self {
        Self {
            random: Random(1),
            operations: 0,
            cycle,
            target: target as u64,
            live: 0,
            lasting: 0,
            lasted: 0,
            low: LOWEST,
            blocks: 0,
            oldest: 0,
            ring: 0,
        }
    }

    /// Bytes that are live, as asked for.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Goes on for `count` operations, each of which is one call of the allocator. The table is the same each time.
    #[inline(never)]
    pub fn run<A: GlobalAlloc>(&mut self, allocator: &A, table: &mut [Place], count: u32) {
        let (others, ring) = table.split_at_mut(others(self.target as u32) as usize);
        for _ in 0..count {
            if self.operations.is_multiple_of(STEADY) {
                self.move_window();
            }
            if self.random.below(REALLOCATIONS) == 0 && self.blocks > 0 {
                let index = self.random.below(self.blocks);
                self.reallocate(allocator, &mut others[index as usize]);
            } else if self.live < self.target {
                self.allocate(allocator, others, ring);
            } else if self.lasting > self.target / LASTING {
                self.free_oldest(allocator, ring);
            } else {
                self.free_any(allocator, others);
            }
            self.operations += 1;
        }
    }

    fn move_window(&mut self) {
        let place = self.operations % self.cycle;
        let from_lowest = place.min(self.cycle - place);
        let drift = u64::from(HIGHEST - LOWEST) * from_lowest / (self.cycle / 2);
        self.low = LOWEST + drift as u32;
    }

    /// A size of the window.
    fn size(&mut self) -> u32 {
        let log = self.low + self.random.below(WIDTH);
        ((OCTAVE + log % OCTAVE) << (log / OCTAVE)) / OCTAVE
    }

    fn allocate<A: GlobalAlloc>(
        &mut self,
        allocator: &A,
        others: &mut [Place],
        ring: &mut [Place],
    ) {
        let size = self.size();
        let place = Place {
            block: alloc(allocator, layout(size as usize, ALIGN as usize)),
            size,
            align: ALIGN,
        };
        mark(&place);
        self.live += u64::from(size);
        // Those that last have come at the rate at which they go: their share, once in three quarters of a cycle.
        let is_due =
            self.lasted * LASTING * QUARTERS * self.cycle < self.target * self.operations * 4;
        if is_due {
            ring[((self.oldest + self.ring) as usize) % ring.len()] = place;
            self.ring += 1;
            assert!(self.ring as usize <= ring.len(), "the ring is full");
            self.lasting += u64::from(size);
            self.lasted += u64::from(size);
        } else {
            others[self.blocks as usize] = place;
            self.blocks += 1;
        }
    }

    fn reallocate<A: GlobalAlloc>(&mut self, allocator: &A, place: &mut Place) {
        check(place);
        let size = self.size();
        let old = layout(place.size as usize, ALIGN as usize);
        // SAFETY: the place has a live block of this layout; no size is 0.
        let block = unsafe { allocator.realloc(place.block, old, size as usize) };
        assert!(!block.is_null(), "out of memory");
        place.block = block;
        check(place);
        self.live = self.live + u64::from(size) - u64::from(place.size);
        place.size = size;
        mark(place);
    }

    fn free_oldest<A: GlobalAlloc>(&mut self, allocator: &A, ring: &mut [Place]) {
        let place = &mut ring[self.oldest as usize];
        check(place);
        self.live -= u64::from(place.size);
        self.lasting -= u64::from(place.size);
        free(allocator, place);
        self.oldest = (self.oldest + 1) % ring.len() as u32;
        self.ring -= 1;
    }

    fn free_any<A: GlobalAlloc>(&mut self, allocator: &A, others: &mut [Place]) {
        let index = self.random.below(self.blocks) as usize;
        check(&others[index]);
        self.live -= u64::from(others[index].size);
        free(allocator, &mut others[index]);
        self.blocks -= 1;
        others.swap(index, self.blocks as usize);
    }
}

/// Writes a block's size to its beginning, for [`check`].
#[inline(always)]
fn mark(place: &Place) {
    // SAFETY: the block is live, and has at least eight bytes, aligned to eight.
    unsafe { place.block.cast::<u32>().write_volatile(place.size) };
}

/// A block's beginning is as it was left: no other block lies there, and `realloc` has copied it.
#[inline(always)]
fn check(place: &Place) {
    // SAFETY: as in `mark`.
    let size = unsafe { place.block.cast::<u32>().read_volatile() };
    assert!(size == place.size, "a block was overwritten");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, System};

    const TARGET: u32 = 1 << 20;
    const CYCLE: u64 = 1 << 20;
    /// The longest block.
    const LONGEST: u64 = 1 << ((HIGHEST + WIDTH) / OCTAVE);

    fn table() -> Vec<Place> {
        vec![Place::EMPTY; slots(TARGET) as usize]
    }

    #[test]
    fn the_live_set_stays_as_it_is_while_sizes_drift() {
        let (mut soak, mut table) = (Soak::new(TARGET, CYCLE), table());
        let mut blocks = Vec::new();
        let parts = 16;
        for part in 1..=2 * parts {
            soak.run(&System, &mut table, (CYCLE / parts) as u32);
            let of_table: u64 = table.iter().map(|place| u64::from(place.size)).sum();
            assert_eq!(soak.live, of_table);
            assert!(soak.live.abs_diff(TARGET.into()) <= LONGEST, "{part}");
            blocks.push(soak.blocks);
            // They are in equilibrium when the first of them go.
            if part > QUARTERS * parts / 4 + 1 {
                let share = u64::from(TARGET) / LASTING;
                assert!(soak.lasting.abs_diff(share) <= LONGEST, "{part}");
            }
        }
        // Two cycles: many short blocks, few long ones, and back.
        assert!(blocks[0] > 50 * blocks[7] && blocks[15] > 50 * blocks[7]);
        assert!(blocks[15] > 50 * blocks[23] && blocks[31] > 50 * blocks[23]);
        assert_eq!(soak.operations, 2 * CYCLE);
        table
            .iter_mut()
            .filter(|place| !place.block.is_null())
            .for_each(|place| free(&System, place));
    }

    #[test]
    fn it_is_the_same_however_it_is_divided() {
        let of = |part: u32| {
            let (mut soak, mut table) = (Soak::new(TARGET, CYCLE), table());
            for _ in 0..(1 << 18) / part {
                soak.run(&System, &mut table, part);
            }
            let sizes: Vec<u32> = table.iter().map(|place| place.size).collect();
            table
                .iter_mut()
                .filter(|place| !place.block.is_null())
                .for_each(|place| free(&System, place));
            sizes
        };
        assert!(of(1 << 18) == of(1 << 10));
    }

    #[test]
    fn sizes_are_within_the_window() {
        let mut soak = Soak::new(TARGET, CYCLE);
        for (operations, least, most) in [(0, 8, 128), (CYCLE / 2, 4096, 65_536), (CYCLE, 8, 128)] {
            soak.operations = operations;
            soak.move_window();
            let sizes: Vec<u32> = (0..100_000).map(|_| soak.size()).collect();
            let (shortest, longest) = (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap());
            assert!(shortest == least && longest < most && longest > most * 99 / 100);
            // As many in each octave.
            let lower = sizes.iter().filter(|&&size| size < least * 4).count();
            assert!(lower.abs_diff(50_000) < 1000, "{lower}");
        }
    }

    /// Hands out one block to all.
    struct Forgetful(std::cell::UnsafeCell<[u64; 8192]>);

    // SAFETY: none; that is what is tested. The block is large enough for each size.
    unsafe impl GlobalAlloc for Forgetful {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            self.0.get().cast()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

        unsafe fn realloc(&self, block: *mut u8, _: Layout, _: usize) -> *mut u8 {
            block
        }
    }

    #[test]
    #[should_panic(expected = "overwritten")]
    fn a_block_that_two_have_is_noticed() {
        let forgetful = Forgetful(std::cell::UnsafeCell::new([0; 8192]));
        Soak::new(TARGET, CYCLE).run(&forgetful, &mut table(), 1000);
    }
}
