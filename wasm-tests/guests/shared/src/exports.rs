//! What a thread calls. A thread's stack is a block that the first one has allocated.

extern crate alloc;

use alloc::vec::Vec;
use core::panic::PanicInfo;
use pageslab::GlobalPageSlab;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(alloc_free);

/// Blocks that a thread has at a time, of lengths up to the longest of a slab's, and a few longer ones.
const BLOCKS: usize = 16;
const MAX_LEN: usize = 9_000;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// Allocates and frees so many blocks, each filled with this thread's mark as long as it lives. Returns how many had another's bytes
/// when they were freed.
#[unsafe(no_mangle)]
pub extern "C" fn pairs(mark: u8, number: u32) -> u32 {
    let mut blocks: [Vec<u8>; BLOCKS] = Default::default();
    let mut random = u32::from(mark);
    let mut wrong = 0;
    for _ in 0..number {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let block = &mut blocks[random as usize >> 28];
        // Most are short, so that the heap is what takes the time.
        let len = (random as usize >> 8) % if random >> 24 & 15 == 0 { MAX_LEN } else { 100 };
        wrong += u32::from(block.iter().any(|&byte| byte != mark));
        *block = Vec::new();
        block.resize(len, mark);
    }
    wrong
}

/// How many blocks are live.
#[unsafe(no_mangle)]
pub extern "C" fn live() -> u32 {
    ALLOCATOR.check_invariants();
    ALLOCATOR.live().map_or(u32::MAX, |live| live as u32)
}
