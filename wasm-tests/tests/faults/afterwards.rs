//! How a heap is used once a call was stopped in it, so that whatever is out of order in it shows: as a block that lies in
//! another, bytes that are lost, a trap, a loop without an end, or an invariant that does not hold.
//!
//! A list that holds what it must not does harm only when that comes up for the second time. So what is free is allocated,
//! each run is made longer into whatever follows it, and what is free then is allocated once more; and then there are
//! hundreds of calls of all kinds, in an order made up from a seed.

use crate::calls::Call::{self, Alloc, Free, Realloc};
use crate::guest::{Guest, Outcome, POISONED};
use guest_collections::Random;

/// Calls of the mix.
const CALLS: u32 = 250;

/// From so many blocks on the mix allocates no more, those from before not counted.
const MAX_BLOCKS: u32 = 60;

/// Lengths that are in several lists when calls are stopped.
const COMMON: [u32; 4] = [9_000, 3_000, 20_000, 16];

/// The longest slot.
const MAX_SLOT: u32 = 8_192;

/// By how much a run becomes longer that has a frame more.
const FRAME: u32 = 1_024;

/// The number of the mix's first block. Those from before have smaller ones.
const FIRST: u32 = 1_000;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heap {
    /// It works as if nothing had been.
    Usable,
    /// It says that it is dead, and goes on saying so.
    Dead,
    /// It said that it is dead, and later that it is not.
    Revived,
}

impl Guest {
    /// Uses the heap after a call that did not return. Whatever is answered, nothing is handed out twice, nothing changes
    /// what is live, and every call returns.
    pub fn use_on(&mut self, seed: u64) -> Heap {
        self.let_run();
        self.assert_bytes();
        let was_dead = self.is_dead();
        self.assert_sound();
        let (mut random, mut next) = (Random::new(seed), FIRST);
        let mut refusals = 0;
        for call in self.stir(&mut next) {
            refusals += self.call_on(call);
        }
        for number in 1..=CALLS {
            let call = self.make_up(&mut random, &mut next);
            refusals += self.call_on(call);
            if number == CALLS / 2 && random.below(2) == 0 {
                // Later blocks may be where the stopped call's were, or not.
                self.settle();
            }
            // One that works on with what is out of order is to do harm first.
            if number % 50 == 0 && !was_dead {
                self.assert_bytes();
                self.assert_sound();
            }
        }
        while !self.live.is_empty() {
            let block = self.any_block(&mut random);
            refusals += self.call_on(Free { block });
            self.live.remove(&block);
        }
        self.settle();
        self.assert_sound();
        match (was_dead, self.is_dead()) {
            (true, true) => Heap::Dead,
            (true, false) => Heap::Revived,
            (false, is_dead) => {
                assert!(
                    !is_dead && refusals == 0,
                    "a heap that was whole refuses {refusals} calls"
                );
                let count = self.count();
                assert!(count <= 1, "{count} blocks are lost");
                Heap::Usable
            }
        }
    }

    /// A heap that does not say that it is dead has all its invariants, and nobody has written where nobody may.
    fn assert_sound(&mut self) {
        let is_dead = self.is_dead();
        match self.check() {
            Ok(()) => assert!(!is_dead, "a dead heap is whole"),
            Err(trap) => assert!(is_dead, "an invariant does not hold: {trap}"),
        }
        if self.is_checked() {
            let expected = if is_dead { POISONED } else { 0 };
            assert_eq!(self.heap_check(), expected, "the status of __heap_check");
        }
    }

    /// Makes a call that must return, and that only a dead heap may refuse. 1 if it does.
    fn call_on(&mut self, call: Call) -> u32 {
        self.let_run();
        let outcome = self.call(call);
        let trap = &self.stopped_by;
        assert_ne!(outcome, Outcome::Stopped, "{call:?}: {trap:?}");
        if outcome == Outcome::Done {
            return 0;
        }
        assert!(self.is_dead(), "{call:?}: {outcome:?}, and not dead");
        1
    }

    /// Calls that take what is free, make each run longer, and take what is free then.
    fn stir(&self, next: &mut u32) -> Vec<Call> {
        let runs = self.live.iter().filter(|(_, block)| block.len > MAX_SLOT);
        let longer: Vec<Call> = runs
            .map(|(&block, run)| {
                let len = run.len + FRAME;
                Realloc { block, len }
            })
            .collect();
        let mut common = || -> Vec<Call> {
            let lens = COMMON.iter().flat_map(|&len| [len; 5]);
            lens.map(|len| new_block(next, len, 1)).collect()
        };
        [common(), longer, common()].concat()
    }

    /// A call that can be made.
    fn make_up(&self, random: &mut Random, next: &mut u32) -> Call {
        let kinds = if self.live.is_empty() { 4 } else { 9 };
        let kind = match self.live.range(FIRST..).count() as u32 {
            // Few make room for many, and many come down to few.
            MAX_BLOCKS.. => 4 + random.below(5),
            _ => random.below(kinds),
        };
        match kind {
            0..4 => {
                let align = random.pick(&[1, 1, 1, 1, 1, 64, 4_096, 65_536]);
                new_block(next, made_up_len(random), align)
            }
            4..7 => Free {
                block: self.any_block(random),
            },
            _ => Realloc {
                block: self.any_block(random),
                len: made_up_len(random).max(1),
            },
        }
    }

    /// One of the live blocks, of which there is one.
    fn any_block(&self, random: &mut Random) -> u32 {
        let number = random.below(self.live.len() as u32) as usize;
        let block = self.live.keys().nth(number);
        *block.expect("there are more")
    }
}

fn new_block(next: &mut u32, len: u32, align: u32) -> Call {
    *next += 1;
    let block = *next;
    Alloc { block, len, align }
}

/// A length of a slot, mostly of one of the classes that have slabs already, or of a run, short or long.
fn made_up_len(random: &mut Random) -> u32 {
    match random.below(16) {
        0..5 => random.pick(&[0, 15, 16, 17, 33]),
        5..8 => random.pick(&[64, 100, 700, 3_000, 5_000]),
        8 => random.below(8_192),
        9..12 => random.pick(&[8_500, 9_000, 9_000, 20_000, 20_300, 30_000]),
        12..15 => random.below(70_000),
        _ => random.below(400_000),
    }
}
