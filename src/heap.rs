//! The heap: slabs of each class, long blocks, and what a pointer is. Everything but the public types, and checked mode.

mod check;
mod find;
mod long;
mod pending;
mod realloc;
mod slots;
mod state;
#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(any(miri, feature = "checked", pageslab_geometry = "tiny"))
))]
#[cfg(any())]
mod tests;

pub(crate) use find::NoBytes;
pub(crate) use state::Heap;

#[cfg(test)]
mod scratch {
    extern crate std;
    use crate::{MemoryController, PageSlab, ReservedMemory};
    use std::vec::Vec;
    #[test]
    fn scratch() {
        let mut heap = PageSlab::with_limit(ReservedMemory::new(1000), 8);
        let mut lens: Vec<u32> = (0..40).map(|c| crate::sizes::class::slot_size(c)).collect();
        lens.extend([9 * 1024, 50_000, 65536]);
        for len in lens {
            let mut v = Vec::new();
            while let Ok(p) = heap.alloc(len) { v.push(p) }
            std::eprintln!("{len}: {} = {}", v.len(), v.len() as u32 * len);
            if len >= 8192 {
            for t in heap.heap.tiles() { std::eprint!("{t:?} ") }
            std::eprintln!();
            }
            for p in v { heap.free(p, len).unwrap() }
        }
    }
}
