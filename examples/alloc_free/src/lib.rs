//! A plugin for hosts that call `__alloc` and `__free`: turns a text into capital letters.

use pageslab::GlobalPageSlab;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);

/// Takes over a text that the host has written to a block of its own, and hands the answer over: its pointer in the upper half,
/// its length in the lower. The host frees it with `__free`. Traps if there is no such block.
#[unsafe(no_mangle)]
extern "C" fn shout(ptr: u32, len: u32) -> u64 {
    // SAFETY: the host hands over what it has allocated for this call.
    let text = unsafe { ALLOCATOR.take(ptr, len) }.expect("a whole block");
    let answer = String::from_utf8_lossy(&text).to_uppercase();
    ALLOCATOR.give(answer.into()).expect("memory")
}
