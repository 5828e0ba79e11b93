//! What a guest says of a misuse on wasm32-unknown-unknown, where it has no stderr: its host asks after a trap or a status.

use crate::plugin::{guest, module_with, open};
use pageslab::abi::alloc_free::{
    DOUBLE_FREE, INVALID_ALIGNMENT, INVALID_POINTER, LENGTH_MISMATCH, OK, OUT_OF_MEMORY, OVERFLOW,
    WRITE_AFTER_FREE,
};
use wasm_tests::host::{Abi, Plugin, Result};

fn status(plugin: &mut Plugin<()>) -> u32 {
    plugin.call("__heap_status", ()).expect("it never traps")
}

fn alloc(plugin: &mut Plugin<()>, len: u32, align: u32) -> u32 {
    plugin
        .call("__alloc", (len, align))
        .expect("it never traps")
}

fn free(plugin: &mut Plugin<()>, ptr: u32, len: u32) -> u32 {
    plugin.call("__free", (ptr, len)).expect("it never traps")
}

#[test]
fn nothing_is_said_before_something_is_wrong() {
    let mut plugin = guest(Abi::AllocFree);
    let block = plugin.give(b"hello", 1).expect("there is memory");
    plugin.free(block).expect("it is live");
    assert_eq!((status(&mut plugin), plugin.message()), (OK, None));
}

#[test]
fn an_alloc_of_0_is_told_apart() {
    let mut plugin = guest(Abi::AllocFree);
    assert_eq!(alloc(&mut plugin, 1, 3), 0);
    assert_eq!(status(&mut plugin), INVALID_ALIGNMENT);
    let message = plugin.message().expect("it is said");
    assert!(message.starts_with("the alignment 3 is not"), "{message}");
    assert_eq!(alloc(&mut plugin, u32::MAX, 1), 0);
    assert_eq!(status(&mut plugin), OUT_OF_MEMORY);
    let message = plugin.message().expect("it is said");
    assert!(
        message.starts_with("out of memory: 4294967295 bytes"),
        "{message}"
    );
    // Each is said once.
    assert_eq!((status(&mut plugin), plugin.message()), (OK, None));
}

#[test]
fn a_free_that_is_refused_says_why() {
    let mut plugin = guest(Abi::AllocFree);
    let ptr = alloc(&mut plugin, 24, 1);
    let into = ptr + 8;
    let misuses = [
        (
            into,
            24,
            INVALID_POINTER,
            format!(
                "no allocation starts at {into:#x}\n\
             {into:#x} is 8 bytes behind the start of the allocation at {ptr:#x}, which has 24 bytes"
            ),
        ),
        (
            ptr,
            25,
            LENGTH_MISMATCH,
            format!("the allocation at {ptr:#x} has 24 bytes, but the call gave its length as 25"),
        ),
    ];
    for (ptr, len, number, text) in misuses {
        assert_eq!(free(&mut plugin, ptr, len), number);
        assert_eq!(
            (status(&mut plugin), plugin.message()),
            (number, Some(text.clone()))
        );
        // One that gives no number says the same, as does one that traps.
        let freed: u32 = plugin
            .call("__sr_free", (ptr, len))
            .expect("it never traps");
        assert_eq!(
            (freed, status(&mut plugin), plugin.message()),
            (0, number, Some(text.clone()))
        );
        for (name, error) in [
            (
                "guest_free",
                plugin.call::<_, u32>("guest_free", (ptr, len)).map(drop),
            ),
            (
                "cabi_realloc",
                plugin
                    .call::<_, u32>("cabi_realloc", (ptr, len, 1, 100))
                    .map(drop),
            ),
        ] {
            let error = error.expect_err("it traps").to_string();
            assert_eq!(error, format!("the guest's {name} did not return: {text}"));
        }
    }
    assert_eq!(free(&mut plugin, ptr, 24), OK);
    assert_eq!(free(&mut plugin, ptr, 24), DOUBLE_FREE);
    let text = format!("the allocation at {ptr:#x} (length given: 24) was freed before");
    assert_eq!(plugin.message(), Some(text));
}

#[test]
fn that_the_guest_got_no_memory_is_said() {
    let mut plugin = guest(Abi::AllocFree);
    // Three of them are more than memory can have.
    let len = 0x7FFF_0000u32;
    let refused = (0..3).any(|_| {
        let ptr: u32 = plugin
            .call("retrying_alloc", len)
            .expect("null is no misuse");
        ptr == 0
    });
    assert!(refused);
    assert_eq!(status(&mut plugin), OUT_OF_MEMORY);
    let message = plugin.message().expect("it is said");
    assert!(
        message.starts_with("out of memory: 2147418112 bytes"),
        "{message}"
    );
}

