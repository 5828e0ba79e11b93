//! What a host reads of a guest's heap: any bytes are an error, or a heap whose parts fit together.
//!
//! An input is taken as a file that a guest has written, and as the beginning of a guest's memory, of which the rest is zeros.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab_snapshot::{Diff, PAGE, Snapshot, What};

/// The guest's memory, in pages: enough for a heap in it.
const PAGES: u64 = 4;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(snapshot) = Snapshot::decode(bytes) {
        fits_together(&snapshot);
    }
    let mut memory = vec![0; (PAGES * PAGE) as usize];
    memory[..bytes.len()].copy_from_slice(bytes);
    for address in [0, 4] {
        if let Ok(snapshot) = Snapshot::read(&memory, address) {
            assert_eq!(u64::from(snapshot.memory_pages), PAGES);
            fits_together(&snapshot);
        }
    }
});

fn fits_together(snapshot: &Snapshot) {
    let end_of_memory = u64::from(snapshot.memory_pages) * PAGE;
    assert!(snapshot.pages <= snapshot.memory_pages);
    let mut end = 0;
    for run in &snapshot.runs {
        assert!(run.offset >= end && run.len > 0, "runs are in order");
        end = run.offset + run.len;
        let mut block_end = run.offset;
        for block in run.blocks() {
            assert!(block.ptr >= block_end, "no two blocks overlap");
            assert!(u64::from(block.len) <= block.room);
            block_end = block.ptr + block.room;
            assert!(block_end <= end, "a block is in its run");
        }
        if let What::Slab(slab) = &run.what {
            assert!(!(slab.live & slab.free).any());
            assert_eq!(slab.lens.len(), slab.live.count_ones());
        }
    }
    assert!(end <= end_of_memory);

    let summary = snapshot.summary();
    assert_eq!(summary.live_blocks, snapshot.blocks().count() as u64);
    assert!(summary.live_bytes <= summary.block_bytes);
    assert!(summary.block_bytes <= summary.slab_bytes + summary.run_bytes);
    assert!((0.0..=1.0).contains(&summary.fragmentation()));
    let parts = [
        summary.slab_bytes,
        summary.run_bytes,
        summary.free_bytes,
        summary.metadata_bytes,
        summary.other_bytes,
    ];
    assert!(parts.iter().sum::<u64>() <= u64::from(snapshot.pages) * PAGE);
    let held: u64 = snapshot.holders().iter().map(|group| group.bytes).sum();
    assert_eq!(held, summary.live_bytes);
    for pages in snapshot.free_pages() {
        assert!(pages.start % PAGE == 0 && pages.end % PAGE == 0 && pages.end <= end_of_memory);
    }

    // What was read is written, and read again.
    let again = Snapshot::decode(&snapshot.encode());
    assert_eq!(again.as_ref(), Ok(snapshot));
    let diff = Diff::new(snapshot, snapshot);
    assert!(diff.added.is_empty() && diff.removed.is_empty());
}
