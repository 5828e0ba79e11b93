//! A host that reads a guest's heap straight out of its memory.

use crate::plugin::{module, module_with};
use pageslab_snapshot::{Snapshot, What};
use wasm_tests::modules;
use wasmtime::{Config, Engine, Instance, Memory, Module, Store, TypedFunc, WasmParams};

const UNKNOWN: &str = "wasm32-unknown-unknown";

struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn new(module: &Module) -> Self {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).expect("it has no imports");
        let memory = instance
            .get_memory(&mut store, "memory")
            .expect("it is exported");
        Self {
            store,
            instance,
            memory,
        }
    }

    fn function<P: WasmParams>(&mut self, name: &str) -> TypedFunc<P, u32> {
        self.instance
            .get_typed_func(&mut self.store, name)
            .expect("it is exported")
    }

    fn call<P: WasmParams>(&mut self, name: &str, params: P) -> u32 {
        let function = self.function(name);
        function.call(&mut self.store, params).expect("it returns")
    }

    fn alloc(&mut self, len: u32) -> u32 {
        let ptr = self.call("__alloc", (len, 1u32));
        assert_ne!(ptr, 0);
        ptr
    }

    fn snapshot(&mut self) -> Snapshot {
        let global = self.instance.get_global(&mut self.store, "__pageslab_heap");
        let address = global.expect("it is exported").get(&mut self.store).i32();
        let address = address.expect("it is an address") as u32;
        Snapshot::read(self.memory.data(&self.store), address).expect("it is a heap")
    }

    /// Blocks of some lengths, of which every third is freed.
    fn use_heap(&mut self) -> Vec<(u64, u32)> {
        let mut live = Vec::new();
        for round in 0..200 {
            let len = [0, 24, 100, 1000, 5000, 9000, 70_000][round % 7];
            let ptr = self.alloc(len);
            if round % 3 == 0 {
                assert_eq!(self.call("__free", (ptr, len)), 0);
            } else {
                live.push((u64::from(ptr), len));
            }
        }
        live
    }
}

/// As the guest itself writes it, in both modes.
#[test]
fn a_heap_is_read_as_the_guest_writes_it() {
    let modes = [
        module("guest-abi", UNKNOWN),
        module_with("guest-abi", "checked", UNKNOWN),
    ];
    for (module, is_checked) in modes.iter().zip([false, true]) {
        let mut guest = Guest::new(module);
        assert_eq!(guest.snapshot().pages, 0);
        let mut live = guest.use_heap();
        let len = 100_000;
        let buffer = guest.alloc(len);
        live.push((buffer.into(), len));
        live.sort_unstable();
        let written = guest.call("write_snapshot", (buffer, len)) as usize;
        let written = &guest.memory.data(&guest.store)[buffer as usize..][..written];
        let written = Snapshot::decode(written).expect("it is a snapshot");
        let read = guest.snapshot();
        assert_eq!(read, written);
        assert_eq!(read.is_checked, is_checked);
        // What guests hold themselves is there as well.
        let blocks: Vec<_> = read.blocks().map(|block| (block.ptr, block.len)).collect();
        assert!(live.iter().all(|block| blocks.contains(block)));
    }
}

/// Stopped at any place, the heap can be read, and its blocks are there.
#[test]
fn the_heap_of_a_guest_that_was_stopped_is_read() {
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine");
    let directory = modules::build(&["guest-abi"], UNKNOWN).expect("cargo builds the guest");
    let module = Module::from_file(&engine, directory.join("guest_abi.wasm")).expect("a module");
    let mut poisoned = 0;
    let mut unknown = 0;
    for fuel in (0..6000).step_by(7) {
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).expect("the engine counts");
        let instance = Instance::new(&mut store, &module, &[]).expect("it has no imports");
        let memory = instance
            .get_memory(&mut store, "memory")
            .expect("it is exported");
        let mut guest = Guest {
            store,
            instance,
            memory,
        };
        let live = [guest.alloc(100), guest.alloc(20_000)];
        let pages = guest.snapshot().pages;
        guest.store.set_fuel(fuel).expect("the engine counts");
        // Grows, makes a slab, and cuts a run.
        let alloc = guest.function::<(u32, u32)>("__alloc");
        let stopped = alloc.call(&mut guest.store, (300, 1));
        let stopped = stopped.and_then(|_| alloc.call(&mut guest.store, (500_000, 1)));
        guest.store.set_fuel(u64::MAX).expect("the engine counts");
        let snapshot = guest.snapshot();
        let blocks: Vec<_> = snapshot.blocks().map(|block| block.ptr as u32).collect();
        assert!(
            live.iter().all(|ptr| blocks.contains(ptr)),
            "after {fuel}: {blocks:x?}"
        );
        assert!(snapshot.pages >= pages);
        assert!(stopped.is_err() || !snapshot.is_poisoned);
        poisoned += u32::from(snapshot.is_poisoned);
        unknown += u32::from(snapshot.runs.iter().any(|run| run.what == What::Unknown));
    }
    assert!(poisoned > 0 && unknown <= poisoned, "{poisoned}, {unknown}");
}
