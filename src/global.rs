//! The module's heap: one [`PageSlab`] in the module's own memory, behind [`GlobalAlloc`] and as a controller.
//!
//! [`GlobalPageSlab`], [`GlobalController`] and the functions in `abi` are all handles to it. Natively it lies in a
//! [`ReservedMemory`](crate::ReservedMemory) of 4 GiB, or what the system grants of it, so that a guest's own tests run on the host with the same
//! allocator. This file converts between addresses, which the guest's code has, and offsets.

pub mod abi;
#[cfg(feature = "allocator-api2-02")]
mod allocator_api;
#[cfg(feature = "checked")]
mod checked;
#[cfg(pageslab_threads)]
mod futex;
#[cfg(fuzzing)]
mod fuzzing;
mod layout;
mod lock;
#[cfg(target_arch = "wasm32")]
mod memory;
mod misuse;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(feature = "alloc")]
mod vectors;

pub use misuse::{MisuseHandler, explain, panic_on_misuse, report_and_trap};

use crate::controller::{MemoryController, PageSlab, Sealed};
use crate::heap::NoBytes;
use crate::hooks::{CHECKED, PATTERN};
use crate::memory::LinearMemory;
use crate::sizes::class::GRANULE;
use crate::{Error, Result, Stats};
use core::alloc::{GlobalAlloc, Layout};
use core::num::NonZeroU32;
use core::ptr::null_mut;
#[cfg(fuzzing)]
use fuzzing::{Memory, memory};
use lock::Locked;
use misuse::{Last, misused, note};
#[cfg(not(fuzzing))]
use {OwnMemory as Memory, own_memory as memory};

/// What the heap lies in.
#[cfg(target_arch = "wasm32")]
type OwnMemory = memory::ModuleMemory;
#[cfg(not(target_arch = "wasm32"))]
type OwnMemory = native::NativeMemory;

static HEAP: Locked<PageSlab<Memory>> = Locked::new(PageSlab::new(memory()));

#[cfg(target_arch = "wasm32")]
const fn own_memory() -> OwnMemory {
    memory::ModuleMemory::new()
}

#[cfg(not(target_arch = "wasm32"))]
const fn own_memory() -> OwnMemory {
    native::NativeMemory::new()
}

/// Calls with the module's heap, which the call must not use in any other way.
#[inline(always)]
fn with_heap<R>(call: impl FnOnce(&mut PageSlab<Memory>) -> R) -> R {
    HEAP.with(call)
}

/// The module's heap as the global allocator, of a guest or natively.
///
/// ```
/// use pageslab::GlobalPageSlab;
///
/// #[global_allocator]
/// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
///
/// let text = String::from("on this heap");
/// assert_eq!(ALLOCATOR.len_of(text.as_ptr().cast_mut()), Ok(12));
/// ```
///
/// There is one heap in a module, and every value of this type is a handle to it, as are the functions that
/// [`export_abi!`](crate::export_abi) exports: what a host allocates, the guest may free, and the other way round.
///
/// # Threads
///
/// On wasm32 without the target feature `atomics` there is one thread, and no lock. With it, and natively, a lock is
/// held during each call. A thread that finds it held spins for a moment, and then waits: under WASI by
/// `memory.atomic.wait32`, natively by a futex on Linux and `WaitOnAddress` on Windows, while on macOS and others it yields and
/// looks again. On wasm32-unknown-unknown it goes on spinning, as std's allocator does there, since a browser's main thread may
/// not wait. wasm32-wasip1-threads has the feature; wasm32-unknown-unknown can have it with a nightly compiler, which
/// std for threads needs as well. On wasm32-wasip1-threads, add [`export_abi!(c)`](crate::export_abi): wasi-libc has the stacks
/// of threads from its own `malloc`, which takes as its own all that memory has grown by between two looks at its size, pages
/// of this heap included. With the line there is one heap.
///
/// # Misuse
///
/// `dealloc` and `realloc` validate pointer and length exactly, but cannot return an error: what is wrong goes to a
/// [`MisuseHandler`], has changed nothing, and the heap stays usable. A layout aligned to more than a page
/// (65,536 bytes) is refused with null. One of no bytes, which `GlobalAlloc` leaves open, is an allocation like others.
pub struct GlobalPageSlab {
    /// Another handler than [`report_and_trap`].
    handler: Option<MisuseHandler>,
}

