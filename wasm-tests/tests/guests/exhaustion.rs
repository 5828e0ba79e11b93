//! A host that refuses memory, and others that take it.

use crate::{
    controller::{ALIGN, Controller, random_len},
    module::{Instance, PAGE},
};
use guest_collections::Random;
use guest_controller::{Refusal, unpack};

/// Allocates blocks of random lengths until `refusals` of them were refused.
fn use_up(controller: &mut Controller, random: &mut Random, refusals: u32) {
    let mut refused = 0;
    while refused < refusals {
        let align = ALIGN << (random.below(13) * random.below(2));
        match controller.try_alloc(random_len(random), align) {
            Ok(_) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::OutOfMemory);
                refused += 1;
            }
        }
    }
}

/// Frees one live block of `n`.
fn free_one_of(controller: &mut Controller, random: &mut Random, n: u32) {
    for (ptr, _) in controller.live() {
        if random.below(n) == 0 {
            controller.free(ptr);
        }
    }
}

#[test]
fn a_memory_that_cannot_grow_refuses_and_loses_nothing() {
    for limit in [0, 1, 2, 3, 4, 5, 8, 13, 21, 34, 100, 300] {
        let mut controller = Controller::new();
        let mut random = Random::new(u64::from(limit));
        controller.guest.limit_growth(limit);
        for _ in 0..4 {
            use_up(&mut controller, &mut random, 30);
            controller.check();
            assert!(controller.pages() <= limit);
            free_one_of(&mut controller, &mut random, 2);
            controller.check();
        }
        free_one_of(&mut controller, &mut random, 1);
        controller.check();
        if limit > 0 {
            // All is free: half of it in many pieces, and three tenths in one. Metadata lies in between: at worst at one third and two.
            let half = limit * PAGE / 2;
            let ptr = controller.alloc(limit * PAGE / 10 * 3);
            controller.free(ptr);
            for _ in 0..half / 256 {
                controller.alloc(128);
            }
            controller.check();
        }
    }
}

#[test]
fn a_realloc_that_cannot_grow_is_refused_and_leaves_the_block() {
    for limit in [1, 2, 5, 20] {
        let mut controller = Controller::new();
        let mut random = Random::new(3);
        controller.guest.limit_growth(limit);
        use_up(&mut controller, &mut random, 100);
        let mut refused = 0;
        for (ptr, len) in controller.live() {
            match controller.realloc(ptr, len + 1 + random.below(200_000)) {
                Ok(_) => {}
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::OutOfMemory);
                    refused += 1;
                }
            }
        }
        assert!(refused > 0);
        controller.check();
        // What becomes shorter needs nothing.
        for (ptr, len) in controller.live() {
            assert!(controller.realloc(ptr, len / 3).is_ok(), "{len} bytes");
        }
        controller.check();
    }
}

#[test]
fn what_was_refused_is_there_once_memory_may_grow_again() {
    let mut controller = Controller::new();
    let mut random = Random::new(4);
    for limit in [0, 1, 0, 7, 30, 3] {
        controller.guest.limit_growth(limit);
        use_up(&mut controller, &mut random, 10);
        let len = 300_000;
        assert_eq!(controller.try_alloc(len, ALIGN), Err(Refusal::OutOfMemory));
        controller.check();
        controller.guest.limit_growth(200);
        controller.alloc(len);
        controller.check();
    }
}

#[test]
fn nothing_is_refused_because_others_have_grown_memory() {
    let mut controller = Controller::new();
    let mut random = Random::new(6);
    for round in 0..200 {
        controller.grow_foreign(1);
        let ptr = controller.alloc(random_len(&mut random));
        controller.grow_foreign(round % 2);
        let grown = controller.realloc(ptr, 30_000 + random.below(200_000));
        assert!(grown.is_ok(), "{grown:?}");
        if round % 20 == 0 {
            controller.check();
        }
    }
    free_one_of(&mut controller, &mut random, 1);
    controller.check();
}

/// A block, pages of others, and as much more memory as the next block and a pointer for each of those pages need.
#[test]
fn nothing_is_refused_because_others_have_grown_memory_by_far() {
    for foreign in [1, 100, 1024, 16_384, 60_000] {
        let mut controller = Controller::new();
        controller.alloc(100);
        controller.grow_foreign(foreign);
        let pages = controller.pages();
        // Two pages for the block, one for metadata, and twice four bytes a page for the next root.
        let most = 3 + (2 * 4 * foreign).div_ceil(PAGE);
        controller.guest.limit_growth(most);
        controller.alloc(100_000);
        controller.check();
        let taken = controller.pages() - pages;
        assert!(taken <= most, "{taken} pages behind {foreign}");
    }
}

