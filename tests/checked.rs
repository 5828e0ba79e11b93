//! What checked mode finds: each misuse that only it can, by name, for slots and for runs; and what its reports say.
#![cfg(feature = "checked")]

mod support;

use pageslab::{Error, LinearMemory as _, MemoryController as _, PageSlab, State};
use support::{Model, PAGE, Random, Scripted, memory, rounds};

/// Lengths of slots and of runs: short and long, with much slack and, but for checked mode, with none.
const LENS: &[u32] = &[0, 1, 7, 8, 16, 24, 100, 1024, 5000, 8192, 20_000, 100_000];

/// As many frees as surely empty the quarantine.
const QUARANTINE: u32 = 64;

/// Writes to memory of the heap as a guest does that has kept a pointer too long, or counts wrong.
fn write(heap: &PageSlab<Scripted>, ptr: u32, byte: u8) {
    // SAFETY: callers name a byte of the heap's pages, to which nobody has a reference.
    unsafe { heap.memory().address(ptr).write(byte) };
}

fn read(heap: &PageSlab<Scripted>, ptr: u32) -> u8 {
    // SAFETY: as above.
    unsafe { heap.memory().address(ptr).read() }
}

/// Tries a misuse on a live block of each length, among others, of a heap whose pages are neighbours and of one in whose midst
/// another party has pages.
fn on_each_block(misuse: impl Fn(&mut Model, u32, u32)) {
    for memory in [Scripted::new(), Scripted::with_foreign(1)] {
        let mut model = Model::new(memory);
        for &len in LENS {
            let [_, ptr, _] = [(); 3].map(|()| model.alloc(len));
            misuse(&mut model, ptr, len);
        }
    }
}

mod overflow {
    use super::*;

    /// Every call on the block that would give it up is refused, and nothing changes, until the byte is as it was.
    fn is_found(past: u32) {
        on_each_block(|model, ptr, len| {
            let at = len + past - 1;
            let before = read(&model.heap, ptr + at);
            write(&model.heap, ptr + at, !before);
            let overflow = Error::Overflow { ptr, len, at };
            assert_eq!(model.heap.free(ptr, len), Err(overflow));
            assert_eq!(model.heap.realloc(ptr, len, len + 1), Err(overflow));
            assert_eq!(model.heap.realloc(ptr, len, 0), Err(overflow));
            assert_eq!(model.heap.check(), Err(overflow));
            assert_eq!(model.heap.len_at(ptr), Ok(len));
            // A wrong length is told first.
            let mismatch = Error::LengthMismatch {
                ptr,
                allocated: len,
                given: len + 1,
            };
            assert_eq!(model.heap.free(ptr, len + 1), Err(mismatch));
            model.check();
            write(&model.heap, ptr + at, before);
            assert_eq!(model.heap.check(), Ok(()));
            model.free(ptr);
        });
    }

    #[test]
    fn of_1_byte() {
        is_found(1);
    }

    #[test]
    fn of_8_bytes() {
        is_found(8);
    }

    #[test]
    fn of_the_last_byte_of_the_slack() {
        on_each_block(|model, ptr, len| {
            let room = model.heap.report(ptr).expect("a block is there").room;
            assert!(room >= len + 8);
            write(&model.heap, ptr + room - 1, 0);
            let at = room - 1;
            assert_eq!(
                model.heap.free(ptr, len),
                Err(Error::Overflow { ptr, len, at })
            );
        });
    }

    #[test]
    fn is_reported_so_that_a_person_can_act() {
        let mut model = Model::new(Scripted::new());
        model.heap.set_tag(7);
        let ptr = model.alloc(24);
        for (at, byte) in [(24, 0x41), (25, 0x42), (27, 0x43)] {
            write(&model.heap, ptr + at, byte);
        }
        let report = model.heap.report(ptr + 3).expect("a block is there");
        assert_eq!(report.ptr, ptr);
        assert!(matches!(report.state, State::Live { len: 24, .. }));
        let damage = report.damage.expect("it is damaged");
        assert_eq!(damage.bytes(), [0x41, 0x42, 0xA5, 0x43]);
        assert_eq!(
            (report.room, report.allocated_by, report.freed_by),
            (32, 7, 0)
        );
        assert_eq!(
            report.to_string(),
            format!(
                "overflow: {ptr:#x}, live, 24 bytes asked for, in a slot of 32, allocated by tag 7; \
                 3 bytes were written, from 24 to 27: 41 42 a5 43"
            )
        );
        assert!(model.heap.damage().eq([report]));
    }

