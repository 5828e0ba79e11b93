//! An [`Error`] with what its heap knows of the memory of which it speaks. Reads the heap, and changes nothing.

#[cfg(feature = "checked")]
use crate::Report;
use crate::memory::LinearMemory;
use crate::{Error, PageSlab};
use core::fmt;

/// An [`Error`] with what its heap knows of the memory of which it speaks, as [`PageSlab::explain`] makes it. It is made to be
/// printed: the error, and a line for whatever else is known.
///
/// ```
/// # #[cfg(target_arch = "wasm32")] {
/// use pageslab::{MemoryController, PageSlab, WasmMemory};
///
/// let mut heap = PageSlab::new(WasmMemory::new());
/// let ptr = heap.alloc(24)?;
/// let error = heap.free(ptr + 8, 24).unwrap_err();
/// let text = heap.explain(error).to_string();
/// assert!(text.contains("is 8 bytes behind the start of the allocation"));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    error: Error,
    /// The live allocation that the pointer is into: its pointer and length.
    around: Option<(u32, u32)>,
    #[cfg(feature = "checked")]
    report: Option<Report>,
}

impl Explanation {
    /// Tells each line.
    pub(crate) fn tell(&self, line: &mut dyn FnMut(fmt::Arguments) -> fmt::Result) -> fmt::Result {
        line(format_args!("{}", self.error))?;
        if let (Some(ptr), Some((start, len))) = (self.error.ptr(), self.around) {
            let offset = ptr - start;
            line(format_args!(
                "{ptr:#x} is {offset} bytes behind the start of the allocation at {start:#x}, which has {len} bytes"
            ))?;
        }
        #[cfg(feature = "checked")]
        if let Some(report) = self.report {
            line(format_args!("{report}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = "";
        self.tell(&mut |line| {
            f.write_str(core::mem::replace(&mut end, "\n"))?;
            f.write_fmt(line)
        })
    }
}

impl<M: LinearMemory> PageSlab<M> {
    /// What is known of an error of this heap, before anything else is done with it: the block into which a pointer is, and in
    /// checked mode who had the memory, and what was written to it.
    ///
    /// ```
    /// # #[cfg(target_arch = "wasm32")] {
    /// use pageslab::{MemoryController, PageSlab, WasmMemory};
    ///
    /// let mut heap = PageSlab::new(WasmMemory::new());
    /// let ptr = heap.alloc(24)?;
    /// let error = heap.free(ptr + 8, 24).unwrap_err();
    /// let text = heap.explain(error).to_string();
    /// assert!(text.starts_with(&format!(
    ///     "no allocation starts at {:#x}\n\
    ///      {:#x} is 8 bytes behind the start of the allocation at {ptr:#x}, which has 24 bytes",
    ///     ptr + 8,
    ///     ptr + 8,
    /// )));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    #[must_use]
    pub fn explain(&self, error: Error) -> Explanation {
        let around = match error {
            Error::InvalidPointer { ptr } if !self.is_poisoned() => {
                self.heap.allocation_around(ptr)
            }
            _ => None,
        };
        Explanation {
            error,
            around,
            #[cfg(feature = "checked")]
            report: error.ptr().and_then(|ptr| self.report(ptr)),
        }
    }
}
