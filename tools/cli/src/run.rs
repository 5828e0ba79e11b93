//! Runs a command of WASI 0.1 under Wasmtime, and reads its heap while it runs.
//!
//! An epoch ends every 10 ms. The guest notices when it next comes to a loop or a call, and the host then has its memory. The epochs that it
//! noticed are the run's clock: unlike time, they do not pass while the machine does something else.

use crate::output::Output;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use pageslab_snapshot::Snapshot;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fmt, thread};
use wasmtime::{
    Config, Engine, Extern, Linker, Memory, Module, ResourceLimiter, Store, StoreContextMut, Trap,
    UpdateDeadline,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// What a guest exports for whoever looks into its heap.
pub const HEAP: &str = "__pageslab_heap";

const EPOCH: Duration = Duration::from_millis(10);

/// The guest runs at least this much longer than its heap is read.
const RUNS_PER_READ: u32 = 20;

/// What is run, and what it gets.
#[derive(Clone, Debug, clap::Args)]
pub struct Command {
    /// A directory that the guest may use, under the path given or another; may be repeated
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,

    /// Let the guest's memory grow to N pages of 64 KiB and no further
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=65536))]
    max_pages: Option<u32>,

    // One list, for everything after the module's name is the guest's, `--help` included.
    /// A command of WASI 0.1, and its arguments
    #[arg(required = true, num_args = 1.., value_names = ["GUEST.wasm", "ARGS"])]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Command {
    /// The module's name.
    pub fn name(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// How long the guest's memory may become.
    pub fn max_bytes(&self) -> usize {
        self.max_pages
            .map_or(usize::MAX, |pages| pages as usize * 65536)
    }
}

/// A guest's heap at one moment of its run.
#[derive(Clone, Debug)]
pub struct Sample {
    pub time: Duration,
    pub snapshot: Snapshot,
}

/// What is called with each sample, and says whether the guest goes on.
pub type Watch = Box<dyn FnMut(Sample) -> ControlFlow<()> + Send>;

/// Where a guest's input comes from and its output goes to, and who looks at its heap how often.
pub struct Host {
    pub has_input: bool,
    pub stdout: Output,
    pub stderr: Output,
    pub interval: Duration,
    pub watch: Watch,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit code.
    Exit(i32),
    /// With a trap, and Wasmtime's account of it.
    Trap(String),
    /// The watch stopped it.
    Stopped,
}

/// A run that ended.
#[derive(Clone, Debug)]
pub struct Run {
    pub end: End,
    pub time: Duration,
    /// The heap at the end, or why it cannot be read: the guest may have written over it.
    pub snapshot: Result<Snapshot, pageslab_snapshot::Error>,
    /// How many epochs the guest ran through, and how many until memory grew for the last time.
    pub epochs: u64,
    pub last_growth: u64,
}

/// The guest's heap cannot be found.
#[derive(Debug)]
pub struct NoHeap(String);

impl std::error::Error for NoHeap {}

impl fmt::Display for NoHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} does not say where its heap is: it exports no {HEAP}.\n\
             Have pageslab as its global allocator, and add this line to its main.rs:\n\n    \
             pageslab::export_abi!(snapshot);\n",
            self.0
        )
    }
}

/// What stops a guest.
#[derive(Debug)]
struct Stopped;

impl std::error::Error for Stopped {}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

/// What a store keeps for its guest.
struct State {
    wasi: WasiP1Ctx,
    max_bytes: usize,
    heap: Option<(Memory, u32)>,
    begin: Instant,
    interval: Duration,
    next: Duration,
    watch: Watch,
    epochs: u64,
    last_growth: u64,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, to: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let may = to <= self.max_bytes;
        if may {
            self.last_growth = self.epochs;
        }
        Ok(may)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// Runs a command to its end.
pub fn run(command: &Command, host: Host) -> Result<Run> {
    let name = command.name();
    let engine = Engine::new(Config::new().epoch_interruption(true))?;
    let module = Module::from_file(&engine, name)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("cannot compile {name}"))?;
    if module.get_export(HEAP).is_none() {
        bail!(NoHeap(name.to_owned()));
    }
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
    let mut store = Store::new(
        &engine,
        State {
            wasi: wasi(command, &host)?,
            max_bytes: command.max_bytes(),
            heap: None,
            begin: Instant::now(),
            interval: host.interval,
            next: Duration::ZERO,
            watch: host.watch,
            epochs: 0,
            last_growth: 0,
        },
    );
    store.limiter(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_epoch);

    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance
        .get_typed_func::<(), ()>(&mut store, "_start")
        .map_err(|_| anyhow!("{name} is no command: it exports no _start"))?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .with_context(|| format!("{name} exports no memory, or shares it with threads"))?;
    let address = match instance.get_export(&mut store, HEAP) {
        Some(Extern::Global(global)) => global.get(&mut store).i32(),
        _ => None,
    };
    let address = address.with_context(|| NoHeap(name.to_owned()))? as u32;
    store.data_mut().heap = Some((memory, address));

    let begin = Instant::now();
    store.data_mut().begin = begin;
    let weak = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    });
    let end = match start.call(&mut store, ()) {
        Ok(()) => End::Exit(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(&I32Exit(code)) => End::Exit(code),
            None if error.is::<Stopped>() => End::Stopped,
            None => {
                let cause = error.downcast_ref::<Trap>().map(Trap::to_string);
                let cause = cause.unwrap_or_else(|| error.root_cause().to_string());
                End::Trap(format!("{cause}\n{error}"))
            }
        },
    };
    let time = begin.elapsed();
    let snapshot = Snapshot::read(memory.data(&store), address);
    let state = store.data();
    Ok(Run {
        end,
        time,
        snapshot,
        epochs: state.epochs,
        last_growth: state.last_growth,
    })
}

/// Reads the heap if it is time, and asks the watch whether to go on.
fn on_epoch(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    state.epochs += 1;
    let time = state.begin.elapsed();
    let due = time >= state.next;
    if let Some((memory, address)) = state.heap.filter(|_| due) {
        let snapshot = Snapshot::read(memory.data(&store), address);
        let state = store.data_mut();
        // In the midst of a change it cannot be told from one that is broken: the next epoch will do.
        if let Some(snapshot) = snapshot.ok().filter(|snapshot| !snapshot.is_poisoned) {
            let cost = state.begin.elapsed() - time;
            if (state.watch)(Sample { time, snapshot }).is_break() {
                return Err(wasmtime::Error::new(Stopped));
            }
            let pause = state.interval.max(cost * RUNS_PER_READ);
            state.next = state.begin.elapsed().saturating_add(pause);
        }
    }
    Ok(UpdateDeadline::Continue(1))
}

/// The guest's view of the host.
pub fn wasi(command: &Command, host: &Host) -> Result<WasiP1Ctx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&command.command)
        .stdout(host.stdout.clone())
        .stderr(host.stderr.clone());
    if host.has_input {
        wasi.inherit_stdin();
    }
    for (name, value) in env::vars_os() {
        // Others cannot be told to a guest.
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
            wasi.env(name, value);
        }
    }
    // The guest has this thread to itself: its file operations need no other to block on.
    wasi.allow_blocking_current_thread(true);
    for dir in &command.dirs {
        let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
        ensure!(!host.is_empty(), "--dir needs a directory");
        wasi.preopened_dir(PathBuf::from(host), guest, FsPerms::ReadWrite)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("cannot open the directory {host}"))?;
    }
    Ok(wasi.build_p1())
}
