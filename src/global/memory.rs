//! The module's memory: what `memory.grow` adds, and what the linker has left free before it.
//!
//! That is what lies between the end of the module's data and stack (`__heap_base`) and the end of the memory that the module starts with
//! (`__heap_end`): a part of a page, or much more if it is linked with `--initial-memory` or `--initial-heap`. Another allocator may
//! take it as well, above all wasi-libc's. So it is left alone
//! - under WASI 0.1, unless the crate's feature `c` makes the C family this heap's;
//! - with threads, since what prepares a module for them may put its own data there (as wasm-bindgen does);
//! - where the system is none that is known;
//! - if its first bytes are not zero: then somebody has taken it before.
//!
//! A module can be linked with pages of another size (`--page-size=1`). Its `memory.size` counts these, and so it is stopped here, before
//! the first of its pages is taken for one of 64 KiB.

use super::misuse::{trap, write_to_stderr};
use crate::WasmMemory;
use crate::memory::LinearMemory;
use crate::sizes::geometry::FRAME;
use core::ops::Range;

/// Whether nobody else takes it.
const IS_OURS: bool = cfg!(all(
    not(pageslab_threads),
    any(
        target_os = "unknown",
        target_os = "none",
        all(
            target_os = "wasi",
            any(not(target_env = "p1"), feature = "c")
        )
    )
));

/// What the first bytes become, for another heap that looks at them: a version of this crate, say.
const TAKEN: u64 = u64::from_le_bytes(*b"pageslab");

pub(super) struct ModuleMemory(WasmMemory);

impl ModuleMemory {
    pub(super) const fn new() -> Self {
        Self(WasmMemory::new())
    }
}

// SAFETY: `WasmMemory` keeps the promises. What is initial lies within the memory that the module starts with, and belongs to whoever takes
// it first, which is the convention between allocators; and then to the first caller, since its first bytes are not zero any more.
unsafe impl LinearMemory for ModuleMemory {
    #[inline(always)]
    fn address(&self, offset: u32) -> *mut u8 {
        self.0.address(offset)
    }

    #[inline]
    fn size(&self) -> u32 {
        self.0.size()
    }

    #[inline]
    fn grow(&mut self, pages: u32) -> Option<u32> {
        self.0.grow(pages)
    }

    fn initial(&mut self) -> Range<u32> {
        unsafe extern "C" {
            safe static __heap_base: u8;
            safe static __heap_end: u8;
        }

        let end = (&raw const __heap_end).addr() as u32;
        // Pages of one byte are at least as many as there were bytes at the start. Of 64 KiB, only a full memory has that many, and only
        // behind a start of one page.
        if self.size() > end.wrapping_sub(1) {
            refuse_pages();
        }
        if !IS_OURS {
            return 0..0;
        }
        let start = (&raw const __heap_base)
            .addr()
            .next_multiple_of(FRAME as usize) as u32;
        // Where it is all of 4 GiB, the end is 0.
        let end = if end == 0 { u32::MAX } else { end };
        if start >= end || end - start < FRAME {
            return 0..0;
        }
        let first = self.address(start).cast::<u64>();
        // SAFETY: the bytes are within the memory that the module starts with, and nobody uses them unless somebody has written there.
        unsafe {
            if first.read_volatile() != 0 {
                return 0..0;
            }
            first.write_volatile(TAKEN);
        }
        start..end
    }
}

#[cold]
fn refuse_pages() -> ! {
    // Whatever is written later in WASI may allocate.
    if cfg!(target_env = "p1") {
        write_to_stderr(b"pageslab: the module is linked with --page-size, and its heap needs pages of 64 KiB\n");
    }
    trap()
}
