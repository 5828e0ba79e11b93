//! `examples/bindgen` in Node and in Chromium: values go both ways through the JavaScript that wasm-bindgen generates,
//! which frees them with their exact lengths.
//!
//! `bindgen/exercise.js` is what is done, the same in both. It returns one line, which a test reads.

use anyhow::Result;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};
use wasm_bindgen_cli_support::Bindgen;
use wasm_tests::modules;

const EXERCISE: &str = include_str!("bindgen/exercise.js");

const PAGE: &str = "<!doctype html><meta charset=utf-8><script src=main.js></script>";

#[test]
fn in_node() {
    // Older ones lack instructions that Rust's modules have.
    let is_new = [
        "-e",
        "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)",
    ];
    let install = "apt-get install nodejs (18 or newer)";
    let Some(node) = program("NODE", &["node"], &is_new, install) else {
        return;
    };
    let dir = generate("node", |bindgen| bindgen.nodejs(true));
    // The script is no module, whatever a folder above says.
    fs::write(dir.join("package.json"), "{}").expect("the directory is writable");
    // `wasm` is a variable of the generated script.
    write_main(&dir, "console.log(exercise(exports, wasm));");

    let mut node = Command::new(node);
    passes(node.env_remove("NODE_OPTIONS").arg(dir.join("main.js")));
}

#[test]
fn in_chromium() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let install = "apt-get install chromium";
    let Some(chromium) = program("CHROME", &names, &["--version"], install) else {
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
    fs::write(dir.join("page.html"), PAGE).expect("the directory is writable");
    // One that was killed leaves a lock behind.
    let profile = dir.join(format!("profile-{}", std::process::id()));
    let _ = fs::remove_dir_all(&profile);

    passes(
        Command::new(chromium)
            // Its sandbox refuses to run as root, as in a container.
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--dump-dom",
                // A script that hangs fails: the page is then shown as it is after so many milliseconds.
                "--timeout=600000",
            ])
            // The page is all that it is to load.
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            // The console, with the error of a script that never comes to its last line.
            .arg("--enable-logging=stderr")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("file://{}", dir.join("page.html").display())),
    );
    let _ = fs::remove_dir_all(&profile);
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

/// Runs a host, whose output must have the exercise's line.
fn passes(host: &mut Command) {
    let output = host.output().expect("the host has answered before");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("exercise passed: "),
        "{host:?}: {}\n{stdout}\n{stderr}",
        output.status
    );
    println!("{stdout}");
}

/// The program that an environment variable names, or else the first of these that succeeds with the arguments.
///
/// `None`, and a message that no test harness withholds, if there is none: unless `PAGESLAB_REQUIRE_BROWSERS` is 1,
/// which makes that a failure.
fn program(variable: &str, names: &[&str], trial: &[&str], install: &str) -> Option<String> {
    let named = env::var(variable);
    let candidates = named.as_deref().map_or(names.to_vec(), |name| vec![name]);
    for program in &candidates {
        let ended = Command::new(program).args(trial).output();
        if ended.is_ok_and(|ended| ended.status.success()) {
            return Some(program.to_string());
        }
    }
    let message = format!(
        "SKIPPED, since none of these runs: {candidates:?}. \
        To install one: {install}; one elsewhere: {variable}=<its path>"
    );
    let required = env::var("PAGESLAB_REQUIRE_BROWSERS").is_ok_and(|value| value == "1");
    assert!(!required, "{message}");
    writeln!(io::stderr(), "{message}").expect("stderr is open");
    None
}
