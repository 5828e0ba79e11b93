//! The controller: the trait that clients hold, and the public type that implements it.

use crate::checked::mode::Checks;
use crate::heap::{Heap, NoBytes, Stats};
use crate::hooks::CHECKED;
use crate::memory::{LinearMemory, MAX_PAGES, PAGE};
use crate::sizes::class::GRANULE;
use crate::{Error, Result};
use core::num::NonZeroU32;

/// A memory controller: allocates in linear memory for a party that may be anyone, and checks whatever it is
/// given back.
///
/// Pointers are byte offsets into linear memory; lengths and alignments are bytes. A call that errs has
/// changed nothing.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let controller: &mut dyn MemoryController = &mut heap;
///
/// let ptr = controller.alloc(5)?;
/// controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
/// assert_eq!(controller.mut_mem(ptr + 1, 4), b"ello");
///
/// assert_eq!(controller.free(ptr, 4), Err(Error::LengthMismatch { ptr, allocated: 5, given: 4 }));
/// controller.free(ptr, 5)?;
/// assert_eq!(controller.free(ptr, 5), Err(Error::DoubleFree { ptr, len: 5 }));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
///
/// Only this crate's types implement it, so that it can have more methods later.
pub trait MemoryController: Sealed {
    /// Allocates `len` bytes, aligned to 16, and returns the pointer to them. It is never 0.
    ///
    /// A length of 0 is an allocation like others: its pointer is unlike all others that are live, and is
    /// freed once. The bytes have any contents.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let (ptr, empty) = (heap.alloc(24)?, heap.alloc(0)?);
    /// assert_eq!(ptr % 16, 0);
    /// assert_ne!(ptr, empty);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if memory cannot grow, or may not, and for more bytes than a slice can have: `isize::MAX`,
    /// on wasm32 2^31 - 1.
    fn alloc(&mut self, len: u32) -> Result<u32>;

    /// Frees the allocation of `len` bytes at `ptr`.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(24)?;
    /// assert!(heap.free(ptr, 25).is_err());
    /// assert_eq!(heap.free(ptr, 24), Ok(()));
    /// assert_eq!(heap.free(ptr, 24), Err(Error::DoubleFree { ptr, len: 24 }));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPointer`], [`Error::LengthMismatch`] or [`Error::DoubleFree`] unless `alloc`, `alloc_aligned` or `realloc`
    /// returned `ptr` for this very length and it has not been freed since.
    fn free(&mut self, ptr: u32, len: u32) -> Result<()>;

    /// The `len` bytes at `ptr`, which are all or a part of one live allocation.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(5)?;
    /// heap.mut_mem(ptr, 5).copy_from_slice(b"hello");
    /// assert_eq!(heap.mut_mem(ptr + 1, 3), b"ell");
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the bytes are not all within one live allocation, with the reason.
    fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8];

    /// The same, with an error where `mut_mem` panics: for pointers and lengths that a host has chosen.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(5)?;
    /// heap.try_mut_mem(ptr, 5)?.copy_from_slice(b"hello");
    /// let error = Error::LengthMismatch { ptr, allocated: 5, given: 6 };
    /// assert_eq!(heap.try_mut_mem(ptr + 1, 5), Err(error));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPointer`] if no live allocation holds the byte at `ptr`, and [`Error::LengthMismatch`] if one does that
    /// ends before the bytes do: `ptr` is then its pointer, and `given` the length that it would need to have.
    fn try_mut_mem(&mut self, ptr: u32, len: u32) -> Result<&mut [u8]>;

    /// Allocates as [`alloc`](Self::alloc) does, aligned to `align` as well: a power of two up to 65,536.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// assert_eq!(heap.alloc_aligned(100, 4096)? % 4096, 0);
    /// assert_eq!(heap.alloc_aligned(100, 24), Err(Error::InvalidAlignment { align: 24 }));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAlignment`] if `align` is none of these, else as `alloc`.
    fn alloc_aligned(&mut self, len: u32, align: u32) -> Result<u32>;

    /// Changes the length of an allocation, and returns its pointer: the same one, or that of a new
    /// allocation (aligned to 16), in which case the old one has been freed. The bytes up to the shorter
    /// length stay as they were.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(5)?;
    /// heap.mut_mem(ptr, 5).copy_from_slice(b"hello");
    /// let ptr = heap.realloc(ptr, 5, 1000)?;
    /// assert_eq!(heap.mut_mem(ptr, 5), b"hello");
    /// assert_eq!(heap.len_at(ptr), Ok(1000));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `free` for `ptr` and `old_len`, and as `alloc` for `new_len`. The old allocation is then untouched.
    fn realloc(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Result<u32>;
}

