//! `__alloc` and `__free`, which tell a status.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::Error;
use pageslab::abi::alloc_free::{DOUBLE_FREE, INVALID_POINTER, LENGTH_MISMATCH, OK, alloc, free};
use pageslab_fuzz::{Input, Interface, Module, Scripted, run};

struct AllocFree;

impl Interface for AllocFree {
    /// The status of a free, or 0 for want of a block.
    type Told = u32;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Module::new(memory, max_pages);
        Self
    }

    fn is(told: &u32, error: Error) -> bool {
        *told
            == match error {
                Error::OutOfMemory { .. } | Error::InvalidAlignment { .. } => 0,
                Error::InvalidPointer { .. } => INVALID_POINTER,
                Error::LengthMismatch { .. } => LENGTH_MISMATCH,
                Error::DoubleFree { .. } => DOUBLE_FREE,
                _ => u32::MAX,
            }
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, u32> {
        match alloc(len, align) {
            0 => Err(0),
            ptr => Ok(ptr),
        }
    }

    fn free(&mut self, ptr: u32, len: u32, _: u32) -> Result<(), u32> {
        // SAFETY: the model does not use what it frees, or it is refused.
        match unsafe { free(ptr, len) } {
            OK => Ok(()),
            status => Err(status),
        }
    }
}

fuzz_target!(|input: Input| run::<AllocFree>(&input));
