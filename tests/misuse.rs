//! Each misuse that must be caught, by name: the call errs with the right reason and changes nothing, and the next valid call works.
//!
//! Unless a test says otherwise, it holds for slots and for runs, and whether or not another party grows memory between.

mod support;

use pageslab::{Error, LinearMemory as _, MemoryController as _};
use support::{FRAME, MAX_SLOT, Model, PAGE, Random, Scripted, room, rounds};

/// Lengths of slots and of runs, some with slack and some without.
const LENS: &[u32] = if cfg!(miri) {
    &[0, 24, 20_000]
} else {
    &[0, 1, 16, 24, 100, 700, 5000, 9 * FRAME, 20_000, 100_000]
};

/// Heaps on which each misuse is tried: with live and with freed slots and runs of each length, in the order in which they were
/// made; in the first the pages are neighbours, in the second those of another party lie between.
fn heaps() -> [Model; 2] {
    [Scripted::new(), Scripted::with_foreign(1)].map(|memory| {
        let mut model = Model::new(memory);
        for &len in LENS {
            let ptrs = [(); 4].map(|()| model.alloc(len));
            model.free(ptrs[1]);
        }
        model
    })
}

/// Tries a misuse on each live block of each heap.
fn on_each_block(misuse: impl Fn(&mut Model, u32, u32)) {
    for mut model in heaps() {
        let blocks: Vec<_> = model.live().collect();
        for (ptr, len) in blocks {
            misuse(&mut model, ptr, len);
        }
        model.assert_works();
    }
}

/// Tries a misuse on each heap.
fn on_each_heap(misuse: impl Fn(&mut Model)) {
    for mut model in heaps() {
        misuse(&mut model);
        model.assert_works();
    }
}

/// Lengths that might be mistaken for right, for any pointer.
fn suspicious_lens(ptr: u32) -> [u32; 12] {
    let page = 1 << 16;
    [
        0,
        1,
        16,
        1024,
        page - 1,
        page,
        page + 1,
        u32::MAX,
        ptr,
        ptr | page,
        (ptr % page) | page,
        page | 2,
    ]
}

mod free_and_realloc {
    use super::*;

    #[test]
    fn of_a_null_pointer() {
        on_each_heap(|model| {
            for len in suspicious_lens(0) {
                model.refuses(0, len, Error::InvalidPointer { ptr: 0 });
            }
        });
    }

    #[test]
    fn of_a_null_pointer_on_an_empty_heap() {
        let mut model = Model::new(Scripted::new());
        for ptr in [0, 16, 1024, PAGE, u32::MAX] {
            for len in suspicious_lens(ptr) {
                model.refuses(ptr, len, Error::InvalidPointer { ptr });
            }
        }
        model.assert_works();
    }

    #[test]
    fn of_a_page_of_others() {
        let mut model = Model::new(Scripted::with_foreign(3));
        for &len in LENS {
            model.alloc(len);
        }
        let foreign: Vec<u32> = (0..model.memory.size())
            .filter(|&page| !model.memory.has_granted_page(page))
            .collect();
        assert!(!foreign.is_empty());
        for page in foreign {
            for ptr in [
                page * PAGE,
                page * PAGE + 16,
                page * PAGE + 1024,
                page * PAGE + PAGE - 16,
            ] {
                for len in [0, 24, 20_000] {
                    model.refuses_with(ptr, len, Error::InvalidPointer { ptr });
                }
            }
            model.check();
        }
        model.assert_works();
    }

    #[test]
    fn past_the_end_of_memory() {
        on_each_heap(|model| {
            let end = model.memory.size() * PAGE;
            for ptr in [
                end,
                end + 16,
                end + 1024,
                end + PAGE,
                1 << 31,
                u32::MAX - 1023,
                u32::MAX - 15,
                u32::MAX,
            ] {
                for len in [0, 24, 20_000, u32::MAX] {
                    model.refuses(ptr, len, Error::InvalidPointer { ptr });
                }
            }
        });
    }

    #[cfg(target_family = "wasm")]
    #[test]
    fn of_static_data_the_stack_and_another_allocator() {
        static DATA: [u64; 32] = [0; 32];
        on_each_heap(|model| {
            let local = [0u64; 32];
            let boxed = Box::new([0u64; 32]);
            for start in [DATA.as_ptr(), local.as_ptr(), boxed.as_ptr()] {
                for ptr in (start as u32..).take(256) {
                    model.refuses_with(ptr, 24, Error::InvalidPointer { ptr });
                }
            }
            model.check();
        });
    }

