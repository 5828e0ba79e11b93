//! A million made-up calls of each export: the failure status, and nothing changes.

use crate::plugin::guest;
use guest_collections::Random;
use pageslab::abi::alloc_free::{DOUBLE_FREE, INVALID_POINTER, LENGTH_MISMATCH};
use std::collections::BTreeMap;
use wasm_tests::host::{Abi, Plugin};
use wasmtime::TypedFunc;

const CALLS: u32 = 1_000_000;

/// A guest with live blocks and freed ones, whose memory is known.
struct Heap {
    plugin: Plugin<()>,
    live: BTreeMap<u32, u32>,
    /// The live blocks once more, to pick from.
    blocks: Vec<(u32, u32)>,
    freed: Vec<(u32, u32)>,
    random: Random,
    memory: Vec<u8>,
}

impl Heap {
    fn new() -> Self {
        let mut plugin = guest(Abi::AllocFree);
        let mut random = Random::new(3);
        let (mut live, mut freed) = (BTreeMap::new(), Vec::new());
        for round in 0..900u32 {
            let len = match round % 3 {
                0 => random.below(64),
                1 => random.below(2000),
                _ => random.below(30_000),
            };
            let block = plugin.alloc(len, 1 << random.below(6)).expect("memory");
            let (ptr, len) = block.hand_over();
            plugin
                .bytes_mut(ptr, len)
                .expect("in memory")
                .fill(round as u8);
            if random.below(3) == 0 {
                let block = plugin.adopt(ptr, len, 1).expect("in memory");
                plugin.free(block).expect("it is live");
                freed.push((ptr, len));
            } else {
                live.insert(ptr, len);
            }
        }
        // What was freed may have been allocated again.
        freed.retain(|(ptr, _)| !live.contains_key(ptr));
        let memory = plugin.bytes(0, memory_len(&plugin)).expect("all of it");
        Self {
            memory: memory.to_vec(),
            blocks: live.iter().map(|(&ptr, &len)| (ptr, len)).collect(),
            plugin,
            live,
            freed,
            random,
        }
    }

    fn export<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        name: &str,
    ) -> TypedFunc<P, R> {
        self.plugin.export(name).expect("the guest has it")
    }

    /// A pointer and a length that are those of no live block: mere noise, or near to what is right.
    fn wrong(&mut self) -> (u32, u32) {
        loop {
            let random = &mut self.random;
            let (ptr, len) = random.pick(&self.blocks);
            let end = self.memory.len() as u32;
            let (ptr, len) = match random.below(9) {
                0 => (random.word(), random.word()),
                1 => (random.below(end), random.below(300)),
                2 => (random.below(end) & !15, random.below(30_000)),
                3 => (ptr, len.wrapping_add(random.below(33)).wrapping_sub(16)),
                4 => (
                    ptr,
                    random.pick(&[0, len / 2, len.next_multiple_of(16), u32::MAX]),
                ),
                5 => (ptr, ptr.wrapping_neg().wrapping_add(random.below(64))),
                6 => (ptr + random.below(len.max(1)), len),
                7 => random.pick(&self.freed),
                _ => (random.below(end) & !1023, 1024 * random.below(9)),
            };
            if self.live.get(&ptr) != Some(&len) {
                return (ptr, len);
            }
        }
    }

    /// Whether a block, of whatever length, is live at this pointer.
    fn is_live(&self, ptr: u32) -> bool {
        self.live.contains_key(&ptr)
    }

    /// Memory is as it was at first, apart from the stack and statics; the heap is whole; all live blocks can be freed.
    fn check(mut self) {
        let len = memory_len(&self.plugin);
        assert_eq!(len as usize, self.memory.len(), "memory has grown");
        let base = self
            .plugin
            .global("__heap_base")
            .expect("linkers export it") as usize;
        let memory = self.plugin.bytes(0, len).expect("all of it");
        assert!(memory[base..] == self.memory[base..], "memory has changed");
        self.plugin.call::<_, ()>("check", ()).expect("it is whole");
        for (ptr, len) in self.blocks {
            let block = self.plugin.adopt(ptr, len, 1).expect("in memory");
            self.plugin.free(block).expect("it is live");
        }
        assert_eq!(self.plugin.call::<_, u32>("live", ()).expect("no trap"), 0);
    }
}

fn memory_len(plugin: &Plugin<()>) -> u32 {
    plugin.memory_len().try_into().expect("less than 4 GiB")
}

