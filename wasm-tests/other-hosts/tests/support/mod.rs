//! Node and Chromium, if they are there: each runs a `main.js` that tells in one line what came out.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

const PAGE: &str = "<!doctype html><meta charset=utf-8><script src=main.js></script>";

pub fn node() -> Option<String> {
    // Older ones lack instructions that Rust's modules have.
    let is_new = [
        "-e",
        "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)",
    ];
    let install = "apt-get install nodejs (18 or newer)";
    program("NODE", &["node"], &is_new, install)
}

pub fn chromium() -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let install = "apt-get install chromium";
    program("CHROME", &names, &["--version"], install)
}

/// Runs a script, which logs its line.
pub fn passes_in_node(node: &str, script: &Path) {
    passes(Command::new(node).env_remove("NODE_OPTIONS").arg(script));
}

/// Opens a page with the `main.js` of this folder, which makes its line the page's text.
pub fn passes_in_chromium(chromium: &str, dir: &Path) {
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