    #[test]
    fn of_any_other_byte_of_memory() {
        on_each_heap(|model| {
            let bytes: Vec<_> = model
                .memory
                .granted()
                .iter()
                .map(|pages| pages.start * PAGE..pages.end * PAGE)
                .collect();
            for ptr in bytes
                .into_iter()
                .flatten()
                .step_by(rounds(16, 1040) as usize)
            {
                for ptr in [ptr, ptr + 1 + ptr / 16 % 15] {
                    for len in [0, 24, 20_000, ptr | 1 << 16] {
                        if !model.is_live(ptr, len) {
                            model.refuses_wrong(ptr, len);
                        }
                    }
                }
            }
            model.check_contents();
        });
    }

    /// What held metadata or a slab and is free again was never an allocation that began there.
    #[test]
    fn of_frames_that_served_the_heap_itself() {
        for len in [100, 5000, 9 * FRAME] {
            let mut model = Model::new(Scripted::new());
            for pages in 1..8 {
                let ptr = model.alloc(len);
                model.free(ptr);
                model.alloc(pages * PAGE);
                for frame in 0..model.memory.size() * PAGE / FRAME {
                    let ptr = frame * FRAME;
                    if !model.is_live_at(ptr) {
                        model.refuses_wrong(ptr, 3);
                    }
                }
            }
            model.assert_works();
        }
    }

    #[test]
    fn of_an_interior_pointer() {
        on_each_block(|model, ptr, len| {
            let inside = [
                1,
                2,
                4,
                8,
                15,
                16,
                17,
                512,
                1024,
                1025,
                2048,
                (len / 2) & !15,
                len.saturating_sub(1),
            ];
            for inside in inside
                .into_iter()
                .filter(|&inside| 0 < inside && inside < room(len))
            {
                let ptr = ptr + inside;
                for len in [len, len - inside.min(len), 0] {
                    model.refuses_with(ptr, len, Error::InvalidPointer { ptr });
                }
            }
            model.check();
        });
    }

    #[test]
    fn of_the_second_page_of_a_run() {
        let mut model = Model::new(Scripted::new());
        let ptr = model
            .try_alloc(3 * PAGE, Some(PAGE))
            .expect("memory is not exhausted");
        for ptr in [ptr + PAGE, ptr + 2 * PAGE] {
            for len in [3 * PAGE, 2 * PAGE, PAGE, 0] {
                model.refuses(ptr, len, Error::InvalidPointer { ptr });
            }
        }
        model.free(ptr);
        model.assert_works();
    }

    #[test]
    fn twice() {
        on_each_block(|model, ptr, len| {
            model.free(ptr);
            model.refuses(ptr, len, Error::DoubleFree { ptr, len });
        });
    }

    #[test]
    fn twice_with_another_length() {
        on_each_block(|model, ptr, len| {
            model.free(ptr);
            for len in suspicious_lens(ptr)
                .into_iter()
                .chain([len + 1, len.wrapping_sub(1)])
            {
                model.refuses_with(ptr, len, Error::DoubleFree { ptr, len });
            }
            model.check();
        });
    }

    #[test]
    fn twice_with_another_free_of_the_class_between() {
        for &len in LENS {
            on_each_heap(|model| {
                let [first, second] = [(); 2].map(|()| model.alloc(len));
                model.free(first);
                model.free(second);
                for ptr in [first, second] {
                    model.refuses(ptr, len, Error::DoubleFree { ptr, len });
                }
            });
        }
    }

    #[test]
    fn twice_with_another_allocation_of_the_class_between() {
        for &len in LENS {
            on_each_heap(|model| {
                let pair = [(); 2].map(|()| model.alloc(len));
                pair.into_iter().for_each(|ptr| model.free(ptr));
                let again = model.alloc(len);
                for ptr in pair.into_iter().filter(|&ptr| ptr != again) {
                    model.refuses(ptr, len, Error::DoubleFree { ptr, len });
                }
                model.free(again);
            });
        }
    }

    #[test]
    fn twice_when_the_slot_has_a_new_owner_with_another_length() {
        for (old, new) in [
            (24, 31),
            (700, 699),
            (5000, 4900),
            (20_000, 20_001),
            (100_000, 99_999),
        ] {
            on_each_heap(|model| {
                let gone = model.alloc(old);
                model.free(gone);
                let owner = model.alloc(new);
                model.refuses_wrong(gone, old);
                model.check_contents();
                model.free(owner);
            });
        }
    }

