//! A small fixed bitmap: a set of numbers below a bound, searched in constant time. Knows nothing else.
//!
//! Words of bits, and a word that says which of them are not 0.

use crate::bits::bits;

/// Numbers in a word.
const WORD: usize = u64::BITS as usize;

/// How many words hold the numbers below `bound`.
pub(crate) const fn words(bound: usize) -> usize {
    bound.div_ceil(WORD)
}

/// A set of the numbers below `64 * WORDS`, at most 2,048.
#[derive(Clone, Copy)]
pub(crate) struct Bitmap<const WORDS: usize> {
    words: [u64; WORDS],
    /// Bit `i` is set exactly if `words[i]` is not 0.
    filled: u32,
}

impl<const WORDS: usize> Bitmap<WORDS> {
    pub(crate) const EMPTY: Self = Self {
        words: [0; WORDS],
        filled: 0,
    };

    #[inline]
    pub(crate) fn insert(&mut self, number: usize) {
        let index = Self::index(number);
        self.words[index] |= 1 << (number % WORD);
        self.filled |= 1 << index;
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: usize) {
        let index = Self::index(number);
        self.words[index] &= !(1 << (number % WORD));
        if self.words[index] == 0 {
            self.filled &= !(1 << index);
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        bits(self.words[Self::index(number)])[number % WORD]
    }

    /// The smallest number of the set that is at least `start`, or 0 if there is none.
    #[inline]
    pub(crate) fn first_from(&self, start: usize) -> usize {
        let first = Self::index(start);
        let in_first = self.words[first] >> (start % WORD);
        if in_first != 0 {
            return start + in_first.trailing_zeros() as usize;
        }
        let later = self.filled & (!1 << first);
        if later == 0 {
            return 0;
        }
        let index = later.trailing_zeros() as usize % WORDS;
        index * WORD + self.words[index].trailing_zeros() as usize
    }

    /// The word of a number. The remainder is the same number, and tells the compiler that there is such a word.
    fn index(number: usize) -> usize {
        number / WORD % WORDS
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
            // No word is said to have a number that has none.
            for start in 0..128 {
                assert_eq!(bitmap.first_from(start), 0);
            }
        }
        bitmap.insert(3);
        bitmap.insert(100);
        assert_eq!((bitmap.first_from(0), bitmap.first_from(4)), (3, 100));
    }
}