static_assertions::assert_obj_safe!(MemoryController);

/// What only this crate can name.
pub trait Sealed {}

impl<M> Sealed for PageSlab<M> {}

/// The allocator: a heap in a linear memory, with each `free` validated.
///
/// It takes nothing from its memory before the first allocation. Dropping it drops the memory value; what
/// `WasmMemory` has grown stays grown.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let mut other = PageSlab::new(WasmMemory::new());
/// let ptr = heap.alloc(24)?;
/// assert_eq!(other.free(ptr, 24), Err(Error::InvalidPointer { ptr }));
/// assert_eq!(heap.free(ptr, 24), Ok(()));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
pub struct PageSlab<M> {
    pub(crate) heap: Heap<M>,
    /// What checked mode keeps; nothing otherwise.
    pub(crate) checks: [Checks; CHECKED as usize],
}

#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
static_assertions::assert_impl_all!(PageSlab<crate::ReservedMemory>: Send);

impl<M> PageSlab<M> {
    /// A heap in this memory, which may grow as far as the memory can.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// assert_eq!(heap.pages(), 0);
    /// heap.alloc(24)?;
    /// assert_eq!(heap.pages(), 1);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub const fn new(memory: M) -> Self {
        Self::with_limit(memory, MAX_PAGES)
    }

    /// A heap in this memory that never holds more than `max_pages` pages of 64 KiB, its own metadata
    /// included. Pages of other parties do not count.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::with_limit(WasmMemory::new(), 4);
    /// assert_eq!(heap.alloc(300_000), Err(Error::OutOfMemory { len: 300_000 }));
    /// assert!(heap.alloc(100_000).is_ok());
    /// # }
    /// ```
    pub const fn with_limit(memory: M, max_pages: u32) -> Self {
        Self {
            heap: Heap::new(memory, max_pages),
            checks: [const { Checks::NEW }; CHECKED as usize],
        }
    }

    /// From now on the heap never holds more than `max_pages` pages of 64 KiB, or than it does already. As
    /// [`with_limit`](Self::with_limit).
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.set_limit(4);
    /// assert_eq!(heap.alloc(300_000), Err(Error::OutOfMemory { len: 300_000 }));
    /// heap.set_limit(16);
    /// assert!(heap.alloc(300_000).is_ok());
    /// # }
    /// ```
    pub fn set_limit(&mut self, max_pages: u32) {
        self.heap.runs.set_limit(max_pages);
    }

    /// How many pages of 64 KiB the heap holds.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(100_000)?;
    /// assert_eq!(heap.pages(), 2);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn pages(&self) -> u32 {
        self.heap.runs.held()
    }

    /// The memory.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{LinearMemory, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(5)?;
    /// let address = heap.memory().address(ptr);
    /// assert_eq!(heap.mut_mem(ptr, 5).as_mut_ptr(), address);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn memory(&self) -> &M {
        &self.heap.runs.memory
    }

    /// Whether an earlier call was stopped in the midst of a change, and left the heap dead: [`Error::Poisoned`]. Nobody knows
    /// then what is live.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(24)?;
    /// assert!(!heap.is_poisoned());
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.heap.is_poisoned()
    }

    /// The live allocations, as pointer and length, in the order of their pointers. None if the heap
    /// [is poisoned](Self::is_poisoned).
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(100)?;
    /// assert_eq!(heap.live().collect::<Vec<_>>(), [(ptr, 100)]);
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn live(&self) -> impl Iterator<Item = (u32, u32)> {
        self.heap.live()
    }
}

impl<M: LinearMemory> PageSlab<M> {
    /// The length of the live allocation that starts at `ptr`, in bytes: for callers that do not know it.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{Error, MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(5)?;
    /// assert_eq!(heap.len_at(ptr), Ok(5));
    /// assert_eq!(heap.len_at(ptr + 1), Err(Error::InvalidPointer { ptr: ptr + 1 }));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPointer`] or [`Error::DoubleFree`] (of length 0) if none does.
    pub fn len_at(&self, ptr: u32) -> Result<u32> {
        match self.fault(ptr, 0) {
            Error::LengthMismatch { allocated, .. } => Ok(allocated),
            Error::Overflow { len, .. } => Ok(len),
            error => Err(error),
        }
    }

