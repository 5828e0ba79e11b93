//! Recorded malloc traces: what one program asked of its allocator, in order.
//!
//! A trace is a file of two to three bytes per operation or less, written by `dev/lab/recorder` and `pageslab bench`, and read by the
//! benches. [`Encoder`] writes one, [`Trace::decode`] reads one; both keep the same model of the live blocks
//! ([`Live`]), so whatever the encoder can say, the decoder understands, and a decoded trace is consistent by
//! construction: no block is freed twice, every layout is valid, and the header's figures are those of its
//! operations.
//!
//! # Format
//!
//! Every number is a *varint*: unsigned LEB128 of at most 64 bits (seven bits per byte, least significant first, the
//! top bit says that more follow).
//!
//! | header field | encoding |
//! |---|---|
//! | magic | the four bytes `mtrc` |
//! | version | one byte, 1 |
//! | name of the program | varint length, then that many bytes of UTF-8 |
//! | number of operations | varint |
//! | most blocks live at once | varint |
//! | most bytes live at once, as requested | varint |
//!
//! The operations follow, up to the end of the file. A block is named by its *place*: the live blocks stand in a row,
//! oldest first. `Alloc` puts its block at the row's end, `Realloc` moves it there, `Free` takes it out. Programs
//! free mostly what is young, or walk along a structure they built; so a place is told by its distance from the row's
//! end, or from the *mark*: the place where the last `Free` took its block (0 before the first one), and where the
//! block next in age now stands. Each operation starts with one varint, `n` above a few low bits:
//!
//! | low bits | operation | `n` | then |
//! |---|---|---|---|
//! | `0000` | alloc, alignment 1 | size | |
//! | `0100` | alloc, alignment 4 | size / 4 | |
//! | `1000` | alloc, alignment 8 | size / 8 | |
//! | `1100` | alloc, any alignment | log2 of the alignment | varint size |
//! | `001` | realloc | distance from the row's end | varint new size |
//! | `101` | realloc to twice the size | distance from the row's end | |
//! | `10` | free | distance from the row's end | |
//! | `11` | free | place minus mark, zigzag (0, -1, 1, -2, ... as 0, 1, 2, 3, ...) | |
//!
//! The newest block has distance 0. The encoder takes the shortest form; the decoder takes any.
//!
//! Sizes are above zero and, rounded up to their alignment, below 2 GiB: a `Layout` of a 32-bit target. Zeroed
//! allocations are recorded as plain ones: a replay compares how allocators find memory, not how fast `memset` is.
//!
//! # Ids
//!
//! The file has no ids; both sides hand out the same ones. `Alloc` takes the id that was freed last, or, when all are
//! in use, the next new one. So ids are below [`Trace::max_live`], and a replay needs no more than a `Vec` of that
//! many `(ptr, size, align)`.

use std::fmt;

/// One call of the allocator. `id` names the block, see the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Alloc { id: u32, size: u32, align: u32 },
    Realloc { id: u32, new_size: u32 },
    Free { id: u32 },
}

/// A decoded trace.
///
/// Blocks that the program never freed are still live after the last of `ops`; a replay frees them itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The program that was recorded.
    pub name: String,
    pub ops: Vec<Op>,
    /// Most blocks live at once; every id is below it.
    pub max_live: u32,
    /// Most bytes live at once, as requested.
    pub peak_bytes: u64,
}

/// Why bytes are no trace. `op` counts operations from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceError {
    /// The file does not start as a trace does.
    Magic,
    /// The file is of another version of the format.
    Version(u8),
    /// The name is not UTF-8.
    Name,
    /// The file ends within the header or an operation.
    Truncated,
    /// A varint has more than 64 bits.
    Overlong,
    /// A block of this size and alignment cannot exist.
    Layout { op: u64 },
    /// No live block stands at the place that is named.
    Place { op: u64 },
    /// A figure in the header is not that of the operations.
    Header {
        figure: &'static str,
        header: u64,
        ops: u64,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(f, "not a malloc trace"),
            Self::Version(version) => {
                write!(f, "version {version} of the trace format, not {VERSION}")
            }
            Self::Name => write!(f, "the program's name is not UTF-8"),
            Self::Truncated => write!(f, "the trace ends too early"),
            Self::Overlong => write!(f, "a number of more than 64 bits"),
            Self::Layout { op } => write!(f, "operation {op}: no such size and alignment"),
            Self::Place { op } => write!(f, "operation {op}: no live block there"),
            Self::Header {
                figure,
                header,
                ops,
            } => {
                write!(
                    f,
                    "the header's {figure} is {header}, the operations' {ops}"
                )
            }
        }
    }
}