    #[test]
    fn in_front_of_metadata_is_found_by_a_check() {
        let mut model = Model::new(Scripted::new());
        let ptr = model.alloc(24);
        // The heap's first page begins with the guard of the map.
        let guard = ptr / PAGE * PAGE;
        write(&model.heap, guard + 5, 0);
        let error = Error::WriteAfterFree { ptr: guard, at: 5 };
        assert_eq!(model.heap.check(), Err(error));
        model.free(ptr);
    }
}

mod write_after_free {
    use super::*;

    #[test]
    fn is_found_by_a_check() {
        on_each_block(|model, ptr, len| {
            model.free(ptr);
            for at in [0, len / 2, len.max(1) - 1] {
                let before = read(&model.heap, ptr + at);
                write(&model.heap, ptr + at, before ^ 1);
                assert_eq!(model.heap.check(), Err(Error::WriteAfterFree { ptr, at }));
                write(&model.heap, ptr + at, before);
                assert_eq!(model.heap.check(), Ok(()));
            }
        });
    }

    /// Allocates until the heap hands out the memory that was written to: that call errs, those before and after it do not.
    #[test]
    fn is_found_at_the_next_allocation_of_the_memory() {
        for &len in LENS {
            let mut model = Model::new(Scripted::new());
            let [_, ptr, _] = [(); 3].map(|()| model.alloc(len));
            model.free(ptr);
            write(&model.heap, ptr, b'!');
            let heap = &mut model.heap;
            // Each free lets the quarantine give up one.
            let found = (0..2 * QUARANTINE).find_map(|_| {
                let freed = heap.alloc(len).and_then(|other| heap.free(other, len));
                freed.and_then(|()| heap.alloc(len)).err()
            });
            // By now a run may have been joined with what is free in front of it.
            let Some(Error::WriteAfterFree { ptr: start, at }) = found else {
                panic!("{len} bytes: {found:?}");
            };
            assert_eq!(start + at, ptr);
            // It is kept as evidence, and never handed out.
            assert!(heap.alloc(len).is_ok());
            assert_eq!(heap.check().err(), found);
            assert!(matches!(
                model.heap.free(ptr, len),
                Err(Error::DoubleFree { .. } | Error::InvalidPointer { .. })
            ));
            model.heap.check_invariants();
        }
    }

    /// Though its memory is not handed out.
    #[test]
    fn is_found_when_the_block_leaves_the_quarantine() {
        for &len in LENS {
            let mut model = Model::new(Scripted::new());
            model.heap.set_tag(7);
            let [_, ptr, _] = [(); 3].map(|()| model.alloc(len));
            model.heap.set_tag(9);
            model.free(ptr);
            let at = len.max(1) - 1;
            write(&model.heap, ptr + at, b'!');
            let heap = &mut model.heap;
            // Of another class, so that none of them gets the memory.
            for _ in 0..QUARANTINE - 1 {
                let other = heap.alloc(300).expect("there is memory");
                heap.free(other, 300).expect("it is live");
            }
            let last = heap.alloc(300).expect("there is memory");
            let error = Error::WriteAfterFree { ptr, at };
            assert_eq!(heap.free(last, 300), Err(error), "{len} bytes");
            let report = heap.report(ptr).expect("it is there");
            assert_eq!((report.allocated_by, report.freed_by), (7, 9));
            // The block of that call is as it was, and nothing keeps it from being freed.
            assert_eq!(heap.len_at(last), Ok(300));
            heap.check_invariants();
            assert_eq!(heap.free(last, 300), Ok(()));
            assert_eq!(heap.check(), Err(error), "it is kept as evidence");
        }
    }