impl GlobalPageSlab {
    /// The heap, with [`report_and_trap`] as its handler of misuse.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let boxed = Box::new(7);
    /// assert!(ALLOCATOR.live()? > 0);
    /// # drop(boxed);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { handler: None }
    }

    /// The heap, with this handler of misuse for calls through this value.
    ///
    /// ```
    /// use pageslab::{Error, GlobalPageSlab};
    ///
    /// fn tell(error: Error) -> ! {
    ///     eprintln!("a plugin misused its heap: {error}");
    /// #   if error == (Error::InvalidPointer { ptr: 8 }) { std::process::exit(0) } // as it should be
    ///     std::process::abort()
    /// }
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(tell);
    /// # ALLOCATOR.misuse(Error::InvalidPointer { ptr: 8 });
    /// ```
    #[must_use]
    pub const fn with_misuse_handler(handler: MisuseHandler) -> Self {
        let handler = Some(handler);
        Self { handler }
    }

    /// How many pages of 64 KiB the heap holds.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let bytes = vec![7u8; 1 << 20];
    /// assert!(ALLOCATOR.pages() >= 16);
    /// # drop(bytes);
    /// ```
    pub fn pages(&self) -> u32 {
        with_heap(|heap| heap.pages())
    }

    /// From now on the heap never holds more than `max_pages` pages of 64 KiB, its own metadata included, or than it does
    /// already. That holds for all handles, and for the functions that a host calls. For a limit from the beginning, let the
    /// export set it that the host calls first, such as `_initialize`.
    ///
    /// Where it is reached, memory is exhausted: a guest gets null, and `try_reserve` errs, while what cannot err ends as it
    /// does without memory; a controller says [`Error::OutOfMemory`]; a host gets 0 from `__alloc` and `__sr_alloc`, and a trap
    /// from `cabi_realloc`. What is freed can be had again.
    ///
    /// It bounds this heap alone. All memory of a module, its data and stack included, is bounded
    /// - when it is linked: by `--max-memory=BYTES`, which a guest's `build.rs` can set with
    ///   `cargo:rustc-link-arg=--max-memory=BYTES`;
    /// - by its host, such as Wasmtime with a `StoreLimits` in the store. It may also let growth trap, which leaves the
    ///   heap as it was.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// ALLOCATOR.set_limit(16); // 1 MiB
    /// assert!(Vec::<u8>::new().try_reserve(1 << 20).is_err());
    /// assert!(Vec::<u8>::new().try_reserve(1 << 19).is_ok());
    /// ```
    pub fn set_limit(&self, max_pages: u32) {
        with_heap(|heap| heap.set_limit(max_pages));
    }

    /// How many allocations are live. Takes time with the size of the heap.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let before = ALLOCATOR.live()?;
    /// let boxed = Box::new(7);
    /// assert_eq!(ALLOCATOR.live()?, before + 1);
    /// # drop(boxed);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`]: nobody knows then what is live.
    pub fn live(&self) -> Result<usize> {
        self.whole(with_heap(|heap| heap.live().count()))
    }

    /// As [`PageSlab::is_poisoned`].
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let boxed = Box::new(7);
    /// assert!(!ALLOCATOR.is_poisoned());
    /// # drop(boxed);
    /// ```
    pub fn is_poisoned(&self) -> bool {
        with_heap(|heap| heap.is_poisoned())
    }

    /// What was counted of the heap, unless it is poisoned.
    fn whole<T>(&self, count: T) -> Result<T> {
        if self.is_poisoned() {
            return Err(Error::Poisoned);
        }
        Ok(count)
    }

    /// What the heap consists of, as [`PageSlab::stats`].
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let before = ALLOCATOR.stats()?;
    /// let bytes = vec![7u8; 1000];
    /// assert_eq!(ALLOCATOR.stats()?.live_bytes, before.live_bytes + 1000);
    /// # drop(bytes);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::stats`].
    pub fn stats(&self) -> Result<Stats> {
        with_heap(|heap| heap.stats())
    }

    /// Writes down every run and slab of the heap, as [`PageSlab::snapshot`]. The buffer may be a block of this heap: then it is in the
    /// snapshot.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// // A little more, for the run or the slab of the buffer itself.
    /// let mut buffer = vec![0; ALLOCATOR.snapshot(&mut [])? + 1024];
    /// let len = ALLOCATOR.snapshot(&mut buffer)?;
    /// assert!(buffer[..len].starts_with(b"pageslab"));
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::snapshot`].
    pub fn snapshot(&self, buffer: &mut [u8]) -> Result<usize> {
        with_heap(|heap| heap.snapshot(buffer))
    }

    /// The length of the live allocation that starts at this address, in bytes: for callers that do not know it, such as
    /// C's `free`.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let mut bytes = vec![7u8; 24];
    /// assert_eq!(ALLOCATOR.len_of(bytes.as_mut_ptr()), Ok(24));
    /// assert!(ALLOCATOR.len_of(&mut bytes[1]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::len_at`].
    pub fn len_of(&self, address: *mut u8) -> Result<u32> {
        with_heap(|heap| heap.len_at(heap.offset_of(address)))
    }

    /// Calls the handler of misuse unless a live allocation of this length starts at this address.
    #[cfg(feature = "allocator-api2-02")]
    fn expect_live(&self, address: *mut u8, size: usize) {
        let len = u32::try_from(size).unwrap_or(u32::MAX);
        let live = with_heap(|heap| heap.expect_live(heap.offset_of(address), len));
        if let Err(fault) = live {
            self.misuse(fault);
        }
    }

    /// Calls the handler of misuse, for code that finds misuse itself.
    ///
    /// ```
    /// use pageslab::{Error, GlobalPageSlab};
    ///
    /// fn end(error: Error) -> ! {
    ///     assert_eq!(error, Error::InvalidPointer { ptr: 8 });
    ///     std::process::exit(0)
    /// }
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(end);
    ///
    /// ALLOCATOR.misuse(Error::InvalidPointer { ptr: 8 });
    /// ```
    #[cold]
    pub fn misuse(&self, error: Error) -> ! {
        misused(self.handler, error)
    }

    /// Checks all invariants of the heap, as [`PageSlab::check_invariants`] does.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let bytes = vec![7u8; 24];
    /// ALLOCATOR.check_invariants();
    /// # drop(bytes);
    /// ```
    ///
    /// # Panics
    ///
    /// If one does not hold, which is a defect of this crate.
    pub fn check_invariants(&self) {
        if let Err(invariant) = with_heap(|heap| heap.invariants()) {
            panic!("{invariant}");
        }
    }

    /// The heap as a [`MemoryController`], for code that moves data through blocks that it shares with a host.
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, MemoryController, abi::alloc_free};
    ///
    /// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// // SAFETY: only what it allocated itself is passed to it, as long as no host has it.
    /// let mut controller = unsafe { HEAP.controller() };
    /// let ptr = controller.alloc(5)?;
    /// controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
    /// // SAFETY: nobody uses the block. (This is the host's call.)
    /// assert_eq!(unsafe { alloc_free::free(ptr, 5) }, alloc_free::OK);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// The controller can free and change every block of the heap, those of boxes and vectors too. Whoever has it
    /// passes to its methods only pointers to blocks that belong to it: those that it allocated itself, and those
    /// that a host handed over, which has initialized them. (From outside of the program it can write all of memory.)
    ///
    /// A block belongs to one party at a time, whatever a host says, which may hand it over twice: while a slice of its
    /// bytes is in use, no other controller is passed a pointer to it. One controller for each call of an export, passed on
    /// by `&mut`, is enough for that, if no slice is in use while the host or another thread can call.
    pub unsafe fn controller(&self) -> GlobalController {
        GlobalController(())
    }
}

