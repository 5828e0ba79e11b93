//! The module's heap as this program's own allocator, natively and on wasm.

#![cfg(not(miri))]

mod support;

use pageslab::{Error, GlobalPageSlab, MemoryController, PAGE};
use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, HashMap, VecDeque};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// A block, filled with a byte.
fn alloc(layout: Layout, byte: u8) -> *mut u8 {
    // SAFETY: a layout of no bytes has a meaning, too; the block has its bytes.
    unsafe {
        let ptr = ALLOCATOR.alloc(layout);
        assert!(!ptr.is_null() && ptr.addr() % layout.align() == 0);
        ptr.write_bytes(byte, layout.size());
        ptr
    }
}

/// Whether all bytes of a block are this one.
fn is_all(ptr: *mut u8, len: usize, byte: u8) -> bool {
    // SAFETY: callers pass blocks of at least this many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(ptr, len) };
    bytes.iter().all(|&found| found == byte)
}

#[test]
fn collections_live_on_it() {
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut queue = VecDeque::new();
    for n in 0..20_000u32 {
        map.insert(n, n.to_string().into_boxed_str());
        tree.insert(n.wrapping_mul(2_654_435_761), vec![n; n as usize % 20]);
        queue.push_back(n);
        if n % 3 == 0 {
            map.remove(&(n / 2));
            queue.pop_front();
        }
    }
    assert!(map.iter().all(|(n, text)| **text == n.to_string()));
    assert!(tree.values().flatten().all(|&n| n < 20_000));
    assert!(ALLOCATOR.pages() > 0);
    assert_eq!(ALLOCATOR.len_of(map[&19_999].as_ptr().cast_mut()), Ok(5));
    ALLOCATOR.check_invariants();
}

#[test]
fn alignments_up_to_a_page_are_kept_also_by_realloc() {
    for align in (0..=16).map(|log| 1 << log) {
        for size in [1, 24, 1000, 9000, 100_000] {
            let mut ptr = alloc(layout(size, align), 5);
            let mut len = size;
            for new_len in [size + 1, 3 * size, size / 2 + 1, 20_000, 1] {
                // SAFETY: the block is live and has this layout.
                ptr = unsafe { ALLOCATOR.realloc(ptr, layout(len, align), new_len) };
                assert!(ptr.addr() % align == 0, "{size} to {new_len} at {align}");
                assert!(is_all(ptr, len.min(new_len), 5));
                len = new_len;
                // SAFETY: the block has this many bytes.
                unsafe { ptr.write_bytes(5, len) };
            }
            // SAFETY: as above.
            unsafe { ALLOCATOR.dealloc(ptr, layout(len, align)) };
        }
    }
    // SAFETY: the layout is valid.
    let refused = unsafe { ALLOCATOR.alloc(layout(8, 2 * PAGE as usize)) };
    assert!(refused.is_null());
}

#[test]
#[cfg_attr(feature = "checked", ignore = "checked blocks always move")]
fn realloc_stays_in_place_where_the_slot_has_room() {
    let ptr = alloc(layout(70, 8), 1);
    // SAFETY: the block is live and has this layout; so in the next lines.
    unsafe {
        assert_eq!(ALLOCATOR.realloc(ptr, layout(70, 8), 80), ptr);
        assert_eq!(ALLOCATOR.realloc(ptr, layout(80, 8), 60), ptr);
        assert_eq!(ALLOCATOR.len_of(ptr), Ok(60));
        ALLOCATOR.dealloc(ptr, layout(60, 8));
    }
    let ptr = alloc(layout(20_000, 8), 1);
    // SAFETY: as above. Twenty frames hold 20,480 bytes.
    unsafe {
        assert_eq!(ALLOCATOR.realloc(ptr, layout(20_000, 8), 20_480), ptr);
        assert_eq!(ALLOCATOR.realloc(ptr, layout(20_480, 8), 12_000), ptr);
        ALLOCATOR.dealloc(ptr, layout(12_000, 8));
    }
}

