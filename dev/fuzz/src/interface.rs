//! What a target says of its interface: how each call is made, and what comes back.
//!
//! Pointers are offsets into linear memory, lengths and alignments are bytes, for all of them. `None` says that the
//! interface has no such function.

use crate::Scripted;
use pageslab::{Error, GlobalPageSlab};
use std::fmt::Debug;

/// An interface of pageslab's, and its heap. Unless a target says otherwise, that is the module's.
pub trait Interface {
    /// What it tells of an error.
    type Told: Debug;

    /// An empty heap of at most so many pages in this memory.
    fn new(memory: Scripted, max_pages: u32) -> Self;

    /// Whether it tells this of an error.
    fn is(told: &Self::Told, error: Error) -> bool;

    /// The length and the alignment that are asked for instead of these, if the interface cannot express them.
    fn request(len: u32, align: u32) -> (u32, u32) {
        (len, align)
    }

    /// Whether a call with these is right, and does nothing.
    fn is_nothing(_ptr: u32, _len: u32) -> bool {
        false
    }

    fn alloc(&mut self, len: u32, align: u32) -> Result<u32, Self::Told>;

    fn alloc_zeroed(&mut self, _len: u32, _align: u32) -> Option<Result<u32, Self::Told>> {
        None
    }

    fn free(&mut self, ptr: u32, len: u32, align: u32) -> Result<(), Self::Told>;

    fn realloc(&mut self, _: u32, _: Sizes) -> Option<Result<u32, Self::Told>> {
        None
    }

    /// Panics if no live block holds all of these bytes.
    fn mut_mem(&mut self, _ptr: u32, _len: u32) -> Option<&mut [u8]> {
        None
    }

    fn len_at(&mut self, _ptr: u32) -> Option<Result<u32, Self::Told>> {
        None
    }

    /// A call on a block of this length that has not this alignment.
    fn misalign(&mut self, _: u32, _len: u32, _align: u32) -> Option<Result<(), Self::Told>> {
        None
    }

    /// The heap's live blocks, in order.
    fn live(&self) -> Vec<(u32, u32)> {
        GlobalPageSlab::blocks()
    }

    fn pages(&self) -> u32 {
        GlobalPageSlab::new().pages()
    }

    fn check_invariants(&self) {
        GlobalPageSlab::new().check_invariants();
    }
}

/// What a block is to become, and what it is, or is said to be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub len: u32,
    pub align: u32,
    pub new_len: u32,
}
