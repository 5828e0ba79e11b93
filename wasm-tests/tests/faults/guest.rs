//! A guest that its host can stop, and what the host knows of its heap: which blocks are live, and what is in them.
//!
//! Wasmtime looks at fuel and at epochs where functions are entered and where loops begin again, and at the end of the
//! stack where functions are entered: a call that is stopped ends there, or in `memory.grow`.

use crate::calls::Call::{self, Alloc, Free, Realloc};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use wasm_tests::modules;
use wasmtime::{
    Config, Engine, Instance, Memory, Module, ResourceLimiter, Store, StoreLimits,
    StoreLimitsBuilder, Trap, TypedFunc, UpdateDeadline, WasmParams, WasmResults,
};

const TARGET: &str = "wasm32-unknown-unknown";

/// `__free` says that the heap is dead.
pub const POISONED: u32 = 6;

/// More fuel than any call burns that comes to an end.
pub const PLENTY: u64 = 100_000_000;

/// Bytes of the stack that a guest has: little, so that few frames use it up.
const STACK: usize = 32 << 10;

/// A stop is many instances, and nobody reads where in the guest each was.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .wasm_backtrace_max_frames(None);
    Engine::new(&config).expect("an engine that stops guests")
});

/// The guest with every ABI.
pub static PLAIN: LazyLock<Module> =
    LazyLock::new(|| compile(modules::build(&["guest-abi"], TARGET)));

/// The same in checked mode.
pub static CHECKED: LazyLock<Module> =
    LazyLock::new(|| compile(modules::build_with(&["guest-abi"], "checked", TARGET)));

/// The same, erasing what is freed.
pub static ZEROING: LazyLock<Module> =
    LazyLock::new(|| compile(modules::build_with(&["guest-abi"], "zero-on-free", TARGET)));

fn compile(directory: anyhow::Result<impl AsRef<Path>>) -> Module {
    let directory = directory.expect("cargo builds the guest");
    Module::from_file(&ENGINE, directory.as_ref().join("guest_abi.wasm")).expect("a module")
}

/// What becomes of the growths of a memory.
#[derive(Clone, Copy, Default)]
pub enum Growth {
    /// Up to the host's limits.
    #[default]
    Granted,
    /// That of this number fails.
    Refused(u32),
    /// Those from this number on fail.
    RefusedFrom(u32),
    /// That of this number does not return.
    Traps(u32),
    /// Those beyond this many bytes do not return.
    TrapsBeyond(usize),
}

/// What a store keeps for its guest.
#[derive(Default)]
pub struct Host {
    pub growth: Growth,
    pub growths: u32,
    limits: StoreLimits,
    /// How often the engine has looked at the epoch.
    pub looks: u64,
    /// Before which look the time is up.
    pub deadline: Option<u64>,
}

impl Host {
    /// From now on memory may have this many bytes.
    pub fn limit_memory(&mut self, bytes: usize) {
        self.limits = StoreLimitsBuilder::new().memory_size(bytes).build();
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let number = self.growths;
        self.growths += 1;
        match self.growth {
            Growth::Refused(nth) if nth == number => Ok(false),
            Growth::RefusedFrom(nth) if nth <= number => Ok(false),
            Growth::Traps(nth) if nth == number => Err(wasmtime::Error::msg("no more memory")),
            Growth::TrapsBeyond(most) if most < desired => {
                Err(wasmtime::Error::msg("no more memory"))
            }
            _ => self.limits.memory_growing(current, desired, maximum),
        }
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// A block as the host knows it, filled with a byte of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub ptr: u32,
    pub len: u32,
    byte: u8,
}

impl Block {
    /// Whether the two have bytes in common. A block of no bytes has its pointer, which is no other's.
    fn overlaps(&self, other: &Self) -> bool {
        let end = |block: &Self| block.ptr + block.len.max(1);
        self.ptr < end(other) && other.ptr < end(self)
    }

