//! What a guest writes is read, and nothing else is believed.

use pageslab::{MemoryController as _, PageSlab, ReservedMemory};
use pageslab_snapshot::{Diff, Error, GuestMemory, Snapshot, What};
use proptest::prelude::*;

type Heap = PageSlab<ReservedMemory>;

fn bytes(heap: &Heap) -> Vec<u8> {
    let mut bytes = vec![0; heap.snapshot(&mut []).expect("it is not poisoned")];
    heap.snapshot(&mut bytes).expect("it is not poisoned");
    bytes
}

fn take(heap: &Heap) -> Snapshot {
    Snapshot::decode(&bytes(heap)).expect("it is a snapshot")
}

fn heap() -> Heap {
    PageSlab::new(ReservedMemory::new(1024))
}

#[test]
fn a_heap_without_pages_is_empty() {
    let snapshot = take(&heap());
    assert_eq!((snapshot.pages, snapshot.runs.len()), (0, 0));
    assert_eq!(snapshot.encode(), bytes(&heap()));
}

#[test]
fn a_call_left_behind_what_it_did_not_free() {
    let mut heap = heap();
    let kept = heap.alloc(5000).unwrap();
    let before = take(&heap);
    heap.free(kept, 5000).unwrap();
    for _ in 0..3 {
        heap.alloc(40).unwrap();
    }
    heap.alloc(100_000).unwrap();
    let after = take(&heap);
    let diff = Diff::new(&before, &after);
    let added: Vec<_> = diff
        .added
        .iter()
        .map(|group| (group.len, group.blocks, group.bytes))
        .collect();
    assert_eq!(added, [(100_000, 1, 100_000), (40, 3, 120)]);
    assert_eq!(diff.removed.len(), 1);
    assert_eq!(
        (diff.removed[0].len, diff.removed[0].first),
        (5000, kept.into())
    );
    let net: Vec<_> = diff
        .net
        .iter()
        .map(|change| (change.len, change.blocks, change.bytes))
        .collect();
    assert_eq!(
        net,
        [(100_000, 1, 100_000), (40, 3, 120), (5000, -1, -5000)]
    );
    assert_eq!(diff.pages, after.pages - before.pages);
    let none = Diff::new(&after, &after);
    assert_eq!((none.added, none.net), (vec![], vec![]));
}

#[test]
fn a_snapshot_is_written_as_json() {
    let mut heap = heap();
    heap.alloc(100).unwrap();
    let json = serde_json::to_value(take(&heap)).unwrap();
    let slab = json["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|run| run["what"].get("Slab"));
    assert_eq!(slab.unwrap()["lens"], serde_json::json!([100]));
    assert_eq!(slab.unwrap()["live"], 1);
}

#[test]
fn what_is_none_is_refused() {
    let mut heap = heap();
    heap.alloc(100).unwrap();
    let right = bytes(&heap);
    assert_eq!(Snapshot::decode(&[]), Err(Error::NoSnapshot));
    assert_eq!(Snapshot::decode(b"somebody's file"), Err(Error::NoSnapshot));
    let mut later = right.clone();
    later[8] = 2;
    assert_eq!(Snapshot::decode(&later), Err(Error::Version(2)));
    for cut in 10..right.len() {
        assert!(
            matches!(Snapshot::decode(&right[..cut]), Err(Error::CutShort { .. })),
            "{cut}"
        );
    }
    let long = [&right[..], &[0]].concat();
    assert_eq!(Snapshot::decode(&long), Err(Error::TooLong(1)));
}

/// Sizes of blocks, and which of them are freed.
fn calls() -> impl Strategy<Value = Vec<(u32, bool)>> {
    let len = prop_oneof![4 => 0..300u32, 2 => 0..9000u32, 1 => 0..300_000u32];
    proptest::collection::vec((len, any::<bool>()), 0..200)
}

fn after(calls: &[(u32, bool)]) -> (Heap, Vec<(u32, u32)>) {
    let mut heap = heap();
    let blocks: Vec<_> = calls
        .iter()
        .map(|&(len, _)| (heap.alloc(len).unwrap(), len))
        .collect();
    let mut live = Vec::new();
    for (&(ptr, len), &(_, is_freed)) in blocks.iter().zip(calls) {
        if is_freed {
            heap.free(ptr, len).unwrap();
        } else {
            live.push((ptr, len));
        }
    }
    live.sort_unstable();
    (heap, live)
}

/// A memory that is no slice to who reads it.
struct Elsewhere<'a>(&'a [u8]);

impl GuestMemory for Elsewhere<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn copy(&self, address: u64, into: &mut [u8]) {
        into.copy_from_slice(&self.0[address as usize..][..into.len()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_snapshot_has_what_the_heap_has(calls in calls()) {
        let (heap, live) = after(&calls);
        let snapshot = take(&heap);
        prop_assert_eq!(snapshot.encode(), bytes(&heap));
        let blocks: Vec<_> = snapshot.blocks().map(|block| (block.ptr as u32, block.len)).collect();
        prop_assert_eq!(blocks, live);
        let (summary, stats) = (snapshot.summary(), heap.stats().unwrap());
        prop_assert_eq!(summary.live_bytes, stats.live_bytes);
        prop_assert_eq!(summary.block_bytes, stats.block_bytes);
        prop_assert_eq!(summary.slab_bytes, stats.slab_bytes);
        prop_assert_eq!(summary.free_bytes, stats.free_bytes);
        prop_assert_eq!(summary.longest_free, stats.longest_free);
        prop_assert_eq!(summary.metadata_bytes, stats.metadata_bytes);
        for class in &summary.classes {
            let known = stats.classes.iter().find(|known| known.slot_size == class.slot_size).unwrap();
            prop_assert_eq!((class.slabs, class.slots, class.live), (known.slabs.into(), known.slots.into(), known.live.into()));
        }
    }

    /// One byte of a snapshot is another: an error, or a heap whose parts fit together.
    #[test]
    fn nothing_is_believed(calls in calls(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (heap, _) = after(&calls);
        let mut bytes = bytes(&heap);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(snapshot) = Snapshot::decode(&bytes) {
            let again = Snapshot::decode(&snapshot.encode());
            prop_assert_eq!(again.as_ref(), Ok(&snapshot));
            let mut end = 0;
            for run in &snapshot.runs {
                prop_assert!(run.offset >= end);
                end = run.offset + run.len;
                for block in run.blocks() {
                    prop_assert!(block.ptr >= run.offset && block.ptr + u64::from(block.len) <= end);
                }
                if let What::Slab(slab) = &run.what {
                    prop_assert!(slab.live.count_ones() <= slab.slots as usize);
                }
            }
        }
    }

    #[test]
    fn rubbish_is_no_heap_in_memory(memory in proptest::collection::vec(any::<u8>(), 0..3000), address in 0..3100u32) {
        let _ = Snapshot::read(&memory, address);
        let mut memory = memory;
        if let Some(place) = memory.get_mut(address as usize..).and_then(|rest| rest.get_mut(..12)) {
            place.copy_from_slice(b"pageslab\x01\0\0\x0a");
        }
        let _ = Snapshot::read(&memory, address);
        prop_assert_eq!(Snapshot::read_from(&Elsewhere(&memory), address), Snapshot::read(&memory, address));
    }
}
