//! The calls that are stopped or refused: they come to every part of the allocator.

/// One call of the host's. Blocks are told apart by numbers.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Alloc { block: u32, len: u32, align: u32 },
    Realloc { block: u32, len: u32 },
    Free { block: u32 },
}
use Call::{Alloc, Free, Realloc};

impl Call {
    pub fn kind(self) -> &'static str {
        match self {
            Alloc { .. } => "alloc",
            Realloc { .. } => "realloc",
            Free { .. } => "free",
        }
    }

    /// The block that there must be for the call.
    pub fn needs(self) -> Option<u32> {
        match self {
            Alloc { .. } => None,
            Realloc { block, .. } | Free { block } => Some(block),
        }
    }
}

fn alloc(block: u32, len: u32) -> Call {
    let align = 1;
    Alloc { block, len, align }
}

fn realloc(block: u32, len: u32) -> Call {
    Realloc { block, len }
}

/// A heap that starts over, lists with several slabs and several runs in them, and then whatever comes and goes.
pub fn calls() -> Vec<Call> {
    [emptied_heap(), crowded_lists(), all_kinds()].concat()
}

/// A heap in which nothing is live any more, and which starts over.
fn emptied_heap() -> Vec<Call> {
    let mut calls = Vec::new();
    calls.extend((600..630).map(|block| alloc(block, 700 * (block - 599))));
    calls.extend((600..630).map(|block| Free { block }));
    calls.extend([alloc(630, 16), alloc(631, 20_000)]);
    calls
}

/// Many runs of one length and many slabs of one class, of which some are free and no two of these are neighbours: a list
/// that is half changed leads to others' memory only if there is more than one in it.
fn crowded_lists() -> Vec<Call> {
    let mut calls = Vec::new();
    calls.extend((400..430).map(|block| alloc(block, 9_000)));
    calls.extend((400..430).step_by(2).map(|block| Free { block }));
    // A long run empties the cache of freed ones into a bin.
    calls.push(alloc(450, 100_000));
    calls.extend([alloc(451, 9_000), alloc(452, 8_500), alloc(453, 12_000)]);
    calls.extend([
        realloc(401, 18_000),
        realloc(403, 10_000),
        realloc(405, 30_000),
    ]);
    calls.extend([407, 409, 411, 415].map(|block| Free { block }));
    calls.extend([
        realloc(413, 15_000),
        realloc(421, 19_000),
        alloc(454, 9_000),
    ]);
    calls.push(Free { block: 450 });

    calls.extend((500..550).map(|block| alloc(block, 3_000)));
    calls.extend((500..550).step_by(6).map(|block| Free { block }));
    calls.extend((550..553).map(|block| alloc(block, 3_000)));
    calls.extend([501, 502, 503, 504, 505, 507].map(|block| Free { block }));
    calls.push(alloc(455, 70_000));
    calls
}

/// New slabs of several classes, full ones and emptied ones, runs that are split, joined, shrunk and extended, moves, and a
/// growing memory.
fn all_kinds() -> Vec<Call> {
    let mut calls = Vec::new();
    // More slots than the first slab has, in an order that fills it, empties it, and begins another.
    calls.extend((0..70).map(|block| alloc(block, 16 + block % 2)));
    calls.extend((0..70).step_by(3).map(|block| Free { block }));
    calls.extend((100..110).map(|block| alloc(block, 16)));
    calls.extend([alloc(200, 0), alloc(201, 700), alloc(202, 5_000)]);
    calls.push(Alloc {
        block: 203,
        len: 64,
        align: 4096,
    });
    calls.push(Alloc {
        block: 204,
        len: 70_000,
        align: 65_536,
    });
    // Runs beside each other, which are joined in each order.
    calls.extend((300..306).map(|block| alloc(block, 20_000 + block)));
    calls.extend([301, 303, 302, 305].map(|block| Free { block }));
    calls.push(alloc(307, 30_000));
    calls.push(realloc(300, 9_000));
    calls.push(realloc(300, 21_000));
    calls.push(realloc(201, 690));
    calls.push(realloc(201, 3_000));
    calls.push(realloc(304, 200_000));
    calls.push(alloc(308, 600_000));
    calls.push(Free { block: 204 });
    calls.extend(
        (1..70)
            .filter(|block| block % 3 != 0)
            .map(|block| Free { block }),
    );
    calls.extend((100..110).map(|block| Free { block }));
    calls.push(Free { block: 308 });
    calls.push(alloc(309, 33));
    calls
}

/// For a heap of its own: more empty slabs than are kept, of many classes.
pub fn emptied_slabs() -> Vec<Call> {
    const BLOCKS: u32 = 24;
    let mut calls = Vec::new();
    let lens = (9..13).flat_map(|log| [4, 5, 6, 7].map(|quarters| quarters << (log - 2)));
    // The first slab of a class has one slot, and each next one twice as many.
    for (class, len) in (0..).zip(lens) {
        calls.extend((0..BLOCKS).map(|block| alloc(class * BLOCKS + block, len)));
    }
    calls.extend((0..16 * BLOCKS).map(|block| Free { block }));
    calls
}