    /// Whether a free of one is a free of the other.
    fn is_named_as(&self, other: &Self) -> bool {
        (self.ptr, self.len) == (other.ptr, other.len)
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// For want of memory, or since the heap is dead.
    Refused,
    Dead,
    /// It did not return.
    Stopped,
}

/// An instance, and what the host knows of its heap.
pub struct Guest {
    pub store: Store<Host>,
    instance: Instance,
    memory: Memory,
    /// How many frames of the stack are in use when the next call begins, if any.
    pub depth: Option<u32>,
    pub live: BTreeMap<u32, Block>,
    /// What may be live or not: the blocks of calls that were stopped, and how many of their bytes must then be there.
    unknown: Vec<(Block, u32)>,
    /// Why the last call that was stopped was.
    pub stopped_by: Option<wasmtime::Error>,
}

impl Guest {
    pub fn new(module: &Module) -> Self {
        let mut store = Store::new(module.engine(), Host::default());
        store.limiter(|host| host);
        store.set_fuel(PLENTY).expect("fuel is counted");
        // The epoch is 0, and so is the deadline, always: each look is counted.
        store.epoch_deadline_callback(|mut store| {
            let host = store.data_mut();
            let is_up = host.deadline == Some(host.looks);
            host.looks += 1;
            Ok(match is_up {
                true => UpdateDeadline::Interrupt,
                false => UpdateDeadline::Continue(0),
            })
        });
        let instance = Instance::new(&mut store, module, &[]).expect("no imports");
        let memory = instance.get_memory(&mut store, "memory");
        Self {
            memory: memory.expect("it is exported"),
            instance,
            store,
            depth: None,
            live: BTreeMap::new(),
            unknown: Vec::new(),
            stopped_by: None,
        }
    }

    /// From now on looks at the epoch are counted, and the next call may be stopped at one.
    pub fn count_looks(&mut self) {
        self.store.data_mut().looks = 0;
        self.store.set_epoch_deadline(0);
    }

    /// From now on no call is stopped, unless it runs for ever.
    pub fn let_run(&mut self) {
        self.store.data_mut().deadline = None;
        self.store.set_epoch_deadline(1 << 40);
        self.store.set_fuel(PLENTY).expect("it is counted");
        self.depth = None;
    }

    /// Calls an export.
    pub fn export<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        params: P,
    ) -> wasmtime::Result<R> {
        let function: TypedFunc<P, R> = self
            .instance
            .get_typed_func(&mut self.store, name)
            .expect("it is exported so");
        function.call(&mut self.store, params)
    }

    fn alloc(&mut self, len: u32, align: u32) -> wasmtime::Result<u32> {
        match self.depth {
            None => self.export("__alloc", (len, align)),
            Some(depth) => self.export("deep_alloc", (depth, len, align)),
        }
    }

    fn free(&mut self, ptr: u32, len: u32) -> wasmtime::Result<u32> {
        match self.depth {
            None => self.export("__free", (ptr, len)),
            Some(depth) => self.export("deep_free", (depth, ptr, len)),
        }
    }

    fn realloc(&mut self, ptr: u32, old_len: u32, align: u32, len: u32) -> wasmtime::Result<u32> {
        match self.depth {
            None => self.export("cabi_realloc", (ptr, old_len, align, len)),
            Some(depth) => self.export("deep_realloc", (depth, ptr, old_len, align, len)),
        }
    }

