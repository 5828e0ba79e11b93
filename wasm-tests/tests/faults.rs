//! What a host can do to a guest in the midst of a call: let its fuel run out, refuse to grow its memory, or trap in
//! doing so. Then the instance is as good as before, or says that its heap is dead; live blocks keep their bytes in any
//! case, and none is handed out twice. A host may also write whatever it likes over blocks that were freed.
//!
//! Wasmtime looks at fuel where functions are entered and loops begin again, and so a call that runs out of it ends
//! there. A host's epochs and the end of the stack are looked at in the same places.

#![cfg(not(target_family = "wasm"))]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use wasm_tests::modules;
use wasmtime::{Config, Engine, Instance, Memory, Module, ResourceLimiter, Store, Trap, TypedFunc};

/// `__free` says that the heap is dead.
const POISONED: u32 = 6;

/// More fuel than any test burns.
const PLENTY: u64 = 1 << 40;

static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let target = "wasm32-unknown-unknown";
    let directory = modules::build(&["guest-abi"], target).expect("cargo builds the guest");
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine that counts");
    Module::from_file(&engine, directory.join("guest_abi.wasm")).expect("a module")
});

/// What becomes of the growths of a memory.
#[derive(Clone, Copy, Default)]
enum Growth {
    #[default]
    Granted,
    /// The n-th from now on fails.
    Refused(u32),
    /// The n-th from now on does not return.
    Traps(u32),
}

#[derive(Default)]
struct Host {
    growth: Growth,
    growths: u32,
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let number = self.growths;
        self.growths += 1;
        match self.growth {
            Growth::Refused(nth) if nth == number => Ok(false),
            Growth::Traps(nth) if nth == number => Err(wasmtime::Error::msg("no more memory")),
            _ => Ok(true),
        }
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// One call of the host's. Blocks are told apart by numbers.
#[derive(Clone, Copy, Debug)]
enum Call {
    Alloc { block: u32, len: u32, align: u32 },
    Realloc { block: u32, len: u32 },
    Free { block: u32 },
}
use Call::{Alloc, Free, Realloc};

/// Calls that come to every part of the allocator: new slabs of several classes, full ones and emptied ones, runs that
/// are split, joined, shrunk and extended, moves, and a growing memory.
fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    let alloc = |block, len| Alloc {
        block,
        len,
        align: 1,
    };
    // More slots than the first slab has, in an order that fills it, empties it, and begins another.
    calls.extend((0..70).map(|block| alloc(block, 16 + block % 2)));
    calls.extend((0..70).step_by(3).map(|block| Free { block }));
    calls.extend((100..110).map(|block| alloc(block, 16)));
    calls.extend([alloc(200, 0), alloc(201, 700), alloc(202, 5_000)]);
    calls.push(Alloc {
        block: 203,
        len: 64,
        align: 4096,
    });
    calls.push(Alloc {
        block: 204,
        len: 70_000,
        align: 65_536,
    });
    // Runs beside each other, which are joined in each order.
    calls.extend((300..306).map(|block| alloc(block, 20_000 + block)));
    calls.extend([301, 303, 302, 305].map(|block| Free { block }));
    calls.push(alloc(307, 30_000));
    calls.push(Realloc {
        block: 300,
        len: 9_000,
    });
    calls.push(Realloc {
        block: 300,
        len: 21_000,
    });
    calls.push(Realloc {
        block: 201,
        len: 690,
    });
    calls.push(Realloc {
        block: 201,
        len: 3_000,
    });
    calls.push(Realloc {
        block: 304,
        len: 400_000,
    });
    calls.push(alloc(308, 2_000_000));
    calls.push(Free { block: 204 });
    calls.extend(
        (1..70)
            .filter(|block| block % 3 != 0)
            .map(|block| Free { block }),
    );
    calls.extend((100..110).map(|block| Free { block }));
    calls.push(Free { block: 308 });
    calls.push(alloc(309, 33));
    calls
}

/// A block as the host knows it, filled with a byte of its own.
#[derive(Clone, Copy, Debug)]
struct Block {
    ptr: u32,
    len: u32,
    byte: u8,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// For want of memory, or since the heap is dead.
    Refused,
    Dead,
    /// It did not return.
    Stopped,
}

