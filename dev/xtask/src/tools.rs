//! Programs that no registry of cargo's has, that some tests need, and that a machine may lack: what each is for, and what
//! installs it.

use crate::stages::Stage;
use crate::{setup, step};
use std::process::Command;

/// A program, or a set of them.
#[derive(Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    /// What is not tested without it.
    pub used_for: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    is_there: fn() -> bool,
}

impl PartialEq for Tool {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

pub const NIGHTLY: Tool = Tool {
    name: "nightly Rust with std's source",
    used_for: "wasm32-unknown-unknown with atomics, and other targets for which std is built",
    remedy: "To install it: rustup toolchain install nightly --component rust-src",
    is_there: setup::nightly_source,
};

pub const MIRI: Tool = Tool {
    name: "nightly Rust with Miri and std's source",
    used_for: "undefined behaviour, sanitizers and fuzzing",
    remedy: "To install it: rustup toolchain install nightly --component miri,rust-src",
    is_there: setup::miri,
};

pub const X86_64_LINUX: Tool = Tool {
    name: "x86-64 Linux",
    used_for: "the sanitizers",
    remedy: "They run on no other system.",
    is_there: || cfg!(all(target_arch = "x86_64", target_os = "linux")),
};

pub const CXX: Tool = Tool {
    name: "a C++ compiler, c++",
    used_for: "building libFuzzer",
    remedy: "To install it: apt-get install g++",
    is_there: || runs("c++"),
};

pub const CC: Tool = Tool {
    name: "a C compiler, cc",
    used_for: "C programs that run natively",
    remedy: "To install it: apt-get install gcc",
    is_there: || runs("cc"),
};

pub const WASM_CC: Tool = Tool {
    name: "a C compiler for wasm32-wasip1",
    used_for: "C and C++ guests",
    remedy: "To install it: python3 -m pip install ziglang",
    is_there: || lab_toolchain::wasi().is_ok(),
};

pub const WASM_OPT: Tool = Tool {
    name: "wasm-opt (binaryen)",
    used_for: "the size of a module as it is published; before wasm-opt it is bounded all the same",
    remedy: "To install it: apt-get install npm, which it is fetched with",
    is_there: || lab_toolchain::size::wasm_opt().is_ok(),
};

pub const NPM: Tool = Tool {
    name: "npm, with Node 20 or newer",
    used_for: "the page that shows a heap",
    remedy: "To install it: https://nodejs.org, or apt-get install npm where that is new enough",
    is_there: || {
        let is_new = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";
        runs("npm") && step::succeeds(Command::new("node").args(["-e", is_new]))
    },
};

pub const NODE: Tool = Tool {
    name: "Node 18 or newer",
    used_for: "guests that JavaScript calls, in Node",
    remedy: "To install it: apt-get install nodejs",
    is_there: || {
        // Older ones lack instructions that Rust's modules have.
        let is_new = "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)";
        let node = |name: &String| step::succeeds(Command::new(name).args(["-e", is_new]));
        names("NODE", &["node"]).iter().any(node)
    },
};

pub const CHROMIUM: Tool = Tool {
    name: "Chromium",
    used_for: "guests that JavaScript calls, in a browser, and the page that shows a heap",
    remedy: "To install it: apt-get install chromium",
    is_there: || {
        let usual = ["chromium", "chromium-browser", "google-chrome"];
        names("CHROME", &usual).iter().any(|name| runs(name))
    },
};

impl Tool {
    pub fn is_there(&self) -> bool {
        (self.is_there)()
    }

    /// That it is missing, and what to do.
    pub fn advice(&self) -> String {
        format!(
            "MISSING: {}, for {}\n         {}",
            self.name, self.used_for, self.remedy
        )
    }
}

/// What these stages need, or test less without, and is not there.
pub fn missing(stages: &[&Stage]) -> Vec<Tool> {
    let mut tools: Vec<Tool> = Vec::new();
    for tool in stages
        .iter()
        .flat_map(|stage| stage.needs.iter().chain(stage.uses))
    {
        if !tools.contains(tool) {
            tools.push(*tool);
        }
    }
    tools.retain(|tool| !tool.is_there());
    tools
}

pub fn advise(missing: &[Tool]) {
    for tool in missing {
        println!("{}", tool.advice());
    }
}

/// The program that a variable names, or those that are usual.
fn names(variable: &str, usual: &[&str]) -> Vec<String> {
    match std::env::var(variable) {
        Ok(name) => vec![name],
        Err(_) => usual.iter().map(ToString::to_string).collect(),
    }
}

fn runs(program: &str) -> bool {
    step::succeeds(Command::new(program).arg("--version"))
}
