//! The calls of a guest's allocator as a script, which another allocator can follow.

use super::allocator::Role;
use super::instrument::NOTE;
use pageslab_trace::{Encoder, MAX_SLOTS, Op, Packed, Step, Trace};
use serde::Serialize;
use std::collections::HashMap;

/// What `malloc` aligns to: what most allocators do for each block, and so what costs them nothing.
const MALLOC_ALIGN: u32 = 8;

/// Longer blocks and larger alignments no allocator has.
const MAX_SIZE: u32 = i32::MAX as u32 - MAX_ALIGN;
const MAX_ALIGN: u32 = 65_536;

/// How much was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub allocs: u64,
    pub reallocs: u64,
    pub frees: u64,
    /// The most blocks that were live at once, and the most bytes, as asked for.
    pub peak_blocks: u64,
    pub peak_bytes: u64,
    /// Calls that do not fit to the others: the guest has calls that were not seen.
    #[serde(skip)]
    pub misfits: u64,
}

impl Figures {
    /// How many calls there are.
    pub fn calls(&self) -> u64 {
        self.allocs + self.reallocs + self.frees
    }
}

/// A script, as it grows.
#[derive(Default)]
pub struct Script {
    pub ops: Vec<Op>,
    pub figures: Figures,
    /// The live blocks, by pointer: their numbers and lengths.
    live: HashMap<u32, (u32, u32)>,
    /// Numbers that are free again.
    spare: Vec<u32>,
    numbers: u32,
    bytes: u64,
}

impl Script {
    /// That of a log, as `instrument` lets it be written.
    pub fn new(log: &[u8], roles: &[Role]) -> Self {
        let mut script = Self::default();
        for note in log.chunks_exact(NOTE as usize) {
            let word = |at: usize| {
                let bytes = note.get(4 * at..4 * at + 4).and_then(<[u8]>::first_chunk);
                bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
            };
            if let Some(&role) = roles.get(word(0) as usize) {
                script.note(role, [1, 2, 3, 4].map(word), word(5));
            }
        }
        script
    }

    /// That of a trace.
    pub fn of(trace: &Trace) -> Self {
        let mut script = Self::default();
        // For pointers, which are not 0, their numbers will do.
        for &op in &trace.ops {
            match op {
                Op::Alloc { id, size, align } => script.alloc(id + 1, size, align),
                Op::Realloc { id, new_size } => script.realloc(id + 1, id + 1, new_size, 1),
                Op::Free { id } => script.free(id + 1),
            }
        }
        script
    }

    fn note(&mut self, role: Role, [a, b, c, d]: [u32; 4], block: u32) {
        match role {
            Role::RustAlloc => self.alloc(block, a, b),
            Role::RustDealloc | Role::Free => self.free(a),
            Role::RustRealloc => self.realloc(a, block, d, c),
            Role::Malloc => self.alloc(block, a, MALLOC_ALIGN),
            Role::Calloc => self.alloc(block, a.saturating_mul(b), MALLOC_ALIGN),
            Role::Realloc if a == 0 => self.alloc(block, b, MALLOC_ALIGN),
            Role::Realloc if b == 0 && block == 0 => self.free(a),
            Role::Realloc => self.realloc(a, block, b, MALLOC_ALIGN),
            Role::AlignedAlloc => self.alloc(block, b, a),
            Role::PosixMemalign => self.alloc(block, c, b),
        }
    }

    /// A new block. None is at 0: the guest got nothing.
    fn alloc(&mut self, block: u32, size: u32, align: u32) {
        let is_possible = size <= MAX_SIZE && align.is_power_of_two() && align <= MAX_ALIGN;
        if block == 0 || !is_possible || self.numbers == MAX_SLOTS {
            return;
        }
        if self.live.contains_key(&block) {
            self.figures.misfits += 1;
            self.free(block);
        }
        // C may ask for no bytes.
        let size = size.max(1);
        let id = self.spare.pop().unwrap_or_else(|| {
            self.numbers += 1;
            self.numbers - 1
        });
        self.live.insert(block, (id, size));
        self.ops.push(Op::Alloc { id, size, align });
        self.figures.allocs += 1;
        self.grow(size, 0);
    }

