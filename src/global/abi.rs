//! What a host calls: the exported functions of the guest ABIs, on the heap of [`GlobalPageSlab`](crate::GlobalPageSlab).
//!
//! [`export_abi!`](crate::export_abi) exports one of them. A host may call them with any numbers: what is wrong
//! gives the ABI's failure status and changes nothing. What a host has allocated, the guest may free, and the other way
//! round; lengths must then agree. Pointers are byte offsets into linear memory; lengths and alignments are bytes.
//!
//! # The guest's side
//!
//! With the crate's feature `alloc`, [`take`] makes a vector of a block that a host hands over, and [`give`] hands one over to the
//! host. Do not use `Vec::from_raw_parts` and `Vec::leak` instead: to a vector no bytes are no block, so that the host's block of
//! no bytes would be left, and the host would be given an address to free where there is none.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use pageslab::GlobalPageSlab;
//!
//! #[global_allocator]
//! static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
//!
//! /// Takes a text over, and returns the answer's pointer and length in one word, for the host to free.
//! extern "C" fn shout(ptr: u32, len: u32) -> u64 {
//!     // SAFETY: the host hands over what it has allocated for this call.
//!     let text = unsafe { ALLOCATOR.take(ptr, len) }.expect("a whole block");
//!     ALLOCATOR.give(text.to_ascii_uppercase()).expect("memory")
//! }
//! # use pageslab::abi::alloc_free::{OK, alloc, free};
//! # let answer = shout(alloc(0, 1), 0);
//! # assert_eq!(unsafe { free((answer >> 32) as u32, answer as u32) }, OK);
//! # }
//! ```
//!
#![cfg_attr(
    feature = "alloc",
    doc = "[`take`]: crate::GlobalPageSlab::take",
    doc = "[`give`]: crate::GlobalPageSlab::give"
)]
#![cfg_attr(
    not(feature = "alloc"),
    doc = "[`take`]: crate::GlobalPageSlab",
    doc = "[`give`]: crate::GlobalPageSlab"
)]

pub mod c;
#[cfg(target_arch = "wasm32")]
pub mod messages;
#[cfg(target_arch = "wasm32")]
pub mod stats;

use super::misuse::{Last, note, report, trap};
use super::with_heap;
use crate::controller::check_alignment;
use crate::hooks::CHECKED;
use crate::{Error, MemoryController as _, Result};
use core::num::NonZeroU32;

/// `__alloc` and `__free`: the ABI of plugins that take an alignment and a length, as SurrealDB's first plugins and
/// [swc's](https://github.com/swc-project/swc) have it.
///
/// ```
/// use pageslab::abi::alloc_free::{LENGTH_MISMATCH, OK, alloc, free};
///
/// let ptr = alloc(24, 8);
/// assert_ne!(ptr, 0);
/// // SAFETY: nobody uses the allocation.
/// unsafe {
///     assert_eq!(free(ptr, 23), LENGTH_MISMATCH);
///     assert_eq!(free(ptr, 24), OK);
/// }
/// ```
pub mod alloc_free {
    use super::*;

