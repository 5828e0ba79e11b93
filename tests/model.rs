//! Random sequences of calls, right and wrong, against the model: whatever the order, every promise holds after each step.

mod support;

use pageslab::MAX_PAGES;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};
use support::{FRAME, Model, PAGE, Scripted, room, rounds, slot_sizes};

/// A call, or something that happens around calls. A block is named by a number, of which the model makes one that is live.
#[derive(Clone, Debug)]
enum Step {
    Alloc {
        len: u32,
    },
    AllocAligned {
        len: u32,
        align: u32,
    },
    Free {
        block: u32,
    },
    Realloc {
        block: u32,
        len: u32,
    },
    /// Writes all of a block.
    Write {
        block: u32,
    },
    /// Reads and writes a part of a block; from where and how much, as shares of what there is.
    Touch {
        block: u32,
        from: f64,
        part: f64,
    },
    /// Frees with a wrong pointer or length, off by these.
    WrongFree {
        block: u32,
        off: u32,
        longer: u32,
    },
    /// Frees a pointer that nobody ever had, probably.
    WildFree {
        ptr: u32,
        len: u32,
    },
    /// Frees a block twice.
    DoubleFree {
        block: u32,
    },
    /// Makes memory refuse the n-th grow from now and all that follow.
    Refuse {
        n: u32,
    },
    Allow,
    ForeignGrow {
        pages: u32,
    },
}

fn any_len() -> impl Strategy<Value = u32> {
    let near = |end: u32| end - 1..=end + 1;
    prop_oneof![
        6 => 0..300u32,
        4 => proptest::sample::select(slot_sizes()).prop_flat_map(near),
        2 => 0..10_000u32,
        2 => (1..40u32).prop_flat_map(move |frames| near(frames * FRAME)),
        1 => (1..5u32).prop_flat_map(move |pages| near(pages * PAGE)),
        1 => 0..300_000u32,
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let block = any::<u32>;
    let align = || (0..=16u32).prop_map(|shift| 1 << shift);
    let off = prop_oneof![
        Just(0),
        1..20u32,
        Just(FRAME),
        Just(PAGE),
        Just(u32::MAX),
        any::<u32>()
    ];
    let longer = prop_oneof![Just(1), Just(u32::MAX), Just(1 << 16), any::<u32>()];
    prop_oneof![
        14 => any_len().prop_map(|len| Step::Alloc { len }),
        4 => (any_len(), align()).prop_map(|(len, align)| Step::AllocAligned { len, align }),
        14 => block().prop_map(|block| Step::Free { block }),
        10 => (block(), any_len()).prop_map(|(block, len)| Step::Realloc { block, len }),
        2 => block().prop_map(|block| Step::Write { block }),
        4 => (block(), 0.0..=1.0, 0.0..=1.0).prop_map(|(block, from, part)| Step::Touch { block, from, part }),
        4 => (block(), off, longer).prop_map(|(block, off, longer)| Step::WrongFree { block, off, longer }),
        2 => (any::<u32>(), any_len()).prop_map(|(ptr, len)| Step::WildFree { ptr, len }),
        2 => block().prop_map(|block| Step::DoubleFree { block }),
        1 => (1..4u32).prop_map(|n| Step::Refuse { n }),
        2 => Just(Step::Allow),
        1 => (1..5u32).prop_map(|pages| Step::ForeignGrow { pages }),
    ]
}

/// A part of `len`, rounded down.
fn share(len: u32, of: f64) -> u32 {
    (f64::from(len) * of) as u32
}

/// Takes the step; those that need a block do nothing if none is live.
fn take(model: &mut Model, step: &Step) {
    match *step {
        Step::Alloc { len } => _ = model.try_alloc(len, None),
        Step::AllocAligned { len, align } => _ = model.try_alloc(len, Some(align)),
        Step::WildFree { ptr, len } => {
            if !model.is_live(ptr, len) {
                model.refuses_wrong(ptr, len);
            }
        }
        Step::Refuse { n } => model.memory.refuse_from(n),
        Step::Allow => model.memory.allow(),
        Step::ForeignGrow { pages } => model.memory.foreign_grows(pages),
        Step::Free { block }
        | Step::Realloc { block, .. }
        | Step::Write { block }
        | Step::Touch { block, .. }
        | Step::WrongFree { block, .. }
        | Step::DoubleFree { block } => {
            if let Some((ptr, len)) = model.pick(block) {
                take_with(model, step, ptr, len);
            }
        }
    }
}

/// Takes a step with this live block.
fn take_with(model: &mut Model, step: &Step, ptr: u32, len: u32) {
    match *step {
        Step::Free { .. } => model.free(ptr),
        Step::Realloc { len: new_len, .. } => _ = model.try_realloc(ptr, new_len),
        Step::Write { .. } => model.write(ptr),
        Step::Touch { from, part, .. } if len > 0 => {
            let from = share(len - 1, from);
            model.touch(ptr, from, share(len - from, part));
        }
        Step::WrongFree { off, longer, .. } => {
            let (near, far) = (ptr.wrapping_add(off), len.wrapping_add(longer));
            for (ptr, len) in [(near, len), (ptr, far), (near, far), (ptr, room(len) + 1)] {
                if !model.is_live(ptr, len) {
                    model.refuses_wrong(ptr, len);
                }
            }
        }
        Step::DoubleFree { .. } => {
            model.free(ptr);
            model.refuses_wrong(ptr, len);
        }
        _ => {}
    }
}

fn config(natively: u32) -> Config {
    let cases = match (cfg!(miri), cfg!(target_family = "wasm")) {
        (true, _) => 2,
        (_, true) => 24,
        _ => natively,
    };
    let given = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            given.cases
        } else {
            cases
        },
        // Whoever needs a shorter case than these find can ask for more by PROPTEST_MAX_SHRINK_ITERS.
        max_shrink_iters: given.max_shrink_iters.min(2000),
        // A guest has no directory to keep failures in. The case is printed, and can be made a test.
        failure_persistence: None,
        // The same cases each time. PROPTEST_RNG_SEED asks for others.
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            given => given,
        },
        ..given
    }
}

