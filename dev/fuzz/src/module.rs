//! The module's heap, new for each input, and addresses in it.

use crate::{Scripted, trap};
use pageslab::{Error, GlobalPageSlab, LinearMemory as _, PAGE};

/// The module's heap.
pub struct Module(Scripted);

impl Module {
    pub fn new(memory: Scripted, max_pages: u32) -> Self {
        // SAFETY: the model of the last input is gone, and with it all that used its blocks; there is one thread.
        unsafe { GlobalPageSlab::fuzz(memory.clone(), max_pages, trap::trap) };
        Self(memory)
    }

    /// The address of an offset.
    pub fn address<T>(&self, ptr: u32) -> *mut T {
        self.0.address(ptr).cast()
    }

    /// The offset of a block's address, or why there is none.
    ///
    /// # Errors
    ///
    /// For null: that of an alignment which is none, or else that memory is exhausted.
    pub fn offset<T>(&self, address: *mut T, len: u32, align: u32) -> Result<u32, Error> {
        if !address.is_null() {
            let offset = address.addr().wrapping_sub(self.0.address(0).addr());
            return Ok(u32::try_from(offset).expect("a block lies in the heap"));
        }
        Err(if align.is_power_of_two() && align <= PAGE {
            Error::OutOfMemory { len }
        } else {
            Error::InvalidAlignment { align }
        })
    }
}