#[test]
fn the_host_helper_shows_it() {
    let mut plugin = guest(Abi::AllocFree);
    let block = plugin.alloc(24, 1).expect("there is memory");
    let (ptr, len) = block.hand_over();
    let wrong = plugin.adopt(ptr, len + 1, 1).expect("it is in memory");
    let error = plugin
        .free(wrong)
        .expect_err("it has another length")
        .to_string();
    assert_eq!(
        error,
        format!(
            "the guest does not free the 25 bytes at {ptr:#x}: status 2: \
             the allocation at {ptr:#x} has 24 bytes, but the call gave its length as 25"
        )
    );
}

#[test]
fn a_handler_that_panics_lets_the_hook_show_it() {
    let mut plugin = guest(Abi::AllocFree);
    let text = alloc(&mut plugin, 400, 1);
    let ptr = alloc(&mut plugin, 24, 1);
    plugin
        .bytes_mut(text, 400)
        .expect("it is in memory")
        .fill(b' ');
    let freed: Result<()> = plugin.call("panicking_free", (ptr + 8, 24, text, 400));
    freed.expect_err("a panic is a trap");
    let text = String::from_utf8_lossy(plugin.bytes(text, 400).expect("it is in memory"));
    let said = format!("no allocation starts at {:#x}", ptr + 8);
    assert!(text.contains(&said), "{text}");
    assert!(text.contains("is 8 bytes behind the start of"), "{text}");
}

mod in_checked_mode {
    use super::*;

    fn checked() -> Plugin<()> {
        let module = module_with("guest-abi", "checked", "wasm32-unknown-unknown");
        open(&module, Abi::AllocFree)
    }

    fn write(plugin: &mut Plugin<()>, ptr: u32) {
        plugin
            .bytes_mut(ptr, 1)
            .expect("it is in memory")
            .fill(b'!');
    }

    #[test]
    fn a_check_says_what_it_found() {
        let mut plugin = checked();
        plugin.call::<_, ()>("set_tag", 7).expect("it never traps");
        let ptr = alloc(&mut plugin, 20, 1);
        write(&mut plugin, ptr + 20);
        let found: u32 = plugin.call("__heap_check", ()).expect("it never traps");
        assert_eq!((found, status(&mut plugin)), (OVERFLOW, OVERFLOW));
        let text = format!(
            "overflow: byte 20 of the allocation at {ptr:#x}, which has 20 bytes, was written\n\
             overflow: {ptr:#x}, live, 20 bytes asked for, in a slot of 32, allocated by tag 7; \
             1 byte was written, at 20: 21"
        );
        assert_eq!(plugin.message(), Some(text));
    }

    #[test]
    fn a_free_that_finds_a_write_to_another_block_says_to_which() {
        let mut plugin = checked();
        let ptrs = [(); 65].map(|()| alloc(&mut plugin, 40, 1));
        for ptr in &ptrs[..64] {
            assert_eq!(free(&mut plugin, *ptr, 40), OK);
        }
        write(&mut plugin, ptrs[0] + 3);
        assert_eq!(free(&mut plugin, ptrs[64], 40), WRITE_AFTER_FREE);
        let message = plugin.message().expect("it is said");
        let said = format!(
            "write after free: byte 3 of the free memory at {:#x}",
            ptrs[0]
        );
        assert!(message.starts_with(&said), "{message}");
        assert_eq!(free(&mut plugin, ptrs[64], 40), OK);
    }

    #[test]
    fn leaks_are_listed_as_far_as_there_is_room() {
        let mut plugin = checked();
        let leaks = |plugin: &mut Plugin<()>| {
            let count: u32 = plugin.call("__heap_leaks", ()).expect("it never traps");
            (count, status(plugin), plugin.message())
        };
        assert_eq!(leaks(&mut plugin), (0, OK, None));
        alloc(&mut plugin, 20, 1);
        alloc(&mut plugin, 100_000, 1);
        let text =
            "1 live block of 20 bytes, in slots of 32\n1 live block of 100000 bytes, in runs";
        assert_eq!(leaks(&mut plugin), (2, OK, Some(text.into())));
        for tag in 1..200 {
            plugin
                .call::<_, ()>("set_tag", tag)
                .expect("it never traps");
            alloc(&mut plugin, 20, 1);
        }
        let (count, _, message) = leaks(&mut plugin);
        let message = message.expect("it is said");
        assert_eq!(count, 201);
        assert!((1_500..=2_048).contains(&message.len()), "{message}");
    }
}
