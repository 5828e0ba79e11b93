//! A command of WASI 0.1 under wasmtime: compiled once, and run in a new instance each time.

use anyhow::{Context, Result, anyhow, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::{Engine, InstancePre, Linker, Module, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::Deterministic;

/// The most that a command may print.
const OUTPUT: usize = 1 << 20;

pub struct Command {
    linked: InstancePre<WasiP1Ctx>,
}

/// A run from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Without the instance's making.
    pub time: Duration,
    /// All of linear memory when the instance was new, in pages.
    pub start: u64,
    /// The same at the end. It never shrinks, so that this is the most.
    pub pages: u64,
    pub output: String,
}

impl Command {
    /// Compiles the module in `file`, with wasmtime's defaults.
    pub fn compile(file: &Path) -> Result<Self> {
        let engine = Engine::default();
        let module = Module::from_file(&engine, file)
            .map_err(|e| anyhow!(e))
            .with_context(|| format!("cannot compile {}", file.display()))?;
        let mut linker = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |wasi: &mut WasiP1Ctx| wasi)?;
        let linked = linker.instantiate_pre(&module)?;
        Ok(Self { linked })
    }

    /// Runs it with one argument. Random numbers are the same each time.
    pub fn run(&self, argument: &str) -> Result<Run> {
        let stdout = MemoryOutputPipe::new(OUTPUT);
        let wasi = WasiCtxBuilder::new()
            .args(&["program", argument])
            .stdout(stdout.clone())
            .inherit_stderr()
            .secure_random(Deterministic::new((0..=u8::MAX).collect()))
            .build_p1();
        let mut store = Store::new(self.linked.module().engine(), wasi);
        let instance = self.linked.instantiate(&mut store)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("it exports no memory")?;
        let main = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let first = memory.size(&store);
        let start = Instant::now();
        main.call(&mut store, ())?;
        let time = start.elapsed();
        let output = String::from_utf8_lossy(&stdout.contents())
            .trim()
            .to_string();
        ensure!(!output.is_empty(), "it printed nothing");
        Ok(Run {
            time,
            start: first,
            pages: memory.size(&store),
            output,
        })
    }
}
