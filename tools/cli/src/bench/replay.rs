//! Lets allocators follow a script, in turns, and measures them. Each is the global allocator of a module of its own, which is the
//! lab's guest (`dev/lab/guest`) and comes along in `replay`.
//!
//! Script and table lie in pages that the host adds, so that what memory grows by is the allocator's.

use super::script::Script;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Linker, Memory, Module, Store, TypedFunc};

const PAGE: u64 = 65_536;

/// Bytes of a step, and of a place in the table of blocks.
const STEP: u64 = 8;
const PLACE: u64 = 12;

/// What is compared. The first is 1.00.
pub const ALLOCATORS: [(&str, &[u8]); 3] = [
    ("dlmalloc", include_bytes!("../../replay/dlmalloc.wasm")),
    ("pageslab", include_bytes!("../../replay/pageslab.wasm")),
    ("talc", include_bytes!("../../replay/talc.wasm")),
];

/// A turn takes at least so long, if the script is short.
const TURN: Duration = Duration::from_millis(10);

/// What an allocator took for the script.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub allocator: &'static str,
    /// The median of all rounds.
    pub nanoseconds: u64,
    /// What linear memory has grown by.
    pub memory_bytes: u64,
}

/// Measures all allocators, in so many rounds.
pub fn replay(script: &Script, rounds: u32) -> Result<Vec<Measured>> {
    let engine = Engine::default();
    let mut subjects = Vec::new();
    for (name, wasm) in ALLOCATORS {
        let subject = Subject::new(&engine, wasm, script);
        subjects.push(subject.with_context(|| format!("{name} cannot follow the script"))?);
    }
    // The first turn has made memory grow, and this one has the code and the memory warm.
    let once = subjects[0].turn(1)?;
    let repeats = TURN.as_nanos() / once.as_nanos().max(1) + 1;
    let repeats = u32::try_from(repeats).unwrap_or(u32::MAX);
    let mut times = vec![Vec::new(); subjects.len()];
    for round in 0..rounds.max(1) as usize {
        for place in 0..subjects.len() {
            let which = (round + place) % subjects.len();
            times[which].push(subjects[which].turn(repeats)? / repeats);
        }
    }
    let all = ALLOCATORS.iter().zip(subjects).zip(times);
    let measured = all.map(|((&(allocator, _), subject), mut times)| {
        times.sort_unstable();
        Measured {
            allocator,
            nanoseconds: times[times.len() / 2].as_nanos() as u64,
            memory_bytes: subject.grown * PAGE,
        }
    });
    Ok(measured.collect())
}

/// One allocator, with the script.
struct Subject {
    store: Store<()>,
    script: TypedFunc<(u32, u32, u32, u32, u32), ()>,
    places: [u32; 4],
    /// The pages that memory has grown by in the first turn.
    grown: u64,
}

impl Subject {
    fn new(engine: &Engine, wasm: &[u8], script: &Script) -> Result<Self> {
        let module = Module::new(engine, wasm)?;
        let mut linker = Linker::new(engine);
        // It can do more than is asked of it here.
        linker.define_unknown_imports_as_traps(&module)?;
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        let memory = instance.get_memory(&mut store, "memory");
        let memory = memory.context("it has no memory")?;
        let count = script.ops.len() as u64;
        let at = room(&memory, &mut store, count * STEP)?;
        let table = room(&memory, &mut store, u64::from(script.slots()) * PLACE)?;
        let bytes = memory.data_mut(&mut store).get_mut(at as usize..);
        let bytes = bytes.context("there is no room for the script")?;
        for (step, place) in script.packed().zip(bytes.chunks_exact_mut(STEP as usize)) {
            let [first, second] = step.words();
            place.copy_from_slice(&(u64::from(second) << 32 | u64::from(first)).to_le_bytes());
        }
        let function = instance.get_typed_func(&mut store, "script")?;
        let before = memory.size(&store);
        let mut subject = Self {
            store,
            script: function,
            places: [at, count as u32, table, script.slots()],
            grown: 0,
        };
        subject.turn(1)?;
        subject.grown = memory.size(&subject.store) - before;
        Ok(subject)
    }

    /// Follows the script so many times.
    fn turn(&mut self, repeats: u32) -> Result<Duration> {
        let [at, count, table, slots] = self.places;
        let begin = Instant::now();
        let parameters = (at, count, table, slots, repeats);
        self.script.call(&mut self.store, parameters)?;
        Ok(begin.elapsed())
    }
}

/// Room for so many bytes at the end of memory, which the guest leaves alone.
fn room(memory: &Memory, store: &mut Store<()>, bytes: u64) -> Result<u32> {
    let first = memory.grow(store, bytes.div_ceil(PAGE).max(1))?;
    Ok((first * PAGE) as u32)
}
