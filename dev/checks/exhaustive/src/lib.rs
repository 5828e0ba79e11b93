//! Every sequence of operations up to some length, tried on a heap of tiny geometry, where a few operations fill a slab, cut
//! and join runs, move the map, and start over.
//!
//! An [`Explorer`] does a depth-first search: at each node it repeats the operations that lead there on an empty heap, tries
//! each operation that is possible next, and checks after it that the result is the one expected, that blocks are disjoint
//! and keep their bytes, and that all invariants of the heap hold. Needs pageslab built with
//! `--cfg pageslab_geometry="tiny"`, as `cargo xtask test exhaustive` does.

mod memory;
mod state;

pub use state::{Operation, State};

/// What a search has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many sequences of operations were tried: nodes of the tree.
    pub sequences: u64,
    /// The largest number of pages that a heap had.
    pub pages: u32,
}

/// A search over all sequences of these operations.
pub struct Explorer<'a> {
    alphabet: &'a [Operation],
    depth: usize,
    path: Vec<Operation>,
    count: Count,
}

impl<'a> Explorer<'a> {
    /// A search over all sequences of at most `depth` of these operations.
    pub fn new(alphabet: &'a [Operation], depth: usize) -> Self {
        Self {
            alphabet,
            depth,
            path: Vec::new(),
            count: Count::default(),
        }
    }

    /// Tries all of them, after these.
    ///
    /// # Panics
    ///
    /// If one shows a defect, with the sequence.
    pub fn run(mut self, first: &[Operation]) -> Count {
        self.path.extend_from_slice(first);
        self.search();
        self.count
    }

    fn search(&mut self) {
        if self.path.len() == self.depth {
            return;
        }
        for &operation in self.alphabet {
            self.path.push(operation);
            if self.is_possible() {
                self.count.sequences += 1;
                self.search();
            }
            self.path.pop();
        }
    }

    /// Does the path on an empty heap, with all checks after its last operation. False if that one is not possible.
    fn is_possible(&mut self) -> bool {
        let (last, before) = self.path.split_last().expect("there is an operation");
        let mut state = State::new();
        for &operation in before {
            state.apply(operation);
        }
        if !state.apply(*last) {
            return false;
        }
        self.count.pages = self.count.pages.max(state.pages());
        if let Err(defect) = state.check() {
            panic!("{defect}");
        }
        true
    }
}

impl Drop for Explorer<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.path);
        }
    }
}
