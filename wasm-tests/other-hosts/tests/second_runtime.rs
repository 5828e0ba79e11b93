//! The same guests under wasmi, an interpreter: nothing in them depends on one engine.

#![cfg(not(target_family = "wasm"))]

use guest_collections::{Random, WORKLOADS};
use guest_controller::{Refusal, unpack};
use std::path::Path;
use wasm_tests::modules;
use wasmi::{Engine, Instance, Linker, Memory, Module, Store, WasmParams, WasmResults};

/// A guest in a store of its own.
struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn new(package: &str) -> Self {
        let directory =
            modules::build(&[package], "wasm32-unknown-unknown").expect("cargo builds the guest");
        let file = Path::new(&package.replace('-', "_")).with_extension("wasm");
        let bytes = std::fs::read(directory.join(file)).expect("the module is there");
        let engine = Engine::default();
        let module = Module::new(&engine, &bytes).expect("the guest is a module");
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap("host", "panicked", |_: i32, _: i32| {})
            .expect("no duplicates");
        let instance = linker
            .instantiate_and_start(&mut store, &module)
            .expect("all imports are there");
        let memory = instance
            .get_memory(&store, "memory")
            .expect("the memory is exported");
        Self {
            store,
            instance,
            memory,
        }
    }

    /// Calls an export, which may trap.
    fn try_call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        params: P,
    ) -> Result<R, wasmi::Error> {
        let function = self.instance.get_typed_func(&self.store, name);
        let function = function.expect("the guest has the export");
        function.call(&mut self.store, params)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> R {
        self.try_call(name, params).expect("no trap")
    }
}

#[test]
fn collections_give_what_they_give_natively() {
    let mut guest = Guest::new("guest-collections");
    for seed in 0..3u64 {
        for (name, natively) in WORKLOADS {
            for size in [0, 1, 100, 3000] {
                let result: u64 = guest.call(name, (seed, size));
                assert_eq!(result, natively(seed, size), "{name} of {size}");
            }
        }
    }
}

#[test]
fn the_global_allocator_traps_on_misuse_and_goes_on() {
    let mut guest = Guest::new("guest-collections");
    let ptr: u32 = guest.call("global_alloc", (100u32, 8u32));
    for (ptr, len) in [(ptr, 99u32), (ptr + 8, 100), (0, 100), (u32::MAX - 7, 8)] {
        let freed = guest.try_call::<_, ()>("global_dealloc", (ptr, len, 8u32));
        freed.expect_err("no such block is live");
    }
    guest.call::<_, ()>("global_dealloc", (ptr, 100u32, 8u32));
    let again = guest.try_call::<_, ()>("global_dealloc", (ptr, 100u32, 8u32));
    again.expect_err("it was freed");
}

#[test]
fn the_controller_keeps_blocks_and_refuses_what_is_wrong() {
    let mut guest = Guest::new("guest-controller");
    guest.call::<(), ()>("_initialize", ());
    let mut random = Random::new(5);
    let mut live: Vec<(u32, u32)> = Vec::new();
    for round in 0..20_000u32 {
        if round % 5 < 3 {
            let len = random.below(if round % 50 == 0 { 50_000 } else { 600 });
            let ptr = unpack(guest.call("heap_alloc", (len, 16u32))).expect("memory can grow");
            let bytes =
                &mut guest.memory.data_mut(&mut guest.store)[ptr as usize..][..len as usize];
            bytes.fill(ptr as u8 ^ 0x5a);
            live.push((ptr, len));
        } else if let Some(last) = live.len().checked_sub(1) {
            let (ptr, len) = live.swap_remove(random.below(last as u32 + 1) as usize);
            let bytes = &guest.memory.data(&guest.store)[ptr as usize..][..len as usize];
            assert!(
                bytes.iter().all(|&byte| byte == ptr as u8 ^ 0x5a),
                "a block has changed"
            );
            let wrong = unpack(guest.call("heap_free", (ptr, len + 1)));
            assert_eq!(wrong, Err(Refusal::LengthMismatch));
            assert_eq!(unpack(guest.call("heap_free", (ptr, len))), Ok(0));
            let twice = unpack(guest.call("heap_free", (ptr, len)));
            assert!(twice.is_err(), "it was freed");
        }
    }
    guest.call::<(), ()>("heap_check", ());
    assert_eq!(guest.call::<(), u32>("heap_live", ()), live.len() as u32);
}

#[test]
fn every_abi_allocates_and_refuses() {
    let mut guest = Guest::new("guest-abi");
    let ptr: u32 = guest.call("__alloc", (24u32, 8u32));
    assert_eq!(guest.call::<_, u32>("__free", (ptr, 25u32)), 2);
    assert_eq!(guest.call::<_, u32>("__free", (ptr, 24u32)), 0);
    let ptr: u32 = guest.call("__sr_alloc", 24u32);
    assert_eq!(guest.call::<_, u32>("__sr_free", (ptr, 25u32)), 0);
    assert_eq!(guest.call::<_, u32>("__sr_free", (ptr, 24u32)), 1);
    let ptr: u32 = guest.call("cabi_realloc", (0u32, 0u32, 8u32, 24u32));
    guest
        .try_call::<_, u32>("cabi_realloc", (ptr, 25u32, 8u32, 0u32))
        .expect_err("it has 24 bytes");
    let ptr: u32 = guest.call("cabi_realloc", (ptr, 24u32, 8u32, 3000u32));
    guest.call::<_, u32>("cabi_realloc", (ptr, 3000u32, 8u32, 0u32));
    assert_eq!(guest.call::<(), u32>("live", ()), 0);
}
