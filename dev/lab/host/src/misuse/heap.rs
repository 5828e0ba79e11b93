//! A guest's heap as its host uses it for a trial, well or badly: every block has bytes of its own, so that an allocator
//! that gives one of them away, or writes into one, is seen.

use crate::guest::{Guest, Live};
use crate::plan::reason;
use anyhow::{Context, Result};
use wasmtime::{Trap, TypedFunc, WasmParams, WasmResults};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

pub const ALIGN: u32 = 8;
/// Enough for one call. A list that has become a circle has no end.
const FUEL: u64 = 50_000_000;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The program was ended by `unreachable`, with these words or none.
    Ended(String),
    /// It was stopped by something else, which nobody meant to: memory out of bounds, or no end.
    Crashed(String),
    /// It goes on with a heap that is none.
    Corrupt(&'static str),
}

pub struct Block {
    pub at: u32,
    pub size: u32,
    bytes: Vec<u8>,
}

pub struct Heap {
    live: Live,
    stderr: MemoryOutputPipe,
    allocate: TypedFunc<(u32, u32), u32>,
    deallocate: TypedFunc<(u32, u32, u32), ()>,
    pub blocks: Vec<Block>,
    /// Pages that are not the allocator's: their address and length.
    foreign: (u32, u32),
    /// What the next block is filled with.
    mark: u8,
}

impl Heap {
    pub fn new(guest: &Guest) -> Result<Self> {
        const FOREIGN: u32 = 1 << 17;
        let (mut live, stderr) = guest.overheard()?;
        let foreign = live.room(FOREIGN.into())?;
        Ok(Self {
            allocate: live.function("allocate")?,
            deallocate: live.function("deallocate")?,
            live,
            stderr,
            blocks: Vec::new(),
            foreign: (foreign, FOREIGN),
            mark: 0,
        })
    }

    /// An address that never was a block, among zeros.
    pub fn never(&self) -> u32 {
        self.foreign.0 + 4096 + 16
    }

    /// The first line of what it has said that says something.
    pub fn words(&self) -> String {
        let text = self.stderr.contents();
        let text = String::from_utf8_lossy(&text);
        let is_frame = |line: &str| line.starts_with("thread '") || line.starts_with("note: ");
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !is_frame(line));
        line.unwrap_or_default().to_string()
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R, Trouble> {
        let crashed = |error: anyhow::Error| Trouble::Crashed(reason(&error));
        let fuel = self.live.store.set_fuel(FUEL);
        fuel.map_err(|error| crashed(error.into()))?;
        function
            .call(&mut self.live.store, parameters)
            .map_err(|error| {
                let trap = error.downcast_ref();
                match (trap, self.words()) {
                    (Some(Trap::UnreachableCodeReached), words) => Trouble::Ended(words),
                    (_, words) if !words.is_empty() => Trouble::Ended(words),
                    (Some(Trap::OutOfFuel), _) => Trouble::Crashed("the call has no end".into()),
                    _ => crashed(error.into()),
                }
            })
    }

    /// Allocates a block, and writes to all of it.
    pub fn allocate(&mut self, size: u32) -> Result<u32, Trouble> {
        let allocate = self.allocate.clone();
        let at = self.call(&allocate, (size, ALIGN))?;
        if at == 0 {
            return Err(Trouble::Corrupt("there is no memory any more"));
        }
        let ends = |at: u32, size: u32| u64::from(at) + u64::from(size);
        let is_apart = |other: u32, length: u32| {
            ends(at, size) <= other.into() || ends(other, length) <= at.into()
        };
        let mut blocks = self.blocks.iter();
        if !blocks.all(|block| is_apart(block.at, block.size)) {
            return Err(Trouble::Corrupt("two live blocks overlap"));
        }
        let (foreign, length) = self.foreign;
        if !is_apart(foreign, length) || !at.is_multiple_of(ALIGN) {
            return Err(Trouble::Corrupt("a block is where none can be"));
        }
        self.mark = self.mark.wrapping_add(1);
        let bytes = vec![self.mark; size as usize];
        let outside = Trouble::Corrupt("a block is outside of memory");
        let room = self.live.bytes(at, size).ok_or(outside)?;
        room.copy_from_slice(&bytes);
        self.blocks.push(Block { at, size, bytes });
        Ok(at)
    }

    /// Frees whatever it is told to.
    pub fn deallocate(&mut self, at: u32, size: u32) -> Result<(), Trouble> {
        let deallocate = self.deallocate.clone();
        self.call(&deallocate, (at, size, ALIGN))
    }

    /// Frees a block as it should be.
    pub fn free(&mut self, index: usize) -> Result<Block, Trouble> {
        let block = self.blocks.remove(index);
        self.deallocate(block.at, block.size)?;
        Ok(block)
    }

    /// Changes bytes, whosever they are. What other blocks then have in them is taken for theirs.
    pub fn overwrite(&mut self, at: u32, length: u32) -> Result<()> {
        let bytes = self.live.bytes(at, length).context("there is no memory")?;
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        for block in &mut self.blocks {
            let now = self.live.bytes(block.at, block.size);
            block.bytes = now.context("a block is outside of memory")?.to_vec();
        }
        Ok(())
    }

    /// Whether all blocks have in them what was written there.
    fn verify(&mut self) -> Result<(), Trouble> {
        for block in &self.blocks {
            let now = self.live.bytes(block.at, block.size);
            if now.is_none_or(|now| *now != block.bytes) {
                return Err(Trouble::Corrupt("a live block's bytes change"));
            }
        }
        Ok(())
    }

    /// Goes on as a program that has done nothing wrong.
    pub fn go_on(&mut self, size: u32) -> Result<(), Trouble> {
        for _ in 0..3 {
            for _ in 0..12 {
                for size in [size, size / 2, 16, size + 8, 2 * size] {
                    self.allocate(size)?;
                }
            }
            self.verify()?;
            for index in (0..self.blocks.len() / 2).rev() {
                self.free(2 * index)?;
            }
            self.verify()?;
        }
        while !self.blocks.is_empty() {
            self.free(0)?;
            self.verify()?;
        }
        Ok(())
    }
}
