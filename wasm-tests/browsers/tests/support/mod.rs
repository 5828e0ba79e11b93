//! Node and Chromium, if they are there: each runs a `main.js` that tells in one line what came out.
#![allow(dead_code, reason = "each test file needs some of it")]

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, io};
use tiny_http::{Header, Method, Response, Server};

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

/// Whether there is the nightly compiler with std's source, for what std is not shipped compiled for. Else as for a browser.
pub fn has_nightly() -> bool {
    let sysroot = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output();
    let has_source = |sysroot: &[u8]| {
        let sysroot = String::from_utf8_lossy(sysroot);
        Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library")
            .is_dir()
    };
    let is_there =
        sysroot.is_ok_and(|output| output.status.success() && has_source(&output.stdout));
    if !is_there {
        skip(
            "SKIPPED, since there is no nightly Rust with std's source. \
            To install it: rustup toolchain install nightly --component rust-src",
        );
    }
    is_there
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
    let page = dir.join("page.html");
    fs::write(&page, PAGE).expect("the directory is writable");
    let (mut browser, profile) = headless(chromium, dir);
    // A script that hangs fails: the page is then shown as it is after so many milliseconds.
    let shown = ["--dump-dom", "--timeout=600000"];
    passes(
        browser
            .args(shown)
            .arg(format!("file://{}", page.display())),
    );
    let _ = fs::remove_dir_all(&profile);
}

/// The same with a page that may share memory with workers, as pages of some servers may. Its script posts its line.
pub fn passes_in_isolated_chromium(chromium: &str, dir: &Path) {
    let server = Server::http("127.0.0.1:0").expect("there is a free port");
    let address = server.server_addr().to_ip().expect("it is one of TCP");
    let (mut browser, profile) = headless(chromium, dir);
    // With a port for a debugger it stays, whether the page is loaded or not.
    browser.arg("--remote-debugging-port=0");
    browser.arg(format!("http://{address}/page.html"));
    let log = dir.join("console.log");
    let file = fs::File::create(&log).expect("the directory is writable");
    let browser = browser.stdout(Stdio::null()).stderr(file).spawn();
    let mut browser = Running(browser.expect("it has answered before"));
    let line = served(&server, &dir.join("main.js"), &mut browser);
    drop(browser);
    let _ = fs::remove_dir_all(&profile);
    let console = fs::read_to_string(&log).unwrap_or_default();
    let line = line.unwrap_or_else(|| panic!("no line in time\n{console}"));
    assert!(line.contains("exercise passed: "), "{line}\n{console}");
    println!("{line}");
}

/// How long a host may take. What hangs ends then, and fails.
const LIMIT: Duration = Duration::from_secs(600);

/// A host that does not outlive its test.
struct Running(Child);

impl Running {
    /// Waits a moment. What it ended with, if it has.
    fn wait_a_moment(&mut self) -> Option<ExitStatus> {
        thread::sleep(Duration::from_millis(20));
        self.0.try_wait().expect("it can be waited for")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the page and its script until something is posted, and returns that.
fn served(server: &Server, script: &Path, browser: &mut Running) -> Option<String> {
    let header = |text: &str| text.parse::<Header>().expect("it is a header");
    let start = Instant::now();
    loop {
        let request = server.recv_timeout(Duration::from_secs(1)).ok()?;
        let Some(mut request) = request else {
            if start.elapsed() > LIMIT || browser.wait_a_moment().is_some() {
                return None;
            }
            continue;
        };
        if *request.method() == Method::Post {
            let mut line = String::new();
            request.as_reader().read_to_string(&mut line).ok()?;
            let _ = request.respond(Response::empty(204));
            return Some(line);
        }
        let (kind, text) = match request.url() {
            "/page.html" => ("text/html", PAGE.to_owned()),
            "/main.js" => ("text/javascript", fs::read_to_string(script).ok()?),
            _ => ("text/plain", String::new()),
        };
        let response = Response::from_string(text)
            .with_header(header(&format!("Content-Type: {kind}")))
            .with_header(header("Cross-Origin-Opener-Policy: same-origin"))
            .with_header(header("Cross-Origin-Embedder-Policy: require-corp"));
        let _ = request.respond(response);
    }
}

/// Chromium without a window, and the folder that it will use as its own.
fn headless(chromium: &str, dir: &Path) -> (Command, PathBuf) {
    // One that was killed leaves a lock behind.
    let profile = dir.join(format!("profile-{}", std::process::id()));
    let _ = fs::remove_dir_all(&profile);
    let mut browser = Command::new(chromium);
    browser
        // Its sandbox refuses to run as root, as in a container.
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
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
        .arg(format!("--user-data-dir={}", profile.display()));
    (browser, profile)
}

/// Runs a host, whose output must have the exercise's line.
fn passes(host: &mut Command) {
    let spawned = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(spawned.expect("the host has answered before"));
    let stdout = all_of(running.0.stdout.take());
    let stderr = all_of(running.0.stderr.take());
    let start = Instant::now();
    let mut status = None;
    while status.is_none() && start.elapsed() < LIMIT {
        status = running.wait_a_moment();
    }
    drop(running);
    let [stdout, stderr] = [stdout, stderr].map(|text| text.join().expect("it reads to the end"));
    assert!(
        status.is_some_and(|status| status.success()) && stdout.contains("exercise passed: "),
        "{host:?}: {status:?}\n{stdout}\n{stderr}"
    );
    println!("{stdout}");
}

/// Reads all that a host writes, while it does.
fn all_of(mut pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = &mut pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
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
    skip(&message);
    None
}

/// Says why a test is left out, unless none may be.
fn skip(message: &str) {
    let required = env::var("PAGESLAB_REQUIRE_BROWSERS").is_ok_and(|value| value == "1");
    assert!(!required, "{message}");
    writeln!(io::stderr(), "{message}").expect("stderr is open");
}
