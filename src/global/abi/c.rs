//! `malloc`, `free` and their family: what C and C++ code in a guest calls, and its C library.
//!
//! C's `free` does not say how long a block is. The heap knows, so each function here asks it first, and whatever is no
//! live block is misuse: the default handler says so in one line on stderr, and traps. `include/pageslab.h` of the
//! package `pageslab-c` tells of each function what it checks.
//!
//! Under WASI 0.2 the C library frees with `free` what the host has put into blocks of `cabi_realloc`: names of files,
//! the environment. There this family is therefore always the program's, so that both have one heap. Elsewhere the crate's
//! feature `c` makes it that, or, in one module of several that have the crate, `export_abi!(c)`.
//!
//! ```
//! use pageslab::{GlobalPageSlab, abi::c};
//!
//! static HEAP: GlobalPageSlab = GlobalPageSlab::new();
//!
//! let ptr = c::malloc(24);
//! assert_eq!(HEAP.len_of(ptr.cast()), Ok(24));
//! // SAFETY: nobody uses the block.
//! unsafe { c::free(ptr) };
//! ```

use crate::{Error, GlobalPageSlab, PAGE};
use core::alloc::{GlobalAlloc as _, Layout};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

static HEAP: GlobalPageSlab = GlobalPageSlab::new();

/// The alignment of all blocks for which no larger one is asked: that of `max_align_t`.
const ALIGN: usize = 16;

/// The longest length that a `Layout` can have.
const MAX_LEN: usize = isize::MAX as usize;

/// WASI numbers its errors in a way of its own, which Emscripten has taken over.
const ENOMEM: c_int = if cfg!(target_arch = "wasm32") { 48 } else { 12 };
const EINVAL: c_int = if cfg!(target_arch = "wasm32") { 28 } else { 22 };

/// C's `malloc`.
///
/// ```
/// use pageslab::abi::c::{free, malloc, malloc_usable_size};
///
/// let ptr = malloc(24);
/// // SAFETY: the block is live, and nobody uses it after that.
/// unsafe {
///     assert_eq!(malloc_usable_size(ptr), 24);
///     free(ptr);
/// }
/// ```
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    or_errno(allocate(ALIGN, size))
}

/// C's `calloc`.
///
/// ```
/// use pageslab::abi::c::calloc;
///
/// let numbers = calloc(3, 8).cast::<[u64; 3]>();
/// // SAFETY: the block has three of them.
/// assert_eq!(unsafe { numbers.read() }, [0; 3]);
/// assert!(calloc(usize::MAX, 2).is_null());
/// ```
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let zeroed = || {
        let layout = layout(ALIGN, count.checked_mul(size).ok_or(ENOMEM)?)?;
        // SAFETY: this heap takes a length of 0 as well.
        block_at(unsafe { HEAP.alloc_zeroed(layout) })
    };
    or_errno(zeroed())
}

/// C's `realloc`. A length of 0 makes the block empty, and it stays to be freed.
///
/// ```
/// use pageslab::abi::c::{malloc, malloc_usable_size, realloc};
///
/// // SAFETY: nobody uses the block where it was before.
/// let ptr = unsafe { realloc(malloc(24), 1000) };
/// // SAFETY: the block is live.
/// assert_eq!(unsafe { malloc_usable_size(ptr) }, 1000);
/// ```
///
/// # Safety
///
/// That of the C standard. The allocator promises to find out what it can: that is misuse.
pub unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    if ptr.is_null() {
        return malloc(size);
    }
    let old = layout_at(ptr);
    let resized = || {
        let new = layout(ALIGN, size)?;
        // SAFETY: the layout is that of the live block, and the new length is one that a layout can have.
        block_at(unsafe { HEAP.realloc(ptr.cast(), old, new.size()) })
    };
    or_errno(resized())
}

