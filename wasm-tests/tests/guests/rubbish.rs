//! Pointers and lengths from a host that makes them up.

use crate::{
    controller::{Controller, random_len},
    module::PAGE,
};
use guest_collections::Random;
use guest_controller::Refusal;

/// A million of them, of which none is live.
#[test]
fn a_million_wrong_pointers_and_lengths_are_refused_and_change_nothing() {
    let mut controller = Controller::new();
    let mut random = Random::new(1);
    let mut freed = Vec::new();
    for round in 0..900 {
        controller.alloc(random_len(&mut random));
        match round % 3 {
            0 => {
                let (ptr, len) = random.pick(&controller.live());
                controller.free(ptr);
                freed.push((ptr, len));
            }
            1 if round % 50 == 1 => controller.grow_foreign(1 + random.below(3)),
            _ => {}
        }
    }
    let live = controller.live();
    let (pages, memory) = (controller.pages(), controller.guest.pages());
    let before = controller.guest.grown_bytes().to_vec();

    let mut refused = 0;
    while refused < 1_000_000 {
        let (ptr, len) = made_up(&mut random, &live, &freed, memory * PAGE);
        let at = live
            .binary_search_by_key(&ptr, |&(ptr, _)| ptr)
            .ok()
            .map(|place| live[place]);
        let expected: &[Refusal] = match at {
            Some((_, allocated)) if allocated == len => continue,
            Some(_) => &[Refusal::LengthMismatch],
            None => &[Refusal::InvalidPointer, Refusal::DoubleFree],
        };
        let new_len = random.pick(&[0, 1, len, 100, 5000, 1 << 20, u32::MAX]);
        let free = controller
            .try_free(ptr, len)
            .expect_err("free must be refused");
        let realloc = controller
            .try_realloc(ptr, len, new_len)
            .expect_err("realloc must be refused");
        assert!(
            expected.contains(&free),
            "free of {len} bytes at {ptr:#x}: {free:?}"
        );
        assert_eq!(realloc, free, "realloc and free of {len} bytes at {ptr:#x}");
        refused += 1;
    }

    assert_eq!(
        (controller.pages(), controller.guest.pages()),
        (pages, memory)
    );
    assert!(
        controller.guest.grown_bytes() == before,
        "a refused call has changed memory"
    );
    controller.check();
    live.iter().for_each(|&(ptr, _)| controller.free(ptr));
    controller.check();
}

/// A pointer and a length: mere noise, or near to what is right.
fn made_up(random: &mut Random, live: &[(u32, u32)], freed: &[(u32, u32)], end: u32) -> (u32, u32) {
    let (ptr, len) = random.pick(live);
    match random.below(10) {
        0 => (random.word(), random.word()),
        1 => (random.below(end), random.below(300)),
        2 => (random.below(end) & !15, random_len(random)),
        // Of a live block, but with a length that is too long, too short or wraps around.
        3 => (ptr, len.wrapping_add(random.below(33)).wrapping_sub(16)),
        4 => (
            ptr,
            random.pick(&[
                0,
                len / 2,
                len.next_multiple_of(16),
                len.wrapping_neg(),
                u32::MAX,
            ]),
        ),
        5 => (
            ptr,
            ptr.wrapping_neg()
                .wrapping_add(random.below(64))
                .wrapping_sub(32),
        ),
        // Inside of a block, or right in front of it or behind it.
        6 => (
            ptr + random.below(len.max(1)),
            random.pick(&[len, len / 2, 16]),
        ),
        7 => (ptr.wrapping_add(random.below(64)).wrapping_sub(32), len),
        8 => random.pick(freed),
        // Where frames begin.
        _ => (random.below(end) & !1023, 1024 * random.below(9)),
    }
}

#[test]
fn alignments_and_lengths_that_nothing_can_have_are_refused() {
    let mut controller = Controller::new();
    controller.alloc(100);
    let (pages, memory) = (controller.pages(), controller.guest.pages());
    for align in [0, 3, 17, 1 << 17, 1 << 31, u32::MAX] {
        assert_eq!(
            controller.try_alloc(10, align),
            Err(Refusal::InvalidAlignment)
        );
    }
    for len in [
        u32::MAX,
        u32::MAX - 1,
        u32::MAX - PAGE,
        u32::MAX - memory * PAGE,
    ] {
        assert_eq!(controller.try_alloc(len, 16), Err(Refusal::OutOfMemory));
        assert_eq!(controller.try_alloc(len, PAGE), Err(Refusal::OutOfMemory));
    }
    assert_eq!(
        (controller.pages(), controller.guest.pages()),
        (pages, memory)
    );
    controller.check();
}