    #[test]
    fn of_a_run_twice_after_it_was_joined_with_its_neighbours() {
        on_each_heap(|model| {
            let runs = [(); 3].map(|()| model.alloc(20 * FRAME));
            for index in [0, 2, 1] {
                model.free(runs[index]);
            }
            // Whatever is freed is joined before memory grows.
            model.alloc(20 * PAGE);
            for ptr in runs {
                if !model.is_live(ptr, 20 * PAGE) {
                    model.refuses_as_gone(ptr, 20 * FRAME);
                }
            }
        });
    }

    #[test]
    fn of_a_run_twice_after_it_was_split() {
        on_each_heap(|model| {
            let run = model.alloc(30 * PAGE);
            let inside = run + 1..run + 30 * PAGE;
            model.free(run);
            while !inside.contains(&model.alloc(9 * FRAME)) {}
            model.refuses_wrong(run, 30 * PAGE);
            model.check_contents();
        });
    }

    #[test]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn of_a_run_twice_after_it_was_reused_for_slots() {
        for slot in [16, 48, 700, 5000] {
            on_each_heap(|model| {
                let len = 9 * FRAME;
                let runs = [(); 40].map(|()| model.alloc(len));
                runs.into_iter().for_each(|ptr| model.free(ptr));
                let inside = |ptr: u32| runs.iter().any(|&run| run <= ptr && ptr < run + len);
                while !inside(model.alloc(slot)) {}
                for ptr in runs {
                    model.refuses_wrong(ptr, len);
                }
                model.check_contents();
            });
        }
    }

    #[test]
    fn of_slots_twice_after_their_slab_was_reused() {
        for len in [16, 48, 700, 5000] {
            on_each_heap(|model| {
                let ptrs: Vec<_> = (0..rounds(3000, 300)).map(|_| model.alloc(len)).collect();
                ptrs.iter().for_each(|&ptr| model.free(ptr));
                for run in [9, 20, 64] {
                    model.alloc(run * FRAME);
                }
                for ptr in ptrs.into_iter().step_by(7) {
                    model.refuses_wrong(ptr, len);
                }
                model.check_contents();
            });
        }
    }

    #[test]
    fn with_a_length_that_is_wrong() {
        on_each_block(|model, ptr, len| {
            let near = [
                len + 1,
                len.wrapping_sub(1),
                len + 16,
                2 * len + 1,
                room(len) + 1,
            ];
            // The slot's or the run's size instead of what was asked for.
            let whole = room(len) + u32::from(room(len) == len);
            // Right only in its lowest bits, or in its highest.
            let similar = [len | 1 << 16, len | 1 << 17, len | 1 << 31, len + (1 << 16)];
            for given in near
                .into_iter()
                .chain([whole])
                .chain(similar)
                .chain(suspicious_lens(ptr))
            {
                if given != len {
                    model.refuses_with(
                        ptr,
                        given,
                        Error::LengthMismatch {
                            ptr,
                            allocated: len,
                            given,
                        },
                    );
                }
            }
            model.check();
        });
    }

    #[test]
    fn with_a_length_that_wraps_around_the_end_of_memory() {
        on_each_block(|model, ptr, len| {
            let to_end = ptr.wrapping_neg();
            for given in [to_end - 1, to_end, to_end + 1, to_end + len, u32::MAX] {
                model.refuses_with(
                    ptr,
                    given,
                    Error::LengthMismatch {
                        ptr,
                        allocated: len,
                        given,
                    },
                );
            }
            model.check();
        });
    }

    #[test]
    fn with_the_length_before_a_realloc() {
        on_each_block(|model, ptr, len| {
            let ptr = model.realloc(ptr, len + 1);
            model.refuses(
                ptr,
                len,
                Error::LengthMismatch {
                    ptr,
                    allocated: len + 1,
                    given: len,
                },
            );
        });
    }

    #[test]
    fn of_a_block_that_realloc_has_moved() {
        on_each_block(|model, ptr, len| {
            let moved = model.realloc(ptr, len + 30 * PAGE);
            if moved != ptr {
                model.refuses_as_gone(ptr, len);
            }
            model.free(moved);
        });
    }

    #[test]
    #[cfg_attr(feature = "checked", ignore = "checked blocks always move")]
    fn of_the_part_that_realloc_has_cut_off() {
        on_each_heap(|model| {
            let run = model.alloc(40 * FRAME);
            assert_eq!(model.realloc(run, 10 * FRAME), run);
            for frames in [10, 11, 39] {
                let ptr = run + frames * FRAME;
                model.refuses(ptr, 30 * FRAME, Error::InvalidPointer { ptr });
            }
        });
    }

    /// A guest whose pointers and lengths are all wrong, most by a little.
    #[test]
    fn of_random_pointers_with_random_lengths() {
        for mut model in heaps() {
            let mut random = Random::new(6);
            let end = model.memory.size() * PAGE;
            let mut gone = vec![0];
            let mut freed = 0;
            for round in 0..rounds(100_000, 500) {
                let number = random.word();
                let (block, block_len) = model.pick(number).expect("there are blocks");
                let base = match random.below(6) {
                    0..3 => block,
                    3 => random.pick(&gone),
                    4 => random.below(end),
                    _ => random.word(),
                };
                let off = random.pick(&[
                    0,
                    0,
                    0,
                    1,
                    2,
                    3,
                    4,
                    8,
                    16,
                    32,
                    1024,
                    PAGE,
                    15 & number,
                    !15 & number,
                ]);
                let ptr = if random.below(2) == 0 {
                    base.wrapping_add(off)
                } else {
                    base.wrapping_sub(off)
                };
                let len = match random.below(8) {
                    0..2 => block_len,
                    2 => block_len.wrapping_add(random.below(5)).wrapping_sub(2),
                    3 => block_len * random.below(4),
                    4 => room(block_len),
                    5 => random.len(),
                    6 => random.pick(&suspicious_lens(ptr)) | random.below(4),
                    _ => number,
                };
                if model.is_live(ptr, len) {
                    // By chance it is right after all.
                    gone.push(ptr);
                    if random.below(2) == 0 {
                        model.free(ptr);
                        model.alloc(len);
                    } else {
                        model.realloc(ptr, random.len());
                    }
                    freed += 1;
                } else {
                    model.refuses_wrong(ptr, len);
                }
                if round % 1000 == 0 {
                    model.check();
                }
            }
            assert!(freed > rounds(1000, 5), "only {freed} guesses were right");
            model.assert_works();
        }
    }
}

