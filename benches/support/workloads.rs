//! The workloads: what a benchmark does with an allocator. All inputs are made before the clock starts, from
//! fixed seeds.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr::null_mut;

/// One step of a script. `slot` is a place in a table of blocks.
#[derive(Clone, Copy)]
pub enum Step {
    Alloc { slot: u32, size: u32, align: u32 },
    Realloc { slot: u32, size: u32 },
    Free { slot: u32 },
}

/// What is done.
enum Kind {
    /// One block allocated and freed, over and over, of a size that the compiler knows.
    Pair,
    /// The same, of a size that it does not know.
    PairOf(usize),
    /// Many blocks allocated, then freed in this order.
    Batch { size: usize, order: Vec<u32> },
    /// A vector that grows by doubling to this many bytes.
    Growth(usize),
    /// A script, from a seed or a trace.
    Script { slots: usize, steps: Vec<Step> },
}

pub struct Workload {
    /// `group/case`.
    pub name: String,
    kind: Kind,
    /// How many calls of the allocator one run makes.
    pub calls: usize,
    /// The most bytes that are live at once, as asked for.
    pub peak: u64,
}

const PAIRS: usize = 1000;
const PAIR_SIZE: usize = 64;
const BATCH: usize = 1000;
const SMALL: u32 = 200;

/// Places in the table of a random mix, and its steps.
const SLOTS: u32 = 1000;
const STEPS: usize = 20_000;

/// A small generator of numbers (xorshift64*), since workloads must be the same everywhere and always.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}

/// All workloads; `traces` are named encoded traces.
pub fn all() -> Vec<Workload> {
    let mut all = vec![Workload {
        name: "pair/64 constant".into(),
        kind: Kind::Pair,
        calls: 2 * PAIRS,
        peak: PAIR_SIZE as u64,
    }];
    for size in [24, 400, 5000] {
        all.push(Workload {
            name: format!("pair/{size}"),
            kind: Kind::PairOf(size),
            calls: 2 * PAIRS,
            peak: size as u64,
        });
    }
    for size in [16, 48, 256, 1500] {
        let in_order: Vec<u32> = (0..BATCH as u32).collect();
        let mut shuffled = in_order.clone();
        let mut random = Random(7);
        for last in (1..BATCH).rev() {
            shuffled.swap(last, random.below(last as u32 + 1) as usize);
        }
        for (case, order) in [("in order", in_order), ("shuffled", shuffled)] {
            all.push(Workload {
                name: format!("batch/{size} {case}"),
                kind: Kind::Batch { size, order },
                calls: 2 * BATCH,
                peak: (size * BATCH) as u64,
            });
        }
    }
    for (low, high) in [(1, 128), (16, 1024), (16, 10_240), (1024, 65_536)] {
        all.push(scripted(
            format!("mix/{low} to {high}"),
            SLOTS as usize,
            mix(low, high),
        ));
    }
    all.push(scripted(
        "guest/200 small objects".into(),
        SMALL as usize,
        small_guest(),
    ));
    all.push(Workload {
        name: "growth/vector to 1 MiB".into(),
        kind: Kind::Growth(1 << 20),
        calls: 20,
        peak: 1 << 20,
    });
    all.extend(super::traces::all().into_iter().map(|trace| Workload {
        peak: trace.peak,
        ..scripted(format!("trace/{}", trace.name), trace.slots, trace.steps)
    }));
    all
}

fn scripted(name: String, slots: usize, steps: Vec<Step>) -> Workload {
    Workload {
        name,
        calls: steps.len(),
        peak: peak(slots, &steps),
        kind: Kind::Script { slots, steps },
    }
}

/// The most bytes that a script has live at once.
fn peak(slots: usize, steps: &[Step]) -> u64 {
    let mut sizes = vec![0; slots];
    let (mut live, mut peak) = (0, 0);
    for &step in steps {
        let (slot, new) = match step {
            Step::Alloc { slot, size, .. } | Step::Realloc { slot, size } => {
                (slot, u64::from(size))
            }
            Step::Free { slot } => (slot, 0),
        };
        live = live + new - std::mem::replace(&mut sizes[slot as usize], new);
        peak = peak.max(live);
    }
    peak
}

/// A guest that makes a few objects, keeps them for as long as it lives, and is one of thousands of its kind.
fn small_guest() -> Vec<Step> {
    const SIZES: [u32; 10] = [8, 16, 24, 32, 48, 64, 96, 128, 256, 512];
    (0..SMALL)
        .map(|slot| Step::Alloc {
            slot,
            size: SIZES[slot as usize % SIZES.len()],
            align: 8,
        })
        .collect()
}

