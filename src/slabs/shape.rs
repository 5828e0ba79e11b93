//! How large slabs are, and how the slot of a pointer is found: numbers only.
//!
//! The slot of a pointer is found by a multiplication with the reciprocal of the slot's size, as a fraction of
//! 2^32: the upper half of the product is the slot, and the lower half is less than the reciprocal only if the
//! pointer is to the slot's start ([Lemire, Kaser and Kurz, 2019][lemire]).
//!
//! [lemire]: https://doi.org/10.1002/spe.2689

use crate::sizes::class::{CLASSES, MAX_SLOT, slot_size};
use crate::sizes::geometry::{FRAME, GEOMETRY};
use static_assertions::const_assert;

/// The most slots that a slab has. One bit of a word is left for a slab that watches for nothing.
pub(crate) const MAX_SLOTS: u32 = GEOMETRY.max_slots;

/// The most bytes that a slab has.
const MAX_SLAB: u32 = GEOMETRY.max_slab_frames * FRAME;

const_assert!(MAX_SLOTS < u64::BITS);
const_assert!(MAX_SLAB >= MAX_SLOT);

/// How many frames a slab of this class takes, if the one before it had `previous` slots: for twice as many, from one frame or
/// one slot on, so that a guest that needs few blocks takes little memory.
pub(crate) const fn frames(class: u32, previous: u32) -> u32 {
    let size = slot_size(class);
    let wanted = if previous == 0 {
        FRAME / size
    } else {
        previous * 2
    };
    let slots = at_least(1, at_most(wanted, at_most(MAX_SLOTS, MAX_SLAB / size)));
    (slots * size).div_ceil(FRAME)
}

/// How many slots of this size there are in a slab of as many frames.
pub(crate) const fn slots(frames: u32, size: u32) -> u32 {
    at_most(frames * FRAME / size, MAX_SLOTS)
}

/// 2^32 / size, rounded up.
pub(crate) const fn reciprocal(size: u32) -> u32 {
    u32::MAX / size + 1
}

const fn at_most(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

const fn at_least(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

/// What finding a slot relies on, for all slabs that a class can have.
const _: () = {
    let mut class = 0;
    while class < CLASSES as u32 {
        let size = slot_size(class);
        // The lower half of a product is `slot * error` for the start of a slot; for each byte further in it is
        // more by the reciprocal, and stays below 2^32 up to the slot's last.
        let error = reciprocal(size) as u64 * size as u64 - (1 << 32);
        assert!((MAX_SLOTS as u64 + 1) * error < reciprocal(size) as u64);
        let (mut previous, mut grows) = (0, true);
        while grows {
            let bytes = frames(class, previous) * FRAME;
            let next = slots(bytes / FRAME, size);
            // Behind the last slot there is room for at most one more.
            assert!(next > 0 && next <= MAX_SLOTS && bytes.div_ceil(size) <= next + 1);
            grows = next > previous;
            previous = next;
        }
        class += 1;
    }
};

#[cfg(all(test, not(pageslab_geometry = "tiny")))]
mod tests {
    use super::*;
    use crate::sizes::class::class_of;

    #[test]
    fn slabs_begin_with_a_frame_or_a_slot_and_double() {
        let shapes = |len| {
            let class = class_of(len);
            let shape = move |previous| {
                let frames = frames(class, previous);
                (frames, slots(frames, slot_size(class)))
            };
            core::iter::successors(Some(shape(0)), move |&(_, slots)| {
                Some(shape(slots)).filter(|&(_, next)| next > slots)
            })
        };
        assert!(shapes(16).eq([(1, 63)]));
        assert!(shapes(48).eq([(1, 21), (2, 42), (3, 63)]));
        assert!(shapes(1536).eq([(2, 1), (3, 2), (6, 4), (12, 8), (24, 16), (32, 21)]));
        assert!(shapes(MAX_SLOT).eq([(8, 1), (16, 2), (32, 4)]));
    }
}
