//! The loops that carry scripts out. A script is plain words, which a host can write into a guest's memory.
//!
//! The loops ask for nothing themselves: tables and inputs come from the caller, so that an allocator's memory
//! holds only what the workload asked for.

pub use pageslab_trace::{Packed, Step};
use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr::null_mut;

/// The size of the blocks of [`pairs_constant`], in bytes.
pub const PAIR_SIZE: usize = 64;

/// A place in a script's table: a live block and its layout in words, or zeros.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Place {
    pub(crate) block: *mut u8,
    pub(crate) size: u32,
    pub(crate) align: u32,
}

impl Place {
    pub const EMPTY: Self = Self {
        block: null_mut(),
        size: 0,
        align: 0,
    };
}

/// A small generator of numbers (xorshift64*), since workloads must be the same everywhere and always.
pub struct Random(pub u64);

impl Random {
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    pub fn shuffle(&mut self, items: &mut [u32]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[inline(always)]
pub(crate) fn layout(size: usize, align: usize) -> Layout {
    debug_assert!(Layout::from_size_align(size, align).is_ok());
    // SAFETY: workloads and traces have powers of two as alignments and sizes far below `isize::MAX`; traces
    // are checked when decoded.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

/// Allocates, and writes the first byte as a program would.
#[inline(always)]
pub(crate) fn alloc<A: GlobalAlloc>(allocator: &A, layout: Layout) -> *mut u8 {
    // SAFETY: no workload has a layout of size 0, and a block has at least one byte.
    unsafe {
        let block = allocator.alloc(layout);
        assert!(!block.is_null(), "out of memory");
        block.write_volatile(1);
        block
    }
}

/// One block of [`PAIR_SIZE`] bytes allocated and freed, over and over: a size that the compiler knows.
#[inline(never)]
pub fn pairs_constant<A: GlobalAlloc>(allocator: &A, count: u32) {
    for _ in 0..count {
        let block = black_box(alloc(allocator, Layout::new::<[u64; PAIR_SIZE / 8]>()));
        // SAFETY: just allocated with this layout.
        unsafe { allocator.dealloc(block, Layout::new::<[u64; PAIR_SIZE / 8]>()) };
    }
}

/// The same, of a size that the compiler does not know.
#[inline(never)]
pub fn pairs<A: GlobalAlloc>(allocator: &A, size: u32, count: u32) {
    for _ in 0..count {
        let layout = layout(black_box(size) as usize, 8);
        let block = black_box(alloc(allocator, layout));
        // SAFETY: just allocated with this layout.
        unsafe { allocator.dealloc(block, layout) };
    }
}

/// As many blocks as `order` is long, freed in this order (a permutation). `table` is as long.
#[inline(never)]
pub fn batch<A: GlobalAlloc>(allocator: &A, size: u32, order: &[u32], table: &mut [Place]) {
    let layout = layout(black_box(size) as usize, 8);
    for place in table.iter_mut() {
        place.block = alloc(allocator, layout);
    }
    for &index in order {
        // SAFETY: each index occurs once.
        unsafe { allocator.dealloc(table[index as usize].block, layout) };
    }
}

/// A vector that grows by doubling to `end` bytes, a power of two.
#[inline(never)]
pub fn growth<A: GlobalAlloc>(allocator: &A, end: u32) {
    let end = end as usize;
    let mut size = 4;
    let mut block = alloc(allocator, layout(size, 4));
    while size < end {
        // SAFETY: the block has this layout; the new last byte is within it.
        unsafe {
            block = allocator.realloc(block, layout(size, 4), size * 2);
            assert!(!block.is_null(), "out of memory");
            size *= 2;
            block.add(size - 1).write_volatile(1);
        }
    }
    // SAFETY: as above.
    unsafe { allocator.dealloc(block, layout(size, 4)) };
}

/// Runs a script over an empty table. Leaves what the script left.
#[inline(never)]
pub fn script<A: GlobalAlloc>(allocator: &A, steps: &[Packed], table: &mut [Place]) {
    for &step in steps {
        match Step::from(step) {
            Step::Alloc { slot, size, align } => {
                let block = alloc(allocator, layout(size as usize, align as usize));
                table[slot as usize] = Place { block, size, align };
            }
            Step::Realloc { slot, size } => {
                let place = &mut table[slot as usize];
                let old = layout(place.size as usize, place.align as usize);
                // SAFETY: scripts reallocate live blocks only, with the layout that the table remembers.
                let block = unsafe { allocator.realloc(place.block, old, size as usize) };
                assert!(!block.is_null(), "out of memory");
                place.block = block;
                place.size = size;
            }
            Step::Free { slot } => free(allocator, &mut table[slot as usize]),
        }
    }
}

#[inline(always)]
pub(crate) fn free<A: GlobalAlloc>(allocator: &A, place: &mut Place) {
    let Place { block, size, align } = std::mem::replace(place, Place::EMPTY);
    // SAFETY: scripts free live blocks only, with the layout that the table remembers.
    unsafe { allocator.dealloc(block, layout(size as usize, align as usize)) };
}

/// Frees what a script has left.
pub fn clear<A: GlobalAlloc>(allocator: &A, table: &mut [Place]) {
    for place in table {
        if !place.block.is_null() {
            free(allocator, place);
        }
    }
}

/// The sizes of [`fill`] and [`churn`]: 8 to 71 bytes, smaller ones as often as larger ones.
fn small(random: &mut Random) -> u32 {
    8 + random.below(64)
}

/// Fills a table with live blocks of small random sizes.
pub fn fill<A: GlobalAlloc>(allocator: &A, table: &mut [Place], seed: u64) {
    let mut random = Random(seed);
    for place in table {
        let size = small(&mut random);
        let block = alloc(allocator, layout(size as usize, 8));
        *place = Place {
            block,
            size,
            align: 8,
        };
    }
}

/// Frees a random block of a full table and allocates another in its place, `count` times. `observe` surrounds
/// each call: before `free`, between the two, and after `alloc`.
#[inline(always)]
pub fn churn<A: GlobalAlloc>(
    allocator: &A,
    table: &mut [Place],
    count: u32,
    seed: u64,
    mut observe: impl FnMut(),
) {
    let mut random = Random(seed);
    for _ in 0..count {
        let place = &mut table[random.below(table.len() as u32) as usize];
        let size = small(&mut random);
        // Read before the clock starts: the table is not the allocator's.
        let Place {
            block,
            size: old,
            align,
        } = black_box(*place);
        observe();
        // SAFETY: the table is full of live blocks with their layouts.
        unsafe { allocator.dealloc(block, layout(old as usize, align as usize)) };
        observe();
        // SAFETY: the size is not 0.
        let block = unsafe { allocator.alloc(layout(size as usize, 8)) };
        observe();
        assert!(!block.is_null(), "out of memory");
        *place = Place {
            block,
            size,
            align: 8,
        };
        // SAFETY: the block has at least eight bytes.
        unsafe { block.write_volatile(1) };
    }
}
