//! What a call left behind, and what it took away: the blocks of two snapshots of one heap.

use crate::{Block, Snapshot};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The difference between two snapshots of one heap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The blocks that are live only afterwards, most bytes first.
    pub added: Vec<Group>,
    /// The blocks that are live only before.
    pub removed: Vec<Group>,
    /// How many pages more the heap holds afterwards.
    pub pages: u32,
}

/// Blocks of one length and one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// The length of each, as asked for, in bytes.
    pub len: u32,
    /// The tag of who allocated them, in checked mode.
    pub tag: Option<u16>,
    /// Their size class, or `None` for long blocks.
    pub class: Option<u8>,
    /// How many there are.
    pub blocks: u64,
    /// The sum of their lengths.
    pub bytes: u64,
    /// The pointer to the first of them.
    pub first: u64,
}

impl Diff {
    /// What is different in `after`. A block that was freed, and whose place was had again for the same length, is not seen.
    #[must_use]
    pub fn new(before: &Snapshot, after: &Snapshot) -> Self {
        let key = |block: &Block| (block.ptr, block.len);
        let only = |of: &Snapshot, other: &Snapshot| {
            let known: BTreeSet<_> = other.blocks().map(|block| key(&block)).collect();
            groups(of.blocks().filter(|block| !known.contains(&key(block))))
        };
        Self {
            added: only(after, before),
            removed: only(before, after),
            pages: after.pages.saturating_sub(before.pages),
        }
    }
}

/// Blocks by length and tag, most bytes first.
pub(crate) fn groups(blocks: impl Iterator<Item = Block>) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for block in blocks {
        let group = groups.entry((block.len, block.tag)).or_insert(Group {
            len: block.len,
            tag: block.tag,
            class: block.class,
            blocks: 0,
            bytes: 0,
            first: block.ptr,
        });
        group.blocks += 1;
        group.bytes += u64::from(block.len);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| (u64::MAX - group.bytes, group.len));
    groups
}
