//! A C compiler for wasm32-wasip1: one that is there, or Zig's from PyPI. (And [`zig`], and the [`size`] of modules.)
//!
//! mimalloc, among the lab's allocators, needs one, and so do the tests of `pageslab-c`. Whatever is found has made a
//! module of a program that includes wasi-libc's headers, with the flag that the `cc` crate gives it. It is no old one:
//! mimalloc should be at its best, and from clang 14 and 16 a pair of its calls takes a third longer than from Zig's
//! clang 22.

pub mod size;

use anyhow::{Context, Result, bail};
use std::env::{split_paths, var, var_os};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A C compiler for wasm32-wasip1, which links as well.
pub struct Compiler {
    program: PathBuf,
    flags: Vec<String>,
    /// What tells cargo's build scripts to use it. Nothing, if the user has told them already.
    pub environment: Environment,
}

/// Variables and their values.
pub type Environment = Vec<(&'static str, OsString)>;

const CC: &str = "CC_wasm32_wasip1";
const CFLAGS: &str = "CFLAGS_wasm32_wasip1";
const AR: &str = "AR_wasm32_wasip1";

/// The version from PyPI.
const ZIG: &str = "ziglang==0.17.1";

/// Where Linux distributions put wasi-libc. Older ones know the target by its older name.
const SYSROOTS: [&[&str]; 4] = [
    &[],
    &["--sysroot=/usr"],
    &["--sysroot=/usr", "--target=wasm32-wasi"],
    &["--sysroot=/usr/share/wasi-sysroot"],
];

/// How long fetching something may take: whoever has no network, or a slow one, does without it.
const PATIENCE: Duration = Duration::from_secs(180);

/// A compiler, in this order: what the user has set, wasi-sdk, clang with wasi-libc, Zig, and Zig fetched from
/// PyPI into `target/lab/zig`.
pub fn wasi() -> Result<Compiler> {
    let found = set_by_user()
        .or_else(wasi_sdk)
        .or_else(clang)
        .or_else(zigs_clang);
    if let Some(compiler) = found {
        return Ok(compiler);
    }
    fetch_zig().context(
        "no C compiler for wasm32-wasip1: no WASI_SDK_PATH, no new clang with wasi-libc, no Python package ziglang",
    )
}

impl Compiler {
    fn new(program: PathBuf, flags: &[&str], environment: Environment) -> Self {
        Self {
            program,
            flags: flags.iter().map(ToString::to_string).collect(),
            environment,
        }
    }

    /// A command that compiles and links what it is given.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--target=wasm32-wasip1").args(&self.flags);
        command
    }

    /// Whether the compiler makes a module of the trial.
    fn works(&self) -> bool {
        let (source, module) = (lab("trial.c"), lab("trial.wasm"));
        let make = || -> Result<()> {
            std::fs::create_dir_all(lab(""))?;
            std::fs::write(&source, TRIAL)?;
            let mut command = self.command();
            run(command.arg("-O3").arg("-o").arg(&module).arg(&source))
        };
        make().is_ok()
    }
}

/// What the compiler must be able to compile, and to link.
const TRIAL: &str = "\
#if __clang_major__ < 20
#error old
#endif
#include <stdlib.h>
#include <time.h>
int main(void) { return malloc(time(0)) == 0; }
";

/// The user's word is taken for it, and build scripts find it by themselves.
fn set_by_user() -> Option<Compiler> {
    let command = var(CC).or_else(|_| var("CC_wasm32-wasip1")).ok()?;
    let flags = var(CFLAGS).or_else(|_| var("CFLAGS_wasm32-wasip1"));
    let flags = flags.unwrap_or_default();
    let mut words = command.split_whitespace();
    let program = words.next()?.into();
    let flags: Vec<_> = words.chain(flags.split_whitespace()).collect();
    Some(Compiler::new(program, &flags, Environment::new()))
}

fn wasi_sdk() -> Option<Compiler> {
    let bin = PathBuf::from(var_os("WASI_SDK_PATH")?).join("bin");
    let program = bin.join("clang");
    let environment = vec![
        (CC, program.clone().into()),
        (AR, bin.join("llvm-ar").into()),
    ];
    let compiler = Compiler::new(program, &[], environment);
    compiler.works().then_some(compiler)
}

fn clang() -> Option<Compiler> {
    let program = on_path("clang")?;
    let with = |flags: &[&str]| {
        let environment = vec![
            (CC, program.clone().into()),
            (CFLAGS, flags.join(" ").into()),
        ];
        Compiler::new(program.clone(), flags, environment)
    };
    SYSROOTS.into_iter().map(with).find(Compiler::works)
}

fn zigs_clang() -> Option<Compiler> {
    let here = lab("zig").join("bin/python");
    let pythons = ["python3", "python"].into_iter().filter_map(on_path);
    pythons
        .chain([here])
        .find_map(|python| zig_of(&python).ok())
}

