//! Random numbers that repeat: SplitMix64, seeded by the test.

/// A sequence of random numbers that its seed determines.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 32) as u32
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u32) -> u32 {
        self.word() % end
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u32 + 1) as usize);
        }
    }

    /// A length: mostly of a slot, else of a run of up to 64 frames, and often right at a boundary between two.
    pub fn len(&mut self) -> u32 {
        match self.below(8) {
            0..4 => self.below(300),
            4 => self.below(10_000),
            5 => self.below(64 * 1024),
            6 => 16 * self.below(600) + self.below(2),
            _ => 1024 * (1 + self.below(24)) + self.below(3) - 1,
        }
    }
}