#[test]
fn pages_that_others_grow_in_between_stay_theirs() {
    for limit in [30, 100, 500] {
        let mut controller = Controller::new();
        let mut random = Random::new(5);
        let initial = controller.guest.pages();
        controller.guest.limit_growth(limit);
        for round in 0..400 {
            let _ = controller.try_alloc(random_len(&mut random), ALIGN);
            match random.below(30) {
                0 => controller.grow_foreign(1 + random.below(2)),
                1 => controller.guest.call("hoard", random.below(20_000)),
                2 => free_one_of(&mut controller, &mut random, 4),
                _ => {}
            }
            if round % 40 == 0 {
                controller.check();
            }
        }
        controller.check();
        assert!(controller.guest.pages() <= initial + limit);
        free_one_of(&mut controller, &mut random, 1);
        controller.check();
        let pages = controller.pages();
        for _ in 0..pages {
            controller.alloc(PAGE / 4);
        }
        assert_eq!(
            controller.pages(),
            pages,
            "memory that was free was not used"
        );
        controller.check();
    }
}

#[test]
fn all_of_4_gib_can_be_used_and_freed() {
    let mut guest = Instance::controller();
    let mut blocks: Vec<(u32, u32)> = Vec::new();
    for len in (10..=30).rev().map(|shift| 1 << shift) {
        while let Ok(ptr) = unpack(guest.call("heap_alloc", (len, ALIGN))) {
            blocks.push((ptr, len));
        }
    }
    guest.call::<_, ()>("heap_check", ());
    assert_eq!(guest.pages(), 65_536);

    blocks.sort_unstable();
    assert!(
        blocks
            .windows(2)
            .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0),
        "blocks overlap"
    );
    assert!(
        blocks.iter().all(|&(ptr, len)| len <= ptr.wrapping_neg()),
        "a block passes the end"
    );
    let total: u64 = blocks.iter().map(|&(_, len)| u64::from(len)).sum();
    assert!(total > 4_000_000_000, "{total} bytes of 4 GiB were had");

    // From the last to the first, so that memory is joined again from behind.
    for &(ptr, len) in blocks.iter().rev() {
        assert_eq!(
            unpack(guest.call("heap_free", (ptr, len))),
            Ok(0),
            "{len} bytes at {ptr:#x}"
        );
    }
    guest.call::<_, ()>("heap_check", ());
    assert_eq!(guest.call::<_, u32>("heap_live", ()), 0);
    // Not a slice's length, though there is memory.
    for len in [1 << 31, 3u32 << 30] {
        let refused = unpack(guest.call("heap_alloc", (len, ALIGN)));
        assert_eq!(refused, Err(Refusal::OutOfMemory));
    }
    let longest = i32::MAX as u32;
    let ptr = unpack(guest.call("heap_alloc", (longest, ALIGN))).expect("what was freed is joined");
    assert_eq!(
        unpack(guest.call("heap_realloc", (ptr, longest, longest + 1))),
        Err(Refusal::OutOfMemory)
    );
    assert_eq!(unpack(guest.call("heap_free", (ptr, longest))), Ok(0));
}

/// Most of which are others'. The end of the highest block is an address, and not 0: for each kind of block, and aligned or not.
#[test]
fn the_highest_block_of_4_gib_has_an_end() {
    for new in [Instance::controller, Instance::unoptimized_controller] {
        for (len, align) in [
            (16, 16),
            (1000, 16),
            (9 * 1024, 16),
            (100, 4096),
            (9000, PAGE),
        ] {
            let mut guest = new();
            guest.call::<_, u32>("grow_foreign", 65_500 - guest.pages());
            let mut top = (0, 0);
            for (len, align) in [(len, align), (1024, ALIGN), (16, ALIGN)] {
                while let Ok(ptr) = unpack(guest.call("heap_alloc", (len, align))) {
                    top = top.max((ptr, len));
                }
            }
            assert_eq!(guest.pages(), 65_536);
            let (ptr, mut len) = top;
            while unpack(guest.call("heap_realloc", (ptr, len, len + 1))) == Ok(ptr) {
                len += 1;
            }
            let end = u64::from(ptr) + u64::from(len);
            assert!(end <= (1 << 32) - 16, "a block ends at {end:#x}");
            assert!(end > (1 << 32) - u64::from(PAGE), "memory ends at {end:#x}");
            guest.call::<_, ()>("heap_write", (ptr, len, 1));
            guest.call::<_, ()>("heap_write", (ptr + len - 1, 1, 0));
            guest.call::<_, ()>("heap_walk", (ptr, len));
            guest.call::<_, ()>("heap_check", ());
        }
    }
}
