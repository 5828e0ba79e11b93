//! Where C programs are made and run: as guests for wasm32-wasip1 under wasmtime, or natively. Builds the library and the
//! runner with cargo; whatever it makes goes into cargo's directory for what tests make.

use lab_toolchain::Compiler;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use wasm_tests::modules;

/// The runner's exit code for a guest that trapped.
const TRAPPED: i32 = 134;

/// What C++ needs.
#[allow(dead_code, reason = "not all tests need it")]
pub const CPP: [&str; 4] = [
    "-fno-exceptions",
    "-fsized-deallocation",
    "-lc++",
    "-lc++abi",
];

/// What programs are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Guest,
    /// Where the library's functions have a prefix.
    #[allow(dead_code, reason = "not all tests need it")]
    Native,
}

impl Place {
    /// What compiles and links a program. None is said.
    fn compiler(self) -> Option<Command> {
        static WASI: LazyLock<Option<Compiler>> = LazyLock::new(|| {
            lab_toolchain::wasi()
                .inspect_err(|error| skipped(&format!("all C programs: {error:#}")))
                .ok()
        });
        // Rust links with it, too.
        static NATIVE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
            let cc = lab_toolchain::on_path("cc");
            if cc.is_none() {
                skipped("all C programs that run natively: no cc");
            }
            cc
        });
        match self {
            Self::Guest => WASI.as_ref().map(Compiler::command),
            Self::Native => NATIVE.as_ref().map(Command::new),
        }
    }

    /// Whether this is how a program ends by the trap of `unreachable`, or by `abort`.
    fn is_trap(self, output: &Output) -> bool {
        match self {
            Self::Guest => {
                let trap = "wasm trap: wasm `unreachable` instruction executed";
                output.status.code() == Some(TRAPPED) && text(&output.stderr).contains(trap)
            }
            #[cfg(unix)]
            Self::Native => {
                use std::os::unix::process::ExitStatusExt as _;
                const SIGABRT: i32 = 6;
                output.status.signal() == Some(SIGABRT)
            }
            #[cfg(not(unix))]
            Self::Native => !output.status.success(),
        }
    }
}

/// Says so past libtest, which would keep it to itself. Where `PAGESLAB_REQUIRE_C` is set, as in CI, it is a failure.
fn skipped(what: &str) {
    let is_required = env::var_os("PAGESLAB_REQUIRE_C").is_some();
    assert!(!is_required, "{what}");
    let _ = writeln!(io::stderr(), "\n==> SKIPPED: {what}\n");
}

/// What it takes to make programs for a place, with a library that has some features.
pub struct Workshop {
    place: Place,
    /// Where programs are put.
    directory: PathBuf,
    library: PathBuf,
}

