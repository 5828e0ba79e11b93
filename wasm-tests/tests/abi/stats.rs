//! A host that watches a heap by `__heap_stats`.

use crate::plugin::{guest, module, module_with, open};
use wasm_tests::host::{Abi, Plugin};
use wasm_tests::modules;
use wasmtime::{Config, Engine, Instance, Module, Store};

const UNKNOWN: &str = "wasm32-unknown-unknown";

/// Before the numbers of the classes, and for each.
const HEAD: usize = 15;
const PER_CLASS: usize = 5;

/// What the guest tells, as `abi::stats` lists it.
fn stats(plugin: &mut Plugin<()>) -> Vec<u64> {
    let place: u64 = plugin.call("__heap_stats", ()).expect("it never traps");
    let bytes = plugin.bytes((place >> 32) as u32, place as u32);
    let words = bytes.expect("it is in memory").chunks_exact(8);
    words
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        .collect()
}

fn alloc(plugin: &mut Plugin<()>, len: u32) -> u32 {
    let ptr = plugin.call("__alloc", (len, 1)).expect("it never traps");
    assert_ne!(ptr, 0);
    ptr
}

#[test]
fn the_numbers_are_those_that_the_guest_has_itself() {
    let modes = [
        module("guest-abi", UNKNOWN),
        module_with("guest-abi", "checked", UNKNOWN),
    ];
    for module in &modes {
        let mut plugin = open(module, Abi::AllocFree);
        for round in 0..300 {
            let len = [0, 24, 100, 1000, 5000, 9000, 70_000][round % 7];
            let ptr = alloc(&mut plugin, len);
            if round % 3 == 0 {
                let freed: u32 = plugin.call("__free", (ptr, len)).expect("it never traps");
                assert_eq!(freed, 0);
            }
        }
        let told = stats(&mut plugin);
        assert_eq!(told.len(), HEAD + PER_CLASS * told[14] as usize);
        for (number, &told) in (0u32..).zip(&told) {
            let own: u64 = plugin.call("own_stats", number).expect("it is whole");
            assert_eq!(told, own, "number {number}");
        }
        let parts = [6, 7, 8, 10, 11].map(|number: usize| told[number]);
        assert_eq!(parts.iter().sum::<u64>(), told[4] * 65_536);
        let pages = plugin.memory_len() / 65_536;
        assert_eq!(told[4] + told[5], pages);
        let classes = told[HEAD..].chunks_exact(PER_CLASS);
        assert!(classes.clone().is_sorted_by_key(|class| class[0]));
        assert!(classes.clone().all(|class| class[3] <= class[2]));
    }
}

#[test]
fn each_block_is_counted_while_it_is_live() {
    let mut plugin = guest(Abi::AllocFree);
    let empty = stats(&mut plugin);
    assert_eq!(empty[..5], [1, 0, 0, 0, 0]);
    let blocks = [40, 100_000].map(|len| (alloc(&mut plugin, len), len));
    let full = stats(&mut plugin);
    assert_eq!((full[1], full[2]), (2, 100_040));
    let of_40 = full[HEAD..]
        .chunks_exact(PER_CLASS)
        .find(|class| class[0] >= 40)
        .expect("there are longer slots");
    assert_eq!((of_40[3], of_40[4]), (1, 40));
    for (ptr, len) in blocks {
        let freed: u32 = plugin.call("__free", (ptr, len)).expect("it never traps");
        assert_eq!(freed, 0);
    }
    let freed = stats(&mut plugin);
    assert_eq!((freed[1], freed[2], freed[4]), (0, 0, full[4]));
}

/// It allocates nothing, so it tells of a heap that is full, too. And it changes nothing, however often it is called.
#[test]
fn a_full_heap_is_told_and_left_as_it_is() {
    let mut plugin = guest(Abi::AllocFree);
    plugin
        .call::<_, ()>("set_limit", 8)
        .expect("it never traps");
    while plugin
        .call::<_, u32>("__alloc", (3000, 1))
        .expect("no trap")
        != 0
    {}
    let first = stats(&mut plugin);
    assert_eq!((first[4], first[13] > 0), (8, true));
    let base = plugin.global("__heap_base").expect("linkers export it");
    let len = plugin.memory_len() as u32 - base;
    let before = plugin.bytes(base, len).expect("all of it").to_vec();
    for _ in 0..100 {
        assert_eq!(stats(&mut plugin), first);
    }
    assert!(plugin.bytes(base, len).expect("all of it") == before);
    plugin.call::<_, ()>("check", ()).expect("it is whole");
}

/// What a call costs grows with the heap, slowly.
#[test]
fn a_call_takes_few_instructions_for_each_block() {
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine");
    let directory = modules::build(&["guest-abi"], UNKNOWN).expect("cargo builds the guest");
    let module = Module::from_file(&engine, directory.join("guest_abi.wasm")).expect("a module");
    let mut store = Store::new(&engine, ());
    store.set_fuel(u64::MAX).expect("the engine counts");
    let instance = Instance::new(&mut store, &module, &[]).expect("it has no imports");
    let alloc = instance.get_typed_func::<(u32, u32), u32>(&mut store, "__alloc");
    let alloc = alloc.expect("it is exported");
    let stats = instance.get_typed_func::<(), u64>(&mut store, "__heap_stats");
    let stats = stats.expect("it is exported");
    let mut cost = |blocks: u32| {
        for _ in 0..blocks {
            let ptr = alloc.call(&mut store, (40, 8)).expect("it never traps");
            assert_ne!(ptr, 0);
        }
        let before = store.get_fuel().expect("the engine counts");
        stats.call(&mut store, ()).expect("it never traps");
        before - store.get_fuel().expect("the engine counts")
    };
    let (empty, of_1000, of_101_000) = (cost(0), cost(1000), cost(100_000));
    println!("{empty} instructions, {of_1000} with 1000 blocks, {of_101_000} with 101000");
    assert!(empty < 8_000, "{empty}");
    assert!(of_1000 < 50_000, "{of_1000}");
    assert!(of_101_000 < 4_000_000, "{of_101_000}");
}

/// A call that was stopped in the midst of a change leaves nothing that could be counted.
#[test]
fn of_a_poisoned_heap_nothing_is_told() {
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine");
    let directory = modules::build(&["guest-abi"], UNKNOWN).expect("cargo builds the guest");
    let module = Module::from_file(&engine, directory.join("guest_abi.wasm")).expect("a module");
    let mut poisoned = 0;
    for fuel in (0..3000).step_by(50) {
        let mut store = Store::new(&engine, ());
        store.set_fuel(fuel).expect("the engine counts");
        let instance = Instance::new(&mut store, &module, &[]).expect("it has no imports");
        let alloc = instance.get_typed_func::<(u32, u32), u32>(&mut store, "__alloc");
        let stopped = alloc.expect("it is exported").call(&mut store, (300, 1));
        store.set_fuel(u64::MAX).expect("the engine counts");
        let stats = instance.get_typed_func::<(), u64>(&mut store, "__heap_stats");
        let told = stats.expect("it is exported").call(&mut store, ());
        let told = told.expect("it never traps");
        assert!(stopped.is_err() || told != 0);
        poisoned += u32::from(told == 0);
    }
    assert!(poisoned > 0);
}