    /// The allocation was freed.
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{OK, alloc, free};
    /// // SAFETY: nobody uses the allocation.
    /// assert_eq!(unsafe { free(alloc(24, 8), 24) }, OK);
    /// ```
    pub const OK: u32 = 0;
    /// The status for [`Error::InvalidPointer`].
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{INVALID_POINTER, free};
    /// // SAFETY: there is no allocation.
    /// assert_eq!(unsafe { free(8, 24) }, INVALID_POINTER);
    /// ```
    pub const INVALID_POINTER: u32 = 1;
    /// The status for [`Error::LengthMismatch`].
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{LENGTH_MISMATCH, alloc, free};
    /// // SAFETY: nobody uses the allocation.
    /// assert_eq!(unsafe { free(alloc(24, 8), 23) }, LENGTH_MISMATCH);
    /// ```
    pub const LENGTH_MISMATCH: u32 = 2;
    /// The status for [`Error::DoubleFree`].
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{DOUBLE_FREE, alloc, free};
    /// let ptr = alloc(24, 8);
    /// // SAFETY: nobody uses the allocation.
    /// let statuses = unsafe { [free(ptr, 24), free(ptr, 24)] };
    /// assert_eq!(statuses, [0, DOUBLE_FREE]);
    /// ```
    pub const DOUBLE_FREE: u32 = 3;
    /// The status for [`Error::Overflow`].
    ///
    /// ```
    /// # #[cfg(all(feature = "checked", target_arch = "wasm32"))] {
    /// use pageslab::abi::alloc_free::{OVERFLOW, alloc, free};
    /// let ptr = alloc(24, 8);
    /// // SAFETY: the byte is the heap's, and nobody has a reference to it.
    /// unsafe { ((ptr + 24) as *mut u8).write(b'!') };
    /// // SAFETY: nobody uses the allocation.
    /// assert_eq!(unsafe { free(ptr, 24) }, OVERFLOW);
    /// # }
    /// ```
    pub const OVERFLOW: u32 = 4;
    /// The status for [`Error::WriteAfterFree`].
    ///
    /// ```
    /// # #[cfg(all(feature = "checked", target_arch = "wasm32"))] {
    /// use pageslab::abi::{alloc_free::{WRITE_AFTER_FREE, alloc, free}, checked::check};
    /// let ptr = alloc(24, 8);
    /// // SAFETY: nobody uses the allocation, but for one write, and then the byte is the heap's.
    /// unsafe {
    ///     free(ptr, 24);
    ///     (ptr as *mut u8).write(b'!');
    /// }
    /// assert_eq!(check(), WRITE_AFTER_FREE);
    /// # }
    /// ```
    pub const WRITE_AFTER_FREE: u32 = 5;
    /// The status for [`Error::Poisoned`].
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{POISONED, alloc, free};
    /// // SAFETY: nobody uses the allocation.
    /// assert_ne!(unsafe { free(alloc(24, 8), 24) }, POISONED);
    /// ```
    pub const POISONED: u32 = 6;
    /// The status for [`Error::OutOfMemory`], which no call returns: `__heap_status` tells it.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::abi::{alloc_free::{OUT_OF_MEMORY, alloc}, messages::status};
    /// assert_eq!(alloc(u32::MAX, 1), 0);
    /// assert_eq!(status(), OUT_OF_MEMORY);
    /// # }
    /// ```
    pub const OUT_OF_MEMORY: u32 = 7;
    /// The status for [`Error::InvalidAlignment`], likewise.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::abi::{alloc_free::{INVALID_ALIGNMENT, alloc}, messages::status};
    /// assert_eq!(alloc(24, 3), 0);
    /// assert_eq!(status(), INVALID_ALIGNMENT);
    /// # }
    /// ```
    pub const INVALID_ALIGNMENT: u32 = 8;

    /// `__alloc`: allocates `len` bytes, aligned to `align`, a power of two up to 65,536. Returns the pointer, or 0 if
    /// memory is exhausted, the alignment is none of these, or the heap is poisoned; and in checked mode if the memory was
    /// written to while it was free, which is told to stderr, where there is one. `__heap_status` tells which it was, if the
    /// module exports `messages`.
    ///
    /// ```
    /// use pageslab::abi::alloc_free::alloc;
    ///
    /// let ptr = alloc(24, 64);
    /// assert!(ptr != 0 && ptr % 64 == 0);
    /// assert_eq!(alloc(24, 3), 0);
    /// ```
    #[must_use]
    #[inline]
    pub fn alloc(len: u32, align: u32) -> u32 {
        or_0(with_heap(|heap| heap.alloc_aligned(len, align)))
    }

