//! The memory from which `limit` and, natively, talc and rlsf take pages: the module's own on wasm32, a mapping
//! elsewhere. Not pageslab's: what is compared with it is not built anew when it changes.

/// Bytes in a page of linear memory.
pub const PAGE: usize = 1 << 16;

#[cfg(target_arch = "wasm32")]
pub struct Memory;

#[cfg(target_arch = "wasm32")]
impl Memory {
    pub const fn new() -> Self {
        Self
    }

    /// The address of `pages` new pages.
    pub fn grow(&mut self, pages: usize) -> Option<*mut u8> {
        let first = core::arch::wasm32::memory_grow::<0>(pages);
        (first != usize::MAX).then(|| (first * PAGE) as *mut u8)
    }
}

/// As much as a wasm32 memory, mapped on first use so that it can be a static, and committed by the system when
/// it is touched.
#[cfg(not(target_arch = "wasm32"))]
pub struct Memory {
    /// Null: not mapped yet.
    next: *mut u8,
    /// Pages from `next` to the end.
    pages: usize,
}

#[cfg(not(target_arch = "wasm32"))]
impl Memory {
    pub const PAGES: usize = 65_535;

    pub const fn new() -> Self {
        Self {
            next: core::ptr::null_mut(),
            pages: 0,
        }
    }

    /// The address of `pages` new pages, behind those of the last call.
    pub fn grow(&mut self, pages: usize) -> Option<*mut u8> {
        if self.next.is_null() {
            self.next = map((Self::PAGES + 1) * PAGE)?;
            self.next = self.next.wrapping_add(self.next.align_offset(PAGE));
            self.pages = Self::PAGES;
        }
        self.pages = self.pages.checked_sub(pages)?;
        let first = self.next;
        self.next = first.wrapping_add(pages * PAGE);
        Some(first)
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn map(bytes: usize) -> Option<*mut u8> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address that the system chooses touches nothing that exists.
    let start = unsafe { libc::mmap(core::ptr::null_mut(), bytes, access, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start.cast())
}
