//! What `index.c` prints, computed in Rust.

use std::collections::HashMap;

/// As C's `uint32_t` numbers wrap.
struct Random(u32);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % end
    }
}

/// FNV-1a, of 64 bits.
fn hash(items: impl IntoIterator<Item = u32>) -> u64 {
    items.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, item| {
        (hash ^ u64::from(item)).wrapping_mul(0x100_0000_01b3)
    })
}

fn spell(number: u32) -> String {
    let letter = |at| char::from(b'a' + ((number >> (at % 12)) % 26) as u8);
    (0..1 + number % 7 * (number % 19)).map(letter).collect()
}

fn words(random: &mut Random) -> String {
    let mut counts = HashMap::new();
    for round in 0..200_000 {
        *counts.entry(spell(random.below(9000))).or_insert(0) += 1;
        if round % 3 == 0 && round > 30_000 {
            counts.remove(&spell(random.below(9000)));
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
    let entry = |(word, count): &(String, u32)| format!("{word}={count};");
    let text: String = sorted.iter().map(entry).collect();
    let hash = hash(text.bytes().map(u32::from));
    format!(
        "{} words, {} bytes, {hash:016x}\n",
        sorted.len(),
        text.len()
    )
}

fn matrix(random: &mut Random) -> String {
    let mut row = |_| {
        let len = 1 + random.below(2500);
        let mut cells: Vec<u32> = (0..len).map(|_| random.below(100_000)).collect();
        cells.sort_unstable();
        cells
    };
    let mut rows: Vec<_> = (0..2000).map(&mut row).collect();
    rows.sort();
    let count = rows.len();
    let mut cells = Vec::new();
    while !rows.is_empty() {
        cells.extend(rows.swap_remove(random.below(rows.len() as u32) as usize));
    }
    format!("{count} rows, {:016x}\n", hash(cells))
}

pub fn output() -> String {
    let mut random = Random(1);
    words(&mut random) + &matrix(&mut random)
}
