//! Right use of each ABI, and of several on the same heap: what one allocates, another may free.

use crate::plugin::{ABIS, guest};
use wasm_tests::host::{Abi, Error};

const LENS: [u32; 8] = [0, 1, 16, 100, 1000, 8192, 20_000, 300_000];

#[test]
fn each_abi_allocates_aligned_writes_reads_and_frees() {
    for abi in ABIS {
        let mut plugin = guest(abi);
        for len in LENS {
            for align in [1, 2, 8] {
                let bytes: Vec<u8> = (0..len).map(|place| (place % 251) as u8).collect();
                let block = plugin.give(&bytes, align).expect("there is memory");
                assert_eq!(plugin.read(&block).expect("it is in memory"), bytes);
                plugin.free(block).expect("the block is live");
            }
        }
        assert_eq!(plugin.call::<_, u32>("live", ()).expect("no trap"), 0);
        plugin
            .call::<_, ()>("check", ())
            .expect("the heap is whole");
    }
}

#[test]
fn blocks_are_aligned_up_to_a_page() {
    for abi in [Abi::AllocFree, Abi::CabiRealloc] {
        let mut plugin = guest(abi);
        for align in (0..=16).map(|log| 1 << log) {
            let block = plugin.alloc(100, align).expect("there is memory");
            plugin.free(block).expect("the block is live");
        }
    }
}

#[test]
fn the_guest_frees_what_the_host_allocated() {
    for abi in ABIS {
        let mut plugin = guest(abi);
        // Rust frees no blocks of no bytes.
        for len in LENS.into_iter().filter(|&len| len > 0) {
            let before: u32 = plugin.call("live", ()).expect("no trap");
            for free in ["guest_free", "guest_adopt"] {
                let block = plugin.give(&vec![2; len as usize], 1).expect("memory");
                let sum: u32 = plugin.call(free, block.hand_over()).expect("it is live");
                assert_eq!(sum, 2 * len + u32::from(free == "guest_adopt"));
            }
            assert_eq!(plugin.call::<_, u32>("live", ()).expect("no trap"), before);
        }
    }
}

#[test]
fn the_host_frees_what_the_guest_allocated() {
    for abi in ABIS {
        let mut plugin = guest(abi);
        for len in LENS.into_iter().filter(|&len| len > 0) {
            let ptr = plugin.call("guest_alloc", (len, 7)).expect("no trap");
            let block = plugin.adopt(ptr, len, 1).expect("it is in memory");
            assert_eq!(
                plugin.read(&block).expect("in memory"),
                vec![7; len as usize]
            );
            plugin.free(block).expect("the block is live");
        }
        assert_eq!(plugin.call::<_, u32>("live", ()).expect("no trap"), 0);
    }
}

#[test]
fn cabi_realloc_grows_and_shrinks_and_keeps_the_bytes() {
    let mut plugin = guest(Abi::CabiRealloc);
    let mut ptr = plugin
        .call::<_, u32>("cabi_realloc", (0, 0, 8, 0))
        .expect("no bytes are allocated");
    assert_eq!(ptr, 8, "a pointer to no bytes is the alignment");
    let mut len = 0;
    for new_len in [10, 16, 17, 400, 30, 9000, 70_000, 80_000, 40_000, 3] {
        ptr = plugin
            .call("cabi_realloc", (ptr, len, 8, new_len))
            .expect("the block is live");
        assert_eq!(ptr % 8, 0);
        let bytes = plugin.bytes_mut(ptr, new_len).expect("in memory");
        let kept = len.min(new_len) as usize;
        assert!(
            bytes[..kept].iter().all(|&byte| byte == 9),
            "{len} to {new_len}"
        );
        bytes.fill(9);
        len = new_len;
    }
    let nothing: u32 = plugin
        .call("cabi_realloc", (ptr, len, 8, 0))
        .expect("the block is live");
    assert_eq!(nothing, 8);
    assert_eq!(plugin.call::<_, u32>("live", ()).expect("no trap"), 0);
}

