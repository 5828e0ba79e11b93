//! C and C++ programs, compiled for wasm32-wasip1, linked to the library and run under wasmtime.
//!
//! Their sources lie in `tests/programs` and `examples`. Without a compiler, and with none to fetch, all of them are
//! skipped, which is said.

#![cfg(not(target_family = "wasm"))]

#[path = "programs/index.rs"]
mod index;

use lab_toolchain::Compiler;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// The runner's exit code for a program that trapped.
const TRAPPED: i32 = 134;

/// What it takes to make programs of sources.
struct Workshop {
    compiler: Compiler,
    /// Where cargo has put the library.
    libraries: PathBuf,
}

static WORKSHOP: LazyLock<Option<Workshop>> = LazyLock::new(|| {
    let compiler = lab_toolchain::wasi()
        .inspect_err(|error| {
            // Past libtest, which would keep it to itself.
            let _ = writeln!(io::stderr(), "\n==> SKIPPED: all C programs: {error:#}\n");
        })
        .ok()?;
    let libraries = wasm_tests::modules::build(&["pageslab-c"], "wasm32-wasip1")
        .expect("cargo builds the library");
    Some(Workshop {
        compiler,
        libraries,
    })
});

impl Workshop {
    /// Makes a module of a source file.
    fn compile(&self, source: &str, flags: &[&str]) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = here.join(source);
        let name = source.file_name().expect("a source is a file");
        let module = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let module = module.with_added_extension("wasm");
        let mut command = self.compiler.command();
        command
            .args(["-O2", "-I"])
            .arg(here.join("include"))
            .arg(&source)
            .arg("-Wl,--whole-archive")
            .arg(self.libraries.join("libpageslab_c.a"))
            .arg("-Wl,--no-whole-archive")
            .args(flags)
            .arg("-o")
            .arg(&module);
        lab_toolchain::run(&mut command).expect("the program compiles");
        // Where it is not called the linker has left it out, and with it what it says.
        let bytes = std::fs::read(&module).expect("the module was made");
        assert!(
            bytes.windows(10).any(|text| text == b"pageslab: "),
            "{} has another malloc",
            module.display()
        );
        module
    }

    /// Runs a module to its end.
    fn run(&self, module: &Path, arguments: &[&str], input: &str) -> Output {
        let target = self.libraries.ancestors().nth(2);
        let mut runner = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["run", "--quiet", "--release", "--package", "wasm-tests"])
            .args(["--bin", "wasm-runner", "--target-dir"])
            .arg(target.expect("cargo puts it into <target directory>/<target>/release"))
            .arg("--")
            .arg(module)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo runs");
        let mut stdin = runner.stdin.take().expect("it is piped");
        stdin
            .write_all(input.as_bytes())
            .expect("the input is short enough for a pipe");
        drop(stdin);
        runner.wait_with_output().expect("the runner ends")
    }
}

/// Compiles a program, and has it print this.
fn prints(source: &str, flags: &[&str], input: &str, expected: &str) {
    let Some(workshop) = &*WORKSHOP else { return };
    let module = workshop.compile(source, flags);
    let output = workshop.run(&module, &[], input);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(stdout, expected, "{stderr}");
    assert!(output.status.success(), "{}: {stderr}", output.status);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_example() {
    prints(
        "examples/c_guest/main.c",
        &["-std=c11"],
        "to be or\nnot to be",
        "18 bytes\n2 to\n2 be\n1 or\n1 not\n",
    );
}

#[test]
fn every_function_does_what_the_header_says() {
    // Clang, if it knows what these functions are for, takes it that they leave errno alone.
    prints(
        "tests/programs/family.c",
        &["-fno-builtin"],
        "",
        "all is as the header says\n",
    );
}

#[test]
fn a_program_of_tables_strings_and_matrices() {
    prints("tests/programs/index.c", &[], "", &index::output());
}

#[test]
fn containers_of_cpp() {
    // Every second of 97 classes.
    let sum: u32 = (0..10_000).filter(|number| number % 97 % 2 == 0).sum();
    prints(
        "tests/programs/containers.cpp",
        &["-std=c++20", "-fno-exceptions", "-lc++", "-lc++abi"],
        "",
        &format!("49 classes, sum {sum}, block of 77, aligned\n"),
    );
}

/// Has `misuse.c` do this, which must trap, with this line on stderr, where `PTR` is what it handed back.
fn refused(what: &str, line: &str) {
    static MODULE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let workshop = WORKSHOP.as_ref()?;
        Some(workshop.compile("tests/programs/misuse.c", &[]))
    });
    let (Some(workshop), Some(module)) = (&*WORKSHOP, &*MODULE) else {
        return;
    };
    let output = workshop.run(module, &[what], "");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let ptr = stdout.lines().last().expect("the pointer was printed");
    assert_eq!(
        stderr.lines().next(),
        Some(line.replace("PTR", ptr).as_str())
    );
    assert!(
        stderr.contains("wasm trap: wasm `unreachable` instruction executed"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(TRAPPED));
}

#[test]
fn double_free() {
    let line = "pageslab: the allocation at PTR (length given: 0) was freed before";
    refused("double free", line);
    refused("double free of a long block", line);
}

#[test]
fn interior_free() {
    let line = "pageslab: no allocation starts at PTR";
    refused("interior free", line);
    refused("interior free of a long block", line);
}

#[test]
fn foreign_free() {
    let line = "pageslab: no allocation starts at PTR";
    refused("foreign free", line);
    refused("free of a static object", line);
    refused("free of the stack", line);
}

#[test]
fn wrong_free_sized() {
    refused(
        "wrong free_sized",
        "pageslab: the allocation at PTR has 24 bytes, but the call gave its length as 23",
    );
    refused(
        "free_sized after free",
        "pageslab: the allocation at PTR (length given: 24) was freed before",
    );
}

#[test]
fn wrong_free_aligned_sized() {
    refused(
        "free_aligned_sized of another length",
        "pageslab: the allocation at PTR has 24 bytes, but the call gave its length as 25",
    );
    let error = |align| format!("pageslab: {}", pageslab::Error::InvalidAlignment { align });
    refused("free_aligned_sized of no alignment", &error(24));
    refused("free_aligned_sized of a block aligned to less", &error(64));
}

#[test]
fn realloc_of_no_live_block() {
    refused(
        "realloc after free",
        "pageslab: the allocation at PTR (length given: 0) was freed before",
    );
    refused(
        "realloc of the middle",
        "pageslab: no allocation starts at PTR",
    );
}

#[test]
fn usable_size_of_no_live_block() {
    refused(
        "malloc_usable_size after free",
        "pageslab: the allocation at PTR (length given: 0) was freed before",
    );
}
