//! Scripts of long blocks, and of over-aligned ones: what allocators treat apart from small blocks, and where a few small
//! blocks that stay can cost the most memory.

use crate::steps::{Random, Step};
use crate::{Workload, scripted};

/// Pairs of calls, and the small blocks that live beside them: few enough that most of the time is the pairs'.
const PAIRS: u32 = 10_000;
const OTHERS: u32 = 3_000;

/// How often half of the blocks, one block, the state, or a block that grows is replaced.
const HALVES: u32 = 50;
const REPLACED: u32 = 10_000;
const STATES: u32 = 100;
const LONGER: u32 = 60;

/// When what is replaced is freed: before what replaces it is allocated, or after.
#[derive(Clone, Copy, PartialEq)]
enum Freed {
    Before,
    After,
}

const FREED: [(Freed, &str); 2] = [
    (Freed::Before, "freed before"),
    (Freed::After, "freed after"),
];

/// The workloads of the groups `long` and `aligned`.
pub(crate) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    for size in [9_000, 66_000, 100_000, 1_000_000] {
        all.push(pairs(size, 8, 0).named(format!("long/pair of {size}")));
        all.push(pairs(size, 8, OTHERS).named(format!("long/pair of {size} in a heap")));
    }
    for (count, size) in [(4_000, 9_000), (2_000, 17_000)] {
        all.push(halves(count, size).named(format!("long/{count} of {size}, by halves")));
    }
    all.push(one_by_one().named("long/1000 of 100000 to 110000".into()));
    for (freed, when) in FREED {
        all.push(state(freed).named(format!("long/state, {when}")));
    }
    for (freed, when) in FREED {
        all.push(growing(freed).named(format!("long/grown by 65000, {when}")));
    }
    all.push(vector().named("long/vector to 16 MiB beside others".into()));
    all.push(pairs(4096, 4096, 0).named("aligned/pair of 4096 at 4096".into()));
    for (count, size, align) in [(1_000, 4160, 64), (4_000, 520, 32), (4_000, 1100, 128)] {
        all.push(live(count, size, align).named(format!("aligned/{count} of {size} at {align}")));
    }
    all
}

/// A script in the making. Blocks are known by their slots, which are used again.
#[derive(Default)]
struct Script {
    steps: Vec<Step>,
    slots: u32,
    empty: Vec<u32>,
}

impl Script {
    fn alloc(&mut self, size: u32) -> u32 {
        self.aligned(size, 8)
    }

    fn aligned(&mut self, size: u32, align: u32) -> u32 {
        let slot = self.empty.pop().unwrap_or(self.slots);
        self.slots = self.slots.max(slot + 1);
        self.steps.push(Step::Alloc { slot, size, align });
        slot
    }

    fn free(&mut self, slot: u32) {
        self.empty.push(slot);
        self.steps.push(Step::Free { slot });
    }

    fn named(self, name: String) -> Workload {
        scripted(name, self.slots as usize, self.steps)
    }
}

/// One block allocated and freed, over and over, beside small ones of mixed sizes.
fn pairs(size: u32, align: u32, others: u32) -> Script {
    let mut script = Script::default();
    let mut random = Random(3);
    for _ in 0..others {
        script.alloc(8 + random.below(1000));
    }
    for _ in 0..PAIRS {
        let block = script.aligned(size, align);
        script.free(block);
    }
    script
}

/// Blocks of one size, of which a random half is freed and had again.
fn halves(count: u32, size: u32) -> Script {
    let mut script = Script::default();
    let mut random = Random(u64::from(size));
    let mut blocks: Vec<u32> = (0..count).map(|_| script.alloc(size)).collect();
    for _ in 0..HALVES {
        random.shuffle(&mut blocks);
        let half = &mut blocks[..count as usize / 2];
        half.iter().for_each(|&block| script.free(block));
        half.iter_mut()
            .for_each(|block| *block = script.alloc(size));
    }
    script
}

/// Blocks of almost one size, of which a random one is freed and another had in its place.
fn one_by_one() -> Script {
    const COUNT: u32 = 1000;
    let mut script = Script::default();
    let mut random = Random(5);
    let size = |random: &mut Random| 100_000 + random.below(10_001);
    let mut blocks = Vec::new();
    for _ in 0..COUNT {
        blocks.push(script.alloc(size(&mut random)));
    }
    for _ in 0..REPLACED {
        let block = &mut blocks[random.below(COUNT) as usize];
        script.free(*block);
        *block = script.alloc(size(&mut random));
    }
    script
}

/// A state of a few long blocks, built anew again and again. While it is built, small blocks come to stay.
fn state(freed: Freed) -> Script {
    const BLOCKS: u32 = 8;
    let mut script = Script::default();
    let mut random = Random(11);
    let mut old = Vec::new();
    for _ in 0..STATES {
        if freed == Freed::Before {
            old.drain(..).for_each(|block| script.free(block));
        }
        let mut new = Vec::new();
        for number in 0..BLOCKS {
            new.push(script.alloc(100_000 + random.below(1_300_001)));
            if number % 2 == 0 {
                script.alloc(40 + random.below(1961));
            }
        }
        old.drain(..).for_each(|block| script.free(block));
        old = new;
    }
    script
}

/// A block that is replaced by a longer one again and again. From each round a small block stays.
fn growing(freed: Freed) -> Script {
    const BY: u32 = 65_000;
    let mut script = Script::default();
    let mut old = script.alloc(BY);
    for round in 2..=LONGER {
        let size = round * BY;
        if freed == Freed::Before {
            script.free(old);
            old = script.alloc(size);
        } else {
            let new = script.alloc(size);
            script.free(old);
            old = new;
        }
        script.alloc(40);
    }
    script
}

/// A vector that grows by doubling while small blocks are allocated, which stay.
fn vector() -> Script {
    const END: u32 = 16 << 20;
    const BETWEEN: u32 = 100;
    let mut script = Script::default();
    let mut random = Random(13);
    let mut size = 64;
    let slot = script.alloc(size);
    while size < END {
        for _ in 0..BETWEEN {
            script.alloc(8 + random.below(200));
        }
        size *= 2;
        script.steps.push(Step::Realloc { slot, size });
    }
    script
}

/// Blocks of one size and alignment that all live at once.
fn live(count: u32, size: u32, align: u32) -> Script {
    let mut script = Script::default();
    for _ in 0..count {
        script.aligned(size, align);
    }
    script
}
