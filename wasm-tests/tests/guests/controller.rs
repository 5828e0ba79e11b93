//! A host's view of the guest that has a memory controller.
//!
//! The host knows which blocks are live, and which pages are a foreign party's. It fills both
//! itself, straight in the guest's memory, so that whoever writes where he must not is found out.

use crate::module::{Instance, PAGE};
use guest_controller::{Refusal, unpack};
use std::{collections::BTreeMap, ops::Range};
use wasmtime::TypedFunc;

/// The alignment of blocks that ask for none.
pub const ALIGN: u32 = 16;

pub struct Controller {
    pub guest: Instance,
    alloc: TypedFunc<(u32, u32), u64>,
    free: TypedFunc<(u32, u32), u64>,
    realloc: TypedFunc<(u32, u32, u32), u64>,
    /// The lengths of the live blocks.
    live: BTreeMap<u32, u32>,
    /// The bytes of the foreign party.
    foreign: Vec<Range<u32>>,
}

impl Controller {
    pub fn new() -> Self {
        let mut guest = Instance::controller();
        Self {
            alloc: guest.export("heap_alloc"),
            free: guest.export("heap_free"),
            realloc: guest.export("heap_realloc"),
            guest,
            live: BTreeMap::new(),
            foreign: Vec::new(),
        }
    }

    /// The live blocks: pointer and length, in order.
    pub fn live(&self) -> Vec<(u32, u32)> {
        self.live.iter().map(|(&ptr, &len)| (ptr, len)).collect()
    }

    /// How many pages the heap holds.
    pub fn pages(&mut self) -> u32 {
        self.guest.call("heap_pages", ())
    }

    /// The bytes of the foreign party.
    pub fn foreign(&self) -> &[Range<u32>] {
        &self.foreign
    }

    pub fn bytes_mut(&mut self, ptr: u32, len: u32) -> &mut [u8] {
        &mut self.guest.memory.data_mut(&mut self.guest.store)[ptr as usize..][..len as usize]
    }

    /// Calls `alloc`, whatever comes of it.
    #[track_caller]
    pub fn try_alloc(&mut self, len: u32, align: u32) -> Result<u32, Refusal> {
        let word = self.alloc.call(&mut self.guest.store, (len, align));
        let ptr = unpack(word.expect("alloc does not trap"))?;
        assert!(
            ptr.is_multiple_of(align.max(ALIGN)),
            "{ptr:#x} is not aligned to {align}"
        );
        self.insert(ptr, len);
        Ok(ptr)
    }

    #[track_caller]
    pub fn alloc(&mut self, len: u32) -> u32 {
        self.try_alloc(len, ALIGN).expect("there is memory")
    }

    /// Checks a new block's place, and fills it.
    #[track_caller]
    fn insert(&mut self, ptr: u32, len: u32) {
        let end = u64::from(ptr) + u64::from(len);
        assert!(
            ptr >= self.guest.heap_base(),
            "{ptr:#x} is in the guest's stack or static data"
        );
        assert!(
            end <= u64::from(self.guest.pages()) * u64::from(PAGE),
            "{ptr:#x} ends behind memory"
        );
        let before = self.live.range(..=ptr).next_back();
        assert!(
            before.is_none_or(|(&before, &len)| before + len.max(1) <= ptr),
            "{ptr:#x} is taken"
        );
        let after = self.live.range(ptr..).next();
        assert!(
            after.is_none_or(|(&after, _)| end <= u64::from(after)),
            "{ptr:#x} reaches the next"
        );
        for foreign in &self.foreign {
            let apart = ptr >= foreign.end || end <= u64::from(foreign.start);
            assert!(apart, "{ptr:#x} is in a page of the foreign party");
        }
        self.live.insert(ptr, len);
        self.fill(ptr, len);
    }

    /// Writes what [`assert_filled`](Self::assert_filled) expects: a pattern that tells its place.
    fn fill(&mut self, ptr: u32, len: u32) {
        let bytes = self.bytes_mut(ptr, len);
        bytes
            .iter_mut()
            .enumerate()
            .for_each(|(place, byte)| *byte = pattern(ptr, place));
    }

    #[track_caller]
    fn assert_filled(&mut self, ptr: u32, len: u32, as_at: u32) {
        let bytes = self.bytes_mut(ptr, len);
        let change = bytes
            .iter()
            .enumerate()
            .find(|&(place, &byte)| byte != pattern(as_at, place));
        assert_eq!(change, None, "of the {len} bytes at {ptr:#x}");
    }

    /// Frees a live block.
    #[track_caller]
    pub fn free(&mut self, ptr: u32) {
        let len = self.live.remove(&ptr).expect("the block is live");
        self.assert_filled(ptr, len, ptr);
        assert_eq!(self.try_free(ptr, len), Ok(()), "{len} bytes at {ptr:#x}");
    }

    /// Calls `free`, rightly or wrongly.
    #[track_caller]
    pub fn try_free(&mut self, ptr: u32, len: u32) -> Result<(), Refusal> {
        let word = self.free.call(&mut self.guest.store, (ptr, len));
        unpack(word.expect("free does not trap")).map(drop)
    }

    /// Reallocates a live block.
    #[track_caller]
    pub fn realloc(&mut self, ptr: u32, new_len: u32) -> Result<u32, Refusal> {
        let len = self.live[&ptr];
        let new = self.try_realloc(ptr, len, new_len)?;
        self.live.remove(&ptr);
        self.assert_filled(new, len.min(new_len), ptr);
        self.insert(new, new_len);
        Ok(new)
    }

    /// Calls `realloc`, rightly or wrongly.
    #[track_caller]
    pub fn try_realloc(&mut self, ptr: u32, len: u32, new_len: u32) -> Result<u32, Refusal> {
        let word = self
            .realloc
            .call(&mut self.guest.store, (ptr, len, new_len));
        unpack(word.expect("realloc does not trap"))
    }

    /// The foreign party grows memory by this many pages, if it can, and writes to them.
    pub fn grow_foreign(&mut self, pages: u32) {
        let first: u32 = self.guest.call("grow_foreign", pages);
        if pages > 0 && first != u32::MAX {
            let bytes = first * PAGE..(first + pages) * PAGE;
            self.fill(bytes.start, bytes.end - bytes.start);
            self.foreign.push(bytes);
        }
    }

    /// Checks the heap's invariants, and that every byte of live blocks and of foreign parties is
    /// as it was written.
    #[track_caller]
    pub fn check(&mut self) {
        self.guest.call::<_, ()>("heap_check", ());
        assert_eq!(
            self.guest.call::<_, u32>("heap_live", ()) as usize,
            self.live.len()
        );
        for (ptr, len) in self.live() {
            self.assert_filled(ptr, len, ptr);
        }
        for foreign in self.foreign.clone() {
            self.assert_filled(foreign.start, foreign.end - foreign.start, foreign.start);
        }
        self.guest.call::<_, ()>("hoard_check", ());
    }
}

fn pattern(ptr: u32, place: usize) -> u8 {
    let word = u64::from(ptr)
        .wrapping_mul(0x1_0001)
        .wrapping_add(place as u64);
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// A length: mostly of a slot, sometimes of several frames or pages.
pub fn random_len(random: &mut guest_collections::Random) -> u32 {
    match random.below(8) {
        0..5 => random.below(400),
        5 => random.below(9000),
        6 => 1024 * random.below(8) + random.below(3),
        _ => random.below(100_000),
    }
}
