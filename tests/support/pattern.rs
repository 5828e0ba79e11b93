//! Contents that tell who wrote them: byte `i` of a block depends on the sum of its seed and `i`.
//!
//! So what begins at byte `k` of a pattern is the pattern of the seed plus `k`.

/// After how many bytes a pattern repeats; a prime, so not at any boundary of the heap's.
const PERIOD: usize = 4093;

/// Noise, twice over, so that each pattern is a slice of it.
static NOISE: [u8; 2 * PERIOD] = {
    let mut noise = [0; 2 * PERIOD];
    let mut state = 1u32;
    let mut i = 0;
    while i < PERIOD {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise[i] = (state >> 24) as u8;
        noise[i + PERIOD] = noise[i];
        i += 1;
    }
    noise
};

fn period(seed: u32) -> &'static [u8] {
    let start = seed as usize % PERIOD;
    &NOISE[start..start + PERIOD]
}

/// Writes the pattern of this seed.
pub fn fill(bytes: &mut [u8], seed: u32) {
    for chunk in bytes.chunks_mut(PERIOD) {
        chunk.copy_from_slice(&period(seed)[..chunk.len()]);
    }
}

/// The first byte that is not as [`fill`] wrote it, if there is one.
pub fn first_change(bytes: &[u8], seed: u32) -> Option<usize> {
    let changed = |chunk: &[u8]| {
        chunk
            .iter()
            .zip(period(seed))
            .position(|(is, was)| is != was)
    };
    let mut chunks = bytes.chunks(PERIOD).enumerate();
    chunks.find_map(|(index, chunk)| {
        let same = chunk == &period(seed)[..chunk.len()];
        if same {
            None
        } else {
            changed(chunk).map(|at| index * PERIOD + at)
        }
    })
}