impl std::error::Error for TraceError {}

const MAGIC: [u8; 4] = *b"mtrc";
const VERSION: u8 = 1;

/// The largest size, rounded up to its alignment, that a `Layout` of a 32-bit target may have.
const MAX_SIZE: u64 = i32::MAX as u64;

// The low bits of an operation's first varint.
const KIND_BITS: u32 = 2;
const ALLOC: u64 = 0b00;
const REALLOC: u64 = 0b01;
const FREE_FROM_END: u64 = 0b10;
const FREE_FROM_MARK: u64 = 0b11;

const REALLOC_BITS: u32 = KIND_BITS + 1;
const DOUBLE: u64 = 1;

const ALLOC_BITS: u32 = KIND_BITS + 2;
/// The alignments that have a code of their own, with their size counted in units of themselves.
const COMMON_ALIGNS: [u32; 3] = [1, 4, 8];
const OTHER_ALIGN: u64 = COMMON_ALIGNS.len() as u64;

impl Trace {
    /// Reads a trace file.
    pub fn decode(bytes: &[u8]) -> Result<Self, TraceError> {
        let mut input = Input { rest: bytes };
        if input.take(MAGIC.len()) != Ok(&MAGIC) {
            return Err(TraceError::Magic);
        }
        match input.take(1)?[0] {
            VERSION => {}
            other => return Err(TraceError::Version(other)),
        }
        let name_len = input.varint()?;
        let name = input.take(usize::try_from(name_len).map_err(|_| TraceError::Truncated)?)?;
        let name = std::str::from_utf8(name).map_err(|_| TraceError::Name)?;
        let [op_count, max_live, peak_bytes] = [input.varint()?, input.varint()?, input.varint()?];

        let mut live = Live::default();
        // The header is not to be believed yet, but every operation has a byte.
        let mut ops = Vec::with_capacity(
            input
                .rest
                .len()
                .min(op_count.try_into().unwrap_or(usize::MAX)),
        );
        while !input.rest.is_empty() {
            ops.push(input.op(&mut live, ops.len() as u64)?);
        }
        for (figure, header, ops) in [
            ("number of operations", op_count, ops.len() as u64),
            ("most live blocks", max_live, u64::from(live.max_live())),
            ("most live bytes", peak_bytes, live.peak_bytes),
        ] {
            if header != ops {
                return Err(TraceError::Header {
                    figure,
                    header,
                    ops,
                });
            }
        }
        Ok(Self {
            name: name.to_owned(),
            ops,
            max_live: live.max_live(),
            peak_bytes: live.peak_bytes,
        })
    }
}

/// Writes a trace, operation by operation.
#[derive(Debug, Default)]
pub struct Encoder {
    live: Live,
    op_count: u64,
    ops: Vec<u8>,
}

impl Encoder {
    /// Adds an allocation and returns the new block's id.
    ///
    /// # Panics
    ///
    /// If no block of a 32-bit target has this size and alignment.
    pub fn alloc(&mut self, size: u32, align: u32) -> u32 {
        assert!(
            is_layout(size, align),
            "no layout has size {size} and alignment {align}"
        );
        let (code, n) = COMMON_ALIGNS
            .iter()
            .position(|&common| common == align && size.is_multiple_of(align))
            .map_or((OTHER_ALIGN, align.ilog2()), |code| {
                (code as u64, size / align)
            });
        self.push((u64::from(n) << ALLOC_BITS) | (code << KIND_BITS) | ALLOC);
        if code == OTHER_ALIGN {
            push_varint(&mut self.ops, u64::from(size));
        }
        self.live.alloc(size, align)
    }

    /// Adds a reallocation.
    ///
    /// # Panics
    ///
    /// If `id` is not live, or its block cannot have this size.
    pub fn realloc(&mut self, id: u32, new_size: u32) {
        let place = self.live.place(id);
        let Block { size, align, .. } = self.live.blocks[id as usize];
        assert!(
            is_layout(new_size, align),
            "no layout has size {new_size} and alignment {align}"
        );
        let doubles = u64::from(new_size) == 2 * u64::from(size);
        let distance = self.live.distance_from_end(place);
        self.push((distance << REALLOC_BITS) | (u64::from(doubles) << KIND_BITS) | REALLOC);
        if !doubles {
            push_varint(&mut self.ops, u64::from(new_size));
        }
        self.live.realloc(place, new_size);
    }

