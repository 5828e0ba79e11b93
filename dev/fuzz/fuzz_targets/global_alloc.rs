//! The module's heap as `GlobalAlloc`, by addresses and layouts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::{Error, GlobalPageSlab};
use pageslab_fuzz::{Input, Interface, Module, Scripted, Sizes, run, trapping};
use std::alloc::{GlobalAlloc as _, Layout};

static HEAP: GlobalPageSlab = GlobalPageSlab::new();

struct Global(Module);

fn layout(len: u32, align: u32) -> Layout {
    Layout::from_size_align(len as usize, align as usize).expect("the model knows what is one")
}

impl Interface for Global {
    type Told = Error;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Self(Module::new(memory, max_pages))
    }

    fn is(told: &Error, error: Error) -> bool {
        *told == error
    }

    /// Some powers of two are too large, but all are in layouts.
    fn request(len: u32, align: u32) -> (u32, u32) {
        (len, align.next_power_of_two())
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, Error> {
        // SAFETY: this heap takes a length of 0 as well.
        let block = trapping(|| unsafe { HEAP.alloc(layout(len, align)) })?;
        self.0.offset(block, len, align)
    }

    fn alloc_zeroed(&mut self, len: u32, align: u32) -> Option<Result<u32, Error>> {
        // SAFETY: as above.
        let block = trapping(|| unsafe { HEAP.alloc_zeroed(layout(len, align)) });
        Some(block.and_then(|block| self.0.offset(block, len, align)))
    }

    fn free(&mut self, ptr: u32, len: u32, align: u32) -> Result<(), Error> {
        let address = self.0.address(ptr);
        // SAFETY: the heap refuses a pointer or a length that is wrong.
        trapping(|| unsafe { HEAP.dealloc(address, layout(len, align)) })
    }

    fn realloc(&mut self, ptr: u32, sizes: Sizes) -> Option<Result<u32, Error>> {
        let address = self.0.address(ptr);
        let old = layout(sizes.len, sizes.align);
        // SAFETY: as above; the new length is one that a layout can have.
        let block = trapping(|| unsafe { HEAP.realloc(address, old, sizes.new_len as usize) });
        Some(block.and_then(|block| self.0.offset(block, sizes.new_len, sizes.align)))
    }

    fn len_at(&mut self, ptr: u32) -> Option<Result<u32, Error>> {
        Some(HEAP.len_of(self.0.address(ptr)))
    }
}

fuzz_target!(|input: Input| run::<Global>(&input));
