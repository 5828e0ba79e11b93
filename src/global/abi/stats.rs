//! `__heap_stats`: what the heap consists of, in numbers, for a host that watches its guests. The guest counts nothing for it: all is
//! found out during the call, as by [`GlobalPageSlab::stats`].
//!
//! The host passes nothing, so it can pass nothing wrong, and the call needs no block of the heap. It returns where the numbers
//! are, as `__heap_message` does. All are `u64` and little-endian, one behind the other:
//!
//! | number | what | unit |
//! |--:|---|---|
//! | 0 | the version of this list, 1 | |
//! | 1 | live blocks | blocks |
//! | 2 | their lengths, as asked for | bytes |
//! | 3 | the slots and runs that hold them | bytes |
//! | 4 | pages that the heap holds; none is given back, so this is their peak | pages of 64 KiB |
//! | 5 | foreign pages: the module's data and stack, and what others have grown | pages of 64 KiB |
//! | 6 | slabs, be their slots live or free | bytes |
//! | 7 | runs that are live blocks | bytes |
//! | 8 | free runs | bytes |
//! | 9 | the longest of them | bytes |
//! | 10 | metadata | bytes |
//! | 11 | what is none of these: parts of foreign pages, and what checked mode holds | bytes |
//! | 12 | how often memory has grown for the heap | calls |
//! | 13 | how often it did not when it should have | calls |
//! | 14 | size classes that follow, five numbers each | classes |
//! | 15 | of the first class: the length of a slot | bytes |
//! | 16 | its slabs | slabs |
//! | 17 | their slots | slots |
//! | 18 | live ones | blocks |
//! | 19 | their lengths, as asked for | bytes |
//!
//! Numbers 6, 7, 8, 10 and 11 are all pages of number 4. Classes go from the shortest slots to the longest. A later version may have
//! more numbers behind these, and none of them elsewhere.
//!
//! A call takes 6,400 instructions in an empty heap, and 35 more for each block in a slab. The line adds 2 KB to a module. A host
//! that wants each block, or whose guest does not run, reads a [`snapshot`](super::snapshot) instead.
//!
//! ```
//! use pageslab::abi::{alloc_free::alloc, stats::stats};
//!
//! /// Number 1.
//! fn live_blocks() -> u64 {
//!     let numbers = (stats() >> 32) as *const [u64; 2];
//!     // SAFETY: there are more than these, and they stay until the next call.
//!     unsafe { numbers.read()[1] }
//! }
//! let before = live_blocks();
//! assert_ne!(alloc(24, 8), 0);
//! assert_eq!(live_blocks(), before + 1);
//! ```

use crate::global::lock::Locked;
use crate::sizes::class::CLASSES;
use crate::{GlobalPageSlab, Stats};

/// The version of the list.
///
/// ```
/// use pageslab::abi::stats::{VERSION, stats};
///
/// // SAFETY: it is the first of the numbers, and they stay until the next call.
/// let version = unsafe { ((stats() >> 32) as *const u64).read() };
/// assert_eq!(version, VERSION);
/// ```
pub const VERSION: u64 = 1;

/// How many numbers come before those of the classes, and how many each of these has.
const HEAD: usize = 15;
const PER_CLASS: usize = 5;

const LEN: usize = HEAD + PER_CLASS * CLASSES;

static HEAP: GlobalPageSlab = GlobalPageSlab::new();
static NUMBERS: Locked<[u64; LEN]> = Locked::new([0; LEN]);

/// `__heap_stats`: where the numbers are, as an address in the upper half, and how many bytes they have in the lower one. They stay
/// until the next call. 0 if the heap is poisoned: nobody knows then what it consists of.
///
/// ```
/// use pageslab::abi::stats::stats;
///
/// let word = stats();
/// let (address, len) = ((word >> 32) as usize, word as u32);
/// assert_eq!(address % 8, 0);
/// assert_eq!(len % 8, 0);
/// # assert!(len >= 8 * 15);
/// ```
#[inline]
pub fn stats() -> u64 {
    let Ok(stats) = HEAP.stats() else {
        return 0;
    };
    NUMBERS.with(|numbers| {
        write(&stats, numbers);
        (numbers.as_ptr().addr() as u64) << 32 | size_of_val(numbers) as u64
    })
}

fn write(stats: &Stats, numbers: &mut [u64; LEN]) {
    let (head, classes) = numbers.split_at_mut(HEAD);
    head.copy_from_slice(&[
        VERSION,
        stats.live_blocks.into(),
        stats.live_bytes,
        stats.block_bytes,
        stats.pages.into(),
        stats.foreign_pages.into(),
        stats.slab_bytes,
        stats.run_bytes,
        stats.free_bytes,
        stats.longest_free,
        stats.metadata_bytes,
        stats.other_bytes,
        stats.growths.into(),
        stats.refused_growths.into(),
        CLASSES as u64,
    ]);
    for (class, numbers) in stats
        .classes
        .iter()
        .zip(classes.chunks_exact_mut(PER_CLASS))
    {
        numbers.copy_from_slice(&[
            class.slot_size.into(),
            class.slabs.into(),
            class.slots.into(),
            class.live.into(),
            class.live_bytes,
        ]);
    }
}
