//! Where the module's heap lies, for a host that reads it straight out of the guest's memory: of an instance that trapped, was
//! stopped, or is poisoned, and that need not run for it. The package `pageslab-snapshot` does.

use super::{HEAP, Memory};
use crate::PageSlab;
use crate::frames::entry::Entry;
use crate::frames::map::Map;
use crate::frames::runs::Runs;
use crate::global::lock::Locked;
use crate::heap::Heap;
use crate::hooks::{CHECKED, History};
use crate::sizes::geometry::FRAME_SHIFT;
use crate::slabs::slab::SLAB_HEADER;
use core::mem::offset_of;

/// What a host has to know of a module's heap. [`export_abi!(snapshot)`](crate::export_abi) exports the address of one.
///
/// All offsets are bytes; those of fields are from `heap` on. What lies where in an entry of the map and in a slab's descriptor
/// depends on the version, and is told in `docs/snapshot.md`.
///
/// ```
/// use pageslab::abi::snapshot::{HEAP_LAYOUT, HeapLayout};
///
/// static LAYOUT: HeapLayout = HEAP_LAYOUT;
/// // SAFETY: it begins with eight bytes that say what it is.
/// let magic = unsafe { (&raw const LAYOUT).cast::<[u8; 8]>().read() };
/// assert_eq!(magic, *b"pageslab");
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct HeapLayout {
    magic: [u8; 8],
    version: u16,
    is_checked: u8,
    frame_shift: u8,
    heap: *const (),
    is_changing: u32,
    growths: u32,
    refused_growths: u32,
    end: u32,
    end_frames: u32,
    held: u32,
    limit: u32,
    root: u32,
    first_page: u32,
    pages: u32,
    /// Bytes of an entry, of a history, and of a descriptor in front of its cells.
    entry: u32,
    history: u32,
    slab_header: u32,
}

// SAFETY: the pointer is to a static, and only its address is of use.
unsafe impl Sync for HeapLayout {}

type TheHeap = PageSlab<Memory>;

const RUNS: usize = Locked::<TheHeap>::VALUE + offset_of!(TheHeap, heap) + Heap::<Memory>::RUNS;
const HEAP_AT: usize = Locked::<TheHeap>::VALUE + offset_of!(TheHeap, heap);
const MAP: usize = RUNS + offset_of!(Runs<Memory>, map);

/// That of this module.
///
/// ```
/// use pageslab::abi::snapshot::HEAP_LAYOUT;
/// assert!(format!("{HEAP_LAYOUT:?}").contains("version: 1,"));
/// ```
pub const HEAP_LAYOUT: HeapLayout = {
    let [is_changing, growths, refused_growths] = Heap::<Memory>::FIELDS;
    let [end, end_frames, held, limit] = Runs::<Memory>::FIELDS;
    let [root, first_page, pages] = Map::FIELDS;
    HeapLayout {
        magic: *b"pageslab",
        version: 1,
        is_checked: CHECKED as u8,
        frame_shift: FRAME_SHIFT as u8,
        heap: (&raw const HEAP).cast(),
        is_changing: (HEAP_AT + is_changing) as u32,
        growths: (HEAP_AT + growths) as u32,
        refused_growths: (HEAP_AT + refused_growths) as u32,
        end: (RUNS + end) as u32,
        end_frames: (RUNS + end_frames) as u32,
        held: (RUNS + held) as u32,
        limit: (RUNS + limit) as u32,
        root: (MAP + root) as u32,
        first_page: (MAP + first_page) as u32,
        pages: (MAP + pages) as u32,
        entry: size_of::<Entry>() as u32,
        history: size_of::<History>() as u32,
        slab_header: SLAB_HEADER,
    }
};