    /// Adds a free.
    ///
    /// # Panics
    ///
    /// If `id` is not live.
    pub fn free(&mut self, id: u32) {
        let place = self.live.place(id);
        let from_end = self.live.distance_from_end(place);
        let from_mark = zigzag(place as i64 - self.live.mark as i64);
        self.push(if from_end <= from_mark {
            (from_end << KIND_BITS) | FREE_FROM_END
        } else {
            (from_mark << KIND_BITS) | FREE_FROM_MARK
        });
        self.live.free(place);
    }

    /// The finished file.
    pub fn finish(self, name: &str) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.push(VERSION);
        push_varint(&mut file, name.len() as u64);
        file.extend_from_slice(name.as_bytes());
        push_varint(&mut file, self.op_count);
        push_varint(&mut file, u64::from(self.live.max_live()));
        push_varint(&mut file, self.live.peak_bytes);
        file.extend_from_slice(&self.ops);
        file
    }

    fn push(&mut self, op: u64) {
        self.op_count += 1;
        push_varint(&mut self.ops, op);
    }
}

/// The live blocks, as both sides know them after each operation.
///
/// # Invariants
///
/// - `row` has the ids of all live blocks, each once, by rising `age`; `spare` has all others below `blocks.len()`.
/// - `bytes` is the sum of the live blocks' sizes, and at most `peak_bytes`.
#[derive(Debug, Default)]
struct Live {
    /// Oldest first.
    row: Vec<u32>,
    /// By id.
    blocks: Vec<Block>,
    /// Ids that are free again, the last freed last.
    spare: Vec<u32>,
    /// The place in `row` that the last free took its block from.
    mark: usize,
    /// The age of the next block.
    now: u64,
    bytes: u64,
    peak_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    size: u32,
    align: u32,
    /// When the block came to the end of the row.
    age: u64,
    is_live: bool,
}

impl Live {
    fn max_live(&self) -> u32 {
        self.blocks.len() as u32
    }

    fn place(&self, id: u32) -> usize {
        let block = self.blocks.get(id as usize).filter(|block| block.is_live);
        let age = block.expect("the block is live").age;
        self.row
            .partition_point(|&other| self.blocks[other as usize].age < age)
    }

    fn distance_from_end(&self, place: usize) -> u64 {
        (self.row.len() - 1 - place) as u64
    }

    fn place_from_end(&self, distance: u64) -> Option<usize> {
        usize::try_from(distance)
            .ok()
            .and_then(|distance| self.row.len().checked_sub(1)?.checked_sub(distance))
    }

    fn place_from_mark(&self, delta: i64) -> Option<usize> {
        let place = usize::try_from((self.mark as i64).checked_add(delta)?).ok()?;
        (place < self.row.len()).then_some(place)
    }

    fn alloc(&mut self, size: u32, align: u32) -> u32 {
        let block = Block {
            size,
            align,
            age: self.now,
            is_live: true,
        };
        let id = match self.spare.pop() {
            Some(id) => {
                self.blocks[id as usize] = block;
                id
            }
            None => {
                self.blocks.push(block);
                self.max_live() - 1
            }
        };
        self.row.push(id);
        self.now += 1;
        self.bytes += u64::from(size);
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        id
    }

    fn realloc(&mut self, place: usize, new_size: u32) -> u32 {
        let id = self.row.remove(place);
        self.row.push(id);
        let block = &mut self.blocks[id as usize];
        self.bytes = self.bytes - u64::from(block.size) + u64::from(new_size);
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        block.size = new_size;
        block.age = self.now;
        self.now += 1;
        id
    }

    fn free(&mut self, place: usize) -> u32 {
        let id = self.row.remove(place);
        self.mark = place;
        self.spare.push(id);
        let block = &mut self.blocks[id as usize];
        block.is_live = false;
        self.bytes -= u64::from(block.size);
        id
    }
}