impl Default for GlobalPageSlab {
    fn default() -> Self {
        Self::new()
    }
}

impl PageSlab<Memory> {
    /// The offset of an address. Where no memory can be, it is one at which no allocation can be.
    #[inline(always)]
    fn offset_of(&self, address: *mut u8) -> u32 {
        if CHECKED && address.addr() == usize::from_ne_bytes([PATTERN; _]) {
            // Natively, too, it shows where it was read. Nothing is so little aligned.
            return u32::from_ne_bytes([PATTERN; _]);
        }
        let offset = address.addr().wrapping_sub(self.memory().address(0).addr());
        u32::try_from(offset).unwrap_or(u32::MAX)
    }

    /// The address of an allocation, if there is one.
    #[inline(always)]
    fn address_of(&self, ptr: Option<NonZeroU32>) -> Option<*mut u8> {
        Some(self.memory().address(ptr?.get()))
    }
}

/// A layout's size, of which the compiler is told what holds for each: so that nothing need be checked.
///
/// # Safety
///
/// The size is that of a `Layout`, or one that a layout could have.
#[inline(always)]
unsafe fn to_len(size: usize) -> Option<u32> {
    // SAFETY: no layout has a longer one.
    unsafe { core::hint::assert_unchecked(size <= isize::MAX as usize) };
    u32::try_from(size).ok()
}

