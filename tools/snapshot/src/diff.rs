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
    /// How many more or fewer blocks there are of each length and tag, without those of which there are as many: the most added bytes
    /// first, the most removed bytes last. Unlike the others it does not ask where a block is, so it tells as much of two runs of
    /// a guest as of one.
    pub net: Vec<Change>,
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

/// How many more blocks of one length and one tag there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The length of each, as asked for, in bytes.
    pub len: u32,
    /// The tag of who allocated them, in checked mode.
    pub tag: Option<u16>,
    /// Their size class, or `None` for long blocks.
    pub class: Option<u8>,
    /// How many more there are, or fewer.
    pub blocks: i64,
    /// How many bytes more these have.
    pub bytes: i64,
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
            net: net(&before.holders(), &after.holders()),
            pages: after.pages.saturating_sub(before.pages),
        }
    }
}

fn net(before: &[Group], after: &[Group]) -> Vec<Change> {
    let mut changes = BTreeMap::new();
    for (groups, sign) in [(before, -1), (after, 1)] {
        for group in groups {
            let change = changes.entry((group.len, group.tag)).or_insert(Change {
                len: group.len,
                tag: group.tag,
                class: group.class,
                blocks: 0,
                bytes: 0,
            });
            change.blocks += sign * group.blocks as i64;
            change.bytes = change.blocks * i64::from(group.len);
        }
    }
    let mut changes: Vec<_> = changes.into_values().collect();
    changes.retain(|change| change.blocks != 0);
    changes.sort_by_key(|change| (-change.bytes, change.len));
    changes
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
