//! `pageslab bench` on a guest that knows nothing of pageslab.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where a guest is, built for this target.
fn guest(target: &str) -> String {
    let directory = wasm_tests::modules::build(&["guest-cli"], target).expect("it can be built");
    directory.join("plain.wasm").display().to_string()
}

fn plain() -> &'static str {
    static PLAIN: OnceLock<String> = OnceLock::new();
    PLAIN.get_or_init(|| guest("wasm32-wasip1"))
}

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pageslab"))
        .args(["bench", "--rounds", "1"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it can be run")
}

fn json(arguments: &[&str]) -> Value {
    let output = bench(&[&["--json"], arguments].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn code(arguments: &[&str]) -> (i32, String) {
    let output = bench(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it exits"), text)
}

/// The calls that `work` makes, whatever the allocator and the target.
fn is_work(report: &Value) {
    assert_eq!(report["allocs"], 5, "{report}");
    assert_eq!(report["reallocs"], 1);
    assert_eq!(report["frees"], 5);
    assert_eq!(report["peak_blocks"], 4);
    assert_eq!(report["peak_bytes"], 5300);
    assert_eq!(report["is_cut_short"], false);
    assert_eq!(report["has_own_allocator"], false);
}

#[test]
fn each_call_of_a_guest_is_recorded() {
    is_work(&json(&["--call", "work", plain()]));
    is_work(&json(&["--call", "work", &guest("wasm32-unknown-unknown")]));
}

#[test]
fn a_command_is_run_from_its_start() {
    let report = json(&[plain()]);
    assert!(report["allocs"].as_u64() > Some(5), "{report}");
    assert!(report["guest_nanoseconds"].as_u64() > Some(0));
    let allocators = report["allocators"].as_array().expect("a list");
    let names: Vec<_> = allocators.iter().map(|of| &of["allocator"]).collect();
    assert_eq!(names, ["dlmalloc", "pageslab", "talc"]);
    assert!(
        allocators
            .iter()
            .all(|of| of["nanoseconds"].as_u64() > Some(0))
    );
}

#[test]
fn the_table_has_dlmalloc_as_1() {
    let output = bench(&[plain()]);
    let text = String::from_utf8_lossy(&output.stdout);
    let row = text.lines().find(|line| line.starts_with("dlmalloc"));
    let row: Vec<_> = row.expect("it is there").split_whitespace().collect();
    assert_eq!((row[1], row[3]), ("1.00", "1.00"), "{text}");
    // What the guest prints is no part of it.
    assert!(!text.contains("\n3\n"), "{text}");
}

#[test]
fn a_trace_is_saved_and_read() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plain.trace");
    let file = file.display().to_string();
    is_work(&json(&["--call", "work", "--save", &file, plain()]));
    let report = json(&[&file]);
    is_work(&report);
    assert_eq!(report["guest_nanoseconds"], Value::Null);
}

/// The traces of the lab are of the same format, and more than a few calls.
#[test]
fn the_labs_traces_are_replayed() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/lab/workloads/traces");
    let report = json(&[&traces.join("json.trace").display().to_string()]);
    assert!(report["allocs"].as_u64() > Some(1000), "{report}");
    for of in report["allocators"].as_array().expect("a list") {
        let memory = of["memory_bytes"].as_u64();
        assert!(memory >= report["peak_bytes"].as_u64(), "{report}");
    }
}

#[test]
fn exit_codes_say_what_is_wrong() {
    assert_eq!(code(&["none.wasm"]).0, 125);
    assert_eq!(code(&[]).0, 2);
    assert_eq!(code(&[plain(), "exits"]).0, 7);
    assert_eq!(code(&[plain(), "panics"]).0, 134);
    let (number, text) = code(&["--call", "none", plain()]);
    assert_eq!(number, 125, "{text}");
    assert!(text.contains("exports no function none"), "{text}");
    let (number, text) = code(&["--call", "takes", plain()]);
    assert_eq!(number, 125, "{text}");
}

/// It has pageslab, whose calls are inlined in a release build: what is live in its heap does not fit to what was seen.
#[test]
fn calls_that_are_not_seen_are_missed() {
    let other = plain().replace("plain.wasm", "guest-cli.wasm");
    let (number, text) = code(&[&other, "many"]);
    assert_eq!(number, 123, "{text}");
    assert!(text.contains("debug build"), "{text}");
}

#[test]
fn a_guest_without_names_is_told_how_to_keep_them() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nameless.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").expect("it can be written");
    let (number, text) = code(&[&file.display().to_string()]);
    assert_eq!(number, 123, "{text}");
    assert!(text.contains("have no names"), "{text}");
    assert!(text.contains("CARGO_PROFILE_RELEASE_STRIP=none"), "{text}");
}