#[test]
fn for_cabi_realloc_no_bytes_are_no_block_wherever_they_are() {
    const ALIGN: u32 = 65_536;

    let mut plugin = guest(Abi::AllocFree);
    let empty: Vec<_> = (0..40)
        .map(|_| plugin.alloc(0, ALIGN).expect("there is memory"))
        .collect();
    let live: u32 = plugin.call("live", ()).expect("no trap");
    let block = plugin.alloc(100, ALIGN).expect("there is memory");
    let places = [0, 1, 8, ALIGN, 1 << 20, 1 << 31, u32::MAX];
    let (ptr, len) = block.hand_over();
    for old_ptr in places.into_iter().chain([ptr, ptr + 1]) {
        for align in [1, 8, ALIGN] {
            let mut realloc = |old: u32, old_len: u32, new_len: u32| -> u32 {
                let params = (old, old_len, align, new_len);
                plugin.call("cabi_realloc", params).expect("no trap")
            };
            assert_eq!(realloc(old_ptr, 0, 0), align);
            let new = realloc(old_ptr, 0, 10);
            assert!(new != ptr && new.is_multiple_of(align));
            assert_eq!(realloc(new, 10, 0), align);
        }
    }
    let block = plugin.adopt(ptr, len, 1).expect("it is in memory");
    plugin.free(block).expect("it is still live");
    // Those that are no bytes are another ABI's, and still are.
    assert_eq!(plugin.call::<_, u32>("live", ()).expect("no trap"), live);
    for block in empty {
        plugin.free(block).expect("it is live");
    }
}

#[test]
fn a_wrong_free_is_an_error_of_the_host_helper() {
    for abi in ABIS {
        let mut plugin = guest(abi);
        let block = plugin.alloc(100, 8).expect("there is memory");
        let (ptr, len) = block.hand_over();
        for (ptr, len) in [(ptr, len + 1), (ptr, 0), (ptr + 8, len), (ptr - 8, len)] {
            // To which no bytes are no block.
            if len == 0 && abi == Abi::CabiRealloc {
                continue;
            }
            let wrong = plugin.adopt(ptr, len, 8).expect("it is in memory");
            let error = plugin.free(wrong).expect_err("no such block is live");
            match abi {
                Abi::CabiRealloc => assert!(matches!(error, Error::Trap { .. }), "{error}"),
                _ => assert!(matches!(error, Error::Free { .. }), "{error}"),
            }
        }
        let right = plugin.adopt(ptr, len, 8).expect("it is in memory");
        plugin.free(right).expect("nothing has changed");
    }
}

#[test]
fn the_host_helper_believes_no_pointer() {
    let mut plugin = guest(Abi::AllocFree);
    for (ptr, len) in [(u32::MAX, 1), (0, u32::MAX), (1 << 31, 1 << 31)] {
        let outside = plugin.adopt(ptr, len, 1);
        assert!(matches!(outside, Err(Error::OutOfBounds { .. })));
        assert!(plugin.bytes(ptr, len).is_err());
    }
    assert!(matches!(
        plugin.adopt(9, 1, 8),
        Err(Error::Misaligned { ptr: 9, align: 8 })
    ));
    let block = plugin.alloc(4, 1).expect("there is memory");
    assert!(matches!(
        plugin.write(&block, b"hello"),
        Err(Error::Length { len: 4, given: 5 })
    ));
    plugin.free(block).expect("the block is live");
    for align in [0, 3, 12] {
        assert!(matches!(
            plugin.alloc(1, align),
            Err(Error::Alloc { len: 1, .. })
        ));
    }
    let block = plugin.alloc(4, 1).expect("there is memory");
    let mut other = guest(Abi::AllocFree);
    assert!(matches!(other.read(&block), Err(Error::Foreign { .. })));
    assert!(matches!(
        other.write(&block, b"four"),
        Err(Error::Foreign { .. })
    ));
    assert!(matches!(other.free(block), Err(Error::Foreign { .. })));
    assert!(matches!(
        plugin.alloc(u32::MAX, 1),
        Err(Error::Alloc { len: u32::MAX, .. })
    ));
    assert!(matches!(
        plugin.call::<(), ()>("no_such_export", ()),
        Err(Error::Export { .. })
    ));
}