/// An instance, and what the host knows of its heap.
struct Guest {
    store: Store<Host>,
    memory: Memory,
    alloc: TypedFunc<(u32, u32), u32>,
    free: TypedFunc<(u32, u32), u32>,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    check: TypedFunc<(), ()>,
    live: BTreeMap<u32, Block>,
}

impl Guest {
    fn new() -> Self {
        let mut store = Store::new(MODULE.engine(), Host::default());
        store.limiter(|host| host);
        store.set_fuel(PLENTY).expect("fuel is counted");
        let instance = Instance::new(&mut store, &MODULE, &[]).expect("no imports");
        macro_rules! function {
            ($name:literal) => {
                instance
                    .get_typed_func(&mut store, $name)
                    .expect("it is exported")
            };
        }
        Self {
            alloc: function!("__alloc"),
            free: function!("__free"),
            realloc: function!("cabi_realloc"),
            check: function!("check"),
            memory: instance
                .get_memory(&mut store, "memory")
                .expect("there is one"),
            live: BTreeMap::new(),
            store,
        }
    }

    /// Calls, with what the host knows brought up to date if the call returns.
    fn call(&mut self, call: Call) -> Outcome {
        let result = match call {
            Alloc { block, len, align } => {
                let result = self.alloc.call(&mut self.store, (len, align));
                result.map(|ptr| self.began(block, ptr, len))
            }
            Realloc { block, len } => {
                let old = self.live[&block];
                let arguments = (old.ptr, old.len, 1, len);
                let result = self.realloc.call(&mut self.store, arguments);
                if result.is_ok() || result.as_ref().is_err_and(|error| !is_refusal(error)) {
                    // If it was stopped, it is not known which of the two there is.
                    self.live.remove(&block);
                }
                result.map(|ptr| {
                    let kept = old.len.min(len) as usize;
                    let bytes = &self.memory.data(&self.store)[ptr as usize..][..kept];
                    assert!(
                        bytes.iter().all(|&byte| byte == old.byte),
                        "{call:?} lost bytes"
                    );
                    self.began(block, ptr, len)
                })
            }
            Free { block } => {
                let Block { ptr, len, .. } = self.live[&block];
                let result = self.free.call(&mut self.store, (ptr, len));
                if !matches!(result, Ok(POISONED)) {
                    self.live.remove(&block);
                }
                result.map(|status| match status {
                    0 => Outcome::Done,
                    POISONED => Outcome::Dead,
                    other => panic!("{call:?}: status {other}"),
                })
            }
        };
        result.unwrap_or_else(|error| match is_refusal(&error) {
            true => Outcome::Refused,
            false => Outcome::Stopped,
        })
    }

    /// Notes a new block and fills it. None may be where another is.
    fn began(&mut self, block: u32, ptr: u32, len: u32) -> Outcome {
        if ptr == 0 {
            return Outcome::Refused;
        }
        let end = |block: &Block| block.ptr + block.len.max(1);
        let byte = block as u8 ^ 0x5a;
        let new = Block { ptr, len, byte };
        for other in self.live.values() {
            assert!(
                end(other) <= ptr || end(&new) <= other.ptr,
                "{new:?} lies in {other:?}"
            );
        }
        self.memory.data_mut(&mut self.store)[ptr as usize..][..len as usize].fill(byte);
        self.live.insert(block, new);
        Outcome::Done
    }

    fn assert_bytes(&self) {
        let memory = self.memory.data(&self.store);
        for block in self.live.values() {
            let bytes = &memory[block.ptr as usize..][..block.len as usize];
            assert!(
                bytes.iter().all(|&byte| byte == block.byte),
                "{block:?} lost bytes"
            );
        }
    }

    fn assert_whole(&mut self) {
        self.assert_bytes();
        self.check
            .call(&mut self.store, ())
            .expect("the invariants hold");
    }

    /// Uses the heap after a call that did not return. Whatever is answered, nothing is handed out twice, and nothing
    /// changes what is live. Returns whether the heap said that it is dead.
    fn use_on(&mut self) -> bool {
        let mut dead = false;
        for (block, len) in (1_000..).zip([0, 16, 17, 16, 700, 5_000, 20_000, 100_000, 16]) {
            let outcome = self.call(Alloc {
                block,
                len,
                align: 1,
            });
            dead |= outcome == Outcome::Refused;
            assert_ne!(outcome, Outcome::Stopped, "of {len} bytes");
        }
        self.assert_bytes();
        let blocks: Vec<u32> = self.live.keys().copied().collect();
        for block in blocks {
            let outcome = self.call(Free { block });
            dead |= outcome == Outcome::Dead;
            assert_ne!(outcome, Outcome::Stopped);
            assert_ne!(outcome, Outcome::Refused);
        }
        self.assert_bytes();
        dead
    }
}

