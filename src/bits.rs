//! A word as the set of bits that it is, for whoever reads it as one: the checker, checked mode, what looks at a heap.
//!
//! The hot path changes and searches the same words as words, which takes the least code.

use bitvec::array::BitArray;
use bitvec::order::Lsb0;

/// The bits of a word: bit `i` is number `i`. (Halves, since bitvec has no words of 64 bits on a target of 32.)
pub(crate) type Bits = BitArray<[u32; 2], Lsb0>;

pub(crate) fn bits(word: u64) -> Bits {
    Bits::new([word as u32, (word >> 32) as u32])
}
