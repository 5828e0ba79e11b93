//! Checked mode of the module's heap: what it has found, and what is live. Reads the heap, a piece at a time, so that it is
//! unlocked while something is printed: who prints may allocate.

use super::misuse::{Last, note, print};
use super::{GlobalPageSlab, with_heap};
use crate::{Report, Result, Usage};

/// Checked mode (feature `checked`).
impl GlobalPageSlab {
    /// As [`PageSlab::set_tag`](crate::PageSlab::set_tag): of the heap, and so of all threads.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// ALLOCATOR.set_tag(7);
    /// let mut bytes = vec![1u8; 40];
    /// assert_eq!(ALLOCATOR.set_tag(0), 7);
    /// let report = ALLOCATOR.report(bytes.as_mut_ptr()).unwrap();
    /// assert_eq!(report.allocated_by, 7);
    /// ```
    pub fn set_tag(&self, tag: u16) -> u16 {
        with_heap(|heap| heap.set_tag(tag))
    }

    /// As [`PageSlab::check`](crate::PageSlab::check).
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let bytes = vec![1u8; 40];
    /// assert_eq!(ALLOCATOR.check(), Ok(()));
    /// # drop(bytes);
    /// ```
    ///
    /// # Errors
    ///
    /// As it has.
    pub fn check(&self) -> Result<()> {
        with_heap(|heap| heap.check())
    }

    /// As [`PageSlab::report`](crate::PageSlab::report), of the slot or the run that holds the byte at this address.
    ///
    /// ```
    /// use pageslab::{GlobalPageSlab, State};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let mut bytes = vec![1u8; 40];
    /// let report = ALLOCATOR.report(&mut bytes[39]).unwrap();
    /// assert!(matches!(report.state, State::Live { len: 40, .. }));
    /// ```
    pub fn report(&self, address: *mut u8) -> Option<Report> {
        with_heap(|heap| heap.report(heap.offset_of(address)))
    }

    /// As [`PageSlab::usage`](crate::PageSlab::usage): what is live, by size class and by tag.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// ALLOCATOR.set_tag(7);
    /// let numbers = vec![1u8; 40];
    /// ALLOCATOR.set_tag(0);
    /// let of_7 = ALLOCATOR.usage().find(|usage| usage.tag == 7).unwrap();
    /// assert_eq!((of_7.blocks, of_7.bytes), (1, 40));
    /// # drop(numbers);
    /// ```
    pub fn usage(&self) -> impl Iterator<Item = Usage> + use<> {
        let first = with_heap(|heap| heap.next_usage(None));
        core::iter::successors(first, |last| with_heap(|heap| heap.next_usage(Some(*last))))
    }

    /// Writes a line for each [`Usage`] to stderr, where there is one, and returns how many blocks are live: what leaks, at the
    /// end of a program or of a request.
    ///
    /// ```
    /// use pageslab::GlobalPageSlab;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();
    ///
    /// let before = ALLOCATOR.report_leaks()?;
    /// std::mem::forget(vec![1u8; 40]);
    /// assert_eq!(ALLOCATOR.report_leaks()?, before + 1);
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`](crate::Error::Poisoned): nobody knows then what is live.
    pub fn report_leaks(&self) -> Result<u32> {
        note(Last::Leaks);
        let mut blocks = 0;
        for usage in self.usage() {
            print(format_args!("{usage}"));
            blocks += usage.blocks;
        }
        self.whole(blocks)
    }
}
