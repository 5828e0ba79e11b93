//! The workloads: what a benchmark does with an allocator. All inputs are made before the clock starts, from
//! fixed seeds. [`all`] lists them; [`steps`] has the loops; `long` has the scripts of long and over-aligned blocks;
//! [`trace`] is the format of recorded traces, and of scripts. [`soak`] is not one of them: it has no end.

mod long;
pub mod soak;
pub mod steps;
mod traces;

pub use pageslab_trace as trace;
use std::alloc::GlobalAlloc;
use steps::{PAIR_SIZE, Packed, Place, Random, Step};

/// What is done.
pub enum Kind {
    /// One block allocated and freed, this many times, of a size that the compiler knows.
    PairConstant { count: u32 },
    /// The same, of a size that it does not know.
    Pair { size: u32, count: u32 },
    /// Many blocks allocated, then freed in this order.
    Batch { size: u32, order: Vec<u32> },
    /// A vector that grows by doubling to this many bytes.
    Growth { end: u32 },
    /// A script, from a seed or a trace. What it leaves live is freed at its end.
    Script { slots: usize, steps: Vec<Packed> },
}

pub struct Workload {
    /// `group/case`.
    pub name: String,
    pub kind: Kind,
    /// How many calls of the allocator one run makes.
    pub calls: usize,
    /// The most bytes that are live at once, as asked for.
    pub peak: u64,
}

const PAIRS: u32 = 1000;
const BATCH: u32 = 1000;
const SMALL: u32 = 200;

/// Places in the table of a random mix, and its steps.
const SLOTS: u32 = 1000;
const STEPS: usize = 20_000;

/// All workloads.
#[must_use]
pub fn all() -> Vec<Workload> {
    let mut all = vec![Workload {
        name: format!("pair/{PAIR_SIZE} constant"),
        kind: Kind::PairConstant { count: PAIRS },
        calls: 2 * PAIRS as usize,
        peak: PAIR_SIZE as u64,
    }];
    for size in [24, 400, 5000] {
        all.push(Workload {
            name: format!("pair/{size}"),
            kind: Kind::Pair { size, count: PAIRS },
            calls: 2 * PAIRS as usize,
            peak: u64::from(size),
        });
    }
    for size in [16, 48, 256, 1500] {
        let in_order: Vec<u32> = (0..BATCH).collect();
        let mut shuffled = in_order.clone();
        Random(7).shuffle(&mut shuffled);
        for (case, order) in [("in order", in_order), ("shuffled", shuffled)] {
            all.push(Workload {
                name: format!("batch/{size} {case}"),
                kind: Kind::Batch { size, order },
                calls: 2 * BATCH as usize,
                peak: u64::from(size * BATCH),
            });
        }
    }
    for (low, high) in [(1, 128), (16, 1024), (16, 10_240), (1024, 65_536)] {
        let steps = mix(low, high);
        all.push(scripted(
            format!("mix/{low} to {high}"),
            SLOTS as usize,
            steps,
        ));
    }
    all.push(small_guest());
    all.push(Workload {
        name: "growth/vector to 1 MiB".into(),
        kind: Kind::Growth { end: 1 << 20 },
        calls: 20,
        peak: 1 << 20,
    });
    all.extend(long::all());
    all.extend(traces::all().into_iter().map(|trace| Workload {
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
        kind: Kind::Script {
            slots,
            steps: steps.into_iter().map(Packed::from).collect(),
        },
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

/// A guest that makes a few objects of ten sizes, and is one of thousands of its kind.
#[must_use]
pub fn small_guest() -> Workload {
    const SIZES: [u32; 10] = [8, 16, 24, 32, 48, 64, 96, 128, 256, 512];
    let steps = (0..SMALL).map(|slot| Step::Alloc {
        slot,
        size: SIZES[slot as usize % SIZES.len()],
        align: 8,
    });
    scripted(
        "guest/200 small objects".into(),
        SMALL as usize,
        steps.collect(),
    )
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
    /// The places that the workload's table needs.
    #[must_use]
    pub fn slots(&self) -> usize {
        match &self.kind {
            Kind::Batch { order, .. } => order.len(),
            Kind::Script { slots, .. } => *slots,
            _ => 0,
        }
    }

    /// Runs the workload once over an empty table of [`slots`](Self::slots) places. Leaves nothing allocated.
    pub fn run<A: GlobalAlloc>(&self, allocator: &A, table: &mut [Place]) {
        match &self.kind {
            Kind::PairConstant { count } => steps::pairs_constant(allocator, *count),
            Kind::Pair { size, count } => steps::pairs(allocator, *size, *count),
            Kind::Batch { size, order } => steps::batch(allocator, *size, order, table),
            Kind::Growth { end } => steps::growth(allocator, *end),
            Kind::Script { steps, .. } => {
                steps::script(allocator, steps, table);
                steps::clear(allocator, table);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Step, all};

    #[test]
    fn scripts_allocate_in_empty_slots_and_free_live_blocks() {
        for workload in all() {
            let Kind::Script { slots, steps } = workload.kind else {
                continue;
            };
            let mut live = vec![false; slots];
            for step in steps.into_iter().map(Step::from) {
                let (slot, was_live, is_live) = match step {
                    Step::Alloc { slot, .. } => (slot, false, true),
                    Step::Realloc { slot, .. } => (slot, true, true),
                    Step::Free { slot } => (slot, true, false),
                };
                let before = std::mem::replace(&mut live[slot as usize], is_live);
                assert_eq!(before, was_live, "{}: {step:?}", workload.name);
            }
        }
    }
}
