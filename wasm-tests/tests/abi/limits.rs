//! A guest's memory, bounded by the guest, by the linker or by the host: what each sees where it ends.

use crate::plugin::{compile, module};
use wasm_tests::host::{Abi, Error, Plugin};
use wasm_tests::modules;
use wasmtime::{Linker, Module, Store, StoreLimits, StoreLimitsBuilder};

const PAGE: u32 = 65_536;
const TARGET: &str = "wasm32-unknown-unknown";

/// What the heap, or all memory, may have.
const PAGES: u32 = 40;

/// The guest, whose memory may have as many bytes as the host likes.
fn open(module: &Module, bytes: usize) -> Plugin<StoreLimits> {
    let limits = StoreLimitsBuilder::new().memory_size(bytes).build();
    let mut store = Store::new(module.engine(), limits);
    store.limiter(|limits| limits);
    let instance = Linker::new(module.engine()).instantiate(&mut store, module);
    Plugin::open(store, instance.expect("no imports"), Abi::AllocFree).expect("the ABI is there")
}

/// Fills memory, by the host and by the guest, and returns how many pages the heap holds then.
fn fill(plugin: &mut Plugin<StoreLimits>) -> u32 {
    let first = plugin.alloc(PAGE, 1).expect("there is memory");
    let second = plugin.alloc(PAGE, 1).expect("there is memory");
    while let Ok(block) = plugin.alloc(PAGE, 1) {
        block.hand_over();
    }
    for len in [PAGE, 1 << 30, u32::MAX] {
        // One that cannot be had has changed nothing, and is had in no other way.
        let none = plugin.alloc(len, 1);
        assert!(matches!(none, Err(Error::Alloc { .. })), "{none:?}");
        assert_eq!(
            plugin.call::<_, u32>("__sr_alloc", len).expect("no trap"),
            0
        );
        plugin
            .call::<_, u32>("cabi_realloc", (0, 0, 1, len))
            .expect_err("it has no way to refuse");
    }
    // The guest has what the host frees, and gives it back.
    plugin.free(first).expect("it is live");
    plugin.free(second).expect("it is live");
    let bytes: u32 = plugin.call("grow_a_vector", ()).expect("no trap");
    assert!(bytes >= PAGE, "{bytes} bytes");
    let again = plugin.alloc(PAGE, 1).expect("the guest has given it back");
    plugin.free(again).expect("it is live");
    plugin.call::<_, ()>("check", ()).expect("it is whole");
    plugin.call("pages", ()).expect("no trap")
}

#[test]
fn a_guest_bounds_its_heap_for_all_who_allocate() {
    let mut plugin = open(&module("guest-abi", TARGET), usize::MAX);
    plugin.call::<_, ()>("set_limit", PAGES).expect("no trap");
    let pages = fill(&mut plugin);
    assert!(pages <= PAGES && pages > PAGES - 4, "{pages}");
    // One that is less than what the heap holds keeps it from growing, and one that is more lets it.
    plugin.call::<_, ()>("set_limit", 1).expect("no trap");
    assert_eq!(fill(&mut plugin), pages);
    plugin
        .call::<_, ()>("set_limit", 2 * PAGES)
        .expect("no trap");
    let more = fill(&mut plugin);
    assert!(more <= 2 * PAGES && more > 2 * PAGES - 4, "{more}");
}

#[test]
fn a_host_bounds_a_guests_memory() {
    let mut plugin = open(&module("guest-abi", TARGET), (PAGES * PAGE) as usize);
    fill(&mut plugin);
    assert!(plugin.memory_len() <= (PAGES * PAGE).into());
}

#[test]
fn a_linker_bounds_a_guests_memory() {
    let linked = ("bounded", &["--max-memory=2621440"][..]);
    let directory = modules::build_linked(&["guest-abi"], "", TARGET, linked);
    let mut plugin = open(&compile(directory, "guest-abi"), usize::MAX);
    fill(&mut plugin);
    assert_eq!(plugin.memory_len(), u64::from(PAGES * PAGE));
}
