//! The commands that `docs/seeing.md` shows, on the guests that it shows: what they print is what stands there.
//!
//! Left out of the comparison is what depends on the machine, or on the compiler: times, addresses, and all of a run's lines about
//! its heap but the last. With `UPDATE_DOCS=1` the document is written anew.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use wasm_tests::modules;

const WASIP1: &str = "wasm32-wasip1";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A folder with all that the commands name.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("seeing");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).expect("it can be made");
    let plain = modules::build(&["example-leak"], WASIP1).expect("it is built");
    let checked = modules::build_with(&["example-leak"], "example-leak/checked", WASIP1);
    let checked = checked.expect("it is built");
    let source = root().join("examples/leak/src/main.rs");
    for (from, to) in [
        (plain.join("leak.wasm"), "leak.wasm"),
        (plain.join("high.wasm"), "high.wasm"),
        (checked.join("leak.wasm"), "checked.wasm"),
        (source, "src/main.rs"),
    ] {
        fs::copy(from, folder.join(to)).expect("it is there");
    }
    folder
}

/// What a command prints, without what nobody can foresee.
fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_pageslab"));
    let mut path = program.parent().expect("it is in a folder").to_path_buf();
    if let Some(others) = env::var_os("PATH") {
        path = [path.into_os_string(), others].join(":".as_ref()).into();
    }
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .output()
        .expect("there is a shell");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let lines: Vec<_> = text.lines().collect();
    let is_heap = |line: &&str| line.starts_with("heap ") && line.contains(" s: ");
    let last = lines.iter().rposition(is_heap);
    let kept = (0..)
        .zip(lines)
        .filter(|(at, line)| !is_heap(line) || Some(*at) == last);
    kept.map(|(_, line)| format!("{}\n", without_time(line)))
        .collect()
}

/// The heap's line as if it had taken no time.
fn without_time(line: &str) -> String {
    match line
        .strip_prefix("heap ")
        .and_then(|rest| rest.split_once(" s: "))
    {
        Some((_, rest)) => format!("heap     0.00 s: {rest}"),
        None => line.to_owned(),
    }
}

/// A text with all addresses alike.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        out + "0x…" + part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit())
    })
}

/// The document with what its commands print now, in the place of what it says that they print.
fn renewed(document: &str, folder: &Path) -> String {
    let mut out = String::new();
    let mut is_console = false;
    for line in document.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console {
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            out += &format!("$ {command}\n{}", run(command, folder));
            continue;
        }
        out += line;
        out.push('\n');
    }
    out
}

#[test]
fn the_document_shows_what_the_commands_print() {
    let file = root().join("docs/seeing.md");
    let document = fs::read_to_string(&file).expect("it is there");
    let renewed = renewed(&document, &folder());
    assert!(document.matches("\n$ ").count() > 8, "it shows commands");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &renewed).expect("it can be written");
        return;
    }
    let (said, printed) = (without_addresses(&document), without_addresses(&renewed));
    let mut lines = said.lines().zip(printed.lines());
    let differs = lines.position(|(said, printed)| said != printed);
    assert!(
        said == printed,
        "docs/seeing.md differs from line {} on: UPDATE_DOCS=1 writes it anew. It would be\n{renewed}",
        differs.map_or(0, |line| line + 1)
    );
}
