//! Memory that a module starts with, behind its data and its stack: it is the heap's where nobody else may take it.

use crate::plugin::{compile, open, open_wasi};
use wasm_tests::{
    host::{Abi, Error, Plugin},
    modules,
};
use wasmtime::{Instance, Linker, Memory, Module, Store, Trap, TypedFunc};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};

const PAGE: u64 = 65_536;
const UNKNOWN: &str = "wasm32-unknown-unknown";
const WASI: &str = "wasm32-wasip1";

/// 64 MiB from the start, and no more.
const FULL: (&str, &[&str]) = (
    "full",
    &["--initial-memory=67108864", "--max-memory=67108864"],
);
/// 64 MiB from the start.
const LARGE: (&str, &[&str]) = ("large", &["--initial-memory=67108864"]);
/// The same, in a memory that the host brings.
const IMPORTED: (&str, &[&str]) = (
    "imported",
    &[
        "--initial-memory=67108864",
        "--max-memory=67108864",
        "--import-memory",
    ],
);
/// Pages of one byte, of which there are more than fit 4 GiB in pages of 64 KiB; and fewer, with a small stack.
const PAGES_OF_A_BYTE: [(&str, &[&str]); 2] = [
    ("page-size", &["--page-size=1"]),
    ("page-size-small", &["--page-size=1", "-zstack-size=16384"]),
];

fn module(features: &str, target: &str, linked: (&str, &[&str])) -> Module {
    let directory = modules::build_linked(&["guest-abi"], features, target, linked);
    compile(directory, "guest-abi")
}

struct Guest {
    store: Store<WasiP1Ctx>,
    memory: Memory,
    instance: Instance,
    alloc: TypedFunc<(u32, u32), u32>,
}

impl Guest {
    fn new(module: &Module) -> Self {
        let store = Store::new(module.engine(), WasiCtxBuilder::new().build_p1());
        Self::within(store, module, None)
    }

    fn within(mut store: Store<WasiP1Ctx>, module: &Module, memory: Option<Memory>) -> Self {
        let mut linker = Linker::new(module.engine());
        add_to_linker_sync(&mut linker, |wasi| wasi).expect("the functions of WASI");
        if let Some(memory) = memory {
            linker
                .define(&store, "env", "memory", memory)
                .expect("a memory");
        }
        let instance = linker.instantiate(&mut store, module).expect("an instance");
        let memory = memory.or_else(|| instance.get_memory(&mut store, "memory"));
        let memory = memory.expect("the memory is exported, or imported");
        let alloc = instance
            .get_typed_func(&mut store, "__alloc")
            .expect("an export");
        let mut guest = Self {
            store,
            memory,
            instance,
            alloc,
        };
        if let Ok(initialize) = guest
            .instance
            .get_typed_func::<(), ()>(&mut guest.store, "_initialize")
        {
            initialize
                .call(&mut guest.store, ())
                .expect("the guest is set up");
        }
        guest
    }

    /// 0 if that is refused.
    fn alloc(&mut self, len: u32) -> u32 {
        self.alloc
            .call(&mut self.store, (len, 16))
            .expect("it returns")
    }

    fn check(&mut self) {
        let check = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "check")
            .expect("an export");
        check
            .call(&mut self.store, ())
            .expect("the invariants hold");
    }

    /// How many bytes can be had in blocks of this length.
    fn fill(&mut self, len: u32) -> u64 {
        let mut blocks = 0;
        while self.alloc(len) != 0 {
            blocks += 1;
        }
        blocks * u64::from(len)
    }
}

#[test]
fn a_memory_that_is_full_size_from_the_start_can_be_used() {
    for (features, target) in [("", UNKNOWN), ("c", WASI)] {
        let module = module(features, target, FULL);
        for len in [1000, 65_536, 1 << 20] {
            let mut guest = Guest::new(&module);
            let all = guest.fill(len);
            guest.check();
            // Data and stack take a little more than 1 MiB of 64, the map 1.25, and 1,000 bytes a slot of 1,024.
            assert!(all > 62_000_000, "{all} bytes in blocks of {len}");
        }
    }
}

#[test]
fn memory_grows_behind_what_was_there_from_the_start() {
    let mut guest = Guest::new(&module("", UNKNOWN, LARGE));
    let first = guest.alloc(1000);
    assert!(u64::from(first) < 4 << 20, "{first:#x}");
    let block = guest.alloc(100 << 20);
    // In one piece, half of which was there.
    assert!(block != 0 && u64::from(block) < 64 << 20, "{block:#x}");
    assert!(guest.memory.size(&guest.store) < (106 << 20) / PAGE);
    guest.check();
}

#[test]
fn what_the_c_library_may_take_is_left_alone() {
    let mut guest = Guest::new(&module("", WASI, LARGE));
    let block = guest.alloc(1000);
    assert!(u64::from(block) >= 64 << 20, "{block:#x}");
    guest.check();
}

/// Of two instances in one memory, one after the other, the second finds that it was taken.
#[test]
fn what_another_has_taken_is_left_alone() {
    let module = module("", UNKNOWN, IMPORTED);
    let imported = module
        .imports()
        .find_map(|import| import.ty().memory().cloned());
    let mut store = Store::new(module.engine(), WasiCtxBuilder::new().build_p1());
    let memory = Memory::new(&mut store, imported.expect("it imports its memory")).expect("memory");
    let mut first = Guest::within(store, &module, Some(memory));
    assert_ne!(first.alloc(1000), 0);
    let mut second = Guest::within(first.store, &module, Some(memory));
    assert_eq!(second.alloc(1000), 0, "memory cannot grow");
    second.check();
}

#[test]
fn pages_of_another_size_end_the_first_allocation_with_a_line() {
    for linked in PAGES_OF_A_BYTE {
        let module = |target| module("", target, linked);
        let mut guest = open(&module(UNKNOWN), Abi::AllocFree);
        assert_eq!(trap_of(&mut guest), Trap::UnreachableCodeReached);

        let (mut guest, stderr) = open_wasi(&module(WASI), Abi::AllocFree);
        assert_eq!(trap_of(&mut guest), Trap::UnreachableCodeReached);
        let line =
            "pageslab: the module is linked with --page-size, and its heap needs pages of 64 KiB\n";
        assert_eq!(stderr.contents(), line);
    }
}

/// Of the first allocation.
fn trap_of<T>(guest: &mut Plugin<T>) -> Trap {
    match guest.call::<_, u32>("__alloc", (1_u32, 1_u32)) {
        Err(Error::Trap { source, .. }) => {
            *source.downcast_ref().expect("it is no error of the host")
        }
        other => panic!("{other:?}"),
    }
}
