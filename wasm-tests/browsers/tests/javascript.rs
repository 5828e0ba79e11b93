//! Guests that plain JavaScript calls, in Node and in Chromium: the lines of the README, and a guest that tells what went wrong.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use wasm_tests::modules;

const README: &str = include_str!("../../../README.md");
const EXERCISE: &str = include_str!("javascript/exercise.js");

/// The README's lines, between those that make them a function.
fn readmes_lines() -> String {
    let block = README.split("```js\n").nth(1).expect("there is a block");
    let lines = block.split("```").next().expect("it ends");
    format!("function readme(guest) {{\n{lines}\nreturn text;\n}}\n")
}

/// A folder with a `main.js` that has the modules in it, and tells its line by this expression of it.
fn main_js(name: &str, tell: &str) -> PathBuf {
    let built = modules::build(
        &["example-alloc-free", "guest-abi"],
        "wasm32-unknown-unknown",
    )
    .expect("cargo builds the guests");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("javascript")
        .join(name);
    fs::create_dir_all(&dir).expect("it can be made");
    let module = |name: &str| {
        let bytes = fs::read(built.join(name)).expect("cargo has built it");
        format!("Uint8Array.from({bytes:?})")
    };
    let script = format!(
        "{}{EXERCISE}\nconst line = exercise({}, {});\n{tell};\n",
        readmes_lines(),
        module("example_alloc_free.wasm"),
        module("guest_abi.wasm")
    );
    fs::write(dir.join("main.js"), script).expect("the directory is writable");
    fs::write(dir.join("package.json"), "{}").expect("the directory is writable");
    dir
}

#[test]
fn in_node() {
    if let Some(node) = support::node() {
        let dir = main_js("node", "console.log(line)");
        support::passes_in_node(&node, &dir.join("main.js"));
    }
}

#[test]
fn in_chromium() {
    if let Some(chromium) = support::chromium() {
        let dir = main_js("chromium", "document.documentElement.textContent = line");
        support::passes_in_chromium(&chromium, &dir);
    }
}