    #[test]
    fn is_found_by_a_realloc_that_lets_the_block_leave() {
        let mut heap = PageSlab::new(memory());
        let ptrs = [(); QUARANTINE as usize].map(|()| heap.alloc(40).expect("there is memory"));
        let ptr = heap.alloc(300).expect("there is memory");
        for ptr in ptrs {
            heap.free(ptr, 40).expect("it is live");
        }
        // SAFETY: the byte is the heap's, and nobody has a reference to it.
        unsafe { heap.memory().address(ptrs[0] + 3).write(b'!') };
        let error = Error::WriteAfterFree {
            ptr: ptrs[0],
            at: 3,
        };
        assert_eq!(heap.realloc(ptr, 300, 400), Err(error));
        let new = heap.realloc(ptr, 300, 400).expect("it can be made again");
        assert_eq!(heap.free(new, 400), Ok(()));
    }

    #[test]
    fn is_found_when_the_quarantine_gives_way_for_want_of_memory() {
        let mut heap = PageSlab::with_limit(memory(), 4);
        let ptrs: Vec<u32> = core::iter::from_fn(|| heap.alloc(5000).ok()).collect();
        let ptr = ptrs[0];
        for &ptr in &ptrs[..20] {
            heap.free(ptr, 5000).expect("it is live");
        }
        // SAFETY: the byte is the heap's, and nobody has a reference to it.
        unsafe { heap.memory().address(ptr).write(b'!') };
        let error = Error::WriteAfterFree { ptr, at: 0 };
        assert_eq!(heap.alloc(5000), Err(error));
        let again = core::iter::from_fn(|| heap.alloc(5000).ok()).count();
        assert_eq!(again, 19);
        assert_eq!(heap.check(), Err(error));
        heap.check_invariants();
    }

    #[test]
    fn through_a_pointer_from_before_realloc_is_found() {
        on_each_block(|model, ptr, len| {
            let new = model.realloc(ptr, len + 1);
            assert_ne!(new, ptr, "a block moves in any case");
            write(&model.heap, ptr, b'!');
            assert_eq!(
                model.heap.check(),
                Err(Error::WriteAfterFree { ptr, at: 0 })
            );
            write(&model.heap, ptr, 0xA5);
            assert_eq!(model.heap.check(), Ok(()));
        });
    }

    #[test]
    fn is_reported_with_who_allocated_and_who_freed() {
        let mut model = Model::new(Scripted::new());
        assert_eq!(model.heap.set_tag(7), 0);
        // Between two others, so that its memory is not joined with what is free.
        let [_, ptr, _] = [(); 3].map(|()| model.alloc(20_000));
        assert_eq!(model.heap.set_tag(9), 7);
        model.free(ptr);
        write(&model.heap, ptr + 12_345, b'!');
        let report = model.heap.report(ptr + 100).expect("it is there");
        assert_eq!(
            report.to_string(),
            format!(
                "write after free: {ptr:#x}, freed, 20000 bytes asked for, in a run of 20480, allocated by tag 7, \
                 freed by tag 9; 1 byte was written, at 12345: 21"
            )
        );
    }

    #[test]
    fn to_memory_that_nobody_had_is_found() {
        let mut model = Model::new(Scripted::new());
        let ptr = model.alloc(16);
        let report = model.heap.report(ptr + 32).expect("a slot is there");
        assert_eq!(report.state, State::Unused);
        write(&model.heap, report.ptr + 2, 0);
        let error = Error::WriteAfterFree {
            ptr: report.ptr,
            at: 2,
        };
        assert_eq!(model.heap.check(), Err(error));
        let found = (0..100).find_map(|_| model.heap.alloc(16).err());
        assert_eq!(found, Some(error));
        let invalid = Error::InvalidPointer { ptr: report.ptr };
        assert_eq!(model.heap.free(report.ptr, 16), Err(invalid));
    }
}

