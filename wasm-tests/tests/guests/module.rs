//! Guest modules: built by Cargo and compiled by Wasmtime once, instantiated any number of times.

use std::{path::PathBuf, sync::LazyLock};
use wasm_tests::modules;
use wasmtime::{
    Caller, Config, Engine, Linker, Memory, Module, Result, Store, StoreLimits, StoreLimitsBuilder,
    Trap, TypedFunc, WasmParams, WasmResults, error::Context as _,
};

/// Bytes in a page of linear memory.
pub const PAGE: u32 = 64 * 1024;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// The two guests.
static COLLECTIONS: LazyLock<Module> = LazyLock::new(|| compile("guest_collections.wasm"));
static CONTROLLER: LazyLock<Module> = LazyLock::new(|| compile("guest_controller.wasm"));

/// The controller's guest once more, in code that counts the instructions that it executes.
static COUNTED_CONTROLLER: LazyLock<Module> = LazyLock::new(|| {
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine that counts");
    Module::from_file(&engine, MODULES.join("guest_controller.wasm")).expect("a module")
});

/// And as a debug build.
static UNOPTIMIZED_CONTROLLER: LazyLock<Module> = LazyLock::new(|| {
    let modules = modules::build_unoptimized(&["guest-controller"], TARGET);
    let modules = modules.expect("cargo builds the guest");
    Module::from_file(&ENGINE, modules.join("guest_controller.wasm")).expect("a module")
});

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

/// The directory of the guests' modules.
static MODULES: LazyLock<PathBuf> = LazyLock::new(|| {
    modules::build(&["guest-collections", "guest-controller"], TARGET)
        .expect("cargo builds the guests")
});

fn compile(file: &str) -> Module {
    Module::from_file(&ENGINE, MODULES.join(file)).expect("the guest is a module")
}

/// What a store keeps for its guest.
pub struct Host {
    limits: StoreLimits,
    /// The message of the last panic, from a guest that tells.
    panic: Option<String>,
}

/// A guest in a store of its own.
pub struct Instance {
    pub store: Store<Host>,
    pub memory: Memory,
    instance: wasmtime::Instance,
}

impl Instance {
    pub fn collections() -> Self {
        Self::new(&COLLECTIONS).expect("the guest is instantiated")
    }

    pub fn controller() -> Self {
        Self::new(&CONTROLLER).expect("the guest is instantiated")
    }

    /// A controller whose [`instructions`](Self::instructions) are counted.
    pub fn counted_controller() -> Self {
        Self::new(&COUNTED_CONTROLLER).expect("the guest is instantiated")
    }

    /// A controller that is not optimized.
    pub fn unoptimized_controller() -> Self {
        Self::new(&UNOPTIMIZED_CONTROLLER).expect("the guest is instantiated")
    }

    /// Executed instructions so far, as fuel: most count one.
    pub fn instructions(&self) -> u64 {
        u64::MAX - self.store.get_fuel().expect("the engine counts")
    }

    fn new(module: &Module) -> Result<Self> {
        let mut store = Store::new(
            module.engine(),
            Host {
                limits: StoreLimits::default(),
                panic: None,
            },
        );
        store.limiter(|host| &mut host.limits);
        // Only an engine that counts takes it.
        let _ = store.set_fuel(u64::MAX);
        let mut linker = Linker::new(module.engine());
        linker.func_wrap("host", "panicked", panicked)?;
        let instance = linker.instantiate(&mut store, module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("no memory is exported")?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        Ok(Self {
            store,
            memory,
            instance,
        })
    }

    /// From now on memory can grow by this many pages and no further.
    pub fn limit_growth(&mut self, pages: u32) {
        let bytes = (self.pages() + pages) as usize * PAGE as usize;
        self.store.data_mut().limits = StoreLimitsBuilder::new().memory_size(bytes).build();
    }

    /// The size of linear memory, in pages.
    pub fn pages(&self) -> u32 {
        self.memory.size(&self.store) as u32
    }

    /// The bytes of linear memory behind the guest's stack and static data.
    pub fn grown_bytes(&mut self) -> &[u8] {
        let start = self.heap_base() as usize;
        &self.memory.data(&self.store)[start..]
    }

    /// Where the guest's stack and static data end.
    pub fn heap_base(&mut self) -> u32 {
        let global = self.instance.get_global(&mut self.store, "__heap_base");
        let value = global.and_then(|global| global.get(&mut self.store).i32());
        value.expect("the linker exports an offset") as u32
    }

    pub fn export<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> TypedFunc<P, R> {
        self.instance
            .get_typed_func(&mut self.store, name)
            .expect("it is exported so")
    }

    /// Calls an export that may trap.
    pub fn try_call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self.export(name);
        self.store.data_mut().panic = None;
        function.call(&mut self.store, params)
    }

    /// Calls an export that must not trap.
    #[track_caller]
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> R {
        match self.try_call(name, params) {
            Ok(result) => result,
            Err(trap) => panic!("{name}: {}\n{trap:?}", self.last_panic()),
        }
    }

    /// The message of the panic that made the last call trap, if the guest tells.
    pub fn last_panic(&self) -> &str {
        self.store.data().panic.as_deref().unwrap_or("no panic")
    }
}

/// Whether a call has trapped as it does when the guest itself gives up: not for an access out of
/// bounds, say.
pub fn gave_up<T>(result: Result<T>) -> bool {
    let trap = result.err().and_then(|error| error.downcast::<Trap>().ok());
    trap == Some(Trap::UnreachableCodeReached)
}

/// Keeps a panic's message.
fn panicked(mut caller: Caller<'_, Host>, message: u32, len: u32) -> Result<()> {
    let memory = caller
        .get_export("memory")
        .and_then(|export| export.into_memory());
    let (bytes, host) = memory
        .context("no memory is exported")?
        .data_and_store_mut(&mut caller);
    let message = bytes
        .get(message as usize..)
        .and_then(|bytes| bytes.get(..len as usize));
    host.panic = message.map(|message| String::from_utf8_lossy(message).into_owned());
    Ok(())
}
