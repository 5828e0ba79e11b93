//! Runs a guest and records what it asks of its allocator.

use super::allocator::Role;
use super::instrument::{CURSOR, FULL, LOG, MAX_LOG, instrument};
use super::module::Module;
use super::script::Script;
use crate::output::Output;
use crate::run::{Command, HEAP, Host, wasi};
use anyhow::{Context as _, Result, anyhow, ensure};
use pageslab_snapshot::Snapshot;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Instance, Linker, ResourceLimiter, Store, Val};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// What a guest has to call for its work, unless it says otherwise.
const START: &str = "_start";

/// What sets a guest up that is a library.
const INITIALIZE: &str = "_initialize";

/// Blocks that a guest's C library may have, beside those on its heap.
const FEW: usize = 10;

/// Its allocator cannot be found, or not all of it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}.\nBuild the guest so that its functions keep their names, and are not inlined:\n\n    \
     CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_LTO=off cargo build --release\n\n\
     If it has a global allocator of its own, take a debug build.\n"
)]
pub struct NoAllocator(String);

/// How a guest's own run ended, if not well.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the guest exited with code {0}")]
    Exit(i32),
    #[error("the guest trapped: {0}")]
    Trap(String),
}

/// What was recorded.
pub struct Recording {
    pub script: Script,
    /// How long the guest takes for its work, without the recording. Nobody knows it of a trace.
    pub time: Option<Duration>,
    /// The log was full before the guest had ended.
    pub is_cut_short: bool,
    /// The guest has a global allocator of its own, parts of which may be inlined, and then are not seen.
    pub has_own: bool,
}

impl Recording {
    /// One that was made before.
    pub fn of(script: Script) -> Self {
        Self {
            script,
            time: None,
            is_cut_short: false,
            has_own: false,
        }
    }
}

/// Runs a guest twice: once as it is, for its time, and once with the log.
pub fn record(wasm: &[u8], command: &Command, call: Option<&str>) -> Result<Recording> {
    let module = Module::parse(wasm)?;
    let functions = module.allocator();
    let of_all = functions.iter().map(|(_, role)| role.gives_and_takes());
    let (gives, takes) = of_all.fold((false, false), |all, one| (all.0 | one.0, all.1 | one.1));
    if !gives || !takes {
        let why = match module.names {
            Some(_) => "none of the guest's functions has the name of an allocator's",
            None => "the guest's functions have no names",
        };
        return Err(NoAllocator(why.to_owned()).into());
    }
    let logged = instrument(&module, &functions)?;
    let engine = Engine::default();
    let plain = Guest::new(&engine, wasm, command, call)?.run()?.0;
    let (_, mut guest) = Guest::new(&engine, &logged, command, call)?.run()?;

    let full = guest.number(FULL)? != 0;
    let log = guest.log()?;
    let roles: Vec<Role> = functions.iter().map(|&(_, role)| role).collect();
    let script = Script::new(log, &roles);
    let (calls, misfits) = (script.figures.calls(), script.figures.misfits);
    ensure!(calls > 0, "the guest has made no call of its allocator");
    if misfits * 50 > calls {
        let why =
            format!("{misfits} of {calls} calls do not fit to the others: some were not seen");
        return Err(NoAllocator(why).into());
    }
    // A guest that has pageslab tells itself what is live in the end.
    if let Some(live) = guest.live() {
        let seen = script.live();
        if live.abs_diff(seen).saturating_sub(FEW) * 50 > live.max(seen) {
            let why = format!("{live} blocks are live at the end, not {seen}: calls were not seen");
            return Err(NoAllocator(why).into());
        }
    }
    Ok(Recording {
        script,
        time: Some(plain),
        is_cut_short: full,
        has_own: module.has_own_allocator(),
    })
}

/// What a store keeps for its guest.
struct State {
    wasi: WasiP1Ctx,
    max_bytes: usize,
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _: usize,
        to: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The log is known by its limit, and has no other.
        Ok(to <= self.max_bytes || most == Some(MAX_LOG))
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

struct Guest {
    store: Store<State>,
    instance: Instance,
    call: String,
}

impl Guest {
    fn new(engine: &Engine, wasm: &[u8], command: &Command, call: Option<&str>) -> Result<Self> {
        let module = wasmtime::Module::new(engine, wasm)?;
        // What it prints is of no interest here. What it complains of is.
        let host = Host {
            has_input: false,
            stdout: Output::to(io::sink()),
            stderr: Output::stderr(),
            interval: Duration::MAX,
            watch: Box::new(|_| ControlFlow::Continue(())),
        };
        let mut linker = Linker::new(engine);
        p1::add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
        linker.define_unknown_imports_as_traps(&module)?;
        let state = State {
            wasi: wasi(command, &host)?,
            max_bytes: command.max_bytes(),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| state);
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self {
            store,
            instance,
            call: call.unwrap_or(START).to_owned(),
        })
    }

    /// Lets it do its work, and says how long that took.
    fn run(mut self) -> Result<(Duration, Self)> {
        let function = self.instance.get_func(&mut self.store, &self.call);
        let function = function.with_context(|| {
            format!(
                "the guest exports no function {}: name one with --call",
                self.call
            )
        })?;
        let kind = function.ty(&self.store);
        ensure!(
            kind.params().len() == 0,
            "{} takes parameters, and nobody here knows which",
            self.call
        );
        let mut results = vec![Val::I32(0); kind.results().len()];
        let initialize = self.instance.get_func(&mut self.store, INITIALIZE);
        if let Some(initialize) = initialize.filter(|_| self.call != START) {
            let done = initialize.call(&mut self.store, &[], &mut []);
            done.map_err(ended)?;
        }
        let begin = Instant::now();
        let done = function.call(&mut self.store, &[], &mut results);
        let time = begin.elapsed();
        match done {
            Err(error) if !matches!(error.downcast_ref(), Some(I32Exit(0))) => Err(ended(error)),
            _ => Ok((time, self)),
        }
    }

    fn number(&mut self, name: &str) -> Result<u32> {
        let global = self.instance.get_global(&mut self.store, name);
        let number = global.and_then(|global| global.get(&mut self.store).i32());
        Ok(number.with_context(|| format!("the log has no {name}"))? as u32)
    }

    /// How many blocks are live in its heap, if it has pageslab and says where.
    fn live(&mut self) -> Option<usize> {
        let address = self.number(HEAP).ok()?;
        let memory = self.instance.get_memory(&mut self.store, "memory")?;
        let snapshot = Snapshot::read(memory.data(&self.store), address).ok()?;
        Some(snapshot.blocks().count())
    }

    fn log(&mut self) -> Result<&[u8]> {
        let end = self.number(CURSOR)? as usize;
        let log = self.instance.get_memory(&mut self.store, LOG);
        let log = log.context("there is no log")?;
        let bytes = log.data(&self.store).get(..end);
        bytes.context("the log is shorter than it says")
    }
}

/// Why a guest did not come to a good end.
fn ended(error: wasmtime::Error) -> anyhow::Error {
    match error.downcast_ref::<I32Exit>() {
        Some(&I32Exit(code)) => Ended::Exit(code).into(),
        None => anyhow!(Ended::Trap(format!("{error:?}"))),
    }
}
