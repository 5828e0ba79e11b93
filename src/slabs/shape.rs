//! How large slabs are, and how the slot of a pointer is found: numbers only.
//!
//! The slot of a pointer is found by a multiplication with the reciprocal of the slot's size, as a fraction of
//! 2^32: the upper half of the product is the slot, and the lower half is less than the reciprocal only if the
//! pointer is to the slot's start ([Lemire, Kaser and Kurz, 2019][lemire]).
//!
//! [lemire]: https://doi.org/10.1002/spe.2689

use crate::sizes::class::{CLASSES, MAX_SLOT, slot_size};
use crate::sizes::geometry::{FRAME, GEOMETRY};
use crate::slabs::slab::DESCRIPTOR;
use static_assertions::const_assert;

/// The most slots that a slab has. One bit of a word is left for a slab that watches for nothing.
pub(crate) const MAX_SLOTS: u32 = GEOMETRY.max_slots;

/// The most bytes that a slab has.
const MAX_SLAB: u32 = GEOMETRY.max_slab_frames * FRAME;

const_assert!(MAX_SLOTS < u64::BITS);
const_assert!(MAX_SLAB >= MAX_SLOT);

/// The class of the slots that hold descriptors themselves: one more than those of the guest.
pub(crate) const DESCRIPTORS: u32 = CLASSES as u32;

/// Unused frames in front of everything that holds metadata, so that an overflow of a block must run over
/// this much memory before it can reach any.
pub(crate) const GUARD_FRAMES: u32 = 1;

/// How many slots are wanted of a slab of this class, if the one before it had `previous`: twice as many, from one frame or one
/// slot on, so that a guest that needs few blocks takes little memory.
pub(crate) const fn wanted_slots(class: u32, previous: u32) -> u32 {
    let size = size_of_class(class);
    // A slab of descriptors has one for itself.
    let least = if class == DESCRIPTORS { 2 } else { 1 };
    let wanted = if previous == 0 {
        at_least(least, FRAME / size)
    } else {
        previous * 2
    };
    at_most(wanted, at_most(MAX_SLOTS, MAX_SLAB / size))
}

/// How many frames as many slots of this class take, the guard in front of them included.
pub(crate) const fn frames(class: u32, slots: u32) -> u32 {
    guard(class) + (slots * size_of_class(class)).div_ceil(FRAME)
}

/// How many frames a slab of this class has in front of its first slot.
pub(crate) const fn guard(class: u32) -> u32 {
    if class == DESCRIPTORS {
        GUARD_FRAMES
    } else {
        0
    }
}

/// The bytes of the slots of each class.
static SIZES: [u16; DESCRIPTORS as usize + 1] = {
    let mut sizes = [DESCRIPTOR as u16; DESCRIPTORS as usize + 1];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = slot_size(class as u32) as u16;
        class += 1;
    }
    sizes
};

/// The bytes of a slot of this class.
#[inline]
pub(crate) const fn size_of_class(class: u32) -> u32 {
    SIZES[class as usize] as u32
}

/// How many slots of this size there are in as many frames, a guard not included.
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
    while class <= DESCRIPTORS {
        let size = size_of_class(class);
        // The lower half of a product is `slot * error` for the start of a slot; for each byte further in it is
        // more by the reciprocal, and stays below 2^32 up to the slot's last.
        let error = reciprocal(size) as u64 * size as u64 - (1 << 32);
        assert!((MAX_SLOTS as u64 + 1) * error < reciprocal(size) as u64);
        assert!(wanted_slots(class, 0) > 0);
        // However many are wanted.
        let mut wanted = 1;
        while wanted <= MAX_SLOTS && wanted * size <= MAX_SLAB {
            let bytes = (frames(class, wanted) - guard(class)) * FRAME;
            let slots = slots(bytes / FRAME, size);
            assert!(slots >= wanted && slots <= MAX_SLOTS);
            // Behind the last slot there is room for at most one more.
            assert!(class == DESCRIPTORS || bytes.div_ceil(size) <= slots + 1);
            wanted += 1;
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
                let frames = frames(class, wanted_slots(class, previous));
                (frames, slots(frames, slot_size(class)))
            };
            core::iter::successors(Some(shape(0)), move |&(_, slots)| {
                Some(shape(slots)).filter(|&(_, next)| next > slots)
            })
        };
        assert!(shapes(16).eq([(1, 63)]));
        assert!(shapes(48).eq([(1, 21), (2, 42), (3, 63)]));
        assert!(shapes(1536).eq([(2, 1), (3, 2), (6, 4), (12, 8), (15, 10)]));
        assert!(shapes(MAX_SLOT).eq([(8, 1), (16, 2)]));
    }
}
