//! A host that writes over blocks that it has freed.

use crate::afterwards::Heap;
use crate::calls::{Call::Free, calls};
use crate::guest::{Guest, Outcome, PLAIN};

#[test]
fn rubbish_over_freed_blocks() {
    for rubbish in [0x00, 0xff, 0xa5, 0x01] {
        let mut guest = Guest::new(&PLAIN);
        for call in calls() {
            guest.let_run();
            let freed = match call {
                Free { block } => Some(guest.live[&block]),
                _ => None,
            };
            assert_eq!(guest.call(call), Outcome::Done);
            if let Some(block) = freed {
                guest.write_over(&block, rubbish);
                guest.assert_whole();
            }
        }
        guest.assert_whole();
        assert_eq!(guest.use_on(rubbish.into()), Heap::Usable);
        guest.assert_whole();
    }
}
