//! Checksums: FNV-1a over words, so that the order of what is added counts.

pub(crate) struct Checksum(u64);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    pub(crate) fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01B3);
    }

    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.add(u64::from(byte)));
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

/// The checksum of one string.
pub(crate) fn of(text: &str) -> u64 {
    let mut sum = Checksum::new();
    sum.add_bytes(text.as_bytes());
    sum.finish()
}
