//! The heap as a picture: what each frame of 1 KiB holds.

use pageslab_snapshot::{Run, Snapshot, What};

/// Frames in a page.
pub const FRAMES: usize = 64;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Others' memory, or nothing that is known.
    Foreign,
    Free,
    Metadata,
    /// Held by checked mode.
    Held,
    /// Cannot be told: only in a poisoned heap.
    Unknown,
    /// Of a slab, a quarter of whose slots are live, or two, three, four.
    Slab(u8),
    /// Of a long block.
    Block,
}

impl Cell {
    /// All of them, in the order of a legend.
    pub const ALL: [Self; 10] = [
        Self::Free,
        Self::Slab(1),
        Self::Slab(2),
        Self::Slab(3),
        Self::Slab(4),
        Self::Block,
        Self::Metadata,
        Self::Held,
        Self::Unknown,
        Self::Foreign,
    ];

    /// What it is called, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Free => "free",
            Self::Metadata => "metadata",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::Slab(1) => "slab-25",
            Self::Slab(2) => "slab-50",
            Self::Slab(3) => "slab-75",
            Self::Slab(_) => "slab-100",
            Self::Block => "block",
        }
    }

    /// What it is called in a legend.
    pub fn label(self) -> &'static str {
        match self {
            Self::Slab(1) => "slab, up to 25% live",
            Self::Slab(2) => "slab, up to 50% live",
            Self::Slab(3) => "slab, up to 75% live",
            Self::Slab(_) => "slab, up to 100% live",
            Self::Block => "long block",
            _ => self.name(),
        }
    }

    fn of(run: &Run) -> Self {
        match &run.what {
            What::Free => Self::Free,
            What::Metadata => Self::Metadata,
            What::Held { .. } => Self::Held,
            What::Unknown => Self::Unknown,
            What::Block { .. } => Self::Block,
            // A vacant slab is as good as free: it is given back when its memory is wanted.
            What::Slab(slab) if slab.live.not_any() => Self::Free,
            What::Slab(slab) => {
                let quarters = (slab.live.count_ones() as u32 * 4).div_ceil(slab.slots);
                Self::Slab(quarters as u8)
            }
            _ => Self::Foreign,
        }
    }
}

/// A page of linear memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its number in memory.
    pub number: u64,
    pub frames: [Cell; FRAMES],
}

impl Page {
    /// What most of its frames hold.
    #[cfg(feature = "view")]
    pub fn main(&self) -> Cell {
        let count = |cell: Cell| self.frames.iter().filter(|&&other| other == cell).count();
        let most = Cell::ALL.into_iter().max_by_key(|&cell| count(cell));
        most.unwrap_or(Cell::Foreign)
    }
}

/// The pages from the heap's first to its last.
pub fn pages(snapshot: &Snapshot) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for run in &snapshot.runs {
        let first = run.offset / 1024;
        for frame in first..first + run.len / 1024 {
            let number = frame / FRAMES as u64;
            if pages.last().is_none_or(|page| page.number != number) {
                let frames = [Cell::Foreign; FRAMES];
                pages.push(Page { number, frames });
            }
            if let Some(page) = pages.last_mut() {
                page.frames[frame as usize % FRAMES] = Cell::of(run);
            }
        }
    }
    pages
}
