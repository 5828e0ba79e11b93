//! A guest with every ABI on its one heap, which is its global allocator as well.

use pageslab::{Error, GlobalPageSlab, abi, panic_on_misuse};
use std::alloc::{GlobalAlloc, Layout, alloc, dealloc};
use std::hint::black_box;
use std::{panic, slice};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);
pageslab::export_abi!(surrealism);
pageslab::export_abi!(cabi_realloc);
pageslab::export_abi!(snapshot);
pageslab::export_abi!(messages);
pageslab::export_abi!(stats);
#[cfg(feature = "checked")]
pageslab::export_abi!(checked);

/// To be called before anything else under WASI. Without it, every call of an export would set up the C library again.
#[cfg(target_os = "wasi")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the host calls this once.
    unsafe { __wasm_call_ctors() }
}

/// Sets the tag of the present caller.
#[cfg(feature = "checked")]
#[unsafe(no_mangle)]
extern "C" fn set_tag(tag: u32) {
    ALLOCATOR.set_tag(tag as u16);
}

/// How many allocations are live.
#[unsafe(no_mangle)]
extern "C" fn live() -> u32 {
    ALLOCATOR.live().expect("the heap is whole") as u32
}

/// How many pages the heap holds.
#[unsafe(no_mangle)]
extern "C" fn pages() -> u32 {
    ALLOCATOR.pages()
}

/// Writes a snapshot into a block of the heap, and returns its length, or 0 if the heap is poisoned.
#[unsafe(no_mangle)]
extern "C" fn write_snapshot(ptr: u32, len: u32) -> u32 {
    // SAFETY: the host passes a block that it allocated.
    let buffer = unsafe { slice::from_raw_parts_mut(ptr as *mut u8, len as usize) };
    ALLOCATOR.snapshot(buffer).unwrap_or(0) as u32
}

/// The numbers of the heap in the order of `export_abi!(stats)`, from the guest's own look at it: the one asked for, or 0.
#[unsafe(no_mangle)]
extern "C" fn own_stats(number: u32) -> u64 {
    let stats = ALLOCATOR.stats().expect("the heap is whole");
    let head = [
        1,
        u64::from(stats.live_blocks),
        stats.live_bytes,
        stats.block_bytes,
        stats.pages.into(),
        stats.foreign_pages.into(),
        stats.slab_bytes,
        stats.run_bytes,
        stats.free_bytes,
        stats.longest_free,
        stats.metadata_bytes,
        stats.other_bytes,
        stats.growths.into(),
        stats.refused_growths.into(),
        stats.classes.len() as u64,
    ];
    let classes = stats.classes.iter().flat_map(|class| {
        [
            u64::from(class.slot_size),
            class.slabs.into(),
            class.slots.into(),
            class.live.into(),
            class.live_bytes,
        ]
    });
    let mut numbers = head.into_iter().chain(classes);
    numbers.nth(number as usize).unwrap_or(0)
}

/// Lets the heap hold so many pages and no more.
#[unsafe(no_mangle)]
extern "C" fn set_limit(pages: u32) {
    ALLOCATOR.set_limit(pages);
}

/// How many bytes a vector gets that asks for a page more each time.
#[unsafe(no_mangle)]
extern "C" fn grow_a_vector() -> u32 {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.try_reserve_exact(bytes.len() + 65_536).is_ok() {
        bytes.resize(bytes.capacity(), 1);
    }
    bytes.len() as u32
}

/// Traps if an invariant of the heap does not hold.
#[unsafe(no_mangle)]
extern "C" fn check() {
    ALLOCATOR.check_invariants();
}

/// What the guest itself allocates, by std, with zeros in all places.
#[unsafe(no_mangle)]
extern "C" fn guest_alloc_zeroed(len: u32) -> u32 {
    // SAFETY: the length is not 0.
    unsafe { std::alloc::alloc_zeroed(bytes(len)) as u32 }
}

