//! A host that writes to blocks after it has freed them.

use crate::controller::{Controller, random_len};
use guest_collections::Random;
use guest_controller::Refusal;

/// Rubbish of one kind for the whole of a block: noise, or what could pass for metadata.
fn scribble(bytes: &mut [u8], random: &mut Random, near: u32) {
    let kind = random.below(6);
    for word in bytes.chunks_mut(4) {
        let rubbish = match kind {
            0 => 0,
            1 => u32::MAX,
            2 => random.word(),
            3 => random.below(9000),
            4 => near.wrapping_add(16 * random.below(64)),
            _ => near | 0x1_0000,
        };
        word.copy_from_slice(&rubbish.to_le_bytes()[..word.len()]);
    }
}

#[test]
fn rubbish_in_freed_blocks_changes_nothing() {
    let mut controller = Controller::new();
    let mut random = Random::new(2);
    for round in 0..300 {
        let target = if round / 50 % 2 == 0 { 40 } else { 10 };
        for _ in 0..target {
            controller.alloc(random_len(&mut random));
        }
        let mut freed = Vec::new();
        for (ptr, len) in controller.live() {
            if random.below(300) < 50 + 100 * (round % 3) {
                controller.free(ptr);
                freed.push((ptr, len));
            }
        }
        let pages = controller.pages();
        for &(ptr, len) in &freed {
            scribble(controller.bytes_mut(ptr, len), &mut random, ptr);
        }
        controller.check();
        assert_eq!(controller.pages(), pages);
        for (ptr, len) in freed {
            let refusal = controller.try_free(ptr, len).expect_err("it was freed");
            assert!(matches!(
                refusal,
                Refusal::DoubleFree | Refusal::InvalidPointer
            ));
        }
    }
    controller
        .live()
        .iter()
        .for_each(|&(ptr, _)| controller.free(ptr));
    controller.check();
}
