//! Inputs that look like real ones and are the same on every run.

/// A xorshift64* generator.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.next()) * bound as u64) >> 32) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A word: mostly of a small vocabulary and of that mostly its first words, as in any language; now and then a rare
    /// one.
    pub fn word(&mut self) -> String {
        if self.one_in(6) {
            let syllables = 2 + self.below(3);
            (0..syllables).map(|_| self.pick(&SYLLABLES)).collect()
        } else {
            let range = 1 + self.below(WORDS.len());
            WORDS[self.below(range)].to_owned()
        }
    }

    /// `len` words, separated by spaces.
    pub fn words(&mut self, len: usize) -> String {
        let mut text = String::new();
        for _ in 0..len {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.word());
        }
        text
    }

    /// Some words with a capital first letter.
    pub fn title(&mut self) -> String {
        let len = 2 + self.below(4);
        let words = self.words(len);
        words[..1].to_uppercase() + &words[1..]
    }

    /// A sentence with its full stop.
    pub fn sentence(&mut self) -> String {
        let len = 5 + self.below(12);
        let mut text = self.words(len);
        text[..1].make_ascii_uppercase();
        text.push('.');
        text
    }

    /// `len` sentences, separated by spaces.
    pub fn paragraph(&mut self, len: usize) -> String {
        (0..len)
            .map(|_| self.sentence())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

const WORDS: [&str; 159] = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "with", "on", "be",
    "are", "by", "this", "from", "or", "an", "which", "page", "memory", "block", "size", "free",
    "list", "class", "host", "guest", "module", "value", "name", "number", "first", "last",
    "order", "time", "place", "water", "river", "harbour", "market", "street", "window", "table",
    "garden", "winter", "summer", "morning", "evening", "letter", "paper", "machine", "engine",
    "wheel", "copper", "silver", "glass", "stone", "bridge", "tower", "light", "shadow", "signal",
    "measure", "weight", "length", "colour", "sound", "music", "voice", "story", "answer",
    "question", "reason", "result", "change", "growth", "motion", "energy", "nature", "field",
    "forest", "island", "mountain", "valley", "village", "city", "country", "people", "family",
    "doctor", "teacher", "sailor", "farmer", "worker", "captain", "brother", "sister", "small",
    "large", "early", "late", "quick", "slow", "heavy", "quiet", "bright", "clear", "simple",
    "common", "strange", "narrow", "open", "closed", "carry", "bring", "follow", "begin",
    "remember", "forget", "discover", "collect", "divide", "compare", "arrive", "travel", "return",
    "wait", "build", "break", "repair", "write", "read", "speak", "listen", "between", "before",
    "after", "under", "above", "across", "against", "because", "although", "however", "perhaps",
    "always", "never", "often", "seldom", "together", "apart", "instead", "already", "almost",
    "enough", "further",
];

const SYLLABLES: [&str; 40] = [
    "ka", "lo", "mi", "ren", "tas", "vol", "dor", "el", "an", "ber", "cin", "dal", "est", "fer",
    "gon", "hal", "ist", "jor", "kel", "lan", "mor", "nor", "ost", "pel", "quin", "ros", "sel",
    "tor", "ul", "ven", "wal", "xan", "yor", "zem", "ark", "bri", "cla", "dru", "fli", "gra",
];
