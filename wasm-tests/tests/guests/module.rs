//! Guest modules: built by Cargo, compiled by Wasmtime, both once; instantiated any number of times.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};
use wasmtime::{
    Caller, Engine, Linker, Memory, Module, Result, Store, StoreLimits, StoreLimitsBuilder, Trap,
    TypedFunc, WasmParams, WasmResults, error::Context as _,
};

/// Bytes in a page of linear memory.
pub const PAGE: u32 = 64 * 1024;

const TARGET: &str = "wasm32-unknown-unknown";

/// The two guests.
static COLLECTIONS: LazyLock<Module> = LazyLock::new(|| compile("guest_collections.wasm"));
static CONTROLLER: LazyLock<Module> = LazyLock::new(|| compile("guest_controller.wasm"));

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

/// The directory of the guests' modules.
static MODULES: LazyLock<PathBuf> = LazyLock::new(build);

/// Variables that are meant for, or come from, the Cargo that runs these tests.
const OUTER_CARGO: [&str; 5] =
    ["CARGO_BUILD_", "CARGO_ENCODED_RUSTFLAGS", "CARGO_MANIFEST_", "CARGO_PKG_", "RUSTFLAGS"];

/// Has Cargo build the guests, into the target directory of these tests.
fn build() -> PathBuf {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .args(["--package", "guest-collections", "--package", "guest-controller"])
        .arg("--target-dir")
        .arg(target_dir);
    for (name, _) in env::vars_os() {
        let is_outer = |prefix: &&str| name.to_string_lossy().starts_with(*prefix);
        if OUTER_CARGO.iter().any(is_outer) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "cargo cannot build the guests: {status}");
    target_dir.join(TARGET).join("release")
}

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
    pub fn collections() -> Result<Self> {
        Self::new(&COLLECTIONS)
    }

    pub fn controller() -> Result<Self> {
        Self::new(&CONTROLLER)
    }

    fn new(module: &Module) -> Result<Self> {
        let mut store = Store::new(&ENGINE, Host { limits: StoreLimits::default(), panic: None });
        store.limiter(|host| &mut host.limits);
        let mut linker = Linker::new(&ENGINE);
        linker.func_wrap("host", "panicked", panicked)?;
        let instance = linker.instantiate(&mut store, module)?;
        let memory = instance.get_memory(&mut store, "memory").context("no memory is exported")?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        Ok(Self { store, memory, instance })
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

    pub fn export<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<TypedFunc<P, R>> {
        self.instance.get_typed_func(&mut self.store, name)
    }

    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self.export(name)?;
        let result = function.call(&mut self.store, params);
        let panic = self.store.data().panic.clone().unwrap_or_default();
        result.with_context(|| format!("{name} {panic}"))
    }

    /// Calls what must trap as a guest does that gives up, and returns the message of the panic that
    /// came before, if there was one.
    #[track_caller]
    pub fn trap<P: WasmParams>(&mut self, name: &str, params: P) -> Option<String> {
        self.store.data_mut().panic = None;
        let function = self.instance.get_func(&mut self.store, name).expect("it is exported");
        let mut results = vec![wasmtime::Val::I32(0); function.ty(&self.store).results().len()];
        todo!()
    }

    /// The value of a global that the linker exports: an offset into linear memory.
    pub fn offset(&mut self, global: &str) -> Result<u32> {
        let global = self.instance.get_global(&mut self.store, global).context("no such global")?;
        Ok(global.get(&mut self.store).i32().context("no offset")? as u32)
    }
}

/// Keeps a panic's message.
fn panicked(mut caller: Caller<'_, Host>, message: u32, len: u32) -> Result<()> {
    let memory = caller.get_export("memory").and_then(|export| export.into_memory());
    let (bytes, host) = memory.context("no memory is exported")?.data_and_store_mut(&mut caller);
    let message = bytes.get(message as usize..).and_then(|bytes| bytes.get(..len as usize));
    host.panic = message.map(|message| String::from_utf8_lossy(message).into_owned());
    Ok(())
}
