//! Random numbers that a seed determines: SplitMix64.

pub struct Random(u64);

impl Random {
    /// The numbers of one of the threads that share a seed.
    pub fn new(seed: u64, thread: usize) -> Self {
        Self(seed << 32 | thread as u64)
    }

    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 32) as u32
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.word() as usize % end
    }
}