    /// Where it says 0, the guest got nothing, and the block is where it was.
    fn realloc(&mut self, old: u32, block: u32, new_size: u32, align: u32) {
        if block == 0 {
            return;
        }
        let new_size = new_size.clamp(1, MAX_SIZE);
        let Some((id, size)) = self.live.remove(&old) else {
            self.figures.misfits += 1;
            return self.alloc(block, new_size, align);
        };
        if self.live.contains_key(&block) {
            self.figures.misfits += 1;
            self.free(block);
        }
        self.live.insert(block, (id, new_size));
        self.ops.push(Op::Realloc { id, new_size });
        self.figures.reallocs += 1;
        self.grow(new_size, size);
    }

    /// Nothing, if there is no block: C may free null.
    fn free(&mut self, block: u32) {
        match self.live.remove(&block) {
            Some((id, size)) => {
                self.spare.push(id);
                self.bytes -= u64::from(size);
                self.ops.push(Op::Free { id });
                self.figures.frees += 1;
            }
            None => self.figures.misfits += u64::from(block != 0),
        }
    }

    fn grow(&mut self, more: u32, less: u32) {
        self.bytes = self.bytes + u64::from(more) - u64::from(less);
        let figures = &mut self.figures;
        figures.peak_bytes = figures.peak_bytes.max(self.bytes);
        figures.peak_blocks = figures.peak_blocks.max(self.live.len() as u64);
    }

    /// How many blocks are live at its end.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// How many blocks it has room for at once.
    pub fn slots(&self) -> u32 {
        self.numbers
    }

    /// As a guest follows it.
    pub fn packed(&self) -> impl Iterator<Item = Packed> {
        self.ops.iter().map(|&op| Step::from(op).into())
    }

    /// As a file, which `pageslab bench` reads.
    pub fn encode(&self, name: &str) -> Vec<u8> {
        let mut encoder = Encoder::default();
        // The encoder gives numbers by the same rule.
        for &op in &self.ops {
            match op {
                Op::Alloc { size, align, .. } => drop(encoder.alloc(size, align)),
                Op::Realloc { id, new_size } => encoder.realloc(id, new_size),
                Op::Free { id } => encoder.free(id),
            }
        }
        encoder.finish(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(notes: &[(u32, [u32; 4], u32)], roles: &[Role]) -> Script {
        let words = notes.iter().flat_map(|&(role, parameters, block)| {
            let [a, b, c, d] = parameters;
            [role, a, b, c, d, block]
        });
        let log: Vec<_> = words.flat_map(u32::to_le_bytes).collect();
        Script::new(&log, roles)
    }

    #[test]
    fn calls_become_steps() {
        let roles = [
            Role::RustAlloc,
            Role::RustRealloc,
            Role::RustDealloc,
            Role::Calloc,
            Role::Free,
        ];
        let script = script(
            &[
                (0, [24, 8, 0, 0], 1000),
                (3, [10, 20, 0, 0], 2000),
                (1, [1000, 24, 8, 48], 3000),
                (2, [3000, 48, 8, 0], 0),
                (4, [0, 0, 0, 0], 0),
                (0, [1, 1, 0, 0], 0),
                (0, [7, 1, 0, 0], 1000),
            ],
            &roles,
        );
        assert_eq!(
            script.ops,
            [
                Op::Alloc {
                    id: 0,
                    size: 24,
                    align: 8
                },
                Op::Alloc {
                    id: 1,
                    size: 200,
                    align: 8
                },
                Op::Realloc {
                    id: 0,
                    new_size: 48
                },
                Op::Free { id: 0 },
                Op::Alloc {
                    id: 0,
                    size: 7,
                    align: 1
                },
            ]
        );
        let figures = script.figures;
        assert_eq!((figures.peak_blocks, figures.peak_bytes), (2, 248));
        assert_eq!((figures.calls(), figures.misfits), (5, 0));
        let trace = Trace::decode(&script.encode("x")).expect("it is a trace");
        assert_eq!(trace.ops, script.ops);
        assert_eq!(Script::of(&trace).figures, figures);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let roles = [Role::Malloc, Role::Free];
        let script = script(
            &[
                (0, [8, 0, 0, 0], 1000),
                (0, [8, 0, 0, 0], 1000),
                (1, [2000, 0, 0, 0], 0),
            ],
            &roles,
        );
        assert_eq!(script.figures.misfits, 2);
        assert!(Trace::decode(&script.encode("x")).is_ok());
    }
}
