//! The memory of two allocators that ask their user for it.

/// talc's arena, as large as in its documentation. A module that has it starts with it.
#[cfg(feature = "talc-arena")]
pub static mut ARENA: [core::mem::MaybeUninit<u8>; 0x800_0000] =
    [core::mem::MaybeUninit::uninit(); 0x800_0000];

#[cfg(feature = "picoalloc")]
pub use pico::Space;

#[cfg(feature = "picoalloc")]
mod pico {
    use core::arch::wasm32::{memory_grow, memory_size};
    use picoalloc::{Env, Size};

    /// Bytes in a page of linear memory.
    const PAGE: usize = 1 << 16;

    /// As large as that of picoalloc's own global allocator.
    const TOTAL: Size = match Size::from_bytes_usize(1 << 30) {
        Some(size) => size,
        None => panic!("it is too large"),
    };

    /// The same as picoalloc's own, which takes all memory from the end of the module's data on, also the pages that the
    /// lab's host has added for inputs and tables. This begins behind those, and has an end when others add more.
    pub struct Space {
        end: usize,
    }

    impl Space {
        pub const fn new() -> Self {
            Self { end: 0 }
        }
    }

    impl Env for Space {
        #[inline]
        fn total_space(&self) -> Size {
            TOTAL
        }

        #[inline]
        unsafe fn allocate_address_space(&mut self) -> *mut u8 {
            self.end = memory_size::<0>() * PAGE;
            self.end as *mut u8
        }

        #[inline]
        unsafe fn expand_memory_until(&mut self, base: *mut u8, size: Size) -> bool {
            let needed = base.addr() + size.bytes() as usize;
            if needed <= self.end {
                return true;
            }
            let pages = (needed - self.end).div_ceil(PAGE);
            if memory_size::<0>() * PAGE != self.end || memory_grow::<0>(pages) == usize::MAX {
                return false;
            }
            self.end += pages * PAGE;
            true
        }

        #[inline]
        unsafe fn free_address_space(&mut self, _: *mut u8) {}
    }
}