impl Workshop {
    /// None without a compiler for this place.
    pub fn open(place: Place, features: &str) -> Option<Self> {
        place.compiler()?;
        let name = format!("{place:?} {features}").to_lowercase();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.trim().replace(' ', "-"));
        let target = (place == Place::Guest).then_some("wasm32-wasip1");
        let library = library(&directory, target, features);
        Some(Self {
            place,
            directory,
            library,
        })
    }

    /// Makes a program of a source file.
    pub fn compile(&self, source: &str, flags: &[&str]) -> Program {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = here.join(source);
        let include = here.join("include");
        let name = source.file_name().expect("a source is a file");
        let mut program = self.directory.join(name);
        program.as_mut_os_string().push(".program");
        let mut command = self.place.compiler().expect("it was there before");
        command.arg("-O2").arg("-I").arg(&include);
        match self.place {
            Place::Guest => command
                .arg(&source)
                .arg("-Wl,--whole-archive")
                .arg(&self.library)
                .arg("-Wl,--no-whole-archive"),
            Place::Native => command
                .arg("-include")
                .arg(include.join("pageslab_native.h"))
                .arg(&source)
                .arg(&self.library)
                // What Rust's standard library asks for.
                .args(["-pthread", "-ldl", "-lm"]),
        };
        command.args(flags).arg("-o").arg(&program);
        self.made(command, program)
    }

    /// The same of a C file, with the C library that comes with Rust for this target, and Rust's linker.
    #[allow(dead_code, reason = "not all tests need it")]
    pub fn compile_with_rust(&self, source: &str, flags: &[&str], target: &str) -> Program {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let object = self.directory.join(format!("{target}.o"));
        let mut compiler = self.place.compiler().expect("it was there before");
        compiler.arg("-O2").arg("-I").arg(here.join("include"));
        compiler.args(flags).arg("-c").arg(here.join(source));
        lab_toolchain::run(compiler.arg("-o").arg(&object)).expect("the object compiles");

        let libraries = rustc(&["--print", "target-libdir", "--target", target]);
        let libraries = libraries.join("self-contained");
        let linker = rustc(&["--print", "target-libdir"]).with_file_name("bin/rust-lld");
        let program = object.with_extension("program");
        let mut command = Command::new(linker);
        command
            // The object has not been compiled for threads.
            .args(["-flavor", "wasm", "--no-check-features"])
            .arg(libraries.join("crt1-command.o"))
            .arg(&object)
            .arg("--whole-archive")
            .arg(library(&self.directory, Some(target), ""))
            .arg("--no-whole-archive")
            .arg(libraries.join("libc.a"))
            .arg("-o")
            .arg(&program);
        if target.ends_with("-threads") {
            command.args(["--shared-memory", "--import-memory"]);
            command.arg("--max-memory=1073741824");
        }
        self.made(command, program)
    }

    fn made(&self, mut command: Command, program: PathBuf) -> Program {
        lab_toolchain::run(&mut command).expect("the program compiles and links");
        // Where it is not called the linker has left it out, and with it what it says.
        let bytes = std::fs::read(&program).expect("the program was made");
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(
            has(b"pageslab: ") && !has(b"dlmalloc"),
            "{} has another malloc",
            program.display()
        );
        Program {
            place: self.place,
            program,
        }
    }
}

/// Has cargo build the library, for a target other than this machine.
fn library(directory: &Path, target: Option<&str>, features: &str) -> PathBuf {
    let mut cargo = modules::cargo();
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--package", "pageslab-c", "--features", features])
        .arg("--target-dir")
        .arg(directory);
    let mut library = directory.to_path_buf();
    if let Some(target) = target {
        cargo.args(["--target", target]);
        library.push(target);
    }
    lab_toolchain::run(&mut cargo).expect("cargo builds the library");
    library.join("release/libpageslab_c.a")
}

/// A path that rustc prints.
fn rustc(arguments: &[&str]) -> PathBuf {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).args(arguments).output();
    let output = output.expect("there is a Rust compiler");
    text(&output.stdout).trim().into()
}

/// A program that was made.
pub struct Program {
    place: Place,
    program: PathBuf,
}

impl Program {
    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str], input: &str) -> End {
        static RUNNER: LazyLock<PathBuf> = LazyLock::new(|| {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
            let target = target.expect("cargo puts it into the target directory");
            let mut cargo = modules::cargo();
            cargo
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(["--package", "wasm-tests", "--bin", "wasm-runner"])
                .arg("--target-dir")
                .arg(target);
            lab_toolchain::run(&mut cargo).expect("cargo builds the runner");
            target.join("release/wasm-runner")
        });
        let mut command = match self.place {
            Place::Guest => {
                let mut runner = Command::new(&*RUNNER);
                runner.arg(&self.program);
                runner
            }
            Place::Native => Command::new(&self.program),
        };
        let mut process = command
            // What is loaded before may have something to say on stderr.
            .env_remove("LD_PRELOAD")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = process.stdin.take().expect("it is piped");
        // One that does not read all of it may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = process.wait_with_output().expect("the program ends");
        End {
            is_trap: self.place.is_trap(&output),
            exit_code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct End {
    /// Whether it did so by the trap of `unreachable`, or by `abort`.
    pub is_trap: bool,
    pub exit_code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
