//! The module's heap as a controller, beside code that allocates on it by other ways. Under Miri, too, which finds reads of
//! what was never initialized.

use pageslab::{GlobalPageSlab, MemoryController as _};
use std::alloc::{GlobalAlloc as _, Layout};

static HEAP: GlobalPageSlab = GlobalPageSlab::new();

const LENS: [u32; 4] = [16, 100, 5000, 20_000];

/// Leaves memory behind that was a block's, which the compiler takes to be uninitialized, and is not zero.
fn leave_dirty_memory(len: u32) {
    let layout = Layout::array::<u8>(len as usize).expect("a layout");
    // SAFETY: the layout has bytes, and the block has it.
    unsafe {
        let blocks = [(); 8].map(|()| HEAP.alloc(layout));
        for block in blocks {
            assert!(!block.is_null());
            block.write_bytes(0xff, layout.size());
            block
                .cast::<std::mem::MaybeUninit<u8>>()
                .write(std::mem::MaybeUninit::uninit());
            HEAP.dealloc(block, layout);
        }
    }
}

#[test]
fn its_blocks_are_cleared_whoever_had_the_memory_before() {
    // SAFETY: only what it allocates itself is passed to it.
    let mut controller = unsafe { HEAP.controller() };
    for len in LENS {
        leave_dirty_memory(len);
        let ptr = controller.alloc(len).expect("there is memory");
        assert!(controller.mut_mem(ptr, len).iter().all(|&byte| byte == 0));
        leave_dirty_memory(len);
        let aligned = controller.alloc_aligned(len, 64).expect("there is memory");
        assert!(
            controller
                .mut_mem(aligned, len)
                .iter()
                .all(|&byte| byte == 0)
        );
        controller.free(aligned, len).expect("it is live");
        controller.free(ptr, len).expect("it is live");
    }
}

#[test]
fn what_a_block_gains_is_cleared() {
    // SAFETY: only what it allocates itself is passed to it.
    let mut controller = unsafe { HEAP.controller() };
    let (mut ptr, mut len) = (controller.alloc(0).expect("there is memory"), 0);
    for new_len in [10, 16, 3, 16, 100, 5000, 4000, 5000, 20_000, 16_500, 70_000] {
        leave_dirty_memory(new_len);
        ptr = controller.realloc(ptr, len, new_len).expect("memory");
        let bytes = controller.try_mut_mem(ptr, new_len).expect("it is live");
        let (kept, gained) = bytes.split_at(len.min(new_len) as usize);
        assert!(kept.iter().all(|&byte| byte == 7), "{len} to {new_len}");
        assert!(gained.iter().all(|&byte| byte == 0), "{len} to {new_len}");
        bytes.fill(7);
        len = new_len;
    }
    controller.free(ptr, len).expect("it is live");
}
