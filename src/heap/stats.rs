//! What a heap consists of, in numbers: found out when somebody asks, from the map and the descriptors. Nothing is counted before,
//! but how often memory grew.

use crate::frames::entry::Kind;
use crate::heap::state::Heap;
use crate::memory::{LinearMemory, PAGE};
use crate::sizes::class::{CLASSES, slot_size};
use crate::sizes::geometry::FRAME;
use crate::slabs::shape::DESCRIPTORS;

/// What a heap consists of. All lengths are bytes.
///
/// Every byte of the heap's pages is counted once: `pages * 65,536` is the sum of `slab_bytes`, `run_bytes`, `free_bytes`,
/// `metadata_bytes` and `other_bytes`.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// heap.alloc(100)?;
/// heap.alloc(100_000)?;
/// let stats = heap.stats()?;
/// assert_eq!((stats.live_blocks, stats.live_bytes), (2, 100_100));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many blocks are live.
    pub live_blocks: u32,
    /// The sum of the lengths that were asked for.
    pub live_bytes: u64,
    /// The sum of the slots and runs that hold them: `live_bytes` of it are used.
    pub block_bytes: u64,
    /// Pages of 64 KiB that the heap holds. It never gives one back, so this is their peak as well.
    pub pages: u32,
    /// Pages of the memory that are not the heap's: the module's data and stack, and what others have grown.
    pub foreign_pages: u32,
    /// In slabs, be their slots live or free.
    pub slab_bytes: u64,
    /// In runs that are live blocks.
    pub run_bytes: u64,
    /// In free runs.
    pub free_bytes: u64,
    /// In the longest of them: a longer block needs more memory.
    pub longest_free: u64,
    /// In the map, descriptors, and the guards in front of these.
    pub metadata_bytes: u64,
    /// In what is none of these: parts of pages that are not the heap's, and what checked mode holds.
    pub other_bytes: u64,
    /// How often memory has grown for the heap.
    pub growths: u32,
    /// How often it did not when the heap needed more: the host refused, or the heap's limit was reached.
    pub refused_growths: u32,
    /// The size classes, from the shortest slots to the longest.
    pub classes: [ClassStats; CLASSES],
}

/// What a size class consists of.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// heap.alloc(20)?;
/// heap.alloc(22)?;
/// let stats = heap.stats()?;
/// let class = stats.classes.iter().find(|class| class.live > 0).unwrap();
/// assert_eq!((class.slot_size, class.live, class.live_bytes), (32, 2, 42));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// The length of a slot, in bytes.
    pub slot_size: u32,
    /// How many slabs it has.
    pub slabs: u32,
    /// How many slots these have.
    pub slots: u32,
    /// How many of them are live blocks.
    pub live: u32,
    /// The sum of the lengths of these, as asked for.
    pub live_bytes: u64,
}

impl<M: LinearMemory> Heap<M> {
    /// What the heap consists of. Not of a poisoned heap.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            live_blocks: 0,
            live_bytes: 0,
            block_bytes: 0,
            pages: self.runs.held(),
            foreign_pages: self.runs.memory.size() - self.runs.held(),
            slab_bytes: 0,
            run_bytes: 0,
            free_bytes: 0,
            longest_free: 0,
            metadata_bytes: 0,
            other_bytes: u64::from(self.runs.held()) * u64::from(PAGE),
            growths: self.growths,
            refused_growths: self.refused_growths,
            classes: core::array::from_fn(|class| ClassStats {
                slot_size: slot_size(class as u32),
                slabs: 0,
                slots: 0,
                live: 0,
                live_bytes: 0,
            }),
        };
        // Free runs that are neighbours are one: the next search joins them.
        let mut free = 0;
        for (head, kind, frames) in self.tiles() {
            let bytes = u64::from(frames) * u64::from(FRAME);
            free = if kind == Kind::Free { free + bytes } else { 0 };
            let slab = match kind {
                Kind::Internal => self.runs.map.entry(head).any_slab(),
                _ => None,
            };
            let slab = slab.filter(|slab| slab.class() != DESCRIPTORS);
            match kind {
                Kind::Free => {
                    stats.free_bytes += bytes;
                    stats.longest_free = stats.longest_free.max(free);
                }
                Kind::Live => {
                    stats.live_blocks += 1;
                    stats.live_bytes += u64::from(self.runs.map.entry(head).len());
                    stats.block_bytes += bytes;
                    stats.run_bytes += bytes;
                }
                Kind::Internal if slab.is_none() => stats.metadata_bytes += bytes,
                Kind::Internal => stats.slab_bytes += bytes,
                _ => continue,
            }
            stats.other_bytes -= bytes;
            if let Some(slab) = slab {
                let class = &mut stats.classes[slab.class() as usize];
                class.slabs += 1;
                class.slots += slab.slots();
                for (_, len) in slab.live_slots() {
                    class.live += 1;
                    class.live_bytes += u64::from(len);
                }
            }
        }
        for class in &stats.classes {
            stats.live_blocks += class.live;
            stats.live_bytes += class.live_bytes;
            stats.block_bytes += u64::from(class.live) * u64::from(class.slot_size);
        }
        stats
    }
}
