//! The figures of the traces: replayed against a model, printed as a table, and put into `dev/lab/workloads/traces/README.md`.

use std::fmt::Write;

use lab_programs::PROGRAMS;
use lab_workloads::trace::{Op, Trace};

/// What a replay of a trace counts.
#[derive(Debug, Default)]
pub struct Figures {
    name: String,
    allocs: usize,
    reallocs: usize,
    frees: usize,
    max_live: u32,
    peak_bytes: u64,
    /// Sum of all sizes that allocs asked for.
    alloc_bytes: u64,
    /// Blocks that the program left live.
    left: usize,
    file_len: usize,
}

impl Figures {
    /// Replays `trace` on a model of a heap that knows nothing of the format; `file_len` is the size of its file.
    pub fn of(trace: &Trace, file_len: usize) -> Result<Self, String> {
        let mut figures = Self {
            name: trace.name.clone(),
            max_live: trace.max_live,
            peak_bytes: trace.peak_bytes,
            file_len,
            ..Self::default()
        };
        let mut slots: Vec<Option<u32>> = vec![None; trace.max_live as usize];
        let (mut live, mut max_live) = (0, 0);
        let (mut bytes, mut peak_bytes) = (0, 0);
        for (at, &op) in trace.ops.iter().enumerate() {
            let wrong = || format!("operation {at}, {op:?}, is not possible");
            let (Op::Alloc { id, .. } | Op::Realloc { id, .. } | Op::Free { id }) = op;
            let slot = slots.get_mut(id as usize).ok_or_else(wrong)?;
            match op {
                Op::Alloc { size, align, .. } => {
                    if slot.is_some() || size == 0 || !align.is_power_of_two() {
                        return Err(wrong());
                    }
                    *slot = Some(size);
                    live += 1;
                    bytes += u64::from(size);
                    figures.allocs += 1;
                    figures.alloc_bytes += u64::from(size);
                }
                Op::Realloc { new_size, .. } => {
                    let size = slot
                        .replace(new_size)
                        .filter(|_| new_size > 0)
                        .ok_or_else(wrong)?;
                    bytes = bytes - u64::from(size) + u64::from(new_size);
                    figures.reallocs += 1;
                }
                Op::Free { .. } => {
                    let size = slot.take().ok_or_else(wrong)?;
                    live -= 1;
                    bytes -= u64::from(size);
                    figures.frees += 1;
                }
            }
            max_live = max_live.max(live);
            peak_bytes = peak_bytes.max(bytes);
        }
        if (max_live, peak_bytes) != (trace.max_live, trace.peak_bytes) {
            return Err(format!(
                "at most {max_live} blocks and {peak_bytes} bytes are live, not {} and {}",
                trace.max_live, trace.peak_bytes
            ));
        }
        figures.left = slots.iter().flatten().count();
        Ok(figures)
    }

    pub fn ops(&self) -> usize {
        self.allocs + self.reallocs + self.frees
    }
}

/// The figures as a Markdown table.
pub fn table(all: &[Figures]) -> String {
    let mut table = "\
| program | ops | allocs | reallocs | frees | left live | most live blocks | most live bytes | mean alloc | file bytes |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"
    .to_owned();
    for figures in all {
        let cells = [
            figures.ops() as u64,
            figures.allocs as u64,
            figures.reallocs as u64,
            figures.frees as u64,
            figures.left as u64,
            u64::from(figures.max_live),
            figures.peak_bytes,
            figures.alloc_bytes / figures.allocs.max(1) as u64,
            figures.file_len as u64,
        ];
        let _ = writeln!(
            table,
            "| {} | {} |",
            figures.name,
            cells.map(grouped).join(" | ")
        );
    }
    let ops: usize = all.iter().map(Figures::ops).sum();
    let file_len: usize = all.iter().map(|figures| figures.file_len).sum();
    let _ = writeln!(
        table,
        "| all | {} | | | | | | | | {} |",
        grouped(ops as u64),
        grouped(file_len as u64)
    );
    table
}

/// `dev/lab/workloads/traces/README.md`.
pub fn readme(all: &[Figures]) -> String {
    let mut programs = String::new();
    for program in &PROGRAMS {
        let _ = writeln!(programs, "- `{}`: {}", program.name, program.about);
    }
    let table = table(all);
    format!(
        "\
# Recorded malloc traces

What real programs asked of their allocator on wasm32-wasip1, call by call. `dev/lab/recorder` ran them, and wrote
these files and this page; `tools/trace/src/format.rs` defines the format and decodes it.

Record them again:

```sh
cargo run -p trace-recorder --release --target wasm32-wasip1 -- --out dev/lab/workloads/traces
```

The programs are deterministic: with the same compiler and `Cargo.lock` the files come out the same, byte for byte.
Check the files, and print the table below, with `--check dev/lab/workloads/traces` instead.

Sizes are as requested, in bytes. \"Left live\" are blocks that the program never frees: compiled rules and templates in
statics, caches of the crates.

{table}
The programs:

{programs}"
    )
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(ops: &[Op]) -> Trace {
        Trace {
            name: "model".to_owned(),
            ops: ops.to_vec(),
            max_live: 1,
            peak_bytes: 24,
        }
    }

    const ALLOC: Op = Op::Alloc {
        id: 0,
        size: 8,
        align: 8,
    };
    const REALLOC: Op = Op::Realloc {
        id: 0,
        new_size: 24,
    };
    const FREE: Op = Op::Free { id: 0 };

    #[test]
    fn a_replay_counts() {
        let figures =
            Figures::of(&trace(&[ALLOC, REALLOC, FREE, ALLOC]), 100).expect("is consistent");
        assert_eq!(figures.ops(), 4);
        assert_eq!((figures.alloc_bytes, figures.left), (16, 1));
        assert!(table(&[figures]).contains("| model | 4 | 2 | 1 | 1 | 1 | 1 | 24 | 8 | 100 |"));
    }

    #[test]
    fn a_replay_finds_what_cannot_be() {
        for ops in [
            &[ALLOC, REALLOC, FREE, FREE][..],
            &[ALLOC, REALLOC, FREE, REALLOC],
            &[ALLOC, REALLOC, ALLOC],
            &[ALLOC, REALLOC, Op::Free { id: 1 }],
            &[ALLOC],
        ] {
            assert!(Figures::of(&trace(ops), 100).is_err(), "{ops:?}");
        }
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
