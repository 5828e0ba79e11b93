//! A C compiler for wasm32-wasip1, which mimalloc needs: one that is there, or Zig's from PyPI.
//!
//! Whatever is found has compiled a program that includes wasi-libc's headers, with the flag that the `cc` crate
//! gives it. It is no old one: mimalloc should be at its best, and from clang 14 and 16 a pair of its calls takes a
//! third longer than from Zig's clang 22.

use crate::modules::lab;
use anyhow::{Context, Result, bail};
use std::env::{split_paths, var_os};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What tells cargo's build scripts which C compiler they shall use for wasm32-wasip1.
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

/// A compiler, in this order: what the user has set, wasi-sdk, clang with wasi-libc, Zig, and Zig fetched from
/// PyPI into `target/lab/zig`.
pub fn wasi() -> Result<Environment> {
    if [CC, "CC_wasm32-wasip1"]
        .into_iter()
        .any(|name| var_os(name).is_some())
    {
        return Ok(Vec::new());
    }
    let found = wasi_sdk().or_else(clang).or_else(zig);
    if let Some(environment) = found {
        return Ok(environment);
    }
    fetch_zig().context(
        "no C compiler for wasm32-wasip1: no WASI_SDK_PATH, no new clang with wasi-libc, no Python package ziglang",
    )
}

fn wasi_sdk() -> Option<Environment> {
    let bin = PathBuf::from(var_os("WASI_SDK_PATH")?).join("bin");
    let compiler = bin.join("clang");
    let ar = bin.join("llvm-ar");
    compiles(&compiler, &[]).then(|| vec![(CC, compiler.into()), (AR, ar.into())])
}

fn clang() -> Option<Environment> {
    let compiler = on_path("clang")?;
    let flags = SYSROOTS
        .into_iter()
        .find(|flags| compiles(&compiler, flags))?;
    Some(vec![
        (CC, compiler.into()),
        (CFLAGS, flags.join(" ").into()),
    ])
}

fn zig() -> Option<Environment> {
    let here = lab("zig").join("bin/python");
    let pythons = ["python3", "python"].into_iter().filter_map(on_path);
    pythons
        .chain([here])
        .find_map(|python| zig_of(&python).ok())
}

/// Makes a virtual environment with Zig in it.
fn fetch_zig() -> Result<Environment> {
    let directory = lab("zig");
    eprintln!(
        "==> fetching a C compiler for wasm32-wasip1 (ziglang, from PyPI) into {}",
        directory.display()
    );
    let python = on_path("python3").context("there is no python3 to fetch one with")?;
    run(Command::new(python).args(["-m", "venv"]).arg(&directory))?;
    let python = directory.join("bin/python");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", ZIG]))?;
    zig_of(&python)
}

/// The C compiler and archiver of the package ziglang, if this Python has it.
fn zig_of(python: &Path) -> Result<Environment> {
    run(Command::new(python).args(["-c", "import ziglang"]))?;
    let directory = lab("zig-cc");
    let cache = directory.join("cache");
    std::fs::create_dir_all(&cache)?;
    let (compiler, ar) = (directory.join("cc"), directory.join("ar"));
    let zig = format!(
        "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR='{}'\nexec '{}' -m ziglang",
        cache.display(),
        python.display()
    );
    // Zig knows the target as wasm32-wasi only, and of two it takes the last. Unlike other compilers it makes
    // undefined behaviour trap by default, and the use of dates an error.
    let flags = "--target=wasm32-wasi -fno-sanitize=undefined -Wno-date-time";
    script(&compiler, &format!("{zig} cc \"$@\" {flags}\n"))?;
    script(&ar, &format!("{zig} ar \"$@\"\n"))?;
    if !compiles(&compiler, &[]) {
        bail!(
            "Zig's C compiler ({}) does not compile for wasm32-wasi",
            compiler.display()
        );
    }
    Ok(vec![(CC, compiler.into()), (AR, ar.into())])
}

/// What the compiler must be able to compile.
const TRIAL: &str = "\
#if __clang_major__ < 20
#error old
#endif
#include <stdlib.h>
#include <time.h>
void *f(void) { return malloc(time(0)); }
";

/// Whether the compiler makes an object of the trial.
fn compiles(compiler: &Path, flags: &[&str]) -> bool {
    let (source, object) = (lab("trial.c"), lab("trial.o"));
    let compile = || -> Result<()> {
        std::fs::create_dir_all(lab(""))?;
        std::fs::write(&source, TRIAL)?;
        let mut command = Command::new(compiler);
        command
            .args(["--target=wasm32-wasip1", "-O3", "-c"])
            .args(flags);
        run(command.arg("-o").arg(&object).arg(&source))
    };
    compile().is_ok()
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
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, message.trim());
    }
    Ok(())
}