    /// Calls, with what the host knows brought up to date.
    pub fn call(&mut self, call: Call) -> Outcome {
        let call = match call {
            // To `cabi_realloc` no bytes are no block.
            Realloc { block, .. } if self.live[&block].len == 0 => Free { block },
            call => call,
        };
        let result = match call {
            Alloc { block, len, align } => self
                .alloc(len, align)
                .map(|ptr| self.began(block, ptr, len, align)),
            Realloc { block, len } => {
                let old = self.live[&block];
                self.assert_block(&old);
                match self.realloc(old.ptr, old.len, 1, len) {
                    Ok(ptr) => {
                        self.live.remove(&block);
                        let kept = old.len.min(len);
                        self.assert_block(&Block {
                            ptr,
                            len: kept,
                            ..old
                        });
                        Ok(self.began(block, ptr, len, 1))
                    }
                    Err(error) if is_refusal(&error) => Ok(Outcome::Refused),
                    Err(error) => {
                        // It is there as it was, or where it was with its new length, or is gone.
                        self.live.remove(&block);
                        let kept = old.len.min(len);
                        self.unknown.push((old, kept));
                        if len != old.len {
                            self.unknown.push((Block { len, ..old }, kept));
                        }
                        Err(error)
                    }
                }
            }
            Free { block } => {
                let old = self.live[&block];
                self.assert_block(&old);
                let result = self.free(old.ptr, old.len);
                match result {
                    Ok(POISONED) => {}
                    Ok(_) => _ = self.live.remove(&block),
                    Err(_) => {
                        self.live.remove(&block);
                        self.unknown.push((old, 0));
                    }
                }
                result.map(|status| match status {
                    0 => Outcome::Done,
                    POISONED => Outcome::Dead,
                    other => panic!("{call:?} of {old:?}: status {other}"),
                })
            }
        };
        result.unwrap_or_else(|error| {
            self.stopped_by = Some(error);
            Outcome::Stopped
        })
    }

    /// Notes a new block and fills it. None may be where another is.
    fn began(&mut self, block: u32, ptr: u32, len: u32, align: u32) -> Outcome {
        if ptr == 0 {
            return Outcome::Refused;
        }
        let byte = block as u8 ^ 0x5a;
        let new = Block { ptr, len, byte };
        assert!(ptr.is_multiple_of(align), "{new:?} is not aligned");
        for other in self.live.values() {
            assert!(!new.overlaps(other), "{new:?} lies in {other:?}");
        }
        for place in (0..self.unknown.len()).rev() {
            if new.overlaps(&self.unknown[place].0) {
                // The new one is where it was, so it was freed.
                let old = self.unknown.swap_remove(place);
                let is_gone = old.0.is_named_as(&new) || !self.free_unknown(old);
                assert!(is_gone, "{new:?} lies in {old:?}, which was live");
            }
        }
        let bytes = self.bytes_mut(&new);
        let bytes = bytes.unwrap_or_else(|| panic!("{new:?} is not in memory"));
        bytes.fill(byte);
        self.live.insert(block, new);
        Outcome::Done
    }

    /// Frees a block of a stopped call if it is live still, and tells whether it was.
    fn free_unknown(&mut self, (old, kept): (Block, u32)) -> bool {
        if self.live.values().any(|block| block.is_named_as(&old)) {
            // Another has its place, and that one is the host's.
            return false;
        }
        // A free may erase them.
        let has_bytes = self.has_bytes(&Block { len: kept, ..old });
        let status = self.free(old.ptr, old.len).expect("__free never traps");
        if status == 0 {
            for other in self.live.values() {
                assert!(!old.overlaps(other), "{other:?} lies in {old:?}");
            }
            assert!(has_bytes, "{old:?} lost bytes");
        }
        status == 0
    }

    /// The same for all blocks of stopped calls. Of those in the same place at most one was live.
    pub fn settle(&mut self) {
        let unknown = std::mem::take(&mut self.unknown);
        let freed = unknown.iter().filter(|&&old| self.free_unknown(old));
        assert!(freed.count() <= 1, "one of {unknown:?} was freed twice");
    }

    fn bytes_mut(&mut self, block: &Block) -> Option<&mut [u8]> {
        let memory = self.memory.data_mut(&mut self.store);
        memory
            .get_mut(block.ptr as usize..)?
            .get_mut(..block.len as usize)
    }

    /// All bytes of memory.
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Writes over a block.
    pub fn write_over(&mut self, block: &Block, byte: u8) {
        let bytes = self.bytes_mut(block).expect("it is in memory");
        bytes.fill(byte);
    }

