//! The memory from which `limit` and, natively, pageslab and talc take pages: the module's own on wasm32, a
//! reserved mapping elsewhere.

use pageslab::LinearMemory;

#[cfg(target_arch = "wasm32")]
pub type Source = pageslab::WasmMemory;
#[cfg(not(target_arch = "wasm32"))]
pub type Source = pageslab::ReservedMemory;

/// A [`LinearMemory`] made on first use, so that it can be a static.
pub struct Memory(Option<Source>);

impl Memory {
    pub const fn new() -> Self {
        Self(None)
    }

    /// The address of `pages` new pages.
    pub fn grow(&mut self, pages: usize) -> Option<*mut u8> {
        let source = self.0.get_or_insert_with(source);
        let first = source.grow(pages as u32)?;
        Some(source.address(first << 16))
    }
}

pub fn source() -> Source {
    #[cfg(target_arch = "wasm32")]
    return Source::new();
    #[cfg(not(target_arch = "wasm32"))]
    {
        let mut memory = Source::new(65_536);
        // The first page is given away, since some offset must be none.
        memory.grow(1);
        memory
    }
}