/// A layout's alignment. One that does not fit is like the largest that does: too large.
#[inline(always)]
fn align_of(layout: Layout) -> u32 {
    u32::try_from(layout.align()).unwrap_or(1 << 31)
}

// SAFETY: blocks are those of `PageSlab`, disjoint and aligned as asked, and stay until they are freed; no
// method unwinds.
unsafe impl GlobalAlloc for GlobalPageSlab {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: it is a layout's.
        let Some(len) = (unsafe { to_len(layout.size()) }) else {
            return null_mut();
        };
        let block = with_heap(|heap| {
            let ptr = heap.alloc_at(len, align_of(layout));
            heap.address_of(ptr)
        });
        block.unwrap_or_else(|| self.refuse(len))
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: it is a layout's.
        let Some(len) = (unsafe { to_len(layout.size()) }) else {
            return null_mut();
        };
        let block = with_heap(|heap| {
            let ptr = heap.alloc_zeroed_at(len, align_of(layout));
            heap.address_of(ptr)
        });
        block.unwrap_or_else(|| self.refuse(len))
    }

    // Most calls are in code that drops values, which is everywhere: inlined there, it makes programs a fifth larger, and whole ones
    // no faster.
    #[cfg_attr(feature = "inline", inline)]
    #[cfg_attr(not(feature = "inline"), inline(never))]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let freed = with_heap(|heap| {
            // SAFETY: it is a layout's.
            let len = unsafe { to_len(layout.size()) };
            len.is_some_and(|len| heap.heap.free_in_slab(heap.offset_of(ptr), len))
        });
        if !freed {
            self.dealloc_long(ptr, layout.size());
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: it is a layout's.
        let Some(old_len) = (unsafe { to_len(layout.size()) }) else {
            self.misuse(with_heap(|heap| heap.fault(heap.offset_of(ptr), u32::MAX)));
        };
        // SAFETY: the caller promises that a layout can have it.
        let Some(new_len) = (unsafe { to_len(new_size) }) else {
            return null_mut();
        };
        let block = with_heap(|heap| {
            let ptr = heap.realloc_at(heap.offset_of(ptr), old_len, new_len, align_of(layout));
            heap.address_of(ptr)
        });
        block.unwrap_or_else(|| self.refuse_realloc(ptr, old_len, new_len))
    }
}

/// What is uncommon. These are functions of their own, so that a call that frees a slot has nothing to keep for them.
impl GlobalPageSlab {
    /// Null for want of memory. All else is misuse.
    #[cold]
    #[inline(never)]
    fn refuse(&self, len: u32) -> *mut u8 {
        self.null_or_misuse(with_heap(|heap| heap.refusal(len)))
    }

    #[cold]
    #[inline(never)]
    fn refuse_realloc(&self, address: *mut u8, old_len: u32, new_len: u32) -> *mut u8 {
        self.null_or_misuse(with_heap(|heap| {
            heap.why_not(heap.offset_of(address), old_len, new_len)
        }))
    }

    fn null_or_misuse(&self, error: Error) -> *mut u8 {
        match error {
            Error::OutOfMemory { .. } => {
                note(Last::Error(error));
                null_mut()
            }
            error => self.misuse(error),
        }
    }

    /// Frees what is in no slab, or refuses to.
    #[cold]
    #[inline(never)]
    fn dealloc_long(&self, address: *mut u8, size: usize) {
        let len = u32::try_from(size).unwrap_or(u32::MAX);
        let freed = with_heap(|heap| {
            let ptr = heap.offset_of(address);
            if heap.free_long_at(ptr, len) {
                Ok(())
            } else {
                Err(heap.why_not(ptr, len, len))
            }
        });
        if let Err(error) = freed {
            self.misuse(error);
        }
    }
}