/// Random allocations, frees and reallocations over a table that is about half full, sizes spread evenly over
/// their logarithms.
fn mix(low: u32, high: u32) -> Vec<Step> {
    let mut random = Random(u64::from(high));
    let size = |random: &mut Random| {
        let ratio = f64::from(high) / f64::from(low);
        (f64::from(low) * ratio.powf(f64::from(random.below(1 << 20)) / f64::from(1 << 20))) as u32
    };
    let mut full = [false; SLOTS as usize];
    (0..STEPS)
        .map(|_| {
            let slot = random.below(SLOTS);
            let is_full = &mut full[slot as usize];
            if !*is_full {
                *is_full = true;
                Step::Alloc {
                    slot,
                    size: size(&mut random),
                    align: 8,
                }
            } else if random.below(4) == 0 {
                Step::Realloc {
                    slot,
                    size: size(&mut random),
                }
            } else {
                *is_full = false;
                Step::Free { slot }
            }
        })
        .collect()
}

impl Workload {
    /// Runs the workload once. Leaves nothing allocated.
    pub fn run<A: GlobalAlloc>(&self, allocator: &A) {
        match &self.kind {
            Kind::Pair => pairs(allocator, Layout::new::<[u64; PAIR_SIZE / 8]>),
            Kind::PairOf(size) => pairs(allocator, || layout(black_box(*size), 8)),
            Kind::Batch { size, order } => batch(allocator, layout(black_box(*size), 8), order),
            Kind::Growth(end) => growth(allocator, *end),
            Kind::Script { slots, steps } => script(allocator, *slots, steps),
        }
    }
}

#[inline(always)]
fn layout(size: usize, align: usize) -> Layout {
    debug_assert!(Layout::from_size_align(size, align).is_ok());
    // SAFETY: workloads and traces have powers of two as alignments and sizes far below `isize::MAX`; traces
    // are checked when decoded.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

/// Allocates, and writes the first byte as a program would.
#[inline(always)]
fn alloc<A: GlobalAlloc>(allocator: &A, layout: Layout) -> *mut u8 {
    // SAFETY: no workload has a layout of size 0, and a block has at least one byte.
    unsafe {
        let block = allocator.alloc(layout);
        assert!(!block.is_null(), "out of memory");
        block.write_volatile(1);
        block
    }
}

#[inline(never)]
fn pairs<A: GlobalAlloc>(allocator: &A, layout: impl Fn() -> Layout) {
    for _ in 0..PAIRS {
        let layout = layout();
        let block = black_box(alloc(allocator, layout));
        // SAFETY: just allocated with this layout.
        unsafe { allocator.dealloc(block, layout) };
    }
}

#[inline(never)]
fn batch<A: GlobalAlloc>(allocator: &A, layout: Layout, order: &[u32]) {
    let mut blocks = [null_mut(); BATCH];
    for block in &mut blocks {
        *block = alloc(allocator, layout);
    }
    for &index in order {
        // SAFETY: each index occurs once.
        unsafe { allocator.dealloc(blocks[index as usize], layout) };
    }
}

#[inline(never)]
fn growth<A: GlobalAlloc>(allocator: &A, end: usize) {
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

#[inline(never)]
fn script<A: GlobalAlloc>(allocator: &A, slots: usize, steps: &[Step]) {
    let mut table = vec![(null_mut(), Layout::new::<()>()); slots];
    for &step in steps {
        match step {
            Step::Alloc { slot, size, align } => {
                let layout = layout(size as usize, align as usize);
                table[slot as usize] = (alloc(allocator, layout), layout);
            }
            Step::Realloc { slot, size } => {
                let (block, old) = &mut table[slot as usize];
                // SAFETY: scripts reallocate live blocks only, with the layout that the table remembers.
                *block = unsafe { allocator.realloc(*block, *old, size as usize) };
                assert!(!block.is_null(), "out of memory");
                *old = layout(size as usize, old.align());
            }
            Step::Free { slot } => {
                let (block, layout) =
                    std::mem::replace(&mut table[slot as usize], (null_mut(), Layout::new::<()>()));
                // SAFETY: scripts free live blocks only.
                unsafe { allocator.dealloc(block, layout) };
            }
        }
    }
    for (block, layout) in table {
        if !block.is_null() {
            // SAFETY: what is in the table is live.
            unsafe { allocator.dealloc(block, layout) };
        }
    }
}