/// What the guest itself allocates, by std: a block with a byte in all its places.
#[unsafe(no_mangle)]
extern "C" fn guest_alloc(len: u32, byte: u32) -> u32 {
    // SAFETY: the block has this many bytes.
    unsafe {
        let ptr = alloc(bytes(len));
        ptr.write_bytes(byte as u8, len as usize);
        ptr as u32
    }
}

/// Frees, by std, a block that the host allocated or the guest itself. Returns the sum of its bytes.
#[unsafe(no_mangle)]
extern "C" fn guest_free(ptr: u32, len: u32) -> u32 {
    // SAFETY: the host passes a live block, or finds that the allocator traps.
    unsafe {
        let block = slice::from_raw_parts(ptr as *const u8, len as usize);
        let sum = block.iter().map(|&byte| u32::from(byte)).sum();
        dealloc(ptr as *mut u8, bytes(len));
        sum
    }
}

static PANICKING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(panic_on_misuse);
static RETRYING: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(retry);

/// Frees, and panics if that is misuse: with a hook that puts its message to `text`, as far as there is room.
#[unsafe(no_mangle)]
extern "C" fn panicking_free(ptr: u32, len: u32, text: u32, room: u32) {
    panic::set_hook(Box::new(move |info| {
        let message = info.to_string();
        // SAFETY: the host passes a block of its own that has so many bytes.
        unsafe {
            let len = message.len().min(room as usize);
            (text as *mut u8).copy_from(message.as_ptr(), len);
        }
    }));
    // SAFETY: the host passes a live block, or finds that the allocator panics.
    unsafe { PANICKING.dealloc(ptr as *mut u8, bytes(len)) }
}

/// Allocates, by a heap whose handler of misuse allocates as well.
#[unsafe(no_mangle)]
extern "C" fn retrying_alloc(len: u32) -> u32 {
    // SAFETY: a layout of no bytes has a meaning for this heap, too.
    unsafe { RETRYING.alloc(bytes(len)) as u32 }
}

fn retry(_: Error) -> ! {
    panic!(
        "it has got a block at {}",
        black_box(retrying_alloc(100_000))
    )
}

/// Takes a vector whose memory the host has allocated and filled, lets it grow, and returns the sum of its bytes.
#[unsafe(no_mangle)]
extern "C" fn guest_adopt(ptr: u32, len: u32) -> u32 {
    // SAFETY: the host passes a live block of this length, and hands it over.
    let mut vector = unsafe { Vec::from_raw_parts(ptr as *mut u8, len as usize, len as usize) };
    vector.push(1);
    vector.iter().map(|&byte| u32::from(byte)).sum()
}

/// `__alloc`, called from this many frames further down the stack.
#[unsafe(no_mangle)]
extern "C" fn deep_alloc(depth: u32, len: u32, align: u32) -> u32 {
    deeper(depth, &|| abi::alloc_free::alloc(len, align))
}

/// `__free`, likewise.
#[unsafe(no_mangle)]
extern "C" fn deep_free(depth: u32, ptr: u32, len: u32) -> u32 {
    // SAFETY: the host passes its own blocks.
    deeper(depth, &|| unsafe { abi::alloc_free::free(ptr, len) })
}

/// `cabi_realloc`, likewise.
#[unsafe(no_mangle)]
extern "C" fn deep_realloc(depth: u32, ptr: u32, old_len: u32, align: u32, new_len: u32) -> u32 {
    // SAFETY: the host passes its own blocks.
    deeper(depth, &|| unsafe {
        abi::cabi_realloc(ptr, old_len, align, new_len)
    })
}

/// Nothing, likewise.
#[unsafe(no_mangle)]
extern "C" fn deep_nothing(depth: u32) -> u32 {
    deeper(depth, &|| 0)
}

/// Calls from this many frames further down.
#[inline(never)]
fn deeper(depth: u32, call: &dyn Fn() -> u32) -> u32 {
    match depth {
        0 => call(),
        // Each of them is a frame: what comes behind keeps the compiler from making it a loop.
        _ => black_box(deeper(depth - 1, call)),
    }
}

/// The layout of this many bytes. The host passes no more than there can be.
fn bytes(len: u32) -> Layout {
    Layout::array::<u8>(len as usize).expect("a length below 2 GiB")
}
