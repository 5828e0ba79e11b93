//! A WASI (preview 1) command under Wasmtime, set up as a host sets it up by default.
//!
//! A [`Guest`] is a module compiled once. Each [`Guest::run`] instantiates it in a store of its
//! own: runs share the compiled code and nothing else, so each begins with fresh linear memory.
//! [`Options`] says what a guest gets from the host, a [`Run`] what became of it.
//!
//! Cranelift's and the memory's settings are Wasmtime's defaults: code is optimised for speed, and
//! linear memory lies in a 4 GiB reservation whose guard pages stand in for bounds checks. A guest
//! is thus as fast here as in production.

use std::{
    env,
    path::{self, Path, PathBuf},
};
use wasmtime::{
    Config, Engine, InstancePre, Linker, Module, Result, Store, StoreLimits, StoreLimitsBuilder,
    error::Context as _,
};
use wasmtime_wasi::{
    FsPerms, I32Exit, WasiCtxBuilder,
    p1::{self, WasiP1Ctx},
    random::Deterministic,
};

/// The length of a page of linear memory.
const PAGE_LEN: usize = 64 * 1024;

/// Environment variables that a guest gets unless the host has its own.
const DEFAULT_ENV: [(&str, &str); 2] = [
    // Criterion keeps its results here, in the guest's current directory, apart from those of the
    // native benches. Left to itself it would ask Cargo, and a guest has no processes to ask with.
    ("CRITERION_HOME", "target/criterion-wasm"),
    // A panic ends the guest, and with it all that libtest holds back: the panic's message.
    ("RUST_TEST_NOCAPTURE", "1"),
];

/// What a guest gets from the host, besides stdio, the environment and the current directory.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Host directories that the guest finds under their absolute paths.
    pub dirs: Vec<PathBuf>,
    /// `memory.grow` fails beyond this many pages. `None`: only beyond the module's own maximum.
    pub max_memory_pages: Option<u32>,
    /// Count the instructions that run. For the counts to repeat, the guest's random numbers (the
    /// seeds of its hash maps, say) then do too.
    pub count_fuel: bool,
    /// Repeat the guest's random numbers.
    pub is_deterministic: bool,
}

/// What became of one run.
#[derive(Debug)]
pub struct Run {
    /// The exit code, or the trap that came before one.
    pub outcome: Result<i32>,
    /// The fuel used, about one for each instruction; 0 unless it was counted.
    pub fuel: u64,
    /// The size of linear memory before the first instruction.
    pub initial_pages: u64,
    /// The size of linear memory at the end: its peak, for it never shrinks.
    pub memory_pages: u64,
}

/// A module compiled and linked against WASI, ready to be run any number of times.
pub struct Guest {
    name: String,
    options: Options,
    linked: InstancePre<Host>,
}

/// What a store keeps for its guest.
struct Host {
    wasi: WasiP1Ctx,
    limits: StoreLimits,
}

impl Guest {
    /// Compiles the module in `file`.
    pub fn compile(file: &Path, options: Options) -> Result<Self> {
        let engine = Engine::new(Config::new().consume_fuel(options.count_fuel))?;
        let module = Module::from_file(&engine, file)
            .with_context(|| format!("cannot compile {}", file.display()))?;
        let mut linker = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |host: &mut Host| &mut host.wasi)?;
        Ok(Self {
            name: file.display().to_string(),
            options,
            linked: linker.instantiate_pre(&module)?,
        })
    }

    /// Runs the command with `args` to its end. A trap is an outcome; an error is the host's.
    pub fn run(&self, args: &[String]) -> Result<Run> {
        let mut store = self.store(args)?;
        let instance = self.linked.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("the module exports no memory")?;

        let initial_pages = memory.size(&store);
        let outcome = match start.call(&mut store, ()) {
            Ok(()) => Ok(0),
            Err(error) => match error.downcast_ref() {
                Some(&I32Exit(code)) => Ok(code),
                None => Err(error),
            },
        };
        Ok(Run {
            outcome,
            fuel: match self.options.count_fuel {
                true => u64::MAX - store.get_fuel()?,
                false => 0,
            },
            initial_pages,
            memory_pages: memory.size(&store),
        })
    }

    /// A store for one run.
    fn store(&self, args: &[String]) -> Result<Store<Host>> {
        let mut limits = StoreLimitsBuilder::new();
        if let Some(pages) = self.options.max_memory_pages {
            limits = limits.memory_size(pages as usize * PAGE_LEN);
        }
        let host = Host {
            wasi: self.wasi(args)?,
            limits: limits.build(),
        };
        let mut store = Store::new(self.linked.module().engine(), host);
        store.limiter(|host| &mut host.limits);
        if self.options.count_fuel {
            store.set_fuel(u64::MAX)?;
        }
        Ok(store)
    }

    /// The guest's view of the host for one run.
    fn wasi(&self, args: &[String]) -> Result<WasiP1Ctx> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.inherit_stdio().arg(&self.name).args(args);
        for (name, value) in env::vars_os() {
            // Others cannot be told to a guest.
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                wasi.env(name, value);
            }
        }
        // The guest has this thread to itself: its file operations need no other to block on.
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(".", ".", FsPerms::ReadWrite)?;
        for dir in &self.options.dirs {
            let dir = path::absolute(dir)?;
            wasi.preopened_dir(&dir, dir.to_string_lossy(), FsPerms::ReadWrite)
                .with_context(|| format!("cannot open the directory {}", dir.display()))?;
        }
        for (name, value) in DEFAULT_ENV {
            if env::var_os(name).is_none() {
                wasi.env(name, value);
            }
        }
        if self.options.count_fuel || self.options.is_deterministic {
            wasi.secure_random(Deterministic::new((0..=u8::MAX).collect()));
        }
        Ok(wasi.build_p1())
    }
}