    /// What the heap consists of, found out in time proportional to its size.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(100)?;
    /// let stats = heap.stats()?;
    /// assert_eq!((stats.live_blocks, stats.live_bytes), (1, 100));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] if an earlier call was stopped in the midst of a change: what there is cannot be told then.
    pub fn stats(&self) -> Result<Stats> {
        if self.heap.is_poisoned() {
            return Err(Error::Poisoned);
        }
        Ok(self.heap.stats())
    }

    /// Writes down every run and slab of the heap, with the lengths of all blocks, in the format of `docs/snapshot.md`, which the
    /// package `pageslab-snapshot` reads. Returns how many bytes that is; if the buffer has fewer, what is in it is of no use.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(100)?;
    /// let mut buffer = vec![0; heap.snapshot(&mut [])?];
    /// assert_eq!(heap.snapshot(&mut buffer)?, buffer.len());
    /// assert_eq!(buffer[..8], *b"pageslab");
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn snapshot(&self, buffer: &mut [u8]) -> Result<usize> {
        if self.heap.is_poisoned() {
            return Err(Error::Poisoned);
        }
        Ok(self.heap.snapshot(buffer))
    }

    /// Checks every invariant of the allocator's data, in time proportional to the size of the heap. For tests.
    ///
    /// # Panics
    ///
    /// If one does not hold, with the reason: that is a bug in pageslab, or something wrote to its metadata.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// heap.alloc(100)?;
    /// heap.check_invariants();
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    pub fn check_invariants(&self) {
        if let Err(invariant) = self.invariants() {
            panic!("{invariant}");
        }
    }

    /// The same for a caller that holds a lock: what does not hold.
    pub(crate) fn invariants(&self) -> crate::invariant::Checked {
        self.heap.check()?;
        self.check_checks()
    }

