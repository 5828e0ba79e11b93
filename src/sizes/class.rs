//! Size classes: from a length to a class and back, all `const fn`. Knows no memory.
//!
//! Slots are powers of two and three equal steps between each and the next (16, 32, 48, 64, 80, 96, 112, 128,
//! 160, 192, 224, 256, 320, ... 8192 bytes), so that a slot is at most a quarter larger than needed once past
//! 64 bytes. The same staircase over *frames* instead of granules indexes the bins of free runs: see
//! [`step`].

use crate::sizes::geometry::GEOMETRY;
use static_assertions::const_assert;

/// log2 of [`GRANULE`].
const GRANULE_SHIFT: u32 = GEOMETRY.granule_shift;

/// The smallest slot, and the alignment that every allocation has, in bytes.
pub(crate) const GRANULE: u32 = 1 << GRANULE_SHIFT;

/// The largest slot, in bytes. Longer allocations are runs of frames.
pub(crate) const MAX_SLOT: u32 = GEOMETRY.max_slot;

/// How many size classes there are.
pub(crate) const CLASSES: usize = class_of(MAX_SLOT) as usize + 1;

/// The step that `x` stands on, in a staircase with four steps per doubling: 0, 1, 2, ... 8 (8 and 9), 9 (10
/// and 11), ...
///
/// `step(x) <= step(y)` whenever `x <= y`, and [`first_of_step`] undoes it.
#[inline(always)]
pub(crate) const fn step(x: u32) -> u32 {
    if x < 8 {
        x
    } else {
        let log2 = 31 - x.leading_zeros();
        ((log2 - 1) << 2) | ((x >> (log2 - 2)) & 3)
    }
}

/// The smallest `x` on the step `s`.
#[inline(always)]
pub(crate) const fn first_of_step(s: u32) -> u32 {
    if s < 8 {
        s
    } else {
        (4 | (s & 3)) << ((s >> 2) - 1)
    }
}

/// Up to here, classes are looked up instead of computed, which takes fewer instructions.
pub(crate) const MAX_LISTED: u32 = GEOMETRY.max_listed;

/// The classes of 0, 1, 2, ... granules.
static LISTED: [u8; (MAX_LISTED >> GRANULE_SHIFT) as usize + 1] = {
    let mut classes = [0; (MAX_LISTED >> GRANULE_SHIFT) as usize + 1];
    let mut granules = 1;
    while granules < classes.len() {
        classes[granules] = step(granules as u32 - 1) as u8;
        granules += 1;
    }
    classes
};

/// The class of the smallest slot that holds `len` bytes (at most [`MAX_LISTED`]).
#[inline(always)]
pub(crate) const fn listed_class_of(len: u32) -> u32 {
    LISTED[((len + GRANULE - 1) >> GRANULE_SHIFT) as usize] as u32
}

/// The class of the smallest slot that holds `len` bytes (at most [`MAX_SLOT`]).
pub(crate) const fn class_of(len: u32) -> u32 {
    step((if len > 0 { len - 1 } else { 0 }) >> GRANULE_SHIFT)
}

/// The bytes of a slot of this class.
#[inline]
pub(crate) const fn slot_size(class: u32) -> u32 {
    first_of_step(class + 1) << GRANULE_SHIFT
}

/// The class of the smallest slot that holds `len` bytes (at most [`MAX_SLOT`]) and whose size is a multiple of `align`, a power
/// of two; or [`CLASSES`] if there is none. A slab begins at a frame, so that its slots are aligned to `align`, up to a frame.
pub(crate) const fn aligned_class_of(len: u32, align: u32) -> u32 {
    let mut class = class_of(len);
    while class < CLASSES as u32 && slot_size(class) & (align - 1) != 0 {
        class += 1;
    }
    class
}

const_assert!(slot_size(CLASSES as u32 - 1) == MAX_SLOT);
const_assert!(slot_size(0) == GRANULE);
const_assert!(class_of(0) == 0 && class_of(GRANULE) == 0 && class_of(GRANULE + 1) == 1);

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_smallest_class_that_holds_it() {
        for len in 0..=MAX_SLOT {
            let class = class_of(len);
            assert!(slot_size(class) >= len, "{len}");
            assert!(class == 0 || slot_size(class - 1) < len, "{len}");
            assert!(len > MAX_LISTED || listed_class_of(len) == class, "{len}");
        }
    }

    #[test]
    fn slots_are_granules_and_at_most_a_quarter_too_large() {
        for len in 64..=MAX_SLOT {
            let slot = slot_size(class_of(len));
            assert_eq!(slot % GRANULE, 0);
            assert!(slot < len + len / 4 + GRANULE, "{len} in {slot}");
        }
    }

    #[test]
    fn every_length_with_every_alignment_gets_an_aligned_slot_that_holds_it() {
        for shift in 0..=10 {
            let align = 1u32 << shift;
            for len in 0..=MAX_SLOT {
                let class = aligned_class_of(len, align);
                assert!(slot_size(class) >= len && slot_size(class) % align == 0);
                let fits = |class| slot_size(class) >= len && slot_size(class) % align == 0;
                assert!(!(0..class).any(fits), "{len} @ {align}");
            }
        }
    }

    #[test]
    fn a_step_begins_where_it_says() {
        for x in 0..1 << 16 {
            let s = step(x);
            assert!(first_of_step(s) <= x && x < first_of_step(s + 1));
        }
        assert_eq!(first_of_step(step(1 << 22)), 1 << 22);
    }
}
