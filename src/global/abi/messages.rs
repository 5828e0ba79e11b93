//! `__heap_status` and `__heap_message`: what went wrong last, for a host that got a trap, a 0 or a number. An instance works
//! on after a trap, so its host can ask.
//!
//! Each misuse, refusal, and report of checked mode is told once: the next one takes its place, and
//! [`message`] forgets it. What is told is looked up when it is asked for: ask first, before another call
//! changes the heap.
//!
//! ```
//! use pageslab::abi::{alloc_free::{OK, alloc, free}, messages::status};
//!
//! let ptr = alloc(24, 8);
//! // SAFETY: nobody uses the allocation.
//! let refused = unsafe { free(ptr, 23) };
//! assert_ne!(refused, OK);
//! assert_eq!(status(), refused);
//! ```

use super::alloc_free;
use crate::global::lock::Locked;
use crate::global::misuse::{Last, Text, explain, note};
use crate::{Error, GlobalPageSlab};
use core::fmt::{self, Write};

/// What is longer is cut off.
const MAX_LEN: usize = 2048;

static HEAP: GlobalPageSlab = GlobalPageSlab::new();
static TEXT: Locked<Text<MAX_LEN>> = Locked::new(Text::NEW);

/// `__heap_status`: [`POISONED`](alloc_free::POISONED) if the heap is, else the status of what
/// [`message`] would tell, [`OK`](alloc_free::OK) if that is no error.
///
/// ```
/// use pageslab::abi::{alloc_free, messages::status};
///
/// assert_eq!(status(), alloc_free::OK);
/// assert_eq!(alloc_free::alloc(24, 3), 0);
/// assert_eq!(status(), alloc_free::INVALID_ALIGNMENT);
/// ```
#[inline]
pub fn status() -> u32 {
    let last = note(Last::Nothing);
    note(last);
    alloc_free::status(match last {
        _ if HEAP.is_poisoned() => Err(Error::Poisoned),
        Last::Error(error) => Err(error),
        _ => Ok(()),
    })
}

/// `__heap_message`: the text of what went wrong last, in ASCII: its pointer in the upper half, and its length, 0 if there
/// is nothing to tell, in the lower one. It stays until the next call. If the heap is poisoned, the last line says so.
///
/// ```
/// use pageslab::abi::{alloc_free::alloc, messages::message};
///
/// assert_eq!(alloc(24, 3), 0);
/// let word = message();
/// let (text, len) = ((word >> 32) as *const u8, word as u32 as usize);
/// // SAFETY: the text stays until the next call.
/// let text = unsafe { std::slice::from_raw_parts(text, len) };
/// assert!(text.starts_with(b"the alignment 3 is not a power of two"));
/// assert_eq!(message() as u32, 0);
/// ```
#[inline]
pub fn message() -> u64 {
    TEXT.with(|text| {
        *text = Text::NEW;
        // One that is too long ends early.
        let _ = write_last(text);
        let bytes = text.as_bytes();
        (bytes.as_ptr().addr() as u64) << 32 | bytes.len() as u64
    })
}

fn write_last(text: &mut impl Write) -> fmt::Result {
    match note(Last::Nothing) {
        Last::Nothing | Last::Error(Error::Poisoned) => {}
        Last::Error(error) => writeln!(text, "{}", explain(error))?,
        #[cfg(feature = "checked")]
        Last::Leaks => {
            for usage in HEAP.usage() {
                writeln!(text, "{usage}")?;
            }
        }
    }
    if HEAP.is_poisoned() {
        writeln!(text, "{}", Error::Poisoned)?;
    }
    Ok(())
}