mod alloc {
    use super::*;

    #[test]
    fn of_more_than_memory_can_grow() {
        on_each_heap(|model| {
            let pages = model.heap.pages();
            for len in [
                u32::MAX,
                u32::MAX - 1,
                u32::MAX - 1023,
                u32::MAX - PAGE,
                u32::MAX - 16 * PAGE,
            ] {
                assert_eq!(model.heap.alloc(len), Err(Error::OutOfMemory { len }));
                assert_eq!(
                    model.heap.alloc_aligned(len, 1),
                    Err(Error::OutOfMemory { len })
                );
                assert_eq!(
                    model.heap.alloc_aligned(len, PAGE),
                    Err(Error::OutOfMemory { len })
                );
            }
            assert_eq!(model.heap.pages(), pages);
        });
    }

    #[test]
    fn with_an_alignment_that_is_none() {
        on_each_heap(|model| {
            let pages = model.heap.pages();
            for align in [0, 3, 48, PAGE + 1, 2 * PAGE, 1 << 31, u32::MAX] {
                for &len in LENS {
                    assert_eq!(
                        model.heap.alloc_aligned(len, align),
                        Err(Error::InvalidAlignment { align })
                    );
                }
            }
            assert_eq!(model.heap.pages(), pages);
        });
    }

    #[test]
    fn by_realloc_of_more_than_memory_can_grow() {
        on_each_block(|model, ptr, _| {
            for len in [u32::MAX, u32::MAX - 1023, u32::MAX - 16 * PAGE] {
                assert_eq!(model.try_realloc(ptr, len), Err(Error::OutOfMemory { len }));
            }
            model.check();
        });
    }
}

/// Writes past the end of a block, by a guest: what lies there may be slack, another block, or free. In checked mode they are
/// found out: `checked.rs`.
#[cfg(not(feature = "checked"))]
mod overflow {
    use super::*;
    use support::slot_sizes;

