//! A snapshot in a few numbers.

use crate::diff::groups;
use crate::{Group, Snapshot, What};
use serde::Serialize;

/// What a heap consists of, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// How many blocks are live.
    pub live_blocks: u64,
    /// The sum of their lengths, as asked for.
    pub live_bytes: u64,
    /// The sum of the slots and runs that hold them.
    pub block_bytes: u64,
    /// In slabs, be their slots live or free.
    pub slab_bytes: u64,
    /// In those of their slots that are not live.
    pub idle_bytes: u64,
    /// In long blocks.
    pub run_bytes: u64,
    /// In free runs.
    pub free_bytes: u64,
    /// In the longest of them: a longer block needs more memory.
    pub longest_free: u64,
    /// In the heap's own data.
    pub metadata_bytes: u64,
    /// In what checked mode holds, and in what cannot be told.
    pub other_bytes: u64,
    /// The size classes that have a slab.
    pub classes: Vec<ClassSummary>,
}

/// What a size class consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClassSummary {
    /// The length of a slot, in bytes.
    pub slot_size: u32,
    /// How many slabs it has.
    pub slabs: u64,
    /// How many slots these have.
    pub slots: u64,
    /// How many of them are live.
    pub live: u64,
    /// The sum of the lengths of these, as asked for.
    pub live_bytes: u64,
}

impl Summary {
    /// How much of what is free is not in the longest free run: 0 if it is in one piece, near 1 if it is in many. It is a reason for
    /// memory to grow although much is free.
    #[must_use]
    pub fn fragmentation(&self) -> f64 {
        if self.free_bytes == 0 {
            return 0.0;
        }
        1.0 - self.longest_free as f64 / self.free_bytes as f64
    }
}

impl Snapshot {
    /// The heap in a few numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let longest = self.free().map(|free| free.end - free.start).max();
        let mut summary = Summary {
            longest_free: longest.unwrap_or(0),
            ..Summary::default()
        };
        for block in self.blocks() {
            summary.live_blocks += 1;
            summary.live_bytes += u64::from(block.len);
            summary.block_bytes += block.room;
        }
        for run in &self.runs {
            match &run.what {
                What::Foreign => {}
                What::Free => summary.free_bytes += run.len,
                What::Block { .. } => summary.run_bytes += run.len,
                What::Metadata => summary.metadata_bytes += run.len,
                What::Held { .. } | What::Unknown => summary.other_bytes += run.len,
                What::Slab(slab) => {
                    summary.slab_bytes += run.len;
                    let live = slab.live.count_ones() as u64;
                    summary.idle_bytes += run.len - live * u64::from(slab.slot_size);
                    let classes = &mut summary.classes;
                    let known = |class: &ClassSummary| class.slot_size == slab.slot_size;
                    let at = classes.iter().position(known).unwrap_or_else(|| {
                        classes.push(ClassSummary {
                            slot_size: slab.slot_size,
                            ..ClassSummary::default()
                        });
                        classes.len() - 1
                    });
                    let class = &mut classes[at];
                    class.slabs += 1;
                    class.slots += u64::from(slab.slots);
                    class.live += live;
                    class.live_bytes += slab.lens.iter().map(|&len| u64::from(len)).sum::<u64>();
                }
            }
        }
        summary.classes.sort_by_key(|class| class.slot_size);
        summary
    }

    /// The live blocks by length and tag, most bytes first: who holds the memory.
    #[must_use]
    pub fn holders(&self) -> Vec<Group> {
        groups(self.blocks())
    }
}
