//! The guests: `dev/lab/guest` built once per allocator, as a module and natively; and whatever else is built once per
//! allocator.
//!
//! Cargo builds each, and a copy goes to `target/lab/modules` or `target/lab/native`, with a stamp that tells whether it is
//! still up to date.

use crate::progress::step;
use crate::results::{DLMALLOC, PAGESLAB};
use crate::stamp;
use anyhow::{Context, Result, anyhow, bail, ensure};
use lab_toolchain::{Environment, lab};
use serde_json::Value;
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The allocators that are no feature: the system's own.
const SYSTEM: [&str; 3] = ["wasi-libc", "glibc", "empty"];

/// How cargo builds the guest as a module, and natively.
const MODULE: [&str; 7] = [
    "--profile",
    "lab",
    "--package",
    "lab-guest",
    "--lib",
    "--target",
    "wasm32-wasip1",
];
const NATIVE: [&str; 6] = [
    "--profile",
    "lab",
    "--package",
    "lab-guest",
    "--bin",
    "lab-native",
];

/// Where this repository keeps what belongs to the build as a whole.
const MANIFESTS: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    "dev/lab/allocators/Cargo.toml",
    "dev/lab/guest/Cargo.toml",
    "dev/lab/programs/Cargo.toml",
    "dev/lab/workloads/Cargo.toml",
];

/// One allocator's modules.
pub struct Built {
    pub name: String,
    /// Without the whole programs, whose code would be in its memory.
    pub synthetic: PathBuf,
    pub programs: Option<PathBuf>,
}

/// The peers that could not be built, with the reason.
type Missing = BTreeMap<String, String>;

/// Builds these allocators' modules, if wanted also those with the whole programs. Peers may be missing; pageslab
/// and dlmalloc may not.
pub fn wasm(names: &[&str], programs: bool) -> Result<(Vec<Built>, Missing)> {
    let environment = environments();
    let mut missing = Missing::new();
    let mut built = Vec::new();
    for &name in names {
        let one = || -> Result<Built> {
            let environment = environment(name)?;
            let module = |programs: bool| {
                let suffix = if programs { "-programs" } else { "" };
                Build {
                    file: lab("modules").join(format!("{name}{suffix}.wasm")),
                    arguments: &MODULE,
                    manifests: &MANIFESTS,
                    features: features_of(name, programs),
                    environment: &environment,
                }
                .run()
            };
            Ok(Built {
                name: name.to_string(),
                synthetic: module(false)?,
                programs: if programs { Some(module(true)?) } else { None },
            })
        };
        keep(name, one(), &mut built, &mut missing)?;
    }
    Ok((built, missing))
}

/// What to tell an allocator's build scripts on wasm.
pub fn environments() -> impl Fn(&str) -> Result<Environment> {
    let compiler = LazyCell::new(lab_toolchain::wasi);
    move |name| match name.starts_with("mimalloc").then(|| &*compiler) {
        None => Ok(Environment::new()),
        Some(Ok(compiler)) => Ok(compiler.environment.clone()),
        Some(Err(error)) => Err(anyhow!("{error:#}")),
    }
}

/// Builds these allocators' native executables, without the whole programs.
pub fn native(names: &[&str]) -> Result<(Vec<(String, PathBuf)>, Missing)> {
    let mut missing = Missing::new();
    let mut built = Vec::new();
    for &name in names {
        let executable = Build {
            file: lab("native").join(name),
            arguments: &NATIVE,
            manifests: &MANIFESTS,
            features: features_of(name, false),
            environment: &[],
        };
        let executable = executable.run().map(|file| (name.to_string(), file));
        keep(name, executable, &mut built, &mut missing)?;
    }
    Ok((built, missing))
}

/// Puts what was built with the others; what was not is missing, unless nothing can be measured without it.
fn keep<T>(
    name: &str,
    outcome: Result<T>,
    built: &mut Vec<T>,
    missing: &mut Missing,
) -> Result<()> {
    match outcome {
        Ok(one) => built.push(one),
        Err(error) if [PAGESLAB, DLMALLOC].contains(&name) => {
            return Err(error.context(format!("cannot build the guest with {name}")));
        }
        Err(error) => {
            missing.insert(name.to_string(), format!("{error:#}"));
        }
    }
    Ok(())
}

/// The guest's features, as cargo takes them.
pub fn features_of(name: &str, programs: bool) -> String {
    let allocator = (!SYSTEM.contains(&name)).then_some(name);
    let programs = programs.then_some("programs");
    allocator
        .into_iter()
        .chain(programs)
        .collect::<Vec<_>>()
        .join(",")
}

/// One build of something.
pub struct Build<'a> {
    /// Where the copy goes.
    pub file: PathBuf,
    /// Cargo's arguments, but for the features: profile, package and target.
    pub arguments: &'a [&'a str],
    /// The files besides sources that decide what comes out.
    pub manifests: &'a [&'a str],
    pub features: String,
    pub environment: &'a [(&'static str, OsString)],
}

