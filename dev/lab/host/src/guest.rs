//! One instance of the lab's guest (`dev/lab/guest`) under wasmtime, and what the host does with it: compiles the
//! module, instantiates it, puts inputs and tables into its memory, and calls its exports.

use crate::clock;
use anyhow::{Context, Result, anyhow};
use lab_workloads::{Kind, Workload};
use std::hint::black_box;
use std::path::Path;
use wasmtime::{
    Caller, Config, Engine, Instance, InstancePre, Linker, Memory, Module, Store, TypedFunc,
    WasmParams, WasmResults,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::Deterministic;

/// Bytes in a page of linear memory.
pub const PAGE: u64 = 1 << 16;

/// Bytes of a place in a table, in the guest.
pub const PLACE: u64 = 12;

/// Bytes that the operating system gives at once, on the machines that wasmtime knows, or fewer.
pub const OS_PAGE: u64 = 4096;

/// A guest's module, compiled once.
pub struct Guest {
    linked: InstancePre<Host>,
}

/// What a store keeps for its guest.
pub struct Host {
    wasi: WasiP1Ctx,
    memory: Option<Memory>,
    /// The guest's ticks, as they came.
    ticks: Vec<Tick>,
}

/// The guest's sign that a call of the allocator begins or ends.
#[derive(Clone, Copy)]
pub struct Tick {
    /// When it came, by [`clock::now`].
    pub cycles: u64,
    /// The guest's memory then.
    pub pages: u32,
}

/// Notes a tick. Pages that the guest has got since the last one are touched, so that no later call pays the
/// operating system for them.
fn tick(mut caller: Caller<'_, Host>) {
    let cycles = clock::now();
    let Some(memory) = caller.data().memory else {
        return;
    };
    let pages = memory.size(&caller) as u32;
    let ticks = &mut caller.data_mut().ticks;
    let last = ticks.last().map_or(pages, |tick| tick.pages);
    ticks.push(Tick { cycles, pages });
    if pages != last {
        touch(&mut memory.data_mut(&mut caller)[(u64::from(last) * PAGE) as usize..]);
    }
}

/// Writes to each page of the operating system what is there already.
fn touch(memory: &mut [u8]) {
    for byte in memory.iter_mut().step_by(OS_PAGE as usize) {
        *byte = black_box(*byte);
    }
}

impl Guest {
    /// Compiles the module in `file`, with wasmtime's defaults; if `count`, so that it counts instructions.
    pub fn compile(file: &Path, count: bool) -> Result<Self> {
        let engine = Engine::new(Config::new().consume_fuel(count)).map_err(|e| anyhow!(e))?;
        let module = Module::from_file(&engine, file)
            .map_err(|e| anyhow!(e))
            .with_context(|| format!("cannot compile {}", file.display()))?;
        Self::link(&module)
    }

    pub fn link(module: &Module) -> Result<Self> {
        let mut linker: Linker<Host> = Linker::new(module.engine());
        p1::add_to_linker_sync(&mut linker, |host: &mut Host| &mut host.wasi)?;
        linker.func_wrap("lab", "tick", tick)?;
        let linked = linker.instantiate_pre(module)?;
        Ok(Self { linked })
    }

    /// A new instance, with fresh memory.
    pub fn instantiate(&self) -> Result<Live> {
        self.with_wasi(WasiCtxBuilder::new().inherit_stderr())
    }

    /// The same, and what it will say to stderr.
    pub fn overheard(&self) -> Result<(Live, MemoryOutputPipe)> {
        let stderr = MemoryOutputPipe::new(1 << 20);
        let live = self.with_wasi(WasiCtxBuilder::new().stderr(stderr.clone()))?;
        Ok((live, stderr))
    }

    fn with_wasi(&self, wasi: &mut WasiCtxBuilder) -> Result<Live> {
        let engine = self.linked.module().engine();
        wasi.secure_random(Deterministic::new((0..=u8::MAX).collect()));
        let host = Host {
            wasi: wasi.build_p1(),
            memory: None,
            ticks: Vec::new(),
        };
        let mut store = Store::new(engine, host);
        // An engine that does not count has no fuel to set.
        let counts = store.set_fuel(u64::MAX).is_ok();
        let instance = self.linked.instantiate(&mut store)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("the guest has no memory")?;
        store.data_mut().memory = Some(memory);
        let start = memory.size(&store);
        let mut live = Live {
            store,
            instance,
            memory,
            counts,
            start,
            given: 0,
        };
        live.call::<(), ()>("_initialize", ())?;
        Ok(live)
    }
}

/// An instance.
pub struct Live {
    pub store: Store<Host>,
    instance: Instance,
    memory: Memory,
    counts: bool,
    /// Pages with which the module starts.
    start: u64,
    /// Pages that the host has added for its own use.
    given: u64,
}

impl Live {
    pub fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        Ok(self.instance.get_typed_func(&mut self.store, name)?)
    }

    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<R> {
        let function = self.function::<P, R>(name)?;
        Ok(function.call(&mut self.store, parameters)?)
    }

    /// The guest's memory without what the module starts with and the host has added, in pages.
    pub fn pages(&self) -> u64 {
        self.memory.size(&self.store) - self.start - self.given
    }

    /// Fuel used so far: about one for each instruction. 0 if the engine does not count.
    pub fn fuel(&self) -> u64 {
        if self.counts {
            u64::MAX - self.store.get_fuel().unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    /// Room for `bytes` bytes in pages added at the end of memory, which the guest leaves alone: its address.
    pub fn room(&mut self, bytes: u64) -> Result<u32> {
        let pages = bytes.div_ceil(PAGE);
        let first = self.memory.grow(&mut self.store, pages)?;
        self.given += pages;
        Ok((first * PAGE) as u32)
    }

    /// Room for a table of empty places.
    pub fn table(&mut self, slots: u64) -> Result<u32> {
        self.room(slots * PLACE)
    }

    pub fn write(&mut self, at: u32, words: impl IntoIterator<Item = u32>) -> Result<()> {
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        Ok(self.memory.write(&mut self.store, at as usize, &bytes)?)
    }

    /// Bytes of its memory, if they are all in it.
    pub fn bytes(&mut self, at: u32, length: u32) -> Option<&mut [u8]> {
        let memory = self.memory.data_mut(&mut self.store);
        let start = at as usize;
        memory.get_mut(start..start.checked_add(length as usize)?)
    }

    /// The names of the whole programs that it has, by their number.
    pub fn programs(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            let name: u64 = self.call("program_name", names.len() as u32)?;
            let (len, at) = ((name >> 32) as usize, name as u32 as usize);
            if len == 0 {
                return Ok(names);
            }
            let name = self.memory.data(&self.store).get(at..at + len);
            let name = name.context("a program's name is not in the guest's memory")?;
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }

    /// Makes room for this many ticks, so that none of them waits for the operating system.
    pub fn expect_ticks(&mut self, count: usize) {
        let nothing = Tick {
            cycles: 1,
            pages: 0,
        };
        let ticks = &mut self.store.data_mut().ticks;
        ticks.resize(count, nothing);
        ticks.clear();
    }

    /// The ticks so far.
    pub fn take_ticks(&mut self) -> Vec<Tick> {
        std::mem::take(&mut self.store.data_mut().ticks)
    }

    /// Writes to all of its memory what is there already, so that the guest does not wait for the operating
    /// system later.
    pub fn touch(&mut self) {
        touch(self.memory.data_mut(&mut self.store));
    }
}

/// A workload put into an instance, ready to run.
pub struct Loaded {
    pub live: Live,
    what: What,
}

enum What {
    PairConstant(TypedFunc<u32, ()>, u32),
    Pair(TypedFunc<(u32, u32), ()>, [u32; 2]),
    Growth(TypedFunc<(u32, u32), ()>, u32),
    Batch(TypedFunc<(u32, u32, u32, u32, u32), ()>, [u32; 4]),
    Script(TypedFunc<(u32, u32, u32, u32, u32), ()>, [u32; 4]),
    Program(TypedFunc<(u32, u32), u64>, u32),
}

impl Loaded {
    pub fn new(guest: &Guest, workload: &Workload) -> Result<Self> {
        let mut live = guest.instantiate()?;
        let what = match &workload.kind {
            Kind::PairConstant { count } => {
                What::PairConstant(live.function("pairs_constant")?, *count)
            }
            Kind::Pair { size, count } => What::Pair(live.function("pairs")?, [*size, *count]),
            Kind::Growth { end } => What::Growth(live.function("growth")?, *end),
            Kind::Batch { size, order } => {
                let count = order.len() as u32;
                let at = live.room(u64::from(count) * 4)?;
                live.write(at, order.iter().copied())?;
                let table = live.table(u64::from(count))?;
                What::Batch(live.function("batch")?, [*size, at, count, table])
            }
            Kind::Script { slots, steps } => {
                let at = live.room(steps.len() as u64 * 8)?;
                live.write(at, steps.iter().flat_map(|step| step.words()))?;
                let table = live.table(*slots as u64)?;
                let places = [at, steps.len() as u32, table, *slots as u32];
                What::Script(live.function("script")?, places)
            }
        };
        Ok(Self { live, what })
    }

    /// The whole program of this number, of a guest that has the programs.
    pub fn program(guest: &Guest, number: u32) -> Result<Self> {
        let mut live = guest.instantiate()?;
        live.call::<u32, ()>("prepare", number)?;
        let what = What::Program(live.function("program")?, number);
        Ok(Self { live, what })
    }

    /// Runs it `repeats` times: what [`Workload::run`] does natively.
    pub fn run(&mut self, repeats: u32) -> Result<()> {
        let store = &mut self.live.store;
        match &self.what {
            What::PairConstant(f, count) => f.call(store, count * repeats)?,
            What::Pair(f, [size, count]) => f.call(store, (*size, count * repeats))?,
            What::Growth(f, end) => f.call(store, (*end, repeats))?,
            What::Batch(f, [size, order, count, table]) => {
                f.call(store, (*size, *order, *count, *table, repeats))?;
            }
            What::Script(f, [at, count, table, slots]) => {
                f.call(store, (*at, *count, *table, *slots, repeats))?;
            }
            What::Program(f, number) => {
                f.call(store, (*number, repeats))?;
            }
        }
        Ok(())
    }
}
