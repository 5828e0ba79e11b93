//! The workloads: each drives one family of collections as programs do, and frees all it allocated.

use crate::{
    Random,
    checksum::{self, Checksum},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque},
    rc::{Rc, Weak},
};

/// From a seed and a size, a checksum.
pub type Workload = extern "C" fn(seed: u64, size: u32) -> u64;

/// All workloads, under the names by which the module exports them.
pub const WORKLOADS: [(&str, Workload); 9] = [
    ("vectors", vectors),
    ("growth", growth),
    ("strings", strings),
    ("trees", trees),
    ("hashes", hashes),
    ("queues", queues),
    ("boxes", boxes),
    ("shared", shared),
    ("sorting", sorting),
];

/// Vectors of vectors that grow, shrink, split and are joined.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn vectors(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut rows: Vec<Vec<u32>> = vec![Vec::new()];
    for _ in 0..size {
        let row = random.below(rows.len() as u32) as usize;
        match random.below(6) {
            0 => rows.push(vec![random.word(); random.below(50) as usize]),
            1 => {
                let added = random.below(100);
                rows[row].extend((0..added).map(|_| random.word()));
            }
            2 => {
                let half = rows[row].len() / 2;
                let tail = rows[row].split_off(half);
                rows.push(tail);
            }
            3 => rows[row].shrink_to_fit(),
            4 if rows.len() > 1 => {
                let mut moved = rows.swap_remove(row);
                let target = random.below(rows.len() as u32) as usize;
                rows[target].append(&mut moved);
            }
            _ => {
                let end = rows[row].len() / 3;
                rows[row].drain(..end);
            }
        }
    }
    let mut sum = Checksum::new();
    for row in rows {
        sum.add(row.len() as u64);
        row.iter().for_each(|&word| sum.add(u64::from(word)));
    }
    sum.finish()
}

/// Three long vectors that grow in turn, each in its own steps.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn growth(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let (mut bytes, mut words, mut pairs) = (Vec::new(), Vec::<u64>::new(), Vec::new());
    for round in 0..size {
        bytes.resize(bytes.len() + random.below(200) as usize, round as u8);
        words.reserve_exact(9);
        words.extend([u64::from(random.word()); 9]);
        pairs.push((round, random.word()));
    }
    let mut sum = Checksum::new();
    sum.add_bytes(&bytes);
    words.iter().for_each(|&word| sum.add(word));
    for (round, word) in pairs {
        sum.add(u64::from(round) << 32 | u64::from(word));
    }
    sum.finish()
}

/// Text that is formatted, joined, replaced, split and cut.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn strings(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut lines: Vec<String> = Vec::new();
    for round in 0..size {
        let width = random.below(60) as usize;
        lines.push(format!(
            "{round}: {:>width$} {:#x}",
            random.below(1000),
            random.word()
        ));
        if lines.len() > 40 {
            let text = lines.join("; ").replace("0x", "hex ").to_uppercase();
            lines = text
                .split("; ")
                .skip(1)
                .step_by(3)
                .map(str::to_owned)
                .collect();
        }
        let line = random.below(lines.len() as u32) as usize;
        let half = lines[line].len() / 2;
        lines[line].truncate(half);
        lines[line].insert_str(half / 2, "inserted");
        lines[line].shrink_to_fit();
    }
    let mut sum = Checksum::new();
    sum.add_bytes(lines.concat().as_bytes());
    sum.finish()
}

/// A B-tree of texts, from which ranges are taken.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn trees(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut tree = BTreeMap::new();
    let mut sum = Checksum::new();
    for round in 0..size {
        let key = random.below(size);
        match random.below(5) {
            0 => sum.add(
                tree.remove(&key)
                    .map_or(0, |text: String| checksum::of(&text)),
            ),
            1 if round % 100 == 0 => {
                let mut upper = tree.split_off(&key);
                tree.append(&mut upper);
            }
            _ => tree
                .entry(key)
                .or_default()
                .push_str(&random.word().to_string()),
        }
    }
    for (key, text) in tree {
        sum.add(u64::from(key));
        sum.add(checksum::of(&text));
    }
    sum.finish()
}

/// Hash tables with owned keys. Their order depends on a seed that is not ours, so entries are
/// added up.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hashes(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut table: HashMap<String, Vec<u32>> = HashMap::new();
    let mut removed = HashSet::new();
    for round in 0..size {
        let key = format!("key {}", random.below(size));
        if random.below(4) > 0 {
            table.entry(key).or_default().push(round);
        } else if let Some((key, rounds)) = table.remove_entry(&key) {
            removed.insert((key, rounds.into_boxed_slice()));
        }
    }
    table.retain(|_, rounds| rounds.len() % 3 != 0);
    table.shrink_to_fit();
    let kept = table.iter().map(|(key, rounds)| (key, &rounds[..]));
    let gone = removed.iter().map(|(key, rounds)| (key, &rounds[..]));
    kept.chain(gone).fold(0, |total: u64, (key, rounds)| {
        let mut sum = Checksum::new();
        sum.add(checksum::of(key));
        rounds.iter().for_each(|&round| sum.add(u64::from(round)));
        total.wrapping_add(sum.finish())
    })
}