    /// `__free`: frees the allocation of `len` bytes at `ptr`. Returns [`OK`], or the status that says what was wrong. With
    /// [`WRITE_AFTER_FREE`], which checked mode also tells to stderr, it was with another block: the call can be made again.
    ///
    /// ```
    /// use pageslab::abi::alloc_free::{DOUBLE_FREE, OK, alloc, free};
    ///
    /// let ptr = alloc(24, 8);
    /// // SAFETY: nobody uses the allocation.
    /// unsafe {
    ///     assert_eq!(free(ptr, 24), OK);
    ///     assert_eq!(free(ptr, 24), DOUBLE_FREE);
    /// }
    /// ```
    ///
    /// # Safety
    ///
    /// If the allocation is the guest's own, the guest does not use it any more. A pointer to none is refused.
    #[inline]
    pub unsafe fn free(ptr: u32, len: u32) -> u32 {
        status(with_heap(|heap| heap.free(ptr, len)).inspect_err(|&error| failed(error)))
    }

    /// The status of a result that is none of an allocation.
    pub(super) fn status(result: Result<()>) -> u32 {
        match result {
            Ok(()) => OK,
            Err(Error::LengthMismatch { .. }) => LENGTH_MISMATCH,
            Err(Error::DoubleFree { .. }) => DOUBLE_FREE,
            Err(Error::Overflow { .. }) => OVERFLOW,
            Err(Error::WriteAfterFree { .. }) => WRITE_AFTER_FREE,
            Err(Error::Poisoned) => POISONED,
            Err(Error::OutOfMemory { .. }) => OUT_OF_MEMORY,
            Err(Error::InvalidAlignment { .. }) => INVALID_ALIGNMENT,
            Err(_) => INVALID_POINTER,
        }
    }
}

/// `__pageslab_heap`: where the heap lies, for a host that reads it out of the guest's memory. The package `pageslab-snapshot` does,
/// and `docs/snapshot.md` tells how.
///
/// ```
/// pageslab::export_abi!(snapshot);
///
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe static __pageslab_heap: [u8; 8]; }
/// // What a host finds at this address:
/// assert_eq!(__pageslab_heap, *b"pageslab");
/// # }
/// ```
pub mod snapshot {
    pub use crate::global::layout::{HEAP_LAYOUT, HeapLayout};
}

/// `__heap_check` and `__heap_leaks`: checked mode, at any time that a host likes, such as before it drops the instance.
///
/// ```
/// use pageslab::abi::{alloc_free::alloc, checked::{check, leaks}};
///
/// let before = leaks();
/// assert_ne!(alloc(24, 8), 0);
/// assert_eq!((check(), leaks()), (0, before + 1));
/// ```
#[cfg(feature = "checked")]
pub mod checked {
    use super::*;
    use crate::GlobalPageSlab;

    static HEAP: GlobalPageSlab = GlobalPageSlab::new();

    /// `__heap_check`: verifies all memory that nobody may write to. Returns [`OK`](alloc_free::OK),
    /// [`OVERFLOW`](alloc_free::OVERFLOW), [`WRITE_AFTER_FREE`](alloc_free::WRITE_AFTER_FREE) or
    /// [`POISONED`](alloc_free::POISONED), and writes a report to stderr, where there is one.
    ///
    /// ```
    /// use pageslab::abi::{alloc_free::{OK, alloc}, checked::check};
    ///
    /// assert_ne!(alloc(24, 8), 0);
    /// assert_eq!(check(), OK);
    /// ```
    #[inline]
    pub fn check() -> u32 {
        let result = HEAP.check();
        if let Err(error) = result {
            report(error);
        }
        alloc_free::status(result)
    }

    /// What `__heap_leaks` returns of a heap that is poisoned: nobody knows then what is live.
    ///
    /// ```
    /// use pageslab::abi::checked::{UNKNOWN, leaks};
    /// assert_ne!(leaks(), UNKNOWN);
    /// ```
    pub const UNKNOWN: u32 = u32::MAX;

