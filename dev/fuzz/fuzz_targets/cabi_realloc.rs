//! `cabi_realloc`, which traps on failure.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::Error;
use pageslab::abi::cabi_realloc;
use pageslab_fuzz::{Input, Interface, Module, Scripted, Sizes, run, trapping};

struct Component;

fn realloc(ptr: u32, len: u32, align: u32, new_len: u32) -> u32 {
    // SAFETY: the model does not use what it frees, or it is refused.
    unsafe { cabi_realloc(ptr, len, align, new_len) }
}

impl Interface for Component {
    type Told = Error;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Module::new(memory, max_pages);
        Self
    }

    fn is(told: &Error, error: Error) -> bool {
        *told == error
    }

    /// No bytes are no block.
    fn request(len: u32, align: u32) -> (u32, u32) {
        (len.max(1), align)
    }

    fn is_nothing(_: u32, len: u32) -> bool {
        len == 0
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, Error> {
        let none = trapping(|| realloc(0, 0, align, 0))?;
        assert_eq!(none, align, "no bytes are at their alignment");
        trapping(|| realloc(0, 0, align, len))
    }

    fn free(&mut self, ptr: u32, len: u32, align: u32) -> Result<(), Error> {
        let none = trapping(|| realloc(ptr, len, align, 0))?;
        assert_eq!(none, align, "no bytes are at their alignment");
        Ok(())
    }

    fn realloc(&mut self, ptr: u32, sizes: Sizes) -> Option<Result<u32, Error>> {
        let Sizes {
            len,
            align,
            new_len,
        } = sizes;
        Some(trapping(|| realloc(ptr, len, align, new_len)))
    }

    fn misalign(&mut self, ptr: u32, len: u32, align: u32) -> Option<Result<(), Error>> {
        Some(self.free(ptr, len, align))
    }
}

fuzz_target!(|input: Input| run::<Component>(&input));