impl Build<'_> {
    /// Has cargo build it, unless the copy is up to date, and returns where that is.
    pub fn run(&self) -> Result<PathBuf> {
        let stamp = self.file.with_added_extension("stamp");
        let how = self.how()?;
        if self.file.is_file() && stamp::holds(&stamp, &how) {
            return Ok(self.file.clone());
        }
        let directory = self.file.parent().context("a file is in a directory")?;
        std::fs::create_dir_all(directory)?;
        let name = self.file.file_name().context("a file has a name")?;
        step(&name.to_string_lossy());
        let start = SystemTime::now();
        let mut arguments = self.arguments.to_vec();
        if !self.features.is_empty() {
            arguments.extend(["--features", &self.features]);
        }
        let output = cargo_build(&arguments, self.environment)?;
        // The stamp goes first and comes back last: it never stands beside a file that is not its own.
        if stamp.is_file() {
            std::fs::remove_file(&stamp)?;
        }
        std::fs::copy(&output, &self.file)
            .with_context(|| format!("cannot copy {}", output.display()))?;
        let mut sources = stamp::sources(&output.with_extension("d"))?;
        sources.extend(self.manifests.iter().map(|manifest| root().join(manifest)));
        stamp::write(&stamp, &how, &sources, start)?;
        Ok(self.file.clone())
    }

    /// Everything but the sources' text that decides what comes out: where they are, the compiler, arguments and the
    /// environment.
    fn how(&self) -> Result<Vec<OsString>> {
        let compiler = Command::new("rustc")
            .arg("-vV")
            .current_dir(root())
            .output();
        let compiler = compiler.context("cannot run rustc")?.stdout;
        // Two checkouts may share a target directory.
        let mut how = vec![
            root().into(),
            String::from_utf8_lossy(&compiler).into_owned().into(),
        ];
        how.extend(self.arguments.iter().map(OsString::from));
        how.push(self.features.clone().into());
        for (name, value) in self.environment {
            how.extend([OsString::from(name), value.clone()]);
        }
        let mut flags: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| decides(&name.to_string_lossy()))
            .flat_map(|(name, value)| [name, value])
            .collect();
        flags.sort();
        how.extend(flags);
        Ok(how)
    }
}

/// Whether this variable changes what the compilers do.
fn decides(name: &str) -> bool {
    name.ends_with("RUSTFLAGS")
        || name.starts_with("CARGO_PROFILE_")
        || ["CC", "CFLAGS", "AR"]
            .iter()
            .any(|tool| name.split('_').next() == Some(tool))
}

/// Runs `cargo build`, and returns the file that it made of the last package. Cargo says nothing, unless it fails.
pub fn cargo_build(arguments: &[&str], environment: &[(&str, OsString)]) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .args(["build", "--quiet"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(root())
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "it does not compile. Cargo's messages are above; to repeat it: {}",
        repeated(arguments, environment)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let Some(file) = messages.lines().rev().find_map(artifact) else {
        bail!("cargo made no file");
    };
    Ok(file)
}

/// What a person types to have a build again.
fn repeated(arguments: &[&str], environment: &[(&str, OsString)]) -> String {
    let variables = environment
        .iter()
        .map(|(name, value)| format!("{name}='{}' ", value.display()));
    let variables: String = variables.collect();
    format!("{variables}cargo build {}", arguments.join(" "))
}

/// The first file in cargo's message about something that it built.
fn artifact(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let first = message.get("filenames")?.get(0)?.as_str()?;
    Some(first.into())
}

/// The repository's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_allocator_is_no_feature() {
        assert_eq!(features_of("talc", false), "talc");
        assert_eq!(features_of("talc", true), "talc,programs");
        assert_eq!(features_of("wasi-libc", true), "programs");
        assert_eq!(features_of("glibc", false), "");
    }

    #[test]
    fn an_artifact_is_the_first_file_of_a_message() {
        let message = r#"{"reason":"compiler-artifact","filenames":["/t/a.wasm","/t/a.d"]}"#;
        assert_eq!(artifact(message), Some("/t/a.wasm".into()));
        assert_eq!(
            artifact(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(artifact("text"), None);
    }

    #[test]
    fn only_the_subject_and_the_yardstick_must_be_there() {
        let (mut built, mut missing) = (Vec::new(), Missing::new());
        keep("talc", Ok(1), &mut built, &mut missing).unwrap();
        keep(
            "mimalloc-v3",
            Err(anyhow!("no compiler")),
            &mut built,
            &mut missing,
        )
        .unwrap();
        assert_eq!(
            (built.len(), missing["mimalloc-v3"].as_str()),
            (1, "no compiler")
        );
        for name in [PAGESLAB, DLMALLOC] {
            let broken = Err(anyhow!("broken"));
            assert!(keep(name, broken, &mut built, &mut missing).is_err());
        }
    }

    #[test]
    fn a_failed_build_can_be_repeated() {
        let environment = [("CC", "/t/zig cc".into())];
        assert_eq!(
            repeated(&["--package", "lab-guest"], &environment),
            "CC='/t/zig cc' cargo build --package lab-guest"
        );
    }

    #[test]
    fn the_compilers_variables_decide() {
        assert!(decides("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS"));
        assert!(decides("CC_wasm32_wasip1"));
        assert!(decides("CFLAGS"));
        assert!(!decides("PATH"));
    }
}
