//! `malloc`, `free` and their family, which trap on misuse.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pageslab::Error;
use pageslab::abi::c::*;
use pageslab_fuzz::{Input, Interface, Module, Scripted, Sizes, run, trapping};
use std::ffi::c_void;
use std::ptr::null_mut;

struct Family(Module);

impl Family {
    fn address(&self, ptr: u32) -> *mut c_void {
        self.0.address(ptr)
    }

    /// What a caller does who knows the length of a block that the function does not ask for.
    fn expect_len(&mut self, ptr: u32, given: u32) -> Result<(), Error> {
        let address = self.address(ptr);
        // SAFETY: it refuses a pointer to no block.
        let allocated = trapping(|| unsafe { malloc_usable_size(address) })? as u32;
        if allocated != given {
            return Err(Error::LengthMismatch {
                ptr,
                allocated,
                given,
            });
        }
        Ok(())
    }
}

impl Interface for Family {
    type Told = Error;

    fn new(memory: Scripted, max_pages: u32) -> Self {
        Self(Module::new(memory, max_pages))
    }

    /// Not all functions are given a length that they could tell.
    fn is(told: &Error, error: Error) -> bool {
        let of = |error| match error {
            Error::DoubleFree { ptr, .. } => Error::DoubleFree { ptr, len: 0 },
            other => other,
        };
        of(*told) == of(error)
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, Error> {
        let (size, alignment) = (len as usize, align as usize);
        let block = trapping(|| match len % 3 {
            _ if align == 1 => malloc(size),
            0 => aligned_alloc(alignment, size),
            1 => memalign(alignment, size),
            _ => {
                let mut out = null_mut();
                // Those that are too small for it are for others.
                let alignment = if align < 8 { 8 * alignment } else { alignment };
                // SAFETY: a pointer can be written there.
                let code = unsafe { posix_memalign(&raw mut out, alignment, size) };
                assert_eq!(code == 0, !out.is_null());
                out
            }
        })?;
        self.0.offset(block, len, align)
    }

    fn alloc_zeroed(&mut self, len: u32, align: u32) -> Option<Result<u32, Error>> {
        let count = [1, 2, 3]
            .into_iter()
            .rfind(|count| len.is_multiple_of(*count))?;
        let (count, size) = (count as usize, (len / count) as usize);
        let block = (align == 1).then(|| {
            trapping(|| {
                let none = calloc(too_many(size), 4);
                assert!(none.is_null(), "a product that overflows is a length");
                calloc(count, size)
            })
        })?;
        Some(block.and_then(|block| self.0.offset(block, len, align)))
    }

    fn free(&mut self, ptr: u32, len: u32, align: u32) -> Result<(), Error> {
        let (address, size) = (self.address(ptr), len as usize);
        match ptr / 16 % 3 {
            0 => {
                self.expect_len(ptr, len)?;
                // SAFETY: it refuses a pointer to no block.
                trapping(|| unsafe { free(address) })
            }
            // SAFETY: as above, and another length.
            1 => trapping(|| unsafe { free_sized(address, size) }),
            // SAFETY: as above, and another alignment.
            _ => trapping(|| unsafe { free_aligned_sized(address, align as usize, size) }),
        }
    }

    fn realloc(&mut self, ptr: u32, sizes: Sizes) -> Option<Result<u32, Error>> {
        // It does not keep what is aligned to more.
        let Sizes { len, new_len, .. } = Some(sizes).filter(|sizes| sizes.align <= 16)?;
        let (address, size) = (self.address(ptr), new_len as usize);
        let block = self.expect_len(ptr, len).and_then(|()| {
            // SAFETY: it refuses a pointer to no block.
            trapping(|| unsafe {
                let none = reallocarray(address, too_many(size), 4);
                assert!(none.is_null(), "a product that overflows is a length");
                match size % 4 {
                    0 => reallocarray(address, 4, size / 4),
                    _ => realloc(address, size),
                }
            })
        });
        Some(block.and_then(|block| self.0.offset(block, new_len, 1)))
    }

    fn len_at(&mut self, ptr: u32) -> Option<Result<u32, Error>> {
        let address = self.address(ptr);
        // SAFETY: it refuses a pointer to no block.
        Some(trapping(|| unsafe { malloc_usable_size(address) as u32 }))
    }

    fn misalign(&mut self, ptr: u32, len: u32, align: u32) -> Option<Result<(), Error>> {
        let (address, size) = (self.address(ptr), len as usize);
        // SAFETY: it refuses an alignment that the block has not.
        Some(trapping(|| unsafe {
            free_aligned_sized(address, align as usize, size);
        }))
    }
}

/// A count of which four times as much is four times `count`, were it not that it overflows.
fn too_many(count: usize) -> usize {
    usize::MAX / 4 + 1 + count
}

fuzz_target!(|input: Input| run::<Family>(&input));
