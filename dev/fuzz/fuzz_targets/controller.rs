//! The controller: a heap of its own, by all of its methods.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::{Error, MemoryController as _, PageSlab};
use pageslab_fuzz::{Input, Interface, Scripted, Sizes, run};

/// The alignment of all blocks.
const GRANULE: u32 = 16;

struct Controller(PageSlab<Scripted>);

impl Interface for Controller {
    type Told = Error;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Self(PageSlab::with_limit(memory, max_pages))
    }

    fn is(told: &Error, error: Error) -> bool {
        *told == error
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, Error> {
        match align {
            1 => self.0.alloc(len),
            _ => self.0.alloc_aligned(len, align),
        }
    }

    fn alloc_zeroed(&mut self, len: u32, align: u32) -> Option<Result<u32, Error>> {
        Some(self.0.alloc_zeroed(len, align))
    }

    fn free(&mut self, ptr: u32, len: u32, _: u32) -> Result<(), Error> {
        self.0.free(ptr, len)
    }

    fn realloc(&mut self, ptr: u32, sizes: Sizes) -> Option<Result<u32, Error>> {
        let Sizes {
            len,
            align,
            new_len,
        } = sizes;
        Some(match align {
            ..=GRANULE => self.0.realloc(ptr, len, new_len),
            _ => self.0.realloc_aligned(ptr, len, new_len, align),
        })
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> Option<&mut [u8]> {
        Some(self.0.mut_mem(ptr, len))
    }

    fn len_at(&mut self, ptr: u32) -> Option<Result<u32, Error>> {
        Some(self.0.len_at(ptr))
    }

    fn misalign(&mut self, ptr: u32, len: u32, align: u32) -> Option<Result<(), Error>> {
        Some(self.0.realloc_aligned(ptr, len, len, align).map(drop))
    }

    fn live(&self) -> Vec<(u32, u32)> {
        self.0.live().collect()
    }

    fn pages(&self) -> u32 {
        self.0.pages()
    }

    fn check_invariants(&self) {
        self.0.check_invariants();
    }
}

fuzz_target!(|input: Input| run::<Controller>(&input));
