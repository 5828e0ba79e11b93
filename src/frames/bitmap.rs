//! A small fixed bitmap: a set of numbers below a bound, searched a word at a time. Knows nothing else.
//!
//! Plain words, and not the `bitvec` crate: every operation on its slices is an error under Miri's default
//! rules for references (ferrilab/bitvec issue 193), which this crate's tests run under.

/// Numbers in a word.
const WORD: usize = u64::BITS as usize;

/// How many words hold the numbers below `bound`.
pub(crate) const fn words(bound: usize) -> usize {
    bound.div_ceil(WORD)
}

/// A set of the numbers below `64 * WORDS`.
#[derive(Clone, Copy)]
pub(crate) struct Bitmap<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Bitmap<WORDS> {
    pub(crate) const EMPTY: Self = Self([0; WORDS]);

    #[inline]
    pub(crate) fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / WORD) {
            *word |= 1 << (number % WORD);
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / WORD) {
            *word &= !(1 << (number % WORD));
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0[number / WORD] >> (number % WORD) & 1 != 0
    }

    /// The smallest number of the set that is at least `start`, or 0 if there is none.
    #[inline(never)]
    pub(crate) fn first_from(&self, start: usize) -> usize {
        let mut index = start / WORD;
        let mut mask = !0 << (start % WORD);
        while let Some(word) = self.0.get(index) {
            if word & mask != 0 {
                return index * WORD + (word & mask).trailing_zeros() as usize;
            }
            mask = !0;
            index += 1;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_not_what_was_removed() {
        let mut bitmap = Bitmap::<2>::EMPTY;
        assert_eq!(bitmap.first_from(0), 0);
        for number in 0..128 {
            bitmap.insert(number);
            assert!(bitmap.contains(number));
            for start in 0..128 {
                let found = if start <= number { number } else { 0 };
                assert_eq!(bitmap.first_from(start), found);
            }
            bitmap.remove(number);
            assert!(!bitmap.contains(number));
        }
        bitmap.insert(3);
        bitmap.insert(100);
        assert_eq!((bitmap.first_from(0), bitmap.first_from(4)), (3, 100));
    }
}