/// The module's heap as a [`MemoryController`], with offsets for pointers: see [`GlobalPageSlab::controller`].
///
/// What it allocates is cleared, and so is what a block gains by `realloc`. The memory may have been that of a value before,
/// with bytes that were never initialized, which nobody may read.
///
/// ```
/// use pageslab::{GlobalPageSlab, MemoryController};
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// // SAFETY: only what it allocated itself is passed to it.
/// let mut controller = unsafe { HEAP.controller() };
/// let ptr = controller.alloc(5)?;
/// controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
/// assert_eq!(controller.mut_mem(ptr + 1, 3), b"ell");
/// controller.free(ptr, 5)?;
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Debug)]
pub struct GlobalController(());

impl GlobalController {
    /// As [`PageSlab::len_at`].
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, MemoryController};
    ///
    /// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// // SAFETY: only what it allocated itself is passed to it.
    /// let mut controller = unsafe { HEAP.controller() };
    /// let ptr = controller.alloc(24)?;
    /// assert_eq!(controller.len_at(ptr), Ok(24));
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::len_at`].
    pub fn len_at(&self, ptr: u32) -> Result<u32> {
        with_heap(|heap| heap.len_at(ptr))
    }

    /// As [`PageSlab::realloc_aligned`], and what the block gains is cleared.
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, MemoryController};
    ///
    /// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// // SAFETY: only what it allocated itself is passed to it.
    /// let mut controller = unsafe { HEAP.controller() };
    /// let ptr = controller.alloc_aligned(1, 4096)?;
    /// let ptr = controller.realloc_aligned(ptr, 1, 5000, 4096)?;
    /// assert_eq!(ptr % 4096, 0);
    /// assert_eq!(controller.mut_mem(ptr, 5000), [0; 5000]);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::realloc_aligned`].
    pub fn realloc_aligned(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Result<u32> {
        with_heap(|heap| {
            let ptr = heap.realloc_aligned(ptr, old_len, new_len, align)?;
            let kept = old_len.min(new_len);
            let gained = heap.memory().address(ptr + kept);
            // SAFETY: the bytes are the last ones of a live block, which belongs to this controller.
            unsafe { gained.write_bytes(0, (new_len - kept) as usize) };
            Ok(ptr)
        })
    }

    /// As [`PageSlab::alloc_zeroed`].
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, MemoryController};
    ///
    /// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// // SAFETY: only what it allocated itself is passed to it.
    /// let mut controller = unsafe { HEAP.controller() };
    /// let ptr = controller.alloc_zeroed(5, 4096)?;
    /// assert_eq!(ptr % 4096, 0);
    /// assert_eq!(controller.mut_mem(ptr, 5), [0; 5]);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PageSlab::alloc_zeroed`].
    pub fn alloc_zeroed(&mut self, len: u32, align: u32) -> Result<u32> {
        with_heap(|heap| heap.alloc_zeroed(len, align))
    }
}

impl Sealed for GlobalController {}

impl MemoryController for GlobalController {
    fn alloc(&mut self, len: u32) -> Result<u32> {
        self.alloc_zeroed(len, GRANULE)
    }

    fn free(&mut self, ptr: u32, len: u32) -> Result<()> {
        with_heap(|heap| heap.free(ptr, len))
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8] {
        // Whoever handles the panic may allocate, and so finds the heap unlocked.
        let bytes = with_heap(|heap| heap.bytes(ptr, len)).unwrap_or_else(|none| none.panic());
        // SAFETY: the bytes are within a live allocation, which belongs to this controller alone, as whoever made it
        // promised; the borrow of `self` keeps it live and unshared.
        unsafe { &mut *bytes }
    }

    fn try_mut_mem(&mut self, ptr: u32, len: u32) -> Result<&mut [u8]> {
        let bytes = with_heap(|heap| heap.bytes(ptr, len)).map_err(NoBytes::error)?;
        // SAFETY: as in `mut_mem`.
        Ok(unsafe { &mut *bytes })
    }

    fn alloc_aligned(&mut self, len: u32, align: u32) -> Result<u32> {
        self.alloc_zeroed(len, align)
    }

    fn realloc(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Result<u32> {
        self.realloc_aligned(ptr, old_len, new_len, GRANULE)
    }
}
