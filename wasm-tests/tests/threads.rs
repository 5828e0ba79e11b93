//! A guest whose threads share pageslab's heap (`wasm-tests/guests/threads`), in a host that has the threads: each is an
//! instance of the same module on the same memory, by the proposal [wasi-threads].
//!
//! That threads wait for each other is no matter of luck: the host stops the one that has the heap, at a look of its engine,
//! until the others wait.
//!
//! [wasi-threads]: https://github.com/WebAssembly/wasi-threads

use anyhow::{Context as _, Result};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;
use wasm_tests::modules;
use wasmtime::{
    AsContextMut as _, Caller, Config, Engine, ExternType, Linker, Module, SharedMemory, Store,
    StoreContextMut, UpdateDeadline, WasmParams,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// A guest that runs for longer is stuck: it takes some seconds, or a minute under load.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Epochs until the host has a look, where it is to have none.
const NEVER: u64 = u64::MAX / 2;

/// The guest's module, built once.
static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let modules = modules::build(&["guest-threads"], "wasm32-wasip1-threads")
        .expect("the guest compiles for wasm32-wasip1-threads");
    let mut config = Config::new();
    config.wasm_threads(true).shared_memory(true);
    // By which the host has a look, of the threads that it looks at.
    config.epoch_interruption(true);
    let engine = Engine::new(&config).expect("the host has threads");
    Module::from_file(&engine, modules.join("guest-threads.wasm")).expect("a valid module")
});

/// What the threads of one run of the guest have in common.
struct Process {
    linker: Linker<Host>,
    memory: SharedMemory,
    arguments: Vec<String>,
    last_thread: AtomicI32,
    ended: Sender<Result<()>>,
}

/// What a store keeps for its thread.
struct Host {
    wasi: WasiP1Ctx,
    process: Arc<Process>,
    /// What it sees of other threads while this one is looked at.
    others: Option<Others>,
}

/// Threads that take turns: see `held.rs` of the guest. Words are addresses of `u32`.
#[derive(Clone, Copy)]
struct Others {
    turns: u32,
    ends: u32,
    /// How many of them wait.
    waiting: u32,
    count: u32,
}

impl Process {
    fn new(arguments: &[&str], ended: Sender<Result<()>>) -> Result<Self> {
        let engine = MODULE.engine();
        let mut linker = Linker::new(engine);
        p1::add_to_linker_sync(&mut linker, |host: &mut Host| &mut host.wasi)?;
        linker.func_wrap("wasi", "thread-spawn", |caller: Caller<Host>, argument| {
            caller.data().process.spawn(argument)
        })?;
        linker.func_wrap(
            "host",
            "look_on",
            |mut caller: Caller<Host>, turns, ends, waiting, count| {
                caller.data_mut().others = Some(Others {
                    turns,
                    ends,
                    waiting,
                    count,
                });
                caller.as_context_mut().set_epoch_deadline(0);
            },
        )?;
        linker.func_wrap("host", "look_away", |mut caller: Caller<Host>| {
            caller.as_context_mut().set_epoch_deadline(NEVER);
        })?;
        let memory = MODULE.imports().find_map(|import| match import.ty() {
            ExternType::Memory(memory) => Some(memory),
            _ => None,
        });
        let memory = memory.context("the module imports its memory")?;
        Ok(Self {
            linker,
            memory: SharedMemory::new(engine, memory)?,
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            last_thread: AtomicI32::new(0),
            ended,
        })
    }

    /// Starts the first thread, which ends the run.
    fn start(self: &Arc<Self>) {
        let process = Arc::clone(self);
        thread::spawn(move || {
            let ended = process.call("_start", ());
            // Nobody listens once another thread has failed.
            let _ = process.ended.send(ended);
        });
    }

    /// Starts one more thread, whose failure ends the run, and returns its number.
    fn spawn(self: &Arc<Self>, argument: i32) -> i32 {
        let process = Arc::clone(self);
        let number = self.last_thread.fetch_add(1, Ordering::Relaxed) + 1;
        thread::spawn(move || {
            if let Err(error) = process.call("wasi_thread_start", (number, argument)) {
                let _ = process.ended.send(Err(error));
            }
        });
        number
    }

