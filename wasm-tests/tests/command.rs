//! Commands for WASI 0.1 and 0.2 with pageslab as their global allocator: what the host hands out as lists arrives, and
//! the heap is whole at the end.

#![cfg(not(target_family = "wasm"))]

use std::path::{Path, PathBuf};
use std::{fs, process};
use wasm_tests::{modules, wasi::Wasi};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::{self, bindings::sync::Command};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// How many variables the environment has, in turn.
const COUNTS: [usize; 6] = [0, 1, 2, 10, 40, 200];

/// The guest with these features. wasi-libc's own allocator is in its module unless there is one heap.
fn module(target: &str, features: &str, is_one_heap: bool) -> PathBuf {
    let directory = match features {
        "" => modules::build(&["guest-command"], target),
        _ => modules::build_with(&["guest-command"], features, target),
    };
    let module = directory
        .expect("cargo builds the guest")
        .join("guest-command.wasm");
    let bytes = fs::read(&module).expect("it was built");
    let has_another = bytes.windows(8).any(|name| name == b"dlmalloc");
    assert_ne!(has_another, is_one_heap);
    module
}

/// An empty directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = parent.join(format!("{name}-{}", process::id()));
    if directory.exists() {
        fs::remove_dir_all(&directory).expect("what an earlier run has left can be removed");
    }
    fs::create_dir_all(&directory).expect("there is room for temporary files");
    directory
}

/// What the guest wrote at its exit is there. Then all of it is removed.
fn end(directory: &Path) {
    assert!(directory.join("ended").exists());
    fs::remove_dir_all(directory).expect("the directory is there");
}

/// What the guest is told: the number of its variables, the variables, and a directory.
fn context(count: usize, directory: &Path) -> WasiCtxBuilder {
    let mut context = WasiCtxBuilder::new();
    context
        .inherit_stdio()
        .args(&["guest-command", &count.to_string()]);
    for n in 0..count {
        context.env(format!("NAME{n}"), "v".repeat(n));
    }
    context
        .preopened_dir(directory, ".", FsPerms::ReadWrite)
        .expect("the directory is there");
    context
}

#[test]
fn of_wasi_0_1() {
    run_wasi_0_1("p1", "", false);
}

#[test]
fn of_wasi_0_1_with_one_heap() {
    run_wasi_0_1("p1-c", "c", true);
}

fn run_wasi_0_1(name: &str, features: &str, is_one_heap: bool) {
    let engine = Engine::default();
    let module = module("wasm32-wasip1", features, is_one_heap);
    let module = Module::from_file(&engine, module).expect("a module");
    let mut linker = wasmtime::Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context: &mut WasiP1Ctx| context).expect("no duplicates");
    for count in COUNTS {
        let directory = directory(name);
        let mut store = Store::new(&engine, context(count, &directory).build_p1());
        let instance = linker
            .instantiate(&mut store, &module)
            .expect("all imports");
        let start = instance
            .get_typed_func::<(), ()>(&mut store, "_start")
            .expect("a command");
        start.call(&mut store, ()).expect("the command succeeds");
        end(&directory);
    }
}

#[test]
fn of_wasi_0_2() {
    let engine = Engine::default();
    let component =
        Component::from_file(&engine, module("wasm32-wasip2", "", true)).expect("a component");
    let mut linker = Linker::new(&engine);
    p2::add_to_linker_sync(&mut linker).expect("no duplicates");
    for count in COUNTS {
        let directory = directory("p2");
        let mut store = Store::new(&engine, Wasi::from(context(count, &directory).build()));
        let command = Command::instantiate(&mut store, &component, &linker).expect("all imports");
        let result = command
            .wasi_cli_run()
            .call_run(&mut store)
            .expect("no trap");
        assert_eq!(result, Ok(()), "with {count} variables");
        end(&directory);
    }
}
