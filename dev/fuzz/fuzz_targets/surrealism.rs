//! SurrealDB's `MemoryController` on the module's heap, and what its host calls: blocks of one go to the other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::abi::surrealism::{alloc, free};
use pageslab::{Error, GlobalController, GlobalPageSlab};
use pageslab_fuzz::{Input, Interface, Module, Scripted, run};
use surrealism_types::controller::MemoryController as _;

struct Surrealism(GlobalController);

/// The error behind `anyhow`'s.
fn told(error: &anyhow::Error) -> Option<Error> {
    Some(*error.downcast_ref().expect("errors are the crate's"))
}

/// Which of the two a call takes.
fn is_hosts(number: u32) -> bool {
    number / 16 % 2 == 1
}

impl Interface for Surrealism {
    /// A host is not told more than that a call failed.
    type Told = Option<Error>;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Module::new(memory, max_pages);
        // SAFETY: only what it allocated is passed to it, or what it must refuse.
        Self(unsafe { GlobalPageSlab::new().controller() })
    }

    fn is(told: &Option<Error>, error: Error) -> bool {
        told.is_none_or(|told| told == error)
    }

    fn request(len: u32, _: u32) -> (u32, u32) {
        (len, 1)
    }

    fn alloc(&mut self, len: u32, _: u32) -> Result<u32, Option<Error>> {
        if !is_hosts(len) {
            return self.0.alloc(len).map_err(|error| told(&error));
        }
        match alloc(len) {
            0 => Err(None),
            ptr => Ok(ptr),
        }
    }

    fn free(&mut self, ptr: u32, len: u32, _: u32) -> Result<(), Option<Error>> {
        if !is_hosts(ptr) {
            return self.0.free(ptr, len).map_err(|error| told(&error));
        }
        // SAFETY: the model does not use what it frees, or it is refused.
        match unsafe { free(ptr, len) } {
            0 => Err(None),
            _ => Ok(()),
        }
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> Option<&mut [u8]> {
        Some(self.0.mut_mem(ptr, len))
    }
}

fuzz_target!(|input: Input| run::<Surrealism>(&input));