/// The heap's limit in pages: mostly none, else so small that it will be reached.
fn any_limit() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(MAX_PAGES), 1 => 0..12u32]
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn any_sequence_of_calls_keeps_every_promise(
        limit in any_limit(),
        foreign in prop_oneof![3 => Just(0), 1 => 1..3u32],
        steps in vec(any_step(), 1..rounds(200, 30) as usize),
    ) {
        let mut model = Model::with_limit(Scripted::with_foreign(foreign), limit);
        for step in &steps {
            take(&mut model, step);
            model.check();
        }
        model.check_contents();
        model.memory.allow();
        model.free_all(|_| ());
        if limit > 0 {
            model.assert_works();
        }
    }
}

/// A kind of blocks: their length and alignment.
fn any_kind() -> impl Strategy<Value = (u32, u32)> {
    let len = prop_oneof![4 => any_len(), 1 => 0..700_000u32];
    (len, (0..=16u32).prop_map(|shift| 1 << shift))
}

/// Allocates a block of each kind in turn until all kinds are refused, and returns the pointers of each.
fn fill(model: &mut Model, kinds: &[(u32, u32)]) -> Vec<Vec<u32>> {
    let mut blocks = vec![Vec::new(); kinds.len()];
    let mut open: Vec<_> = (0..kinds.len()).collect();
    while !open.is_empty() {
        open.retain(|&kind| {
            let (len, align) = kinds[kind];
            let ptr = model.try_alloc(len, Some(align));
            blocks[kind].extend(ptr.ok());
            ptr.is_ok()
        });
    }
    blocks
}

proptest! {
    #![proptest_config(config(300))]

    /// Though memory is full, and of whatever else.
    #[test]
    #[cfg_attr(miri, ignore = "slow, and about amounts of memory")]
    fn what_is_freed_can_be_had_again(
        kinds in vec(any_kind(), 1..4),
        (few, times) in (1..4u32, 1..12u32),
        number in any::<u32>(),
    ) {
        let bytes: u32 = kinds.iter().map(|(len, align)| len + align).sum();
        let mut model = Model::with_limit(Scripted::new(), few + times * (bytes / PAGE));
        let mut blocks = fill(&mut model, &kinds);
        // One of them, and every second.
        for (&(len, align), ptrs) in kinds.iter().zip(&mut blocks).filter(|(_, ptrs)| !ptrs.is_empty()) {
            let one = number as usize % ptrs.len();
            let seconds = (0..ptrs.len()).step_by(2);
            for places in [vec![one], seconds.collect()] {
                places.iter().for_each(|&place| model.free(ptrs[place]));
                for place in places {
                    let ptr = model.try_alloc(len, Some(align));
                    prop_assert!(ptr.is_ok(), "{len} bytes, aligned to {align}");
                    ptrs[place] = ptr.unwrap_or_default();
                }
            }
        }
        model.check_contents();
    }
}

#[test]
fn a_long_sequence_of_calls_keeps_every_promise() {
    let mut runner = TestRunner::deterministic();
    let steps = any_step();
    let mut model = Model::new(Scripted::new());
    for round in 0..rounds(20_000, 100) {
        let step = steps
            .new_tree(&mut runner)
            .expect("every step is possible")
            .current();
        take(&mut model, &step);
        if round % 50 == 0 {
            model.check();
        }
        if round % 2000 == 0 {
            model.check_contents();
        }
    }
    model.check_contents();
    model.memory.allow();
    model.free_all(|ptrs| ptrs.reverse());
    model.assert_works();
}
