//! The program on real guests: what it says, what it writes, and its exit codes.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where the guests are.
fn guest(name: &str) -> String {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    let modules = MODULES.get_or_init(|| {
        wasm_tests::modules::build(&["guest-cli"], "wasm32-wasip1").expect("they can be built")
    });
    modules.join(name).display().to_string()
}

/// A file of one test.
fn file(name: &str) -> String {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&file);
    file.display().to_string()
}

fn pageslab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pageslab"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it can be run")
}

/// Runs a guest with this argument.
fn run(options: &[&str], argument: &str) -> Output {
    let guest = guest("guest-cli.wasm");
    pageslab(&[&["run"], options, &[&guest, argument]].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it exits")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const ALL: [&str; 2] = ["--fail-on", "misuse,leak,growth"];

#[test]
fn a_guest_that_frees_all_has_no_leak() {
    let output = run(&ALL, "clean");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "5000\n");
    assert!(
        stderr(&output).contains(" s: 0 bytes live in 0 blocks, "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_live_at_the_end_is_a_leak() {
    let output = run(&["--leaks", "--fail-on", "leak"], "leaks");
    let text = stderr(&output);
    assert_eq!(code(&output), 121, "{text}");
    assert!(
        text.contains("1 x   100000 bytes, class long, first at 0x"),
        "{text}"
    );
    assert!(text.contains("3 x       40 bytes, class "), "{text}");
    assert!(
        text.contains("failed: 97.8 KiB are live at the end in 4 blocks"),
        "{text}"
    );

    assert_eq!(
        code(&run(&["--fail-on", "leak", "--allow", "100120"], "leaks")),
        0
    );
    assert_eq!(
        code(&run(&["--fail-on", "leak", "--allow", "100119"], "leaks")),
        121
    );
    assert_eq!(code(&run(&["--fail-on", "misuse"], "leaks")), 0);
}

#[test]
fn misuse_is_told_from_other_traps() {
    let output = run(&ALL, "misuses");
    let text = stderr(&output);
    assert_eq!(code(&output), 120, "{text}");
    assert!(text.contains("failed: the allocation at 0x"), "{text}");
    assert!(text.contains("was freed before"), "{text}");
    assert_eq!(code(&run(&[], "misuses")), 134);
    assert_eq!(code(&run(&ALL, "panics")), 134);
    // What a guest says is no misuse if it goes on.
    assert_eq!(code(&run(&["--fail-on", "misuse"], "pretends")), 0);
}

#[test]
fn the_readme_shows_what_a_misuse_prints() {
    const README: &str = include_str!("../../../README.md");
    let masked = |line: &str| {
        let (before, rest) = line.split_once("0x")?;
        let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        line.starts_with("pageslab: ")
            .then(|| format!("{before}0x…{rest}"))
    };
    let shown: Vec<_> = README.lines().filter_map(masked).collect();
    let text = stderr(&run(&[], "misuses"));
    let printed: Vec<_> = text.lines().filter_map(masked).collect();
    assert_eq!(shown, printed);
    assert!(!shown.is_empty());
}

#[test]
fn a_guests_own_exit_code_is_kept() {
    assert_eq!(code(&run(&ALL, "exits")), 7);
}

#[test]
fn growth_is_told_from_a_large_heap() {
    let output = run(&["--fail-on", "growth"], "grows");
    assert_eq!(code(&output), 122, "{}", stderr(&output));
    let output = run(&["--fail-on", "growth"], "settles");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let output = run(&["--fail-on", "growth"], "clean");
    assert!(stderr(&output).contains("too short"), "{}", stderr(&output));
}

#[test]
fn memory_is_limited() {
    let output = run(&["--max-pages", "20"], "settles");
    assert_eq!(code(&output), 134, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("memory allocation of"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_guest_without_the_line_is_told_to_add_it() {
    for command in [&["run"][..], &["snapshot", "-o", "none"]] {
        let output = pageslab(&[command, &[&guest("unnamed.wasm")]].concat());
        assert_eq!(code(&output), 123, "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
        let text = stderr(&output);
        assert!(
            text.contains("    pageslab::export_abi!(snapshot);\n"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_file_is_told_from_what_a_guest_does() {
    assert_eq!(code(&pageslab(&["run", "none.wasm"])), 125);
    assert_eq!(code(&pageslab(&["show", "none.snap"])), 125);
    assert_eq!(code(&pageslab(&["show", &guest("unnamed.wasm")])), 125);
    assert_eq!(code(&run(&["--dir", "no such directory"], "clean")), 125);
    assert_eq!(code(&pageslab(&["run"])), 2);
}

#[test]
fn a_guest_has_the_directory_that_it_is_given() {
    let name = file("given");
    fs::write(&name, "given").expect("it can be written");
    let dir = format!("{}::/data", env!("CARGO_TARGET_TMPDIR"));
    let guest = guest("guest-cli.wasm");
    let output = pageslab(&["run", "--dir", &dir, &guest, "prints", "/data/given"]);
    assert_eq!((code(&output), stdout(&output)), (0, "given".to_owned()));
}

#[test]
fn reports_say_what_was_found() {
    let (json, junit) = (file("leaks.json"), file("leaks.xml"));
    let reports = [format!("json={json}"), format!("junit={junit}")];
    let mut options = vec!["--report", &reports[0], "--report", &reports[1]];
    options.extend(ALL);
    assert_eq!(code(&run(&options, "leaks")), 121);

    let text = fs::read_to_string(&json).expect("it was written");
    let report: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(report["code"], 121);
    assert_eq!(report["exit"], 0);
    assert_eq!(report["leaks"][0]["bytes"], 100_000);
    assert_eq!(report["summary"]["live_blocks"], 4);

    let text = fs::read_to_string(&junit).expect("it was written");
    let document = roxmltree::Document::parse(&text).expect("it is XML");
    let suite = document.root_element();
    assert_eq!(
        (suite.attribute("tests"), suite.attribute("failures")),
        (Some("4"), Some("1"))
    );
    let failed = document
        .descendants()
        .find(|node| node.has_tag_name("failure"));
    let test = failed.and_then(|node| node.parent()).expect("one failed");
    assert_eq!(test.attribute("name"), Some("leak"));
    assert!(
        text.contains("<skipped message=\"the run was too short\"/>"),
        "{text}"
    );

    assert_eq!(code(&run(&options, "misuses")), 120);
    let text = fs::read_to_string(&junit).expect("it was written");
    let document = roxmltree::Document::parse(&text).expect("it is XML");
    assert_eq!(document.root_element().attribute("failures"), Some("2"));
}

/// Writes a snapshot of what a guest leaves behind.
fn snapshot(argument: &str, name: &str) -> String {
    let file = file(name);
    let output = pageslab(&["snapshot", "-o", &file, &guest("guest-cli.wasm"), argument]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    file
}

#[test]
fn a_snapshot_is_shown() {
    let snap = snapshot("leaks", "shown.snap");
    let text = stdout(&pageslab(&["show", &snap]));
    assert!(text.contains("live        97.8 KiB in 4 blocks"), "{text}");
    assert!(text.contains("1 x   100000 bytes, class long"), "{text}");
    let json: Value =
        serde_json::from_str(&stdout(&pageslab(&["show", "--json", &snap]))).expect("it is JSON");
    assert_eq!(json["summary"]["live_bytes"], 100_120);
    assert_eq!(json["live"][1]["blocks"], 3);
}

#[test]
fn a_snapshot_is_drawn() {
    let (snap, svg) = (snapshot("leaks", "drawn.snap"), file("drawn.svg"));
    assert_eq!(code(&pageslab(&["show", "--svg", &svg, &snap])), 0);
    let text = fs::read_to_string(&svg).expect("it was written");
    let document = roxmltree::Document::parse(&text).expect("it is XML");
    let title = document.root_element().first_element_child();
    let title = title
        .and_then(|title| title.text())
        .expect("it has a title");
    assert!(title.contains("97.8 KiB live in 4 blocks"), "{title}");
    assert!(text.contains("@media (prefers-color-scheme: dark)"));
    // The frames of each page are all there, and those of the long block are its.
    let area = |class: Option<&str>| -> u32 {
        let groups = document.descendants().filter(|node| node.has_tag_name("g"));
        let squares = groups.flat_map(|group| group.children());
        squares
            .filter(|node| node.has_tag_name("rect"))
            .filter(|node| class.is_none() || node.attribute("class") == class)
            .map(|node| {
                let side = |name| -> u32 { node.attribute(name).unwrap().parse().unwrap() };
                side("width") * side("height") / 25
            })
            .sum()
    };
    let pages = document.descendants().filter(|node| node.has_tag_name("g"));
    assert_eq!(area(None), 64 * pages.count() as u32);
    assert_eq!(area(Some("block")), 98);
}

#[test]
fn two_snapshots_are_compared() {
    let (before, after) = (
        snapshot("clean", "before.snap"),
        snapshot("leaks", "after.snap"),
    );
    let text = stdout(&pageslab(&["diff", &before, &after]));
    assert!(text.starts_with("net: +97.8 KiB in +4 blocks\n"), "{text}");
    assert!(
        text.contains("      +3 x       40 bytes, class 2\n"),
        "{text}"
    );
    assert!(text.contains("added: 97.8 KiB in 4 blocks\n"), "{text}");
    assert!(text.contains("removed: 0 bytes in 0 blocks\n"), "{text}");
    let json: Value =
        serde_json::from_str(&stdout(&pageslab(&["diff", "--json", &before, &after])))
            .expect("it is JSON");
    assert_eq!(json["added"][0]["len"], 100_000);
}

#[test]
fn a_guest_is_stopped_for_its_snapshot() {
    let snap = file("stopped.snap");
    let guest = guest("guest-cli.wasm");
    let output = pageslab(&["snapshot", "-o", &snap, "--after", "0.05", &guest, "loops"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&pageslab(&["show", &snap])).contains("1 x    12345 bytes"));
}

#[test]
fn a_trap_leaves_a_snapshot() {
    let snap = snapshot("misuses", "trapped.snap");
    assert_eq!(code(&pageslab(&["show", &snap])), 0);
}