/// What of the file is still to be read.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], TraceError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(TraceError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, TraceError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(TraceError::Overlong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(TraceError::Overlong)
    }

    /// Reads operation number `op` and carries it out on `live`.
    fn op(&mut self, live: &mut Live, op: u64) -> Result<Op, TraceError> {
        let first = self.varint()?;
        let n = first >> KIND_BITS;
        let no_place = TraceError::Place { op };
        let no_layout = TraceError::Layout { op };
        match first & ((1 << KIND_BITS) - 1) {
            ALLOC => {
                let n = first >> ALLOC_BITS;
                let (size, align) = match COMMON_ALIGNS.get((first >> KIND_BITS) as usize & 0b11) {
                    Some(&align) => (n.checked_mul(u64::from(align)), Some(align)),
                    None => (
                        Some(self.varint()?),
                        u32::try_from(n)
                            .ok()
                            .and_then(|log2| 1u32.checked_shl(log2)),
                    ),
                };
                let size = size
                    .and_then(|size| u32::try_from(size).ok())
                    .ok_or(no_layout)?;
                let align = align
                    .filter(|&align| is_layout(size, align))
                    .ok_or(no_layout)?;
                let id = live.alloc(size, align);
                Ok(Op::Alloc { id, size, align })
            }
            REALLOC => {
                let place = live.place_from_end(first >> REALLOC_BITS).ok_or(no_place)?;
                let Block { size, align, .. } = live.blocks[live.row[place] as usize];
                let new_size = if n & 1 == DOUBLE {
                    2 * u64::from(size)
                } else {
                    self.varint()?
                };
                let new_size = u32::try_from(new_size)
                    .ok()
                    .filter(|&size| is_layout(size, align))
                    .ok_or(no_layout)?;
                let id = live.realloc(place, new_size);
                Ok(Op::Realloc { id, new_size })
            }
            kind => {
                let place = if kind == FREE_FROM_END {
                    live.place_from_end(n)
                } else {
                    live.place_from_mark(unzigzag(n))
                };
                let id = live.free(place.ok_or(no_place)?);
                Ok(Op::Free { id })
            }
        }
    }
}

