//! SurrealDB's own [`MemoryController`] trait, for guests whose data goes through its `Transfer`.
//!
//! Errors are this crate's, behind `anyhow`: `downcast_ref::<pageslab::Error>()` gives them back.

use crate::memory::LinearMemory;
use crate::{GlobalController, PageSlab};
use surrealism_types::controller::MemoryController;

macro_rules! by_ours {
    () => {
        fn alloc(&mut self, len: u32) -> anyhow::Result<u32> {
            Ok(crate::MemoryController::alloc(self, len)?)
        }

        fn free(&mut self, ptr: u32, len: u32) -> anyhow::Result<()> {
            Ok(crate::MemoryController::free(self, ptr, len)?)
        }

        fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8] {
            crate::MemoryController::mut_mem(self, ptr, len)
        }
    };
}

/// The controller as SurrealDB's.
impl<M: LinearMemory> MemoryController for PageSlab<M> {
    by_ours!();
}

/// The module's heap as SurrealDB's controller: for what [`abi::surrealism`](crate::abi::surrealism) shares with the
/// host.
impl MemoryController for GlobalController {
    by_ours!();
}
