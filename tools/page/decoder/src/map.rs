//! The heap as a map: for each page what most of it is, and how much of it is in use.

use pageslab_snapshot::{Run, Snapshot, What};

const PAGE: u64 = pageslab_snapshot::PAGE;

/// What a run is to the page's script, which has the same list.
pub mod kind {
    pub const FOREIGN: u8 = 0;
    pub const FREE: u8 = 1;
    pub const METADATA: u8 = 2;
    pub const HELD: u8 = 3;
    pub const UNKNOWN: u8 = 4;
    pub const LONG: u8 = 5;
    /// That of size class 0; the others follow.
    pub const SLAB: u8 = 6;
}

pub fn kind_of(run: &Run) -> u8 {
    match &run.what {
        What::Free => kind::FREE,
        What::Metadata => kind::METADATA,
        What::Held { .. } => kind::HELD,
        What::Unknown => kind::UNKNOWN,
        What::Block { .. } => kind::LONG,
        What::Slab(slab) => kind::SLAB.saturating_add(slab.class),
        _ => kind::FOREIGN,
    }
}

/// Two bytes for each page of memory: what most of it is, and what part of it is in use, of 255.
pub fn map(heap: &Snapshot) -> Vec<u8> {
    let pages = heap.memory_pages as usize;
    let mut map = [kind::FOREIGN, 255].repeat(pages);
    let mut parts: Vec<(u8, u64, u64)> = Vec::new();
    let mut current = 0;
    for run in &heap.runs {
        let end = run.offset + run.len;
        let mut start = run.offset;
        while start < end {
            let page = start / PAGE;
            if page != current {
                put(&mut map, current, &parts);
                parts.clear();
                current = page;
            }
            let part = end.min((page + 1) * PAGE) - start;
            let (kind, used) = (kind_of(run), used(run, part));
            match parts.iter_mut().find(|known| known.0 == kind) {
                Some(known) => *known = (kind, known.1 + part, known.2 + used),
                None => parts.push((kind, part, used)),
            }
            start += part;
        }
    }
    put(&mut map, current, &parts);
    map
}

/// How much of a part of a run is in use.
fn used(run: &Run, part: u64) -> u64 {
    match &run.what {
        What::Free => 0,
        What::Block { len, .. } => part * u64::from(*len) / run.len.max(1),
        What::Slab(slab) => {
            let live = slab.live.count_ones() as u64;
            part * live / u64::from(slab.slots.max(1))
        }
        _ => part,
    }
}

/// A page is what most of its bytes are that are not free.
fn put(map: &mut [u8], page: u64, parts: &[(u8, u64, u64)]) {
    let Some(cell) = map.chunks_exact_mut(2).nth(page as usize) else {
        return;
    };
    let rank = |part: &&(u8, u64, u64)| (part.0 != kind::FREE, part.1);
    if let Some(most) = parts.iter().max_by_key(rank) {
        let used: u64 = parts.iter().map(|part| part.2).sum();
        cell.copy_from_slice(&[most.0, (used * 255 / PAGE) as u8]);
    }
}