/// Whether the guest itself says that it cannot: by the trap of `unreachable`.
fn is_refusal(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::UnreachableCodeReached))
}

#[test]
fn fuel_that_runs_out_at_every_n() {
    let calls = calls();
    let mut guest = Guest::new();
    let burnt: Vec<u64> = calls
        .iter()
        .map(|&call| {
            let before = guest.store.get_fuel().expect("it is counted");
            assert_eq!(guest.call(call), Outcome::Done, "{call:?}");
            before - guest.store.get_fuel().expect("it is counted")
        })
        .collect();
    guest.assert_whole();

    let (stops, deaths) = (Cell::new(0), Cell::new(0));
    for (at, (&call, &burnt)) in calls.iter().zip(&burnt).enumerate() {
        // What a small call does repeats: each hundredth amount of a long one.
        let step = (burnt / 100).max(1) as usize;
        for fuel in (0..burnt).step_by(step) {
            let mut guest = Guest::new();
            for &call in &calls[..at] {
                assert_eq!(guest.call(call), Outcome::Done);
            }
            guest.store.set_fuel(fuel).expect("it is counted");
            // A call can end before all that it burns is burnt.
            let outcome = guest.call(call);
            guest.store.set_fuel(PLENTY).expect("it is counted");
            if outcome == Outcome::Stopped {
                stops.set(stops.get() + 1);
                deaths.set(deaths.get() + u32::from(guest.use_on()));
            } else {
                assert_eq!(outcome, Outcome::Done, "{call:?} with {fuel}");
                guest.assert_whole();
            }
        }
    }
    println!(
        "{} calls stopped, of which {} left a dead heap",
        stops.get(),
        deaths.get()
    );
    assert!(stops.get() > 1_000, "only {} were stopped", stops.get());
    assert!(deaths.get() > 0, "no stop came in the midst of a change");
    assert!(deaths < stops, "no stop left a usable heap");
}

/// How often the calls grow memory.
fn growths() -> u32 {
    let mut guest = Guest::new();
    for call in calls() {
        assert_eq!(guest.call(call), Outcome::Done);
    }
    guest.store.data().growths
}

#[test]
fn memory_grow_that_is_refused_at_every_n() {
    for nth in 0..growths() {
        let mut guest = Guest::new();
        guest.store.data_mut().growth = Growth::Refused(guest.store.data().growths + nth);
        let mut refused = 0;
        for call in calls() {
            match guest.call(call) {
                Outcome::Done => {}
                Outcome::Refused => {
                    refused += 1;
                    guest.assert_whole();
                    // The next is granted.
                    assert_eq!(guest.call(call), Outcome::Done, "{call:?} again");
                }
                other => panic!("{call:?}: {other:?}"),
            }
            guest.assert_bytes();
        }
        assert!(refused <= 1);
        guest.assert_whole();
        assert!(!guest.use_on());
    }
}

#[test]
fn memory_grow_that_traps_at_every_n() {
    let mut stops = 0;
    for nth in 0..growths() {
        let mut guest = Guest::new();
        guest.store.data_mut().growth = Growth::Traps(guest.store.data().growths + nth);
        for call in calls() {
            if guest.call(call) == Outcome::Stopped {
                stops += 1;
                guest.use_on();
                break;
            }
        }
    }
    assert!(stops > 0);
}

#[test]
fn rubbish_over_freed_blocks() {
    for rubbish in [0x00, 0xff, 0xa5, 0x01] {
        let mut guest = Guest::new();
        for call in calls() {
            let freed = match call {
                Free { block } => Some(guest.live[&block]),
                _ => None,
            };
            assert_eq!(guest.call(call), Outcome::Done);
            if let Some(Block { ptr, len, .. }) = freed {
                let memory = guest.memory.data_mut(&mut guest.store);
                memory[ptr as usize..][..len as usize].fill(rubbish);
                guest.assert_whole();
            }
        }
        guest.assert_whole();
        assert!(!guest.use_on());
        guest.assert_whole();
    }
}
