//! The lists of free runs, by length: one for each length below 64 frames, then eight for each doubling.
//!
//! A list is a *bin*; a bitmap says which have a run, as in TLSF ([Masmano et al., 2004][tlsf]).
//!
//! [tlsf]: https://doi.org/10.1109/EMRTS.2004.1311009

use crate::sizes::geometry::{GEOMETRY, MAX_FRAMES};

/// log2 of how many bins there are for each doubling.
const STEPS_SHIFT: u32 = 3;

/// log2 of the length in frames below which a bin has runs of one length only.
const EXACT_SHIFT: u32 = GEOMETRY.exact_shift;

/// How many bins there are. None has number 0.
pub(crate) const BINS: usize = bin_of(MAX_FRAMES) as usize + 1;

/// The bin of free runs of this length.
#[inline(never)]
pub(crate) const fn bin_of(frames: u32) -> u32 {
    if frames <= 1 << EXACT_SHIFT {
        return frames;
    }
    let log2 = frames.ilog2();
    let step = (frames >> (log2 - STEPS_SHIFT)) - (1 << STEPS_SHIFT);
    (1 << EXACT_SHIFT) + ((log2 - EXACT_SHIFT) << STEPS_SHIFT) + step
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn bins_are_exact_and_then_eight_for_each_doubling() {
        let exact = 1 << EXACT_SHIFT;
        for frames in 1..=exact {
            assert_eq!(bin_of(frames), frames);
        }
        // From there on several lengths share a bin.
        assert_eq!(bin_of(exact + exact / 8), exact + 1);
        for frames in exact..1 << 16 {
            let (bin, next) = (bin_of(frames), bin_of(frames + 1));
            assert!(next == bin || next == bin + 1);
            assert_eq!(bin_of(frames * 2), bin + 8);
        }
    }
}
