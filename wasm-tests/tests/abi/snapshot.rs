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

/// How many bytes of the guest's memory are in the system's.
#[cfg(target_os = "linux")]
fn resident(guest: &Guest) -> u64 {
    let memory = guest.memory.data(&guest.store);
    let mut pages = vec![0; memory.len() / 4096];
    // SAFETY: the memory begins at a page, and there is a byte for each of its pages.
    let result = unsafe {
        let start = guest.memory.data_ptr(&guest.store);
        libc::mincore(start.cast(), memory.len(), pages.as_mut_ptr())
    };
    assert_eq!(result, 0);
    4096 * pages.iter().filter(|&&page| page & 1 != 0).count() as u64
}

/// After a spike a host gives the system back what backs free pages. The guest notices nothing.
#[test]
#[cfg(target_os = "linux")]
fn what_is_free_is_given_back_to_the_system() {
    const BLOCK: u32 = 8 << 20;
    const BLOCKS: u32 = 24;
    let mut guest = Guest::new(&module("guest-abi", UNKNOWN));
    let kept = guest.alloc(1000);
    guest.memory.data_mut(&mut guest.store)[kept as usize..][..1000].fill(7);
    let spike: Vec<_> = (0..BLOCKS).map(|_| guest.alloc(BLOCK)).collect();
    for &ptr in &spike {
        guest.memory.data_mut(&mut guest.store)[ptr as usize..][..BLOCK as usize].fill(1);
    }
    for &ptr in &spike {
        assert_eq!(guest.call("__free", (ptr, BLOCK)), 0);
    }
    let before = resident(&guest);
    let snapshot = guest.snapshot();
    let memory = guest.memory.data_ptr(&guest.store);
    let mut given = 0;
    for pages in snapshot.free_pages() {
        let len = (pages.end - pages.start) as usize;
        // SAFETY: these bytes are within the memory, whole pages of the system's, and nobody's as long as the guest does not run.
        let result = unsafe {
            let start = memory.add(pages.start as usize);
            libc::madvise(start.cast(), len, libc::MADV_DONTNEED)
        };
        assert_eq!(result, 0);
        given += len as u64;
    }
    let spiked = u64::from(BLOCK * BLOCKS);
    assert!(
        given > spiked / 10 * 9,
        "{given} of {spiked} bytes are free pages"
    );
    let fallen = before - resident(&guest);
    assert!(fallen > spiked / 10 * 9, "resident memory fell by {fallen}");

    // All works as before.
    assert_eq!(
        guest.memory.data(&guest.store)[kept as usize..][..1000],
        [7; 1000]
    );
    assert_eq!(guest.snapshot(), snapshot);
    let ptr = guest.alloc(BLOCK);
    guest.memory.data_mut(&mut guest.store)[ptr as usize..][..BLOCK as usize].fill(3);
    guest.use_heap();
    for len in [50_000u32, BLOCK] {
        let zeroed = guest.call("guest_alloc_zeroed", len) as usize;
        assert!(
            guest.memory.data(&guest.store)[zeroed..][..len as usize]
                .iter()
                .all(|&byte| byte == 0)
        );
    }
    assert_eq!(guest.call("__free", (ptr, BLOCK)), 0);
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