/// Makes a virtual environment with Zig in it.
fn fetch_zig() -> Result<Compiler> {
    let directory = lab("zig");
    let python = on_path("python3").context("there is no python3 to fetch one with")?;
    eprintln!("    fetching a C compiler for wasm32-wasip1 (ziglang, from PyPI)");
    run(Command::new(python).args(["-m", "venv"]).arg(&directory))?;
    let python = directory.join("bin/python");
    fetch(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--retries=1", ZIG]),
    )?;
    zig_of(&python)
}

/// The C compiler and archiver of the package ziglang, if this Python has it.
fn zig_of(python: &Path) -> Result<Compiler> {
    run(Command::new(python).args(["-c", "import ziglang"]))?;
    let directory = lab("zig-cc");
    let cache = directory.join("cache");
    std::fs::create_dir_all(&cache)?;
    let (program, ar) = (directory.join("cc"), directory.join("ar"));
    let zig = format!(
        "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR='{}'\nexec '{}' -m ziglang",
        cache.display(),
        python.display()
    );
    // Zig knows the target as wasm32-wasi only, and of two it takes the last. Unlike other compilers it makes
    // undefined behaviour trap by default, and the use of dates an error.
    let flags = "--target=wasm32-wasi -fno-sanitize=undefined -Wno-date-time";
    script(&program, &format!("{zig} cc \"$@\" {flags}\n"))?;
    script(&ar, &format!("{zig} ar \"$@\"\n"))?;
    let environment = vec![(CC, program.clone().into()), (AR, ar.into())];
    let compiler = Compiler::new(program, &[], environment);
    if !compiler.works() {
        bail!(
            "Zig's C compiler ({}) does not compile for wasm32-wasi",
            compiler.program.display()
        );
    }
    Ok(compiler)
}

/// Zig itself, for what is written in it: the Python package ziglang, fetched if there is none.
pub fn zig() -> Result<Command> {
    let here = lab("zig").join("bin/python");
    let has_zig =
        |python: &PathBuf| run(Command::new(python).args(["-c", "import ziglang"])).is_ok();
    let pythons = ["python3", "python"].into_iter().filter_map(on_path);
    let python = match pythons.chain([here.clone()]).find(has_zig) {
        Some(python) => python,
        None => {
            fetch_zig()?;
            here
        }
    };
    let mut command = Command::new(python);
    command.args(["-m", "ziglang"]);
    Ok(command)
}

/// Writes an executable shell script, unless it is there as it should be.
fn script(file: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(file, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A path in the directory of what the lab makes, which is in cargo's target directory.
pub fn lab(path: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(3).unwrap_or(here);
    let target = var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    root.join(target).join("lab").join(path)
}

/// The executable of this name.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = var_os("PATH")?;
    split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Runs a command to its end; its output is not for reading.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.stdout(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", name(command)))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", name(command), message.trim());
    }
    Ok(())
}

/// The same of a command that needs the network, and is not waited for without end.
pub fn fetch(command: &mut Command) -> Result<()> {
    within(PATIENCE, command)
}

fn within(patience: Duration, command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot run {}", name(command)))?;
    let mut messages = child.stderr.take().context("it has no stderr")?;
    // Read while it runs, so that it never waits for a reader.
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // What was read so far is all that there is to tell.
        let _ = messages.read_to_end(&mut text);
        String::from_utf8_lossy(&text).trim().to_string()
    });
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            let messages = reader.join().unwrap_or_default();
            let last = messages.lines().last().unwrap_or_default();
            bail!("{} failed: {last} (is there a network?)", name(command));
        }
        if start.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            // The reader is left to itself: a child of the child's may still have its end of the pipe.
            bail!(
                "{} was not done after {} s: is there a network?",
                name(command),
                patience.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A command as a person types it.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Command, Duration, name, run, within};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_says_what_and_why() {
        let script = "echo all; echo why >&2; exit 3";
        for error in [
            run(&mut shell(script)),
            within(Duration::MAX, &mut shell(script)),
        ] {
            let error = error.unwrap_err().to_string();
            let text = format!("sh -c {script} failed: why");
            assert!(error.starts_with(&text), "{error}");
        }
        assert!(within(Duration::MAX, &mut shell("exit 0")).is_ok());
        assert!(run(&mut Command::new("no such program")).is_err());
    }

    #[test]
    fn nothing_is_waited_for_without_end() {
        let error = within(Duration::ZERO, &mut shell("exec sleep 1000")).unwrap_err();
        assert!(error.to_string().contains("not done"), "{error}");
    }

    #[test]
    fn a_command_has_the_name_that_one_types() {
        assert_eq!(name(&shell("true")), "sh -c true");
    }
}