/// `reallocarray` of BSD, glibc and POSIX 2024.
///
/// ```
/// use pageslab::abi::c::{malloc, malloc_usable_size, reallocarray};
///
/// // SAFETY: nobody uses the block where it was before.
/// let ptr = unsafe { reallocarray(malloc(24), 3, 100) };
/// // SAFETY: the block is live.
/// assert_eq!(unsafe { malloc_usable_size(ptr) }, 300);
/// ```
///
/// # Safety
///
/// As for [`realloc`].
pub unsafe extern "C" fn reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void {
    // One that overflows is too long in any case.
    let size = count.saturating_mul(size);
    // SAFETY: the caller's promise.
    unsafe { realloc(ptr, size) }
}

/// C's `free`.
///
/// ```
/// use pageslab::{GlobalPageSlab, abi::c::{free, malloc}};
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// let ptr = malloc(24);
/// // SAFETY: nobody uses the block.
/// unsafe { free(ptr) };
/// assert!(HEAP.len_of(ptr.cast()).is_err());
/// ```
///
/// # Safety
///
/// That of the C standard. The allocator promises to find out what it can: that is misuse.
pub unsafe extern "C" fn free(ptr: *mut c_void) {
    if !ptr.is_null() {
        // SAFETY: the layout is that of the live block.
        unsafe { HEAP.dealloc(ptr.cast(), layout_at(ptr)) }
    }
}

/// C23's `free_sized`.
///
/// ```
/// use pageslab::{GlobalPageSlab, abi::c::{free_sized, malloc}};
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// let ptr = malloc(24);
/// // SAFETY: nobody uses the block, which has this length.
/// unsafe { free_sized(ptr, 24) };
/// assert!(HEAP.len_of(ptr.cast()).is_err());
/// ```
///
/// # Safety
///
/// That of the C standard. The allocator promises to find out what it can: that is misuse.
pub unsafe extern "C" fn free_sized(ptr: *mut c_void, size: usize) {
    if ptr.is_null() {
        return;
    }
    if size > MAX_LEN {
        // No block is that long, and no layout.
        HEAP.dealloc_long(ptr.cast(), size);
    } else {
        // SAFETY: the heap refuses a pointer or a length that is wrong.
        unsafe { HEAP.dealloc(ptr.cast(), unaligned(size)) }
    }
}

/// C23's `free_aligned_sized`.
///
/// ```
/// use pageslab::{GlobalPageSlab, abi::c::{aligned_alloc, free_aligned_sized}};
///
/// static HEAP: GlobalPageSlab = GlobalPageSlab::new();
///
/// let ptr = aligned_alloc(64, 24);
/// // SAFETY: nobody uses the block, which has this alignment and length.
/// unsafe { free_aligned_sized(ptr, 64, 24) };
/// assert!(HEAP.len_of(ptr.cast()).is_err());
/// ```
///
/// # Safety
///
/// That of the C standard. The allocator promises to find out what it can: that is misuse.
pub unsafe extern "C" fn free_aligned_sized(ptr: *mut c_void, alignment: usize, size: usize) {
    if ptr.is_null() {
        return;
    }
    if !is_alignment(alignment) || ptr.addr() % alignment != 0 {
        // A pointer to no block is the worse mistake, and told first.
        layout_at(ptr);
        HEAP.misuse(Error::InvalidAlignment {
            align: u32::try_from(alignment).unwrap_or(u32::MAX),
        });
    }
    // SAFETY: the caller's promise, the same but for the alignment.
    unsafe { free_sized(ptr, size) }
}

/// C's `aligned_alloc`.
///
/// ```
/// use pageslab::abi::c::aligned_alloc;
///
/// let ptr = aligned_alloc(64, 24);
/// assert!(!ptr.is_null() && ptr.addr() % 64 == 0);
/// assert!(aligned_alloc(3, 24).is_null());
/// ```
pub extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    or_errno(allocate(alignment, size))
}

/// The older name of [`aligned_alloc`].
///
/// ```
/// use pageslab::abi::c::memalign;
///
/// let ptr = memalign(64, 24);
/// assert!(!ptr.is_null() && ptr.addr() % 64 == 0);
/// assert!(memalign(3, 24).is_null());
/// ```
pub extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    aligned_alloc(alignment, size)
}

