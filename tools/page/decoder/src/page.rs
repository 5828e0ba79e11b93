//! One page, close up: each slot and each run in it.

use crate::map::kind_of;
use pageslab_snapshot::{Past, Slab, Snapshot, What};
use serde::Serialize;

const PAGE: u64 = pageslab_snapshot::PAGE;

/// A slot, or a run that is not cut into slots.
#[derive(Serialize)]
pub struct Item {
    /// The number of its run in the page.
    run: usize,
    /// What its run is: one of [`map::kind`](crate::map::kind).
    kind: u8,
    state: &'static str,
    /// Where it begins, and its bytes.
    offset: u64,
    room: u64,
    /// The length of its block, as asked for.
    len: Option<u32>,
    past: Option<Past>,
}

/// Those of a page, in their order.
pub fn items(heap: &Snapshot, number: u32) -> Vec<Item> {
    let start = u64::from(number) * PAGE;
    let is_here = |offset: u64, len: u64| offset < start + PAGE && offset + len > start;
    let mut items = Vec::new();
    let runs = heap.runs.iter().filter(|run| is_here(run.offset, run.len));
    for (place, run) in runs.enumerate() {
        let item = |state, offset, room, len, past| Item {
            run: place,
            kind: kind_of(run),
            state,
            offset,
            room,
            len,
            past,
        };
        let whole = |state, len, past| item(state, run.offset, run.len, len, past);
        match &run.what {
            What::Slab(slab) => items.extend(
                slots(slab)
                    .map(|(at, state, len, past)| {
                        item(state, run.offset + at, slab.slot_size.into(), len, past)
                    })
                    .filter(|item| is_here(item.offset, item.room)),
            ),
            What::Block { len, past } => items.push(whole("live", Some(*len), *past)),
            What::Held { past } => items.push(whole("held", None, *past)),
            What::Free => items.push(whole("free", None, None)),
            What::Metadata => items.push(whole("metadata", None, None)),
            What::Unknown => items.push(whole("unknown", None, None)),
            _ => items.push(whole("foreign", None, None)),
        }
    }
    items
}

type Slot = (u64, &'static str, Option<u32>, Option<Past>);

/// For each slot where it begins in its slab, its state, the length of its block, and who had it.
fn slots(slab: &Slab) -> impl Iterator<Item = Slot> {
    let mut lens = slab.lens.iter().copied();
    (0..slab.slots as usize).map(move |slot| {
        let (is_live, is_free) = (slab.live[slot], slab.free[slot]);
        let state = match (is_live, is_free) {
            (true, _) => "live",
            (_, true) => "free",
            _ => "held",
        };
        let len = is_live.then(|| lens.next()).flatten();
        let past = slab.pasts.get(slot).copied().flatten();
        (slot as u64 * u64::from(slab.slot_size), state, len, past)
    })
}