    /// A heap with blocks of all classes and of runs in any order, every fifth of them freed.
    fn full_heap(memory: Scripted) -> Model {
        let mut model = Model::new(memory);
        let mut random = Random::new(7);
        let lens = slot_sizes().into_iter().chain(LENS.iter().copied());
        let lens = lens.chain([PAGE, 3 * PAGE]).step_by(rounds(1, 5) as usize);
        let mut lens: Vec<_> = lens
            .flat_map(|len| [len, len.saturating_sub(5), random.len()])
            .collect();
        random.shuffle(&mut lens);
        let ptrs: Vec<_> = lens.into_iter().map(|len| model.alloc(len)).collect();
        ptrs.into_iter().step_by(5).for_each(|ptr| model.free(ptr));
        model
    }

    /// Every byte from the end of each block up to `past` bytes behind its slack is overwritten, as far as memory is the heap's.
    fn assert_survives(past: u32, byte: u8) {
        for memory in [Scripted::new(), Scripted::with_foreign(1)] {
            let model = full_heap(memory);
            let mut heap = model.heap;
            let blocks: Vec<_> = heap.live().collect();
            for &(ptr, len) in &blocks {
                for offset in ptr + len..ptr + room(len) + past {
                    if model.memory.has_granted_page(offset / PAGE) {
                        // SAFETY: the byte is in memory that the heap was given, to which nobody holds a reference.
                        unsafe { heap.memory().address(offset).write(byte) };
                    }
                }
            }
            heap.check_invariants();
            assert!(heap.live().eq(blocks.iter().copied()));
            for &(ptr, len) in &blocks {
                let given = room(len) + 1;
                assert_eq!(
                    heap.free(ptr, given),
                    Err(Error::LengthMismatch {
                        ptr,
                        allocated: len,
                        given
                    })
                );
                assert_eq!(heap.free(ptr, len), Ok(()));
                assert_eq!(heap.free(ptr, len), Err(Error::DoubleFree { ptr, len }));
            }
            heap.check_invariants();
            assert_eq!(heap.live().count(), 0);
            let again = full_heap(model.memory);
            again.heap.check_invariants();
        }
    }

    #[test]
    fn of_1_byte_leaves_the_heap_sound() {
        assert_survives(1, 0);
        assert_survives(1, 0xFF);
    }

    #[test]
    fn of_8_bytes_leaves_the_heap_sound() {
        assert_survives(8, 0xFF);
    }

    #[test]
    fn of_64_bytes_leaves_the_heap_sound() {
        assert_survives(64, 0);
    }

    #[test]
    fn of_512_bytes_leaves_the_heap_sound() {
        assert_survives(512, 0);
        assert_survives(512, 0xA5);
    }

    #[test]
    fn of_freed_blocks_leaves_the_heap_sound() {
        let mut model = full_heap(Scripted::new());
        let freed: Vec<_> = model
            .returned()
            .filter(|&ptr| !model.is_live_at(ptr))
            .collect();
        assert!(freed.len() > 20);
        for ptr in freed {
            for offset in 0..16 {
                // SAFETY: as above; no live block is at a freed pointer, and every slot has 16 bytes.
                unsafe { model.heap.memory().address(ptr + offset).write(0xFF) };
            }
        }
        model.check_contents();
        let mut random = Random::new(8);
        for _ in 0..rounds(1000, 100) {
            model.alloc(random.len());
        }
        model.free_all(|_| ());
        model.assert_works();
    }
}

/// `mut_mem` panics, which it can in a guest only once.
#[cfg(panic = "unwind")]
mod mut_mem {
    use super::*;
    use support::panic_message;

    /// `mut_mem` must panic for these bytes, with these words in the reason, and change nothing. `try_mut_mem` must err instead.
    fn assert_panics(model: &mut Model, ptr: u32, len: u32, words: &[&str]) {
        let error = model.heap.try_mut_mem(ptr, len).expect_err("no bytes");
        match error {
            Error::LengthMismatch {
                ptr: start,
                allocated,
                given,
            } => {
                assert_eq!(model.heap.len_at(start), Ok(allocated));
                assert!(given > allocated && given == (ptr - start).saturating_add(len));
                assert!(words[0] == "past", "{words:?}");
            }
            _ => {
                assert_eq!(error, Error::InvalidPointer { ptr });
                assert!(words[0] != "past", "{words:?}");
            }
        }
        let message = panic_message(|| {
            model.heap.mut_mem(ptr, len);
        });
        for word in words
            .iter()
            .chain(&["mut_mem", &*format!("{len} bytes at {ptr:#x}")])
        {
            assert!(message.contains(word), "{message:?} does not say {word:?}");
        }
        model.check();
    }