    /// Calls a function in a new instance.
    fn call(self: &Arc<Self>, name: &str, arguments: impl WasmParams) -> Result<()> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&self.arguments).inherit_stderr();
        let host = Host {
            wasi: wasi.build_p1(),
            process: Arc::clone(self),
            others: None,
        };
        let mut store = Store::new(MODULE.engine(), host);
        store.set_epoch_deadline(NEVER);
        store.epoch_deadline_callback(look);
        let mut linker = self.linker.clone();
        linker.define(&store, "env", "memory", self.memory.clone())?;
        let instance = linker.instantiate(&mut store, &MODULE)?;
        let function = instance.get_typed_func(&mut store, name)?;
        Ok(function.call(&mut store, arguments)?)
    }
}

/// Gives the other threads turns while this one is stopped: one, or if that has to wait, one to each.
fn look(context: StoreContextMut<Host>) -> wasmtime::Result<UpdateDeadline> {
    let host = context.data();
    let others = host.others.expect("the guest has asked for it");
    let word = |address: u32| {
        let cells = &host.process.memory.data()[address as usize..][..4];
        // SAFETY: the guest has an aligned word there that is only used as an atomic one, and its memory does not move.
        unsafe { AtomicU32::from_ptr(cells.as_ptr().cast_mut().cast()) }
    };
    let read = |address| word(address).load(Ordering::SeqCst);
    for number in 1..=others.count {
        let ends = read(others.ends);
        word(others.turns).fetch_add(1, Ordering::SeqCst);
        while read(others.waiting) < number {
            if read(others.ends) != ends {
                return Ok(UpdateDeadline::Continue(0));
            }
            thread::yield_now();
        }
    }
    Ok(UpdateDeadline::Continue(NEVER))
}

/// Runs the guest to its end.
fn run(scenario: &str, threads: u32, seed: u32, steps: u32) -> Result<()> {
    let (ended, end) = channel();
    let numbers = [threads, seed, steps].map(|number| number.to_string());
    let arguments = [
        "guest-threads",
        scenario,
        &numbers[0],
        &numbers[1],
        &numbers[2],
    ];
    Arc::new(Process::new(&arguments, ended)?).start();
    end.recv_timeout(TIMEOUT)
        .with_context(|| format!("{arguments:?} is stuck"))?
        .with_context(|| format!("{arguments:?}"))
}

#[test]
fn threads_with_blocks_of_their_own_do_not_disturb_each_other() -> Result<()> {
    for (threads, seed) in [(1, 1), (2, 2), (2, 3), (3, 4), (8, 5), (8, 6), (32, 7)] {
        run("apart", threads, seed, 40_000 / threads)?;
    }
    Ok(())
}

#[test]
fn threads_free_what_others_have_allocated() -> Result<()> {
    for (threads, seed) in [(2, 1), (2, 2), (4, 3), (8, 4), (8, 5), (32, 6)] {
        run("passing", threads, seed, 40_000 / threads)?;
    }
    Ok(())
}

#[test]
fn threads_want_the_heap_at_once_while_one_has_it_for_long() -> Result<()> {
    for (threads, seed) in [(1, 1), (2, 2), (4, 3), (8, 4), (32, 5)] {
        run("crowd", threads, seed, 40_000 / threads)?;
    }
    Ok(())
}

#[test]
fn threads_are_started_while_others_have_memory_grow() -> Result<()> {
    for seed in 0..10 {
        run("growth", 8, seed, 30)?;
    }
    Ok(())
}

/// The guest says so if they do not.
#[test]
fn threads_wait_for_the_one_that_has_the_heap_and_go_on() -> Result<()> {
    for others in [1, 2, 8] {
        run("held", others, 0, 0)?;
    }
    Ok(())
}

/// The guest says so if a block is not of the one heap.
#[test]
fn threads_have_the_c_library_allocate() -> Result<()> {
    run("c library", 4, 0, 100)
}
