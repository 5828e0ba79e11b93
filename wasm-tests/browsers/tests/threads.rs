//! Threads of JavaScript that share a guest's heap, in Node and in Chromium, whose main thread traps if it waits for another.
//!
//! `threads/exercise.js` is what is done, the same in both; how a worker is started differs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use wasm_tests::modules;
use wasmparser::{Operator, Parser, Payload};

const EXERCISE: &str = include_str!("threads/exercise.js");

/// A shared memory that JavaScript makes, and what a thread needs for a stack of its own.
const SHARED: &str = "-Ctarget-feature=+atomics -Clink-arg=--import-memory -Clink-arg=--shared-memory \
    -Clink-arg=--max-memory=67108864 -Clink-arg=--export=__stack_pointer";

/// The guest's module, if there is a compiler for it.
fn module() -> Option<Vec<u8>> {
    if !support::has_nightly() {
        return None;
    }
    let built = modules::build_with_core(
        &["guest-shared"],
        "wasm32-unknown-unknown",
        ("shared", SHARED),
    );
    let file = built
        .expect("cargo builds the guest")
        .join("guest_shared.wasm");
    Some(fs::read(file).expect("cargo has built it"))
}

/// A folder with a `main.js` that starts workers as this host does, and tells the line by this expression of it.
fn main_js(name: &str, host: &str, tell: &str, module: &[u8]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("threads")
        .join(name);
    fs::create_dir_all(&dir).expect("it can be made");
    let script = format!(
        "{host}{EXERCISE}\nexercise(Uint8Array.from({module:?}), start).then((line) => {tell});\n"
    );
    fs::write(dir.join("main.js"), script).expect("the directory is writable");
    fs::write(dir.join("package.json"), "{}").expect("the directory is writable");
    dir
}

#[test]
fn in_node() {
    if let (Some(node), Some(module)) = (support::node(), module()) {
        let dir = main_js(
            "node",
            include_str!("threads/node.js"),
            "console.log(line)",
            &module,
        );
        support::passes_in_node(&node, &dir.join("main.js"));
    }
}

#[test]
fn in_chromium() {
    if let (Some(chromium), Some(module)) = (support::chromium(), module()) {
        let tell = "fetch('line', { method: 'POST', body: line })";
        let dir = main_js(
            "chromium",
            include_str!("threads/browser.js"),
            tell,
            &module,
        );
        support::passes_in_isolated_chromium(&chromium, &dir);
    }
}

/// By its instructions, whatever a run happens to come to.
#[test]
fn no_call_of_the_heap_waits() {
    let Some(module) = module() else { return };
    let (mut imported, mut defined) = (0, 0);
    let (mut start, mut waits) = (None, Vec::new());
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("the module is valid") {
            Payload::ImportSection(imports) => {
                let is_function =
                    |import: &wasmparser::Import| matches!(import.ty, wasmparser::TypeRef::Func(_));
                let imports = imports
                    .into_imports()
                    .map(|import| import.expect("it is valid"));
                imported = imports.filter(is_function).count() as u32;
            }
            Payload::StartSection { func, .. } => start = Some(func),
            Payload::CodeSectionEntry(body) => {
                let operators = body.get_operators_reader().expect("it is valid");
                let is_wait = |operator: &Operator| {
                    matches!(
                        operator,
                        Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }
                    )
                };
                if operators
                    .into_iter()
                    .any(|operator| is_wait(&operator.expect("it is valid")))
                {
                    waits.push(imported + defined);
                }
                defined += 1;
            }
            _ => (),
        }
    }
    // The linker's own: an instance that comes while the first one is being initialized.
    waits.retain(|&function| Some(function) != start);
    assert_eq!(waits, [], "functions that wait");
    assert!(
        start.is_some() && defined > 10,
        "it is a module for threads"
    );
}