fn is_layout(size: u32, align: u32) -> bool {
    size > 0
        && align.is_power_of_two()
        && u64::from(size).next_multiple_of(u64::from(align)) <= MAX_SIZE
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trace that uses every form of every operation, and the operations that it must decode to.
    fn sample() -> (Vec<u8>, Vec<Op>) {
        let mut encoder = Encoder::default();
        let mut ops = Vec::new();
        let mut live = Vec::new();
        let mut random = 1u32;
        for step in 0..1500u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pick = (random >> 8) as usize;
            match random >> 29 {
                0..4 => {
                    let align = [1, 2, 4, 8, 16, 4096][pick % 6];
                    let size = 1 + (pick as u32 >> (step % 16));
                    let id = encoder.alloc(size, align);
                    live.push((id, size));
                    ops.push(Op::Alloc { id, size, align });
                }
                4 if !live.is_empty() => {
                    let at = pick % live.len();
                    let (id, size) = live[at];
                    let new_size = if pick & 64 == 0 {
                        2 * size
                    } else {
                        1 + size / 3
                    };
                    // Sizes stay far below the limit.
                    let new_size = new_size.min(1 << 24);
                    encoder.realloc(id, new_size);
                    live[at].1 = new_size;
                    ops.push(Op::Realloc { id, new_size });
                }
                5.. if !live.is_empty() => {
                    let at = if pick & 1 == 0 {
                        live.len() - 1
                    } else {
                        pick % live.len()
                    };
                    let (id, _) = live.remove(at);
                    encoder.free(id);
                    ops.push(Op::Free { id });
                }
                _ => {}
            }
        }
        (encoder.finish("sample"), ops)
    }

    #[test]
    fn round_trip() {
        let (file, ops) = sample();
        let trace = Trace::decode(&file).expect("decodes");
        assert_eq!(trace.name, "sample");
        assert_eq!(trace.ops, ops);
        assert!(trace.max_live > 50);
    }

    #[test]
    fn empty_trace() {
        let trace = Trace::decode(&Encoder::default().finish("")).expect("decodes");
        assert_eq!(
            (
                trace.ops.len(),
                trace.max_live,
                trace.peak_bytes,
                trace.name.as_str()
            ),
            (0, 0, 0, "")
        );
    }

    #[test]
    fn ids_are_reused_last_freed_first() {
        let mut encoder = Encoder::default();
        assert_eq!(
            [
                encoder.alloc(8, 8),
                encoder.alloc(8, 8),
                encoder.alloc(8, 8)
            ],
            [0, 1, 2]
        );
        encoder.free(0);
        encoder.free(1);
        assert_eq!(
            [
                encoder.alloc(8, 8),
                encoder.alloc(8, 8),
                encoder.alloc(8, 8)
            ],
            [1, 0, 3]
        );
    }

    #[test]
    fn common_operations_take_one_or_two_bytes() {
        let mut encoder = Encoder::default();
        let mut len = 0;
        let mut grown = |encoder: &Encoder| {
            let grown = encoder.ops.len() - len;
            len = encoder.ops.len();
            grown
        };
        let [first, second] = [encoder.alloc(7, 1), encoder.alloc(28, 4)];
        assert_eq!(grown(&encoder), 2);
        encoder.realloc(second, 56);
        assert_eq!(grown(&encoder), 1);
        encoder.alloc(1023, 1);
        encoder.alloc(4092, 4);
        encoder.alloc(8184, 8);
        assert_eq!(grown(&encoder), 6);
        encoder.free(first);
        encoder.free(second);
        assert_eq!(grown(&encoder), 2);
    }

    #[test]
    fn peak_counts_reallocated_bytes() {
        let mut encoder = Encoder::default();
        let id = encoder.alloc(100, 4);
        encoder.realloc(id, 1000);
        encoder.free(id);
        encoder.alloc(500, 4);
        let trace = Trace::decode(&encoder.finish("peak")).expect("decodes");
        assert_eq!((trace.max_live, trace.peak_bytes), (1, 1000));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let (file, _) = sample();
        for len in 0..file.len() {
            assert!(
                Trace::decode(&file[..len]).is_err(),
                "{len} of {} bytes",
                file.len()
            );
        }
    }

    #[test]
    fn no_flipped_bit_breaks_the_decoder() {
        let (file, ops) = sample();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut file = file.clone();
                file[at] ^= 1 << bit;
                if let Ok(trace) = Trace::decode(&file) {
                    assert_eq!(trace.ops.len(), ops.len());
                }
            }
        }
    }

    /// A file of one program `x` with these figures and operations.
    fn file(figures: [u8; 3], ops: &[u8]) -> Vec<u8> {
        [b"mtrc\x01\x01x", &figures[..], ops].concat()
    }

    #[test]
    fn corrupt_files_say_what_is_wrong() {
        // One block of 8 bytes, alignment 8, and its free.
        assert!(Trace::decode(&file([2, 1, 8], &[0x18, 0x02])).is_ok());

        for (bytes, error) in [
            (b"mtr".to_vec(), TraceError::Magic),
            (b"mtrd\x01\x01x\0\0\0".to_vec(), TraceError::Magic),
            (b"mtrc\x02\x01x\0\0\0".to_vec(), TraceError::Version(2)),
            (b"mtrc\x01\x01\xff\0\0\0".to_vec(), TraceError::Name),
            (b"mtrc\x01\x7fx\0\0\0".to_vec(), TraceError::Truncated),
            (file([1, 1, 8], &[0x98]), TraceError::Truncated),
            (file([1, 1, 8], &[0xff; 11]), TraceError::Overlong),
            // Size 0; size 2 GiB; alignment 2^32.
            (file([1, 1, 0], &[0x00]), TraceError::Layout { op: 0 }),
            (
                file([1, 1, 0], &[0x0c, 0x80, 0x80, 0x80, 0x80, 0x08]),
                TraceError::Layout { op: 0 },
            ),
            (
                file([1, 1, 8], &[0x8c, 0x04, 0x08]),
                TraceError::Layout { op: 0 },
            ),
            // A double free, told from the end and from the mark; a realloc of what is not there; a place before
            // the row.
            (
                file([3, 1, 8], &[0x18, 0x02, 0x02]),
                TraceError::Place { op: 2 },
            ),
            (
                file([3, 1, 8], &[0x18, 0x02, 0x03]),
                TraceError::Place { op: 2 },
            ),
            (file([2, 1, 8], &[0x18, 0x0d]), TraceError::Place { op: 1 }),
            (file([2, 1, 8], &[0x18, 0x07]), TraceError::Place { op: 1 }),
            (
                file([2, 1, 9], &[0x18, 0x02]),
                TraceError::Header {
                    figure: "most live bytes",
                    header: 9,
                    ops: 8,
                },
            ),
            (
                file([2, 2, 8], &[0x18, 0x02]),
                TraceError::Header {
                    figure: "most live blocks",
                    header: 2,
                    ops: 1,
                },
            ),
            (
                file([1, 1, 8], &[0x18, 0x02]),
                TraceError::Header {
                    figure: "number of operations",
                    header: 1,
                    ops: 2,
                },
            ),
        ] {
            assert_eq!(Trace::decode(&bytes), Err(error), "{bytes:x?}");
        }
    }
}