    /// Puts the first bytes of memory back as they were. Those that it has grown by since are zeroed, or left as they are.
    pub fn put_back(&mut self, bytes: &[u8], zeroed: bool) {
        let memory = self.memory.data_mut(&mut self.store);
        let (old, new) = memory.split_at_mut(bytes.len());
        old.copy_from_slice(bytes);
        if zeroed {
            new.fill(0);
        }
    }

    fn has_bytes(&self, block: &Block) -> bool {
        let bytes = &self.memory()[block.ptr as usize..][..block.len as usize];
        let (chunks, rest) = bytes.as_chunks::<64>();
        chunks.iter().all(|chunk| *chunk == [block.byte; 64])
            && rest.iter().all(|&byte| byte == block.byte)
    }

    fn assert_block(&self, block: &Block) {
        assert!(self.has_bytes(block), "{block:?} lost bytes");
    }

    /// All live blocks have their bytes.
    pub fn assert_bytes(&self) {
        for block in self.live.values() {
            self.assert_block(block);
        }
    }

    /// What the guest says against the invariants of its heap.
    pub fn check(&mut self) -> wasmtime::Result<()> {
        self.export("check", ())
    }

    pub fn assert_whole(&mut self) {
        self.assert_bytes();
        self.check().expect("the invariants hold");
    }

    /// Whether the guest is one in checked mode.
    pub fn is_checked(&mut self) -> bool {
        let check = self.instance.get_func(&mut self.store, "__heap_check");
        check.is_some()
    }

    /// What checked mode says of memory to which nobody may write.
    pub fn heap_check(&mut self) -> u32 {
        self.export("__heap_check", ()).expect("it never traps")
    }

    /// Whether the heap says that it is dead. Changes nothing: no block is at 0.
    pub fn is_dead(&mut self) -> bool {
        self.export::<_, u32>("__free", (0, 0))
            .expect("__free never traps")
            == POISONED
    }

    /// How many blocks are live, as the guest knows it.
    pub fn count(&mut self) -> u32 {
        self.export("live", ()).expect("it counts")
    }

    /// The pages of memory.
    pub fn pages(&self) -> u64 {
        self.memory.size(&self.store)
    }
}

/// Whether `cabi_realloc` itself says that it cannot: by the trap of `unreachable`.
fn is_refusal(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::UnreachableCodeReached))
}

/// Bytes that are compared and restored in one piece.
const PIECE: usize = 4096;

/// A guest between two calls, to begin from any number of times: memory is all that there is to it. (Calls that return
/// have given their part of the stack back, and there are no other mutable globals.)
pub struct Snapshot<'a> {
    module: &'a Module,
    pages: u64,
    /// Where memory is not as a new instance has it.
    pieces: Vec<(usize, Vec<u8>)>,
    live: BTreeMap<u32, Block>,
}

impl<'a> Snapshot<'a> {
    pub fn of(guest: &Guest, module: &'a Module) -> Self {
        let mut new = Guest::new(module);
        new.grow_to(guest.pages());
        let pieces = guest.memory().chunks(PIECE).zip(new.memory().chunks(PIECE));
        let differing = pieces.enumerate().filter(|(_, (is, was))| is != was);
        Self {
            module,
            pages: guest.pages(),
            pieces: differing
                .map(|(at, (piece, _))| (at * PIECE, piece.to_vec()))
                .collect(),
            live: guest.live.clone(),
        }
    }

    pub fn restore(&self) -> Guest {
        let mut guest = Guest::new(self.module);
        guest.grow_to(self.pages);
        let memory = guest.memory.data_mut(&mut guest.store);
        for (at, piece) in &self.pieces {
            memory[*at..][..piece.len()].copy_from_slice(piece);
        }
        guest.live.clone_from(&self.live);
        guest
    }
}

impl Guest {
    fn grow_to(&mut self, pages: u64) {
        let more = pages - self.pages();
        self.memory
            .grow(&mut self.store, more)
            .expect("there is memory");
    }
}