#[test]
fn zeroed_blocks_are_zero_whether_memory_is_new_or_not() {
    for size in [1, 16, 100, 1000, 8192, 8193, 30_000, 200_000, 3_000_000] {
        for round in 0..6 {
            let layout = layout(size, if round % 2 == 0 { 8 } else { 4096 });
            // SAFETY: the layout is valid.
            let ptr = unsafe { ALLOCATOR.alloc_zeroed(layout) };
            assert!(is_all(ptr, size, 0), "{size} bytes in round {round}");
            // What is handed out next is as dirty as can be.
            // SAFETY: the block has this many bytes, is live and has this layout.
            unsafe {
                ptr.write_bytes(0xff, size);
                if round != 3 {
                    ALLOCATOR.dealloc(ptr, layout);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_had_is_null() {
    let huge = layout(isize::MAX as usize & !15, 1);
    let ptr = alloc(layout(100, 8), 3);
    // SAFETY: the layouts are valid, and the blocks are live.
    unsafe {
        // On wasm one may fit.
        let first = ALLOCATOR.alloc(huge);
        assert!(ALLOCATOR.alloc(huge).is_null());
        assert!(ALLOCATOR.alloc_zeroed(huge).is_null());
        assert!(
            ALLOCATOR
                .realloc(ptr, layout(100, 8), huge.size())
                .is_null()
        );
        assert!(is_all(ptr, 100, 3), "the old block stays");
        assert!(Vec::<u8>::new().try_reserve_exact(huge.size()).is_err());
        ALLOCATOR.dealloc(ptr, layout(100, 8));
        if !first.is_null() {
            ALLOCATOR.dealloc(first, huge);
        }
    }
}

#[test]
fn the_controller_shares_the_heap_with_the_allocator() {
    // SAFETY: only what it allocates itself is passed to it.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let ptr = controller.alloc(100).expect("there is memory");
    controller.mut_mem(ptr, 100).fill(7);
    let address = controller.mut_mem(ptr, 100).as_mut_ptr();
    assert_eq!(ALLOCATOR.len_of(address), Ok(100));
    assert_eq!(controller.len_at(ptr), Ok(100));
    // SAFETY: the block is live, and of this layout.
    unsafe { ALLOCATOR.dealloc(address, layout(100, 1)) };
    // Nothing in this program has no bytes.
    let again = controller.free(ptr, 0);
    match cfg!(target_arch = "wasm32") {
        true => assert_eq!(again, Err(Error::DoubleFree { ptr, len: 0 })),
        false => assert!(again.is_err(), "another test may have its memory by now"),
    }
}

#[test]
fn the_controller_has_all_that_a_controller_has() {
    // SAFETY: only what it allocates itself is passed to it.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let _long = vec![0u8; 200_000];
    let live = ALLOCATOR.live().expect("the heap is whole");
    let ptr = controller
        .alloc_aligned(100, 4096)
        .expect("there is memory");
    assert!(ptr % 4096 == 0);
    // Other tests allocate meanwhile.
    assert!(live > 1 && ALLOCATOR.live().is_ok_and(|live| live > 1));
    assert!(ALLOCATOR.pages() > 1);
    controller.mut_mem(ptr, 100).fill(7);
    let ptr = controller
        .realloc_aligned(ptr, 100, 10_000, 4096)
        .expect("there is memory");
    assert!(ptr % 4096 == 0);
    let ptr = controller
        .realloc(ptr, 10_000, 50)
        .expect("there is memory");
    assert_eq!(controller.mut_mem(ptr, 50), [7; 50]);
    controller.free(ptr, 50).expect("it is live");
    let ptr = controller.alloc_zeroed(70, 64).expect("there is memory");
    assert!(ptr % 64 == 0);
    assert_eq!(controller.mut_mem(ptr, 70), [0; 70]);
    controller.free(ptr, 70).expect("it is live");
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_alignment_that_is_no_u32_is_refused() {
    // SAFETY: the layout is valid.
    assert!(unsafe { ALLOCATOR.alloc(layout(16, 1 << 33)) }.is_null());
}

#[test]
fn addresses_that_are_none_of_the_heaps_have_no_length() {
    static STATIC: u8 = 0;
    let local = 0u8;
    for address in [
        std::ptr::null_mut(),
        (&raw const STATIC).cast_mut(),
        (&raw const local).cast_mut(),
        std::ptr::without_provenance_mut(usize::MAX),
    ] {
        assert!(matches!(
            ALLOCATOR.len_of(address),
            Err(Error::InvalidPointer { .. })
        ));
    }
}

/// What a host sees as pointer and length.
#[cfg(feature = "alloc")]
fn halves(given: u64) -> (u32, u32) {
    ((given >> 32) as u32, given as u32)
}

#[test]
#[cfg(feature = "alloc")]
fn a_hosts_block_becomes_a_vector_and_stays_where_it_is() {
    use pageslab::abi::alloc_free::alloc;
    // SAFETY: only what is the host's is passed to it.
    let mut controller = unsafe { ALLOCATOR.controller() };
    for len in [1, 16, 100, 8192, 20_000, 300_000] {
        let ptr = alloc(len, 64);
        let bytes = controller.mut_mem(ptr, len);
        bytes.fill(7);
        let address = bytes.as_mut_ptr();
        for (ptr, len) in [(ptr, len - 1), (ptr, len + 1), (ptr + 1, len), (ptr, 0)] {
            // SAFETY: it is none.
            assert!(unsafe { ALLOCATOR.take(ptr, len) }.is_err());
        }
        // SAFETY: nobody else uses the block.
        let mut vector = unsafe { ALLOCATOR.take(ptr, len) }.expect("it is live");
        assert_eq!(
            (vector.as_mut_ptr(), vector.capacity()),
            (address, len as usize)
        );
        assert!(vector.iter().all(|&byte| byte == 7));
        let given = ALLOCATOR.give(vector).expect("nothing is needed");
        assert_eq!(halves(given), (ptr, len));
        // SAFETY: as above.
        drop(unsafe { ALLOCATOR.take(ptr, len) }.expect("it is live"));
    }
}

#[test]
#[cfg(feature = "alloc")]
fn an_empty_block_is_freed_when_it_is_taken_and_made_when_it_is_given() {
    use pageslab::abi::alloc_free::alloc;
    // SAFETY: nothing is passed to it.
    let controller = unsafe { ALLOCATOR.controller() };
    for bytes in [
        Vec::new(),
        Vec::with_capacity(10),
        Vec::with_capacity(100_000),
    ] {
        let (ptr, len) = halves(ALLOCATOR.give(bytes).expect("there is memory"));
        assert_eq!((controller.len_at(ptr), len), (Ok(0), 0));
        // SAFETY: nobody else uses the block.
        assert_eq!(unsafe { ALLOCATOR.take(ptr, len) }, Ok(Vec::new()));
    }
    const MANY: usize = 500_000;
    for _ in 0..MANY {
        let (ptr, len) = halves(ALLOCATOR.give(Vec::new()).expect("there is memory"));
        // SAFETY: as above.
        unsafe { ALLOCATOR.take(ptr, len) }.expect("it is live");
    }
    // All other tests have far fewer.
    assert!(ALLOCATOR.live().is_ok_and(|live| live < MANY));
    let ptr = alloc(0, 65_536);
    // SAFETY: as above.
    let empty = unsafe { ALLOCATOR.take(ptr, 0) };
    assert_eq!(empty.expect("it is live").capacity(), 0);
}

#[test]
#[cfg(feature = "alloc")]
fn what_a_vector_has_too_much_is_not_given() {
    for (len, capacity) in [(1, 2), (5, 100), (100, 101), (5000, 9000), (100, 70_000)] {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(len, 7);
        let given = halves(ALLOCATOR.give(bytes).expect("there is memory"));
        assert_eq!(given.1 as usize, len);
        // SAFETY: nobody else uses the block.
        let taken = unsafe { ALLOCATOR.take(given.0, given.1) };
        assert_eq!(taken, Ok(vec![7; len]));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod threads {
    use super::ALLOCATOR;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn many_threads_allocate_at_once_and_keep_their_bytes() {
        thread::scope(|scope| {
            for id in 0..8u8 {
                scope.spawn(move || {
                    let mut kept: Vec<Vec<u8>> = Vec::new();
                    for round in 0..20_000usize {
                        kept.push(vec![id; round * 31 % 3000]);
                        if kept.len() > 50 {
                            let block = kept.swap_remove(round % 50);
                            assert!(block.iter().all(|&byte| byte == id));
                        }
                    }
                });
            }
        });
        ALLOCATOR.check_invariants();
    }

    #[test]
    fn one_thread_frees_what_another_allocated() {
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(100);
        let producer = thread::spawn(move || {
            for round in 0..50_000usize {
                let block = vec![round as u8; round % 700];
                sender.send(block).expect("the consumer lives");
            }
        });
        for (round, block) in receiver.into_iter().enumerate() {
            assert_eq!(block, vec![round as u8; round % 700]);
        }
        producer.join().expect("the producer ends");
    }
}

/// Whoever handles the panic allocates: on the heap that refused, whose lock is not held any more.
#[test]
#[cfg(panic = "unwind")]
fn a_panic_of_mut_mem_leaves_the_heap_unlocked() {
    // SAFETY: only what it allocated itself is passed to it.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let ptr = controller.alloc(20).expect("there is memory");
    let message = support::panic_message(|| {
        // SAFETY: as above.
        unsafe { ALLOCATOR.controller() }.mut_mem(ptr, 21);
    });
    assert!(
        message.contains("run past the 20 bytes allocated"),
        "{message}"
    );
    controller.free(ptr, 20).expect("the block is live");
}