mod quarantine {
    use super::*;

    #[test]
    fn delays_reuse_by_as_many_frees() {
        for len in [16, 100, 5000, 10_000] {
            let mut model = Model::new(Scripted::new());
            let first = model.alloc(len);
            model.free(first);
            for _ in 0..QUARANTINE - 1 {
                let ptr = model.alloc(len);
                assert_ne!(ptr, first, "{len} bytes");
                model.free(ptr);
            }
            model.check();
        }
    }

    #[test]
    fn still_tells_a_double_free() {
        on_each_block(|model, ptr, len| {
            model.free(ptr);
            for _ in 0..10 {
                let other = model.alloc(len);
                model.free(other);
                assert_eq!(
                    model.heap.free(ptr, len),
                    Err(Error::DoubleFree { ptr, len })
                );
            }
        });
    }

    #[test]
    fn has_room_for_blocks_that_take_up_to_1_mib() {
        let longest = 16 * PAGE - 8;
        for (len, waits) in [(longest, true), (longest + 1, false)] {
            let mut heap = PageSlab::new(memory());
            let first = heap.alloc(len).expect("there is memory");
            heap.free(first, len).expect("it is live");
            let next = heap.alloc(len).expect("there is memory");
            assert_eq!(next != first, waits, "{len} bytes");
        }
    }

    #[test]
    fn has_room_for_1_mib_in_all() {
        let mut heap = PageSlab::new(memory());
        let lens = [5 * PAGE, 5 * PAGE, 6 * PAGE - 16 * 8, 100];
        let ptrs = lens.map(|len| heap.alloc(len - 8).expect("there is memory"));
        let free = |heap: &mut PageSlab<_>, of: usize| heap.free(ptrs[of], lens[of] - 8);
        for of in 0..3 {
            assert_eq!(free(&mut heap, of), Ok(()));
        }
        // SAFETY: the byte is the heap's, and nobody has a reference to it.
        unsafe { heap.memory().address(ptrs[0]).write(b'!') };
        let error = Error::WriteAfterFree {
            ptr: ptrs[0],
            at: 0,
        };
        assert_eq!(free(&mut heap, 3), Err(error));
        assert_eq!(free(&mut heap, 3), Ok(()));
    }

    #[test]
    fn gives_way_before_memory_is_exhausted() {
        let mut heap = PageSlab::with_limit(memory(), 4);
        let mut ptrs: Vec<u32> = core::iter::from_fn(|| heap.alloc(5000).ok()).collect();
        assert!(ptrs.len() > 20);
        for ptr in ptrs.drain(..) {
            heap.free(ptr, 5000).expect("it is live");
        }
        let again = core::iter::from_fn(|| heap.alloc(5000).ok()).count();
        assert!(again > 20, "{again} blocks");
        heap.check_invariants();
    }
}

#[test]
fn a_number_that_was_read_from_free_memory_is_told_so() {
    let number = 0xA5A5_A5A5;
    let read = "0xa5a5a5a5 was read from memory that was freed, or not written to yet";
    let mut heap = PageSlab::with_limit(memory(), 4);
    let ptr = heap.alloc(24).expect("there is memory");
    for error in [
        heap.free(number, 24),
        heap.free(ptr, number),
        heap.alloc(number).map(drop),
        heap.alloc_aligned(1, number).map(drop),
    ] {
        let text = error.expect_err("it is no such number").to_string();
        assert!(text.ends_with(read), "{text}");
    }
    let error = heap.free(ptr + 1, 24).expect_err("no block is there");
    assert!(!error.to_string().contains(read), "{error}");
    // As a guest's own tests have it, natively.
    let address = std::ptr::without_provenance_mut(usize::from_ne_bytes([0xA5; _]));
    let error = pageslab::GlobalPageSlab::new().len_of(address);
    assert_eq!(error, Err(Error::InvalidPointer { ptr: number }));
}