    /// `__heap_leaks`: how many blocks are live, or [`UNKNOWN`]. Writes to stderr, where there is one, how many there are of
    /// each size class and each tag, or that the heap is poisoned.
    ///
    /// ```
    /// use pageslab::abi::{alloc_free::alloc, checked::leaks};
    ///
    /// let before = leaks();
    /// assert_ne!(alloc(24, 8), 0);
    /// assert_eq!(leaks(), before + 1);
    /// ```
    #[inline]
    pub fn leaks() -> u32 {
        HEAP.report_leaks().unwrap_or_else(|error| {
            report(error);
            UNKNOWN
        })
    }
}

/// `__sr_alloc` and `__sr_free`: what [SurrealDB's host][host] for WASI modules calls.
///
/// ```
/// use pageslab::abi::surrealism::{alloc, free};
///
/// let ptr = alloc(24);
/// assert_ne!(ptr, 0);
/// // SAFETY: nobody uses the allocation.
/// let free = |len| unsafe { free(ptr, len) };
/// assert_eq!((free(23), free(24), free(24)), (0, 1, 0));
/// ```
///
/// [host]: https://docs.rs/surrealism-runtime
pub mod surrealism {
    use super::*;

    /// `__sr_alloc`: allocates `len` bytes, aligned to 8 (in fact to 16). Returns the pointer, or 0, as
    /// [`__alloc`](super::alloc_free::alloc) does.
    ///
    /// ```
    /// use pageslab::abi::surrealism::alloc;
    /// assert_ne!(alloc(24), 0);
    /// assert_eq!(alloc(u32::MAX), 0);
    /// ```
    #[must_use]
    #[inline]
    pub fn alloc(len: u32) -> u32 {
        or_0(with_heap(|heap| heap.alloc(len)))
    }

    /// `__sr_free`: frees the allocation of `len` bytes at `ptr`. Returns 1, or 0 if there is none.
    ///
    /// ```
    /// use pageslab::abi::surrealism::{alloc, free};
    ///
    /// let ptr = alloc(24);
    /// // SAFETY: nobody uses the allocation.
    /// unsafe {
    ///     assert_eq!(free(ptr, 24), 1);
    ///     assert_eq!(free(ptr, 24), 0);
    /// }
    /// ```
    ///
    /// # Safety
    ///
    /// If the allocation is the guest's own, the guest does not use it any more. A pointer to none is refused.
    #[inline]
    pub unsafe fn free(ptr: u32, len: u32) -> u32 {
        let freed = with_heap(|heap| heap.free(ptr, len));
        freed.inspect_err(|&error| failed(error)).is_ok().into()
    }
}

/// `cabi_realloc`: what hosts of components call, by the component model's [canonical ABI][abi].
///
/// - Without an old length there is no old allocation, whatever `old_ptr` is: it allocates.
/// - With a new length of 0 it frees the old allocation, if there is one, and returns `align`, as a pointer to
///   no bytes.
/// - Otherwise it makes the allocation of `old_len` bytes at `old_ptr` longer or shorter.
///
/// That is what [wit-bindgen's][bindgen] does. So no bytes are no allocation here, and one of no bytes that another ABI has made is
/// freed there, not here.
///
/// Returns the pointer, aligned to `align`, a power of two up to 65,536. The canonical ABI has no failure status, and a
/// host would write to whatever is returned: whatever is wrong, a wrong `old_len` included, and an exhausted memory, ends as by
/// [`report_and_trap`](crate::report_and_trap), without a line in components, which may call none of their imports
/// then. It has changed nothing.
///
/// ```
/// use pageslab::abi::cabi_realloc;
///
/// // SAFETY: nobody uses the allocation where it was before.
/// unsafe {
///     let ptr = cabi_realloc(0, 0, 4, 100);
///     let ptr = cabi_realloc(ptr, 100, 4, 60);
///     assert_eq!(cabi_realloc(ptr, 60, 4, 0), 4);
/// }
/// ```
///
/// # Safety
///
/// If the old allocation is the guest's own, the guest does not use it any more. A pointer to none is refused.
///
/// [abi]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
/// [bindgen]: https://docs.rs/wit-bindgen/0.63.0/src/wit_bindgen/rt/mod.rs.html
#[must_use]
#[inline]
pub unsafe fn cabi_realloc(old_ptr: u32, old_len: u32, align: u32, new_len: u32) -> u32 {
    match cabi_realloc_or_report(old_ptr, old_len, align, new_len) {
        Some(ptr) => ptr.get(),
        None => trap(),
    }
}