    #[test]
    fn over_a_freed_block() {
        on_each_block(|model, ptr, len| {
            model.free(ptr);
            for len in [1, len.max(2), u32::MAX] {
                assert_panics(model, ptr, len, &["no live allocation"]);
            }
        });
    }

    #[test]
    #[cfg_attr(
        feature = "checked",
        ignore = "checked blocks have slack, and wait before their memory is reused"
    )]
    fn over_two_neighbouring_blocks() {
        for len in [16, 48, 1024, 20 * FRAME] {
            on_each_heap(|model| {
                let mut ptrs: Vec<_> = (0..80).map(|_| model.alloc(len)).collect();
                ptrs.sort_unstable();
                let neighbours = ptrs.windows(2).find(|pair| pair[1] == pair[0] + len);
                let ptr = neighbours.expect("some blocks are neighbours")[0];
                let allocated = format!("{len} bytes allocated at {ptr:#x}");
                assert_panics(model, ptr, 2 * len, &["past", &allocated]);
                assert_panics(model, ptr + len - 1, 2, &["past", &allocated]);
            });
        }
    }

    #[test]
    fn past_the_length_of_a_block() {
        on_each_block(|model, ptr, len| {
            let allocated = format!("{len} bytes allocated at {ptr:#x}");
            for past in [1, 8, room(len) - len + 1] {
                assert_panics(model, ptr, len + past, &["past", &allocated]);
            }
            if len > 0 {
                assert_panics(model, ptr + len - 1, 2, &["past", &allocated]);
            }
        });
    }

    #[test]
    fn in_the_slack_of_a_block() {
        on_each_block(|model, ptr, len| {
            if len < room(len) {
                assert_panics(model, ptr + len, 1, &["past"]);
                assert_panics(model, ptr + room(len) - 1, 1, &["past"]);
            }
        });
    }

    #[test]
    fn around_the_end_of_memory() {
        on_each_block(|model, ptr, _| {
            let to_end = ptr.wrapping_neg();
            for len in [to_end - 1, to_end, to_end + 1, u32::MAX] {
                assert_panics(model, ptr, len, &["past"]);
            }
        });
    }

    #[test]
    fn at_a_null_pointer() {
        on_each_heap(|model| {
            for len in [0, 1, 16, u32::MAX] {
                assert_panics(model, 0, len, &["no live allocation"]);
            }
        });
    }

    #[test]
    fn past_the_end_of_memory() {
        on_each_heap(|model| {
            let end = model.memory.size() * PAGE;
            for ptr in [end, end + 16, u32::MAX - 15, u32::MAX] {
                for len in [0, 1, 16, u32::MAX] {
                    assert_panics(model, ptr, len, &["no live allocation"]);
                }
            }
        });
    }

    #[test]
    fn in_metadata_and_everywhere_else_outside_of_blocks() {
        on_each_heap(|model| {
            let taken: Vec<_> = model.live().map(|(ptr, len)| ptr..ptr + len).collect();
            let pages: Vec<_> = model.memory.granted().into_iter().flatten().collect();
            for ptr in pages
                .into_iter()
                .flat_map(|page| page * PAGE..(page + 1) * PAGE)
                .step_by(rounds(176, 5008) as usize)
            {
                if !taken.iter().any(|block| block.contains(&ptr)) {
                    let message = panic_message(|| {
                        model.heap.mut_mem(ptr, 1);
                    });
                    assert!(message.contains("mut_mem: "), "{message}");
                }
            }
            model.check_contents();
        });
    }
}

#[test]
#[cfg_attr(
    feature = "checked",
    ignore = "checked blocks have slack, and wait before their memory is reused"
)]
fn slots_end_where_the_tests_think() {
    // `room` is what the tests know of the allocator's insides. If the largest slot has changed, so must they.
    for len in [1, 16, 17, 100, 300, 5000, MAX_SLOT] {
        let mut model = Model::new(Scripted::new());
        let mut ptrs = [(); 8].map(|()| model.alloc(len));
        ptrs.sort_unstable();
        let closest = ptrs.windows(2).map(|pair| pair[1] - pair[0]).min();
        assert_eq!(closest, Some(room(len)), "slots of {len} bytes");
    }
}
