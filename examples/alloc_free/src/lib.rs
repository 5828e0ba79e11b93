//! A plugin for hosts that call `__alloc` and `__free`: turns a text into capital letters.

use pageslab::GlobalPageSlab;
use std::alloc::{Layout, dealloc};
use std::slice;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);

/// Takes a text that the host has written to a block of its own, frees the block, and returns the answer: its pointer
/// in the upper half, its length in the lower. The host frees it with `__free`.
#[unsafe(no_mangle)]
extern "C" fn shout(ptr: u32, len: u32) -> u64 {
    let text = take(ptr, len);
    let answer = String::from_utf8_lossy(&text).to_uppercase();
    give(answer.into_bytes().into_boxed_slice())
}

/// Copies the bytes of a block of the host's, and frees it.
fn take(ptr: u32, len: u32) -> Vec<u8> {
    let layout = Layout::array::<u8>(len as usize).expect("a length below 2 GiB");
    // SAFETY: the host passes a block that it got from `__alloc`. If it does not, `dealloc` traps.
    unsafe {
        let bytes = slice::from_raw_parts(ptr as *const u8, len as usize).to_vec();
        dealloc(ptr as *mut u8, layout);
        bytes
    }
}

/// Hands bytes over to the host.
fn give(bytes: Box<[u8]>) -> u64 {
    let len = bytes.len() as u64;
    let ptr = Box::into_raw(bytes).cast::<u8>();
    (ptr as u64) << 32 | len
}
