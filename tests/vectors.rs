//! Blocks that change hands where vectors are another allocator's: then bytes are copied, and each frees its own.

#![cfg(feature = "alloc")]

use pageslab::abi::alloc_free::{OK, alloc, free};
use pageslab::{Error, GlobalPageSlab, MemoryController as _};

static HEAP: GlobalPageSlab = GlobalPageSlab::new();

const LENS: [u32; 5] = [0, 1, 100, 9000, 70_000];

#[test]
fn are_copied_and_each_allocator_frees_its_own() {
    // SAFETY: only what is the host's is passed to it.
    let mut controller = unsafe { HEAP.controller() };
    for len in LENS {
        let ptr = alloc(len, 1);
        controller.mut_mem(ptr, len).fill(7);
        // SAFETY: it is no block.
        assert!(unsafe { HEAP.take(ptr, len + 1) }.is_err());
        // SAFETY: nobody else uses the block.
        let mut bytes = unsafe { HEAP.take(ptr, len) }.expect("it is live");
        assert_eq!(bytes, vec![7; len as usize]);
        assert_eq!(HEAP.live(), Ok(0), "the block is freed");
        let address = bytes.as_mut_ptr();
        assert!(HEAP.len_of(address).is_err());
        // SAFETY: it is refused.
        assert!(unsafe { HEAP.take(ptr, len) }.is_err());

        bytes.reserve_exact(10);
        let given = HEAP.give(bytes).expect("there is memory");
        let ptr = (given >> 32) as u32;
        assert_eq!((HEAP.live(), given as u32), (Ok(1), len));
        assert!(controller.mut_mem(ptr, len).iter().all(|&byte| byte == 7));
        // SAFETY: nobody uses the block.
        assert_eq!(unsafe { free(ptr, len) }, OK);
    }
    HEAP.set_limit(HEAP.pages());
    let refused = HEAP.give(vec![0; 10 << 20]);
    assert_eq!(refused, Err(Error::OutOfMemory { len: 10 << 20 }));
}
