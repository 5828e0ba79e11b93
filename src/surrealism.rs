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
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{Error, PageSlab, WasmMemory};
/// use surrealism_types::controller::MemoryController;
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let ptr = heap.alloc(24)?;
/// let error = heap.free(ptr, 32).unwrap_err();
/// let refused = Error::LengthMismatch { ptr, allocated: 24, given: 32 };
/// assert_eq!(error.downcast_ref(), Some(&refused));
/// # }
/// # Ok::<(), anyhow::Error>(())
/// ```
impl<M: LinearMemory> MemoryController for PageSlab<M> {
    by_ours!();
}

/// The module's heap as SurrealDB's controller: for what [`abi::surrealism`](crate::abi::surrealism) shares with the
/// host.
///
/// ```
/// use pageslab::{GlobalPageSlab, abi::surrealism};
/// use surrealism_types::controller::MemoryController;
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// // SAFETY: only what it allocated itself is passed to it.
/// let mut controller = unsafe { HEAP.controller() };
/// let ptr = controller.alloc(5)?;
/// controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
/// // SAFETY: nobody uses the block. (This is the host's call.)
/// assert_eq!(unsafe { surrealism::free(ptr, 5) }, 1);
/// # Ok::<(), anyhow::Error>(())
/// ```
impl MemoryController for GlobalController {
    by_ours!();
}