/// In a slot of 112 bytes, of which 8 are slack in any case.
#[test]
fn a_block_that_cannot_move_for_want_of_memory_stays_if_its_slot_has_room() {
    let mut heap = PageSlab::with_limit(Scripted::new(), 2);
    let ptr = heap.alloc(100).expect("there is memory");
    for len in [5000, 1000, 100, 10] {
        while heap.alloc(len).is_ok() {}
    }
    heap.mut_mem(ptr, 100).fill(7);
    assert_eq!(
        heap.realloc(ptr, 100, 105),
        Err(Error::OutOfMemory { len: 105 })
    );
    for (old_len, len) in [(100, 104), (104, 104), (104, 60), (60, 3)] {
        assert_eq!(heap.realloc(ptr, old_len, len), Ok(ptr));
        assert_eq!(
            heap.mut_mem(ptr, len.min(60)),
            vec![7; len.min(60) as usize]
        );
        assert_eq!(heap.check(), Ok(()));
        heap.check_invariants();
    }
    // What it has lost is slack.
    write(&heap, ptr + 3, 7);
    assert_eq!(
        heap.free(ptr, 3),
        Err(Error::Overflow { ptr, len: 3, at: 3 })
    );
}

#[test]
fn what_lies_behind_the_last_slot_is_in_none() {
    let mut heap = PageSlab::new(Scripted::new());
    // Slabs of 48 bytes begin with 21 slots, which leave 16 bytes of a frame.
    let ptr = heap.alloc(40).expect("there is memory");
    let end = ptr + 21 * 48;
    assert!(
        heap.report(end - 1)
            .is_some_and(|report| report.ptr == end - 48)
    );
    assert_eq!(heap.report(end), None);
}

#[test]
fn usage_is_printed_as_a_person_would_say_it() {
    let mut heap = PageSlab::new(memory());
    for (tag, len) in [(0, 20), (7, 21), (7, 22), (7, 100_000)] {
        heap.set_tag(tag);
        heap.alloc(len).expect("there is memory");
    }
    let usage: Vec<_> = heap.usage().map(|usage| usage.to_string()).collect();
    assert_eq!(
        usage,
        [
            "1 live block of 20 bytes, in slots of 32",
            "2 live blocks of 43 bytes, in slots of 32, allocated by tag 7",
            "1 live block of 100000 bytes, in runs, allocated by tag 7",
        ]
    );
}

#[test]
fn usage_tells_what_is_live_by_class_and_by_tag() {
    let mut model = Model::new(Scripted::new());
    let mut expected = Vec::new();
    for (tag, len, slot, blocks) in [
        (1, 20, Some(32), 3),
        (2, 20, Some(32), 2),
        (2, 9000, None, 4),
    ] {
        model.heap.set_tag(tag);
        (0..blocks).for_each(|_| {
            model.alloc(len);
        });
        expected.push((slot, tag, blocks, u64::from(len * blocks)));
    }
    let usage: Vec<_> = model
        .heap
        .usage()
        .map(|usage| (usage.slot, usage.tag, usage.blocks, usage.bytes))
        .collect();
    assert_eq!(usage, expected);
    model.free_all(|_| ());
    assert_eq!(model.heap.usage().count(), 0);
}

#[test]
fn a_heap_that_is_used_rightly_is_never_damaged() {
    let mut model = Model::new(Scripted::with_foreign(1));
    let mut random = Random::new(3);
    for round in 0..rounds(3000, 100) {
        let number = random.word();
        let len = random.len();
        match (random.below(8), model.pick(number)) {
            (0..3, Some((ptr, _))) => model.free(ptr),
            (3..5, Some((ptr, _))) => {
                model.realloc(ptr, len);
            }
            (5, _) => {
                let align = 1 << random.below(17);
                model.try_alloc(len, Some(align)).expect("there is memory");
            }
            _ => {
                model.alloc(len);
            }
        }
        if round % 50 == 0 {
            assert_eq!(model.heap.check(), Ok(()));
            model.check();
        }
    }
    model.free_all(|_| ());
    assert_eq!(model.heap.check(), Ok(()));
}
