//! What can go wrong: one small `Copy` enum, so that reporting an error never allocates.

use crate::hooks::{CHECKED, PATTERN};
use core::fmt;

/// Why a call was refused. Whatever the variant, the call changed nothing.
///
/// Pointers are byte offsets into linear memory; lengths and alignments are bytes.
///
/// ```
/// use pageslab::Error;
/// let error = Error::LengthMismatch { ptr: 0x1_0040, allocated: 24, given: 32 };
/// assert_eq!(
///     error.to_string(),
///     "the allocation at 0x10040 has 24 bytes, but the call gave its length as 32",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// `memory.grow` failed, or the memory limit would be exceeded, or the length is more than `isize::MAX`.
    /// Freeing makes later calls work, but for such a length.
    OutOfMemory {
        /// The length asked for.
        len: u32,
    },
    /// The alignment is zero, no power of two, or larger than a page (65,536); or the allocation is not aligned to it.
    InvalidAlignment {
        /// The alignment asked for.
        align: u32,
    },
    /// No live allocation starts at this pointer, and none that is remembered did.
    InvalidPointer {
        /// The pointer given.
        ptr: u32,
    },
    /// A live allocation starts at this pointer, but has another length.
    LengthMismatch {
        /// The pointer given.
        ptr: u32,
        /// The length that was allocated.
        allocated: u32,
        /// The length that the caller gave.
        given: u32,
    },
    /// The allocation was found to be overflowed: bytes behind its length were written. Only with the feature `checked`.
    Overflow {
        /// The pointer of the allocation.
        ptr: u32,
        /// Its length.
        len: u32,
        /// The first byte that was changed, counted from the pointer.
        at: u32,
    },
    /// Free memory was found to be written to: that of a block which was freed, or which nobody has had yet. Only with the
    /// feature `checked`. The memory is not handed out again, and what the call was about is not at fault: it can be made
    /// again.
    WriteAfterFree {
        /// Where the memory begins.
        ptr: u32,
        /// The first byte that was changed, counted from the pointer.
        at: u32,
    },
    /// An earlier call was stopped in the midst of a change (by a host, out of fuel, time or stack), and left the heap half
    /// changed: it is dead. Only calls that change no list still work: some that allocate small blocks, and without the
    /// features `checked` and `zero-on-free` some that free them.
    Poisoned,
    /// The allocation at this pointer was freed before.
    DoubleFree {
        /// The pointer given.
        ptr: u32,
        /// The length that the caller gave, or 0 if it gave none.
        len: u32,
    },
}

/// A result whose error is [`Error`].
///
/// ```
/// use pageslab::{MemoryController, Result};
///
/// fn greeting(heap: &mut dyn MemoryController) -> Result<u32> {
///     let ptr = heap.alloc(5)?;
///     heap.try_mut_mem(ptr, 5)?.copy_from_slice(b"hello");
///     Ok(ptr)
/// }
/// # #[cfg(target_arch = "wasm32")]
/// assert!(greeting(&mut pageslab::PageSlab::new(pageslab::WasmMemory::new())).is_ok());
/// ```
pub type Result<T> = core::result::Result<T, Error>;

/// A number that was read from memory which is filled with checked mode's pattern.
const FROM_FREE_MEMORY: u32 = u32::from_ne_bytes([PATTERN; 4]);

impl Error {
    /// The pointer of which it speaks, if it speaks of one.
    ///
    /// ```
    /// use pageslab::Error;
    /// assert_eq!(Error::InvalidPointer { ptr: 8 }.ptr(), Some(8));
    /// assert_eq!(Error::Poisoned.ptr(), None);
    /// ```
    #[must_use]
    pub const fn ptr(&self) -> Option<u32> {
        match *self {
            Self::InvalidPointer { ptr }
            | Self::LengthMismatch { ptr, .. }
            | Self::DoubleFree { ptr, .. }
            | Self::Overflow { ptr, .. }
            | Self::WriteAfterFree { ptr, .. } => Some(ptr),
            Self::OutOfMemory { .. } | Self::InvalidAlignment { .. } | Self::Poisoned => None,
        }
    }

    /// The number that the caller gave, and that is wrong.
    fn given(&self) -> Option<u32> {
        match *self {
            Self::OutOfMemory { len: given }
            | Self::InvalidAlignment { align: given }
            | Self::InvalidPointer { ptr: given }
            | Self::LengthMismatch { given, .. } => Some(given),
            _ => None,
        }
    }

    fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfMemory { len } => write!(
                f,
                "out of memory: {len} bytes are not free, and linear memory cannot grow or the memory limit would be exceeded"
            ),
            Self::InvalidAlignment { align } => write!(
                f,
                "the alignment {align} is not a power of two between 1 and 65536, or not the allocation's"
            ),
            Self::InvalidPointer { ptr } => {
                write!(f, "no allocation starts at {ptr:#x}")
            }
            Self::LengthMismatch {
                ptr,
                allocated,
                given,
            } => write!(
                f,
                "the allocation at {ptr:#x} has {allocated} bytes, but the call gave its length as {given}"
            ),
            Self::Overflow { ptr, len, at } => write!(
                f,
                "overflow: byte {at} of the allocation at {ptr:#x}, which has {len} bytes, was written"
            ),
            Self::WriteAfterFree { ptr, at } => write!(
                f,
                "write after free: byte {at} of the free memory at {ptr:#x} was written"
            ),
            Self::Poisoned => f.write_str(
                "the heap is poisoned: an earlier call was stopped in the midst of a change",
            ),
            // A length of 0 is that of callers who give none, such as C's `free`.
            Self::DoubleFree { ptr, len: 0 } => {
                write!(f, "the allocation at {ptr:#x} was freed before")
            }
            Self::DoubleFree { ptr, len } => write!(
                f,
                "the allocation at {ptr:#x} (length given: {len}) was freed before"
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_error(f)?;
        if CHECKED && self.given() == Some(FROM_FREE_MEMORY) {
            write!(
                f,
                ": {FROM_FREE_MEMORY:#x} was read from memory that was freed, or not written to yet"
            )?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}
