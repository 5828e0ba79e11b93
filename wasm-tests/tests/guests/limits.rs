//! How far a guest gets whose memory may not grow without end: as far as with other allocators.

use crate::module::{PAGE, TARGET};
use std::sync::LazyLock;
use wasm_tests::modules;
use wasmtime::{Engine, Instance, Module, Store, StoreLimits, StoreLimitsBuilder};

/// What a guest does until it is refused more.
const WAYS: [(&str, u32); 3] = [
    ("take_blocks", PAGE),
    ("take_blocks", 1_000),
    ("grow_a_vector", 1_000),
];

/// By how many pages memory may grow. Where metadata is made ahead, it takes a page more at 36, 64, 130, 148 and 260.
const LIMITS: [u32; 13] = [2, 3, 4, 5, 8, 13, 21, 36, 64, 100, 130, 148, 260];

/// With pageslab, and with the others.
static GUESTS: LazyLock<[Module; 3]> = LazyLock::new(|| {
    let engine = Engine::default();
    ["pageslab", "dlmalloc", "talc"].map(|allocator| {
        let directory = modules::build_with(&["guest-limits"], allocator, TARGET);
        let directory = directory.expect("cargo builds the guest");
        Module::from_file(&engine, directory.join("guest_limits.wasm")).expect("a module")
    })
});

/// How many pages and bytes a guest gets.
fn reached(guest: &Module, limit: u32, traps: bool, (name, len): (&str, u32)) -> (u64, u32) {
    let mut store = Store::new(guest.engine(), StoreLimits::default());
    store.limiter(|limits| limits);
    let instance = Instance::new(&mut store, guest, &[]).expect("no imports");
    let memory = instance.get_memory(&mut store, "memory");
    let memory = memory.expect("it is exported");
    let first = memory.size(&store);
    let most = (first as usize + limit as usize) * PAGE as usize;
    *store.data_mut() = StoreLimitsBuilder::new()
        .memory_size(most)
        .trap_on_grow_failure(traps)
        .build();
    let way = instance.get_typed_func::<u32, ()>(&mut store, name);
    let result = way.expect("it is exported").call(&mut store, len);
    assert_eq!(result.is_err(), traps, "{result:?}");
    let bytes = instance.get_typed_func::<(), u32>(&mut store, "bytes");
    let bytes = bytes.expect("it is exported").call(&mut store, ());
    (memory.size(&store) - first, bytes.expect("it counts"))
}

/// Blocks get as many pages, and but for metadata as many bytes; a vector as many bytes.
fn assert_as_far_as_others(traps: bool) {
    for (limit, way) in LIMITS
        .iter()
        .flat_map(|&limit| WAYS.map(|way| (limit, way)))
    {
        let [ours, others @ ..] = GUESTS
            .each_ref()
            .map(|guest| reached(guest, limit, traps, way));
        for other in others {
            let is_as_far = match way {
                ("grow_a_vector", _) => ours.1 >= other.1,
                // In so few pages metadata is more of it.
                _ if limit < 8 => ours.0 >= other.0,
                _ => ours.0 >= other.0 && ours.1 >= other.1 / 10 * 9,
            };
            assert!(
                is_as_far,
                "{way:?} in {limit} pages: {ours:?}, and {other:?}"
            );
        }
    }
}

#[test]
fn a_host_that_refuses_lets_a_guest_get_as_far_as_with_others() {
    assert_as_far_as_others(false);
}

#[test]
fn a_host_that_traps_lets_a_guest_get_as_far_as_with_others() {
    assert_as_far_as_others(true);
}
