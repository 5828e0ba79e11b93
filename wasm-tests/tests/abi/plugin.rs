//! Plugins that the tests open, each in a store of its own.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};
use wasm_tests::{
    host::{Abi, Plugin},
    modules,
};
use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::{WasiCtxBuilder, p1::WasiP1Ctx, p2::pipe::MemoryOutputPipe};

/// All ABIs, for tests that go through each.
pub const ABIS: [Abi; 3] = [Abi::AllocFree, Abi::Surrealism, Abi::CabiRealloc];

/// Traps are many here, and nobody reads where they were.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .wasm_backtrace_max_frames(None)
        .wasm_custom_page_sizes(true);
    Engine::new(&config).expect("an engine")
});

static ABI: LazyLock<Module> = LazyLock::new(|| module("guest-abi", "wasm32-unknown-unknown"));

/// The guest that exports every ABI, through one of them.
pub fn guest(abi: Abi) -> Plugin<()> {
    open(&ABI, abi)
}

/// A package's module for a target, built and compiled.
pub fn module(package: &str, target: &str) -> Module {
    compile(modules::build(&[package], target), package)
}

/// The same with features of the package.
pub fn module_with(package: &str, features: &str, target: &str) -> Module {
    compile(modules::build_with(&[package], features, target), package)
}

pub fn compile(directory: anyhow::Result<PathBuf>, package: &str) -> Module {
    let file = Path::new(&package.replace('-', "_")).with_extension("wasm");
    let directory = directory.expect("cargo builds the guest");
    Module::from_file(&ENGINE, directory.join(file)).expect("the guest is a module")
}

/// An instance of a module without imports.
pub fn open(module: &Module, abi: Abi) -> Plugin<()> {
    let mut store = Store::new(&ENGINE, ());
    let linker = Linker::new(&ENGINE);
    let instance = linker.instantiate(&mut store, module);
    Plugin::open(store, instance.expect("the guest has no imports"), abi).expect("the ABI is there")
}

/// An instance of a module for WASI, initialized, and what it writes to stderr.
pub fn open_wasi(module: &Module, abi: Abi) -> (Plugin<WasiP1Ctx>, MemoryOutputPipe) {
    let stderr = MemoryOutputPipe::new(1 << 20);
    let wasi = WasiCtxBuilder::new().stderr(stderr.clone()).build_p1();
    let mut store = Store::new(&ENGINE, wasi);
    let mut linker = Linker::new(&ENGINE);
    wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |context| context).expect("no duplicates");
    let instance = linker.instantiate(&mut store, module);
    let instance = instance.expect("all imports are WASI's");
    let mut plugin = Plugin::open(store, instance, abi).expect("the ABI is there");
    plugin
        .call::<(), ()>("_initialize", ())
        .expect("the guest initializes itself");
    (plugin, stderr)
}