/// Returns before the trap: what a trap ends does not give its part of the stack back, and a host may go on.
#[inline(never)]
fn cabi_realloc_or_report(
    old_ptr: u32,
    old_len: u32,
    align: u32,
    new_len: u32,
) -> Option<NonZeroU32> {
    match try_cabi_realloc(old_ptr, old_len, align, new_len) {
        Ok(ptr) => NonZeroU32::new(ptr),
        Err(error) => {
            // A component may call none of its imports while its host allocates in it.
            if cfg!(not(all(target_os = "wasi", not(target_env = "p1")))) {
                report(error);
            }
            None
        }
    }
}

fn try_cabi_realloc(old_ptr: u32, old_len: u32, align: u32, new_len: u32) -> Result<u32> {
    check_alignment(align)?;
    match (old_len, new_len) {
        (0, 0) => Ok(align),
        (0, _) => with_heap(|heap| heap.alloc_aligned(new_len, align)),
        (_, 0) => with_heap(|heap| heap.free_aligned(old_ptr, old_len, align)).map(|()| align),
        (_, _) => with_heap(|heap| heap.realloc_aligned(old_ptr, old_len, new_len, align)),
    }
}

/// The pointer to a new allocation, or 0 if there is none.
#[inline]
fn or_0(ptr: Result<u32>) -> u32 {
    ptr.inspect_err(|&error| failed(error)).unwrap_or(0)
}

/// Notes what a 0 or a status does not tell. Of a guest's write after free stderr tells as well.
#[cold]
fn failed(error: Error) {
    if CHECKED && matches!(error, Error::WriteAfterFree { .. }) {
        report(error);
    } else {
        note(Last::Error(error));
    }
}

