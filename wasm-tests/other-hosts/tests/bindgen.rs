//! `examples/bindgen` in Node and in Chromium: values go both ways through the JavaScript that wasm-bindgen generates,
//! which frees them with their exact lengths.
//!
//! `bindgen/exercise.js` is what is done, the same in both. It returns one line, which a test reads.

#[path = "../../browsers/tests/support/mod.rs"]
mod support;

use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;
use wasm_tests::modules;

const EXERCISE: &str = include_str!("bindgen/exercise.js");

#[test]
fn in_node() {
    let Some(node) = support::node() else {
        return;
    };
    let dir = generate("node", |bindgen| bindgen.nodejs(true));
    // The script is no module, whatever a folder above says.
    fs::write(dir.join("package.json"), "{}").expect("the directory is writable");
    // `wasm` is a variable of the generated script.
    write_main(&dir, "console.log(exercise(exports, wasm));");
    support::passes_in_node(&node, &dir.join("main.js"));
}

#[test]
fn in_chromium() {
    let Some(chromium) = support::chromium() else {
        return;
    };
    let dir = generate("chromium", |bindgen| bindgen.no_modules(true));
    // A page that comes from a file may load scripts, but no module: the script contains it.
    let bytes = fs::read(dir.join("guest_bg.wasm")).expect("wasm-bindgen writes the module");
    let last = format!(
        "const wasm = wasm_bindgen.initSync({{ module: Uint8Array.from({bytes:?}) }});
        document.documentElement.textContent = exercise(wasm_bindgen, wasm);"
    );
    write_main(&dir, &last);
    support::passes_in_chromium(&chromium, &dir);
}

/// Builds the guest, and returns a directory with `guest.js` and `guest_bg.wasm`, generated for this kind of host.
fn generate(name: &str, host: fn(&mut Bindgen) -> Result<&mut Bindgen>) -> PathBuf {
    let modules = modules::build(&["example-bindgen"], "wasm32-unknown-unknown")
        .expect("cargo builds the guest");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("bindgen")
        .join(name);
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(modules.join("example_bindgen.wasm"))
        .out_name("guest");
    host(&mut bindgen)
        .and_then(|bindgen| bindgen.generate(&dir))
        .expect("wasm-bindgen generates the JavaScript");
    dir
}

/// Writes `main.js`: the generated script, the exercise, and what the host does with its line. One script, so that all
/// of it sees the generated one's variables.
fn write_main(dir: &Path, last: &str) {
    let generated = fs::read_to_string(dir.join("guest.js")).expect("wasm-bindgen writes it");
    let script = format!("{generated}\n{EXERCISE}\n{last}\n");
    fs::write(dir.join("main.js"), script).expect("the directory is writable");
}