/// `valloc`, which older Unixes had: aligned to a page of linear memory.
///
/// ```
/// use pageslab::abi::c::valloc;
///
/// let ptr = valloc(24);
/// assert!(!ptr.is_null() && ptr.addr() % 65_536 == 0);
/// ```
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    aligned_alloc(PAGE as usize, size)
}

/// `posix_memalign` of POSIX.
///
/// ```
/// use pageslab::abi::c::posix_memalign;
///
/// let mut ptr = std::ptr::null_mut();
/// // SAFETY: a pointer can be written there.
/// assert_eq!(unsafe { posix_memalign(&mut ptr, 64, 24) }, 0);
/// assert_eq!(ptr.addr() % 64, 0);
/// ```
///
/// # Safety
///
/// `out` is where a pointer can be written.
pub unsafe extern "C" fn posix_memalign(
    out: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if alignment % size_of::<*mut c_void>() != 0 {
        return EINVAL;
    }
    match allocate(alignment, size) {
        Ok(ptr) => {
            // SAFETY: the caller promises that a pointer can be written there.
            unsafe { out.write(ptr) };
            0
        }
        Err(code) => code,
    }
}

/// `malloc_usable_size` of glibc and others. The length that was asked for, to the byte.
///
/// ```
/// use pageslab::abi::c::{malloc, malloc_usable_size};
///
/// // SAFETY: the block is live.
/// assert_eq!(unsafe { malloc_usable_size(malloc(25)) }, 25);
/// ```
///
/// # Safety
///
/// None: that `ptr` is no live block is misuse, and found out.
pub unsafe extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
    if ptr.is_null() {
        return 0;
    }
    len_at(ptr)
}

/// Allocates, or says which error it is.
fn allocate(alignment: usize, size: usize) -> Result<*mut c_void, c_int> {
    let layout = layout(alignment, size)?;
    // SAFETY: this heap takes a length of 0 as well.
    block_at(unsafe { HEAP.alloc(layout) })
}

fn layout(alignment: usize, size: usize) -> Result<Layout, c_int> {
    if !is_alignment(alignment) {
        return Err(EINVAL);
    }
    Layout::from_size_align(size, alignment).map_err(|_| ENOMEM)
}

fn is_alignment(alignment: usize) -> bool {
    alignment.is_power_of_two() && alignment <= PAGE as usize
}

fn block_at(ptr: *mut u8) -> Result<*mut c_void, c_int> {
    if ptr.is_null() {
        Err(ENOMEM)
    } else {
        Ok(ptr.cast())
    }
}

/// The length of the live block at this pointer. That there is none is misuse.
fn len_at(ptr: *mut c_void) -> usize {
    match HEAP.len_of(ptr.cast()) {
        Ok(len) => len as usize,
        Err(error) => HEAP.misuse(error),
    }
}

/// The layout of the live block at this pointer.
fn layout_at(ptr: *mut c_void) -> Layout {
    unaligned(len_at(ptr))
}

/// A layout of this size, at most [`MAX_LEN`], of which the heap aligns any to [`ALIGN`].
fn unaligned(size: usize) -> Layout {
    debug_assert!(size <= MAX_LEN);
    // SAFETY: the alignment is a power of two, and no block is longer than the longest layout.
    unsafe { Layout::from_size_align_unchecked(size, 1) }
}

/// What an allocating function returns: null and `errno` for an error.
fn or_errno(block: Result<*mut c_void, c_int>) -> *mut c_void {
    block.unwrap_or_else(|code| {
        set_errno(code);
        null_mut()
    })
}

#[cfg(target_os = "wasi")]
fn set_errno(code: c_int) {
    #[link(name = "c")]
    unsafe extern "C" {
        fn __errno_location() -> *mut c_int;
    }

    // SAFETY: it is this thread's, for as long as the thread lives.
    unsafe { __errno_location().write(code) };
}

/// Without wasi-libc there is none that could be set from here.
#[cfg(not(target_os = "wasi"))]
fn set_errno(_: c_int) {}

#[cfg(all(
    target_arch = "wasm32",
    any(feature = "c", all(target_os = "wasi", not(target_env = "p1")))
))]
crate::export_abi!(@c);