    /// Why the allocation of `len` bytes at `ptr` cannot be freed. If there is one, and nothing is wrong with it: a mismatch.
    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&self, ptr: u32, len: u32) -> Error {
        let fault = self.heap.fault(ptr, len);
        if CHECKED {
            self.checked_fault(fault)
        } else {
            fault
        }
    }

    /// Why there is no block of `len` bytes.
    #[cold]
    pub(crate) fn refusal(&mut self, len: u32) -> Error {
        if self.heap.is_poisoned() {
            return Error::Poisoned;
        }
        let refusal = if CHECKED { self.take_refusal() } else { None };
        refusal.unwrap_or(Error::OutOfMemory { len })
    }

    /// Why the allocation of `old_len` bytes at `ptr` did not get `new_len`, or was not freed.
    #[cold]
    #[inline(never)]
    pub(crate) fn why_not(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Error {
        match self.fault(ptr, old_len) {
            Error::LengthMismatch { allocated, .. } if allocated == old_len => {
                self.refusal(new_len)
            }
            fault => fault,
        }
    }

    /// An error unless there is a live allocation of `len` bytes at `ptr`.
    #[inline]
    pub(crate) fn expect_live(&self, ptr: u32, len: u32) -> Result<()> {
        match self.fault(ptr, len) {
            Error::LengthMismatch { allocated, .. } if allocated == len => Ok(()),
            fault => Err(fault),
        }
    }

    /// The `len` bytes at `ptr`, if they are all within one live allocation.
    pub(crate) fn bytes(&self, ptr: u32, len: u32) -> core::result::Result<*mut [u8], NoBytes> {
        self.heap.bytes(ptr, len)
    }

    /// Allocates at an alignment that is a power of two. `None` if there is a [`refusal`](Self::refusal), or if the alignment
    /// is more than a page.
    #[inline(always)]
    pub(crate) fn alloc_at(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if CHECKED {
            self.alloc_checked(len, align)
        } else {
            self.heap.alloc(len, align)
        }
    }

    /// Frees the live allocation of this length. False, and nothing changes, if none is there.
    #[inline(always)]
    pub(crate) fn free_at(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            self.free_checked(ptr, len)
        } else {
            self.heap.free(ptr, len)
        }
    }

    /// The same for an allocation that is in no slab; in checked mode for all.
    #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))]
    pub(crate) fn free_long_at(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            self.free_checked(ptr, len)
        } else {
            self.heap.free_long(ptr, len)
        }
    }

    /// [`MemoryController::realloc`] that aligns the block to `align`, known to be valid, if it moves it. `None` if it
    /// [could not](Self::why_not).
    #[inline(always)]
    pub(crate) fn realloc_at(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<NonZeroU32> {
        if CHECKED {
            self.realloc_checked(ptr, old_len, new_len, align)
        } else {
            self.heap.realloc(ptr, old_len, new_len, align)
        }
    }

    /// [`alloc_at`](Self::alloc_at), and all bytes are zero: those that memory had already before are cleared.
    pub(crate) fn alloc_zeroed_at(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        // What is the heap's before memory grows may have been used by others.
        self.heap.begin();
        let touched = if CHECKED {
            u64::MAX
        } else {
            self.heap.runs.touched()
        };
        let ptr = self.alloc_at(len, align)?;
        let bytes = touched.saturating_sub(ptr.get().into()).min(len.into());
        // SAFETY: the bytes are within an allocation that nobody knows of yet.
        unsafe { self.heap.address(ptr.get()).write_bytes(0, bytes as usize) };
        Some(ptr)
    }

    /// Allocates as [`MemoryController::alloc_aligned`] does, and all bytes are zero.
    ///
    /// What the heap may have used before is cleared, and so is memory that was there before it grew for the first time.
    /// What it has never used is not: `memory.grow` gives zeroed pages, and this method assumes that they still are. A host
    /// that puts old bytes of a memory back, or discards them, must do so with all of the memory, the heap's own data
    /// included; or else leave zeros in whatever it does not put back, such as pages that were grown since.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc_zeroed(100_000, 16)?;
    /// assert!(heap.mut_mem(ptr, 100_000).iter().all(|&byte| byte == 0));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `alloc_aligned`.
    pub fn alloc_zeroed(&mut self, len: u32, align: u32) -> Result<u32> {
        check_alignment(align)?;
        let ptr = self.alloc_zeroed_at(len, align);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    /// Changes the length of an allocation as [`MemoryController::realloc`] does, and keeps it aligned to `align`, to
    /// which it must be aligned already.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc_aligned(100, 4096)?;
    /// let ptr = heap.realloc_aligned(ptr, 100, 5000, 4096)?;
    /// assert_eq!((ptr % 4096, heap.len_at(ptr)), (0, Ok(5000)));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAlignment`] if `align` is no power of two up to 65,536 or the allocation is not aligned to it,
    /// else as `realloc`.
    pub fn realloc_aligned(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Result<u32> {
        self.check_aligned(ptr, old_len, align)?;
        let moved = self.realloc_at(ptr, old_len, new_len, align);
        moved
            .map(NonZeroU32::get)
            .ok_or_else(|| self.why_not(ptr, old_len, new_len))
    }

    /// Frees an allocation as [`MemoryController::free`] does, if it is aligned to `align`.
    #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))]
    pub(crate) fn free_aligned(&mut self, ptr: u32, len: u32, align: u32) -> Result<()> {
        self.check_aligned(ptr, len, align)?;
        self.free(ptr, len)
    }

    /// Whether `align` is an alignment, and that of the allocation of `len` bytes at `ptr`, if there is one.
    fn check_aligned(&self, ptr: u32, len: u32, align: u32) -> Result<()> {
        check_alignment(align)?;
        if ptr % align == 0 {
            return Ok(());
        }
        self.expect_live(ptr, len)?;
        Err(Error::InvalidAlignment { align })
    }
}

pub(crate) fn check_alignment(align: u32) -> Result<()> {
    if align.is_power_of_two() && align <= PAGE {
        Ok(())
    } else {
        Err(Error::InvalidAlignment { align })
    }
}

impl<M: LinearMemory> MemoryController for PageSlab<M> {
    #[inline]
    fn alloc(&mut self, len: u32) -> Result<u32> {
        let ptr = self.alloc_at(len, GRANULE);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    #[inline]
    fn free(&mut self, ptr: u32, len: u32) -> Result<()> {
        if self.free_at(ptr, len) {
            Ok(())
        } else {
            Err(self.why_not(ptr, len, len))
        }
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8] {
        let bytes = self.bytes(ptr, len).unwrap_or_else(|none| none.panic());
        // SAFETY: the bytes are within a live allocation of this heap, so in memory that is its alone (S2, R6), and the
        // borrow of `self` keeps it live and unshared.
        unsafe { &mut *bytes }
    }

    fn try_mut_mem(&mut self, ptr: u32, len: u32) -> Result<&mut [u8]> {
        let bytes = self.bytes(ptr, len).map_err(NoBytes::error)?;
        // SAFETY: as in `mut_mem`.
        Ok(unsafe { &mut *bytes })
    }

    fn alloc_aligned(&mut self, len: u32, align: u32) -> Result<u32> {
        check_alignment(align)?;
        let ptr = self.alloc_at(len, align);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    fn realloc(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Result<u32> {
        let moved = self.realloc_at(ptr, old_len, new_len, GRANULE);
        moved
            .map(NonZeroU32::get)
            .ok_or_else(|| self.why_not(ptr, old_len, new_len))
    }
}
