//! The decoder of heap snapshots, compiled for the page: it keeps one heap, and answers what the page shows of it.
//!
//! All answers are blocks that the page frees with `__free`: their pointer in the upper half, their length in the lower. Those of
//! [`heap_read`], [`heap_decode`] and [`heap_page`] are JSON.

// Natively there is no page.
#![cfg(target_arch = "wasm32")]

mod map;
mod page;

use pageslab::GlobalPageSlab;
use pageslab_snapshot::{GuestMemory, Snapshot, Summary};
use serde::Serialize;
use std::cell::RefCell;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);

thread_local! {
    static HEAP: RefCell<Option<Snapshot>> = const { RefCell::new(None) };
}

/// What the page shows in figures, or in a chart.
#[derive(Serialize)]
struct Figures<'a> {
    is_checked: bool,
    is_poisoned: bool,
    memory_pages: u32,
    pages: u32,
    growths: u32,
    refused_growths: u32,
    fragmentation: f64,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Reads the heap out of the memory of the guest that the page runs. `address` is what the guest exports.
#[unsafe(no_mangle)]
extern "C" fn heap_read(address: u32) -> u64 {
    keep(Snapshot::read_from(&Guest, address))
}

/// Decodes a snapshot, whose block it takes over.
#[unsafe(no_mangle)]
extern "C" fn heap_decode(ptr: u32, len: u32) -> u64 {
    // SAFETY: the page has written all of the block, and hands it over for this call.
    let bytes = unsafe { ALLOCATOR.take(ptr, len) };
    keep(
        bytes.map_or(Err(pageslab_snapshot::Error::NoSnapshot), |bytes| {
            Snapshot::decode(&bytes)
        }),
    )
}

/// The heap as a snapshot file.
#[unsafe(no_mangle)]
extern "C" fn heap_encode() -> u64 {
    of_heap(Snapshot::encode)
}

/// Two bytes for each page of memory: see [`map::map`].
#[unsafe(no_mangle)]
extern "C" fn heap_map() -> u64 {
    of_heap(map::map)
}

/// The slots and runs of one page: see [`page::Item`].
#[unsafe(no_mangle)]
extern "C" fn heap_page(number: u32) -> u64 {
    of_heap(|heap| json(&page::items(heap, number)))
}

/// Keeps a heap, and answers with its figures, or with why there is none.
fn keep(heap: Result<Snapshot, pageslab_snapshot::Error>) -> u64 {
    let answer = match &heap {
        Ok(heap) => {
            let summary = heap.summary();
            json(&Ok::<_, ()>(Figures {
                is_checked: heap.is_checked,
                is_poisoned: heap.is_poisoned,
                memory_pages: heap.memory_pages,
                pages: heap.pages,
                growths: heap.growths,
                refused_growths: heap.refused_growths,
                fragmentation: summary.fragmentation(),
                summary: &summary,
            }))
        }
        Err(error) => json(&Err::<(), _>(error.to_string())),
    };
    HEAP.set(heap.ok());
    give(answer)
}

fn of_heap(answer: impl FnOnce(&Snapshot) -> Vec<u8>) -> u64 {
    give(HEAP.with_borrow(|heap| heap.as_ref().map(answer).unwrap_or_default()))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Without memory the page sees an answer of no bytes, which is none.
fn give(answer: Vec<u8>) -> u64 {
    ALLOCATOR.give(answer).unwrap_or(0)
}

/// The memory of the guest, which is not this module's.
struct Guest;

#[link(wasm_import_module = "guest")]
unsafe extern "C" {
    safe fn memory_pages() -> u32;
    fn memory_copy(address: u32, into: *mut u8, len: usize);
}

impl GuestMemory for Guest {
    fn size(&self) -> u64 {
        u64::from(memory_pages()) * pageslab_snapshot::PAGE
    }

    fn copy(&self, address: u64, into: &mut [u8]) {
        // SAFETY: the page writes so many bytes to there.
        unsafe { memory_copy(address as u32, into.as_mut_ptr(), into.len()) }
    }
}