#[test]
fn a_million_wrong_calls_of_free_give_their_status() {
    let mut heap = Heap::new();
    let free = heap.export::<(u32, u32), u32>("__free");
    for _ in 0..CALLS {
        let (ptr, len) = heap.wrong();
        let status = free
            .call(heap.plugin.store_mut(), (ptr, len))
            .expect("no trap");
        let expected: &[u32] = match heap.is_live(ptr) {
            true => &[LENGTH_MISMATCH],
            false => &[INVALID_POINTER, DOUBLE_FREE],
        };
        assert!(
            expected.contains(&status),
            "{len} bytes at {ptr:#x}: {status}"
        );
    }
    heap.check();
}

#[test]
fn a_million_wrong_calls_of_sr_free_give_0() {
    let mut heap = Heap::new();
    let free = heap.export::<(u32, u32), u32>("__sr_free");
    for _ in 0..CALLS {
        let (ptr, len) = heap.wrong();
        let status = free
            .call(heap.plugin.store_mut(), (ptr, len))
            .expect("no trap");
        assert_eq!(status, 0, "{len} bytes at {ptr:#x}");
    }
    heap.check();
}

#[test]
fn a_million_wrong_calls_of_cabi_realloc_trap() {
    let mut heap = Heap::new();
    let realloc = heap.export::<(u32, u32, u32, u32), u32>("cabi_realloc");
    for _ in 0..CALLS {
        let (ptr, len) = heap.wrong();
        let align = heap
            .random
            .pick(&[0, 1, 2, 3, 8, 16, 64, 1 << 16, 1 << 17, u32::MAX]);
        let new_len = heap.random.pick(&[0, 1, len, 100, 5000, u32::MAX]);
        let is_valid = align.is_power_of_two() && align <= 1 << 16;
        if is_valid && len == 0 {
            // No old block, wherever it is said to be.
            continue;
        }
        let result = realloc.call(heap.plugin.store_mut(), (ptr, len, align, new_len));
        assert!(
            result.is_err(),
            "{len} bytes at {ptr:#x} to {new_len} at {align}"
        );
    }
    heap.check();
}

#[test]
fn a_million_calls_of_both_allocs_give_0_or_a_block_that_overlaps_no_other() {
    let mut heap = Heap::new();
    let alloc = heap.export::<(u32, u32), u32>("__alloc");
    let sr_alloc = heap.export::<u32, u32>("__sr_alloc");
    let free = heap.export::<(u32, u32), u32>("__free");
    for _ in 0..CALLS {
        let random = &mut heap.random;
        let len = match random.below(8) {
            0 => random.word() | 1 << 31,
            1 => random.below(200_000),
            _ => random.below(3000),
        };
        let align = match random.below(3) {
            0 => random.word(),
            _ => 1 << random.below(20),
        };
        let (ptr, sr_ptr) = (
            alloc
                .call(heap.plugin.store_mut(), (len, align))
                .expect("no trap"),
            sr_alloc
                .call(heap.plugin.store_mut(), len)
                .expect("no trap"),
        );
        let is_valid = align.is_power_of_two() && align <= 1 << 16;
        assert!(
            ptr == 0 || is_valid && ptr % align == 0,
            "{len} aligned to {align}: {ptr:#x}"
        );
        assert!(
            len >= 1 << 31 || sr_ptr != 0 && ptr != 0 || !is_valid,
            "{len} bytes"
        );
        for ptr in [ptr, sr_ptr].into_iter().filter(|&ptr| ptr != 0) {
            let before = heap.live.range(..=ptr).next_back();
            let after = heap.live.range(ptr..).next();
            assert!(before.is_none_or(|(at, length)| at + length <= ptr && *at != ptr));
            assert!(after.is_none_or(|(at, _)| ptr + len <= *at));
            assert!(u64::from(ptr) + u64::from(len) <= heap.plugin.memory_len());
            let status = free
                .call(heap.plugin.store_mut(), (ptr, len))
                .expect("no trap");
            assert_eq!(status, 0, "{len} bytes at {ptr:#x}");
        }
    }
    for (&ptr, &len) in &heap.live {
        let (ptr, len) = (ptr as usize, len as usize);
        let now = heap
            .plugin
            .bytes(ptr as u32, len as u32)
            .expect("in memory");
        assert!(
            now == &heap.memory[ptr..ptr + len],
            "a live block has changed"
        );
    }
    heap.plugin.call::<_, ()>("check", ()).expect("it is whole");
}