/// Exports a guest ABI, on the heap of [`GlobalPageSlab`](crate::GlobalPageSlab), from the module that this line is a
/// part of:
///
/// | line | exports | called by |
/// |---|---|---|
/// | `pageslab::export_abi!(alloc_free);` | `__alloc(len, align) -> ptr`, `__free(ptr, len) -> status` | hosts of plugins: [`abi::alloc_free`](crate::abi::alloc_free) |
/// | `pageslab::export_abi!(surrealism);` | `__sr_alloc(len) -> ptr`, `__sr_free(ptr, len) -> 1 or 0` | SurrealDB: [`abi::surrealism`](crate::abi::surrealism) |
/// | `pageslab::export_abi!(c);` | `malloc`, `calloc`, `realloc`, `free` and their family | C and C++ code in the module, and its C library: [`abi::c`](crate::abi::c) |
/// | `pageslab::export_abi!(checked);` | `__heap_check() -> status`, `__heap_leaks() -> count`, with the feature `checked` | hosts that test their guests: `abi::checked` |
/// | `pageslab::export_abi!(messages);` | `__heap_status() -> status`, `__heap_message() -> pointer and length of a text` | hosts that tell what went wrong, where there is no stderr: `abi::messages` |
/// | `pageslab::export_abi!(stats);` | `__heap_stats() -> pointer and length of numbers` | hosts that watch a heap: `abi::stats` |
/// | `pageslab::export_abi!(cabi_realloc);` | `cabi_realloc(old_ptr, old_len, align, new_len) -> ptr` | hosts of components: [`abi::cabi_realloc`](crate::abi::cabi_realloc) |
/// | `pageslab::export_abi!(snapshot);` | `__pageslab_heap`, an address | hosts that look into a guest's heap, without running the guest: [`abi::snapshot`](crate::abi::snapshot) |
///
/// All numbers are `u32`, but for the `u64` of `__heap_message` and `__heap_stats`. Each can be there once in a module, in a
/// crate of type `cdylib` or one that it uses. Natively, where nobody calls them, the line does nothing.
///
/// Each line, and what a host may then call:
///
/// ```
/// pageslab::export_abi!(alloc_free);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe fn __alloc(len: u32, align: u32) -> u32; fn __free(ptr: u32, len: u32) -> u32; }
/// let ptr = __alloc(24, 8);
/// // SAFETY: nobody uses the allocation.
/// assert_eq!(unsafe { __free(ptr, 24) }, 0);
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(surrealism);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe fn __sr_alloc(len: u32) -> u32; fn __sr_free(ptr: u32, len: u32) -> u32; }
/// let ptr = __sr_alloc(24);
/// // SAFETY: nobody uses the allocation.
/// assert_eq!(unsafe { __sr_free(ptr, 24) }, 1);
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(cabi_realloc);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { fn cabi_realloc(old_ptr: u32, old_len: u32, align: u32, new_len: u32) -> u32; }
/// // SAFETY: there is no old allocation.
/// let ptr = unsafe { cabi_realloc(0, 0, 64, 24) };
/// assert_eq!(ptr % 64, 0);
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(c);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe fn malloc(size: usize) -> *mut u8; }
/// static HEAP: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();
/// assert_eq!(HEAP.len_of(malloc(24)), Ok(24));
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(messages);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe fn __heap_status() -> u32; safe fn __heap_message() -> u64; }
/// assert_eq!(__heap_status(), 0);
/// assert_eq!(__heap_message() as u32, 0); // a text of no bytes
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(stats);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe fn __heap_stats() -> u64; }
/// let numbers = (__heap_stats() >> 32) as *const u64;
/// // SAFETY: the first of them is the version.
/// assert_eq!(unsafe { numbers.read() }, 1);
/// # }
/// ```
///
/// ```
/// # #[cfg(all(feature = "checked", target_arch = "wasm32"))] {
/// pageslab::export_abi!(checked);
/// # unsafe extern "C" { safe fn __heap_check() -> u32; safe fn __heap_leaks() -> u32; }
/// assert_eq!(__heap_check(), 0);
/// assert_ne!(__heap_leaks(), u32::MAX);
/// # }
/// ```
///
/// ```
/// pageslab::export_abi!(snapshot);
/// # #[cfg(target_arch = "wasm32")] {
/// # unsafe extern "C" { safe static __pageslab_heap: [u8; 8]; }
/// assert_eq!(__pageslab_heap, *b"pageslab");
/// # }
/// ```
#[macro_export]
macro_rules! export_abi {
    (alloc_free) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn __alloc(len: u32, align: u32) -> u32 {
                $crate::abi::alloc_free::alloc(len, align)
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn __free(ptr: u32, len: u32) -> u32 {
                // SAFETY: the caller promises what the function asks for.
                unsafe { $crate::abi::alloc_free::free(ptr, len) }
            }
        };
    };
    (surrealism) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn __sr_alloc(len: u32) -> u32 {
                $crate::abi::surrealism::alloc(len)
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn __sr_free(ptr: u32, len: u32) -> u32 {
                // SAFETY: the caller promises what the function asks for.
                unsafe { $crate::abi::surrealism::free(ptr, len) }
            }
        };
    };
    (messages) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn __heap_status() -> u32 {
                $crate::abi::messages::status()
            }

            #[unsafe(no_mangle)]
            extern "C" fn __heap_message() -> u64 {
                $crate::abi::messages::message()
            }
        };
    };
    (stats) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn __heap_stats() -> u64 {
                $crate::abi::stats::stats()
            }
        };
    };
    (checked) => {
        $crate::__export_checked!();
    };
    (@checked) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn __heap_check() -> u32 {
                $crate::abi::checked::check()
            }

            #[unsafe(no_mangle)]
            extern "C" fn __heap_leaks() -> u32 {
                $crate::abi::checked::leaks()
            }
        };
    };
    (snapshot) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            static __pageslab_heap: $crate::abi::snapshot::HeapLayout =
                $crate::abi::snapshot::HEAP_LAYOUT;
        };
    };
    (cabi_realloc) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(
                old_ptr: u32,
                old_len: u32,
                align: u32,
                new_len: u32,
            ) -> u32 {
                // SAFETY: the caller promises what the function asks for.
                unsafe { $crate::abi::cabi_realloc(old_ptr, old_len, align, new_len) }
            }
        };
    };
    (c) => {
        $crate::__export_c!();
    };
    (@c) => {
        const _: () = {
            use ::core::ffi::{c_int, c_void};
            use $crate::abi::c;

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut c_void {
                c::malloc(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
                c::calloc(count, size)
            }

            // By these names wasi-libc calls them itself. They are in the same object file as its other functions, so that none of
            // these is linked.
            #[cfg(target_os = "wasi")]
            #[unsafe(no_mangle)]
            extern "C" fn __libc_malloc(size: usize) -> *mut c_void {
                c::malloc(size)
            }

            #[cfg(target_os = "wasi")]
            #[unsafe(no_mangle)]
            extern "C" fn __libc_calloc(count: usize, size: usize) -> *mut c_void {
                c::calloc(count, size)
            }

            #[cfg(target_os = "wasi")]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn __libc_free(ptr: *mut c_void) {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::free(ptr) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
                c::aligned_alloc(alignment, size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
                c::memalign(alignment, size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn valloc(size: usize) -> *mut c_void {
                c::valloc(size)
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::realloc(ptr, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn reallocarray(
                ptr: *mut c_void,
                count: usize,
                size: usize,
            ) -> *mut c_void {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::reallocarray(ptr, count, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn free(ptr: *mut c_void) {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::free(ptr) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_sized(ptr: *mut c_void, size: usize) {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::free_sized(ptr, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_aligned_sized(
                ptr: *mut c_void,
                alignment: usize,
                size: usize,
            ) {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::free_aligned_sized(ptr, alignment, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn posix_memalign(
                out: *mut *mut c_void,
                alignment: usize,
                size: usize,
            ) -> c_int {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::posix_memalign(out, alignment, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
                // SAFETY: the caller promises what the function asks for.
                unsafe { c::malloc_usable_size(ptr) }
            }
        };
    };
}

/// Exports checked mode, if it is there.
#[cfg(feature = "checked")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_checked {
    () => {
        $crate::export_abi!(@checked);
    };
}

/// Says what is missing.
///
/// ```compile_fail
/// pageslab::export_abi!(checked);
/// # fn main() {}
/// ```
#[cfg(not(feature = "checked"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_checked {
    () => {
        ::core::compile_error!(
            "export_abi!(checked) needs the feature `checked` of the crate `pageslab`"
        );
    };
}

/// Exports the C family, unless this crate does it itself.
#[cfg(any(
    not(target_arch = "wasm32"),
    feature = "c",
    all(target_os = "wasi", not(target_env = "p1"))
))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_c {
    () => {};
}

#[cfg(not(any(
    not(target_arch = "wasm32"),
    feature = "c",
    all(target_os = "wasi", not(target_env = "p1"))
)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_c {
    () => {
        $crate::export_abi!(@c);
    };
}