/// A ring buffer of buffers and a heap, both fuller and emptier by turns.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn queues(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut ring: VecDeque<Box<[u8]>> = VecDeque::new();
    let mut heap = BinaryHeap::new();
    let mut sum = Checksum::new();
    for round in 0..size {
        let filling = round / 500 % 2 == 0;
        if random.below(10) < if filling { 7 } else { 3 } {
            ring.push_back(vec![round as u8; random.below(700) as usize].into());
            heap.push((random.word(), round.to_string()));
        } else {
            sum.add_bytes(&ring.pop_front().unwrap_or_default());
            sum.add(
                heap.pop()
                    .map_or(0, |(word, text)| u64::from(word) ^ checksum::of(&text)),
            );
        }
        if round % 64 == 0 {
            ring.rotate_left(ring.len() / 2);
            ring.make_contiguous();
        }
    }
    ring.iter().for_each(|buffer| sum.add_bytes(buffer));
    heap.into_sorted_vec()
        .iter()
        .for_each(|(word, _)| sum.add(u64::from(*word)));
    sum.finish()
}

/// An expression as a program has it: values of several types behind one pointer type.
trait Expression {
    fn value(&self) -> u64;
}

struct Number(u64);

struct Sum(Vec<Box<dyn Expression>>);

struct Scaled {
    factor: [u64; 8],
    inner: Box<dyn Expression>,
}

impl Expression for Number {
    fn value(&self) -> u64 {
        self.0
    }
}

impl Expression for Sum {
    fn value(&self) -> u64 {
        self.0
            .iter()
            .fold(1, |sum, term| sum.wrapping_add(term.value()))
    }
}

impl Expression for Scaled {
    fn value(&self) -> u64 {
        self.factor
            .iter()
            .fold(self.inner.value(), |value, &factor| {
                value.wrapping_mul(factor | 1)
            })
    }
}

/// Trees of trait objects and closures.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn boxes(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut terms: Vec<Box<dyn Expression>> = vec![Box::new(Number(seed))];
    let mut steps: Vec<Box<dyn Fn(u64) -> u64>> = Vec::new();
    for _ in 0..size {
        let word = u64::from(random.word());
        let term: Box<dyn Expression> = match random.below(4) {
            0 => Box::new(Sum(terms.split_off(terms.len() / 2))),
            1 => match terms.pop() {
                Some(inner) => Box::new(Scaled {
                    factor: [word; 8],
                    inner,
                }),
                None => Box::new(Number(word)),
            },
            _ => Box::new(Number(word)),
        };
        terms.push(term);
        steps.push(match random.below(2) {
            0 => Box::new(move |sum| sum.rotate_left(7) ^ word),
            _ => Box::new(move |sum| {
                sum.wrapping_add([word, word >> 1, word << 1][word as usize % 3])
            }),
        });
    }
    let sum = Sum(terms).value();
    steps.iter().fold(sum, |sum, step| step(sum))
}

/// A node of a tree whose children know their parent.
struct Node {
    name: String,
    parent: RefCell<Weak<Node>>,
    children: RefCell<Vec<Rc<Node>>>,
}

impl Node {
    fn new(name: String) -> Rc<Self> {
        Rc::new(Self {
            name,
            parent: RefCell::default(),
            children: RefCell::default(),
        })
    }

    /// The names from this node up to the root.
    fn path(&self) -> String {
        match self.parent.borrow().upgrade() {
            Some(parent) => format!("{}/{}", parent.path(), self.name),
            None => self.name.clone(),
        }
    }
}

/// Nodes with shared owners, some of which vanish with whole subtrees.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn shared(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut nodes = vec![Node::new("root".to_owned())];
    let mut observers = Vec::new();
    for round in 0..size {
        // Near the end of the list, so that trees get deep, but not too deep for the guest's stack.
        let back = random.below(8).min(nodes.len() as u32 - 1) as usize;
        let parent = Rc::clone(&nodes[nodes.len() - 1 - back]);
        let child = Node::new(round.to_string());
        child.parent.replace(Rc::downgrade(&parent));
        parent.children.borrow_mut().push(Rc::clone(&child));
        observers.push(Rc::downgrade(&child));
        nodes.push(child);
        if nodes.len() > 60 {
            nodes.drain(1..50);
            nodes[0].children.borrow_mut().clear();
        }
    }
    let mut sum = Checksum::new();
    for observer in observers {
        sum.add(
            observer
                .upgrade()
                .map_or(0, |node| checksum::of(&node.path())),
        );
    }
    sum.finish()
}

/// Stable sorts, which need a buffer, by keys that are computed and kept.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn sorting(seed: u64, size: u32) -> u64 {
    let mut random = Random::new(seed);
    let mut items: Vec<_> = (0..size)
        .map(|place| (random.below(size) as u16, place))
        .collect();
    items.sort();
    items.sort_by_key(|&(key, _)| key % 100);
    let mut texts: Vec<_> = items
        .iter()
        .map(|(key, place)| format!("{key}-{place}"))
        .collect();
    texts.sort_by_cached_key(|text| text.chars().rev().collect::<String>());
    texts.dedup_by_key(|text| text.len());
    let mut sum = Checksum::new();
    items
        .iter()
        .for_each(|&(key, place)| sum.add(u64::from(key) << 32 | u64::from(place)));
    texts.iter().for_each(|text| sum.add_bytes(text.as_bytes()));
    sum.finish()
}
