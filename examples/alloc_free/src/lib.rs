//! A plugin for hosts that call `__alloc` and `__free`: turns a text into capital letters.

use pageslab::{GlobalController, GlobalPageSlab, MemoryController as _};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);

/// Takes a text that the host has written to a block of its own, frees the block, and returns the answer: its pointer
/// in the upper half, its length in the lower. The host frees it with `__free`.
#[unsafe(no_mangle)]
extern "C" fn shout(ptr: u32, len: u32) -> u64 {
    let text = take(ptr, len);
    give(String::from_utf8_lossy(&text).to_uppercase().as_bytes())
}

/// Copies the bytes of a block of the host's, and frees it. Traps if there is no such block.
fn take(ptr: u32, len: u32) -> Vec<u8> {
    let mut heap = blocks();
    let bytes = heap.mut_mem(ptr, len).to_vec();
    heap.free(ptr, len).expect("a whole block");
    bytes
}

/// Hands bytes over to the host, in a block of their own even if there are none.
fn give(bytes: &[u8]) -> u64 {
    let mut heap = blocks();
    let len = u32::try_from(bytes.len()).expect("a length below 2 GiB");
    let ptr = heap.alloc(len).expect("memory");
    heap.mut_mem(ptr, len).copy_from_slice(bytes);
    u64::from(ptr) << 32 | u64::from(len)
}

/// The heap, for blocks that are shared with the host.
fn blocks() -> GlobalController {
    // SAFETY: it is used for blocks that the host hands over, and for those that it is given.
    unsafe { ALLOCATOR.controller() }
}
