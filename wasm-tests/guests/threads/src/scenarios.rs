//! What the threads do with the heap.

use crate::ALLOCATOR;
use crate::block::Block;
use crate::random::Random;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// How many steps others get on by before a thread that holds the heap for long takes it again. The lock is not fair:
/// if it took it at once, they would hardly get on at all.
const TURN: usize = 8;

/// Runs with so many threads, a seed, and so many steps of each thread.
pub type Scenario = fn(threads: usize, seed: u64, steps: usize);

pub fn named(name: &str) -> Scenario {
    match name {
        "apart" => apart,
        "passing" => passing,
        "crowd" => crowd,
        "growth" => growth,
        #[cfg(target_os = "wasi")]
        "c library" => c_library,
        _ => panic!("no scenario {name}"),
    }
}

/// Each thread has the C library allocate.
#[cfg(target_os = "wasi")]
fn c_library(threads: usize, _: u64, steps: usize) {
    thread::scope(|scope| {
        let work = move || {
            for _ in 0..steps {
                crate::c_library::call(|block| assert!(ALLOCATOR.len_of(block.cast()).is_ok()));
            }
        };
        join((0..threads).map(|_| scope.spawn(work)));
    });
}

/// Each thread allocates, reallocates and frees blocks of its own.
fn apart(threads: usize, seed: u64, steps: usize) {
    thread::scope(|scope| {
        let work = move |thread| {
            let mut random = random_of(seed, thread);
            let mut blocks: Vec<Block> = Vec::new();
            for _ in 0..steps {
                let place = random.below(blocks.len() as u32 + 1) as usize;
                match blocks.get_mut(place) {
                    None => blocks.push(Block::new(&mut random)),
                    Some(block) if random.below(2) == 0 => block.resize(&mut random),
                    Some(_) => drop(blocks.swap_remove(place)),
                }
            }
        };
        join((0..threads).map(|thread| scope.spawn(move || work(thread))));
    });
}

/// Half of the threads allocate blocks and send them to any of the other half, which reallocate and free them.
fn passing(threads: usize, seed: u64, steps: usize) {
    let pairs = threads.div_ceil(2);
    let (senders, receivers): (Vec<SyncSender<Block>>, Vec<Receiver<Block>>) =
        (0..pairs).map(|_| sync_channel(16)).unzip();
    thread::scope(|scope| {
        let receivers = receivers.into_iter().zip(pairs..).map(|(blocks, thread)| {
            scope.spawn(move || {
                let mut random = random_of(seed, thread);
                for mut block in blocks {
                    block.resize(&mut random);
                }
            })
        });
        // The senders move there, the first ones too: a receiver ends once all of its senders are gone.
        let senders = (0..pairs).map(move |thread| {
            let senders = senders.clone();
            scope.spawn(move || {
                let mut random = random_of(seed, thread);
                for _ in 0..steps {
                    let to = &senders[random.below(pairs as u32) as usize];
                    to.send(Block::new(&mut random)).expect("it receives all");
                }
            })
        });
        join(receivers.chain(senders));
    });
}

/// All threads want short blocks at once, while the one that has started them holds the heap for long: it checks all of it.
fn crowd(threads: usize, seed: u64, steps: usize) {
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let done = &done;
        let work = move |thread| {
            let mut random = random_of(seed, thread);
            for _ in 0..steps {
                let number = random.word();
                let text = Box::new(number.to_string());
                assert_eq!(text.parse(), Ok(number));
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let spawn = |thread| scope.spawn(move || work(thread));
        let workers: Vec<_> = (0..threads).map(spawn).collect();
        // Also where one has failed.
        let are_over = || workers.iter().all(ScopedJoinHandle::is_finished);
        while !are_over() {
            ALLOCATOR.check_invariants();
            let turn = done.load(Ordering::Relaxed) + TURN;
            while done.load(Ordering::Relaxed) < turn && !are_over() {
                thread::yield_now();
            }
        }
        join(workers);
    });
}

/// Some threads have memory grow for long blocks, while others do so by being started: their stacks come from the C library.
fn growth(threads: usize, seed: u64, steps: usize) {
    thread::scope(|scope| {
        let grow = move |thread| {
            let mut random = random_of(seed, thread);
            let blocks = (0..steps).map(|_| Block::with_len(&mut random, 70_000));
            drop(blocks.collect::<Vec<_>>());
        };
        let start = move |_| {
            let (end, ended) = sync_channel::<()>(0);
            let waiting = std::sync::Arc::new(std::sync::Mutex::new(ended));
            let started = (0..steps).map(|_| {
                let waiting = waiting.clone();
                thread::spawn(move || drop(waiting.lock().map(|ended| ended.recv())))
            });
            let started: Vec<_> = started.collect();
            drop(end);
            for thread in started {
                thread.join().expect("a panic traps before");
            }
        };
        join((0..threads).map(|thread| {
            scope.spawn(move || {
                if thread % 2 == 0 {
                    grow(thread)
                } else {
                    start(thread)
                }
            })
        }));
    });
}

/// The numbers of one of the threads that share a seed.
fn random_of(seed: u64, thread: usize) -> Random {
    Random::new(seed << 32 | thread as u64)
}

/// Starts all, and waits until each has ended, its thread-local values included.
pub fn join<'scope>(threads: impl IntoIterator<Item = ScopedJoinHandle<'scope, ()>>) {
    let threads: Vec<_> = threads.into_iter().collect();
    for thread in threads {
        thread.join().expect("a panic traps before");
    }
}
