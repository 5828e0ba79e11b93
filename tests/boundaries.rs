//! Lengths and alignments on both sides of every boundary, and simply all of them: a block is what was asked for, to the byte.

mod support;

use pageslab::{Error, LinearMemory as _, MemoryController as _, PageSlab};
use support::{FRAME, Model, PAGE, Scripted, memory, room, rounds, slot_sizes};

/// The lengths around the end of each slot, of each of the first frames, and of each of the first pages.
fn boundaries() -> Vec<u32> {
    let frames = (1..=40).map(|frames| frames * FRAME);
    let pages = (1..=4).map(|pages| pages * PAGE);
    let ends = slot_sizes().into_iter().chain(frames).chain(pages);
    let mut lens: Vec<_> = ends
        .flat_map(|end| end - 2..=end + 2)
        .chain(0..=2)
        .collect();
    lens.sort_unstable();
    lens.dedup();
    lens
}

/// All alignments that there are.
fn alignments() -> impl Iterator<Item = u32> {
    (0..=16).map(|shift| 1 << shift)
}

/// The block is freed with its own length, and not with one more or less.
#[track_caller]
fn assert_exact(heap: &mut PageSlab<impl pageslab::LinearMemory>, ptr: u32, len: u32) {
    for given in [len.wrapping_sub(1), len + 1] {
        assert_eq!(
            heap.free(ptr, given),
            Err(Error::LengthMismatch {
                ptr,
                allocated: len,
                given
            })
        );
    }
    assert_eq!(heap.free(ptr, len), Ok(()), "{len} bytes");
}

#[test]
fn blocks_of_boundary_lengths_lie_side_by_side() {
    let mut model = Model::new(Scripted::new());
    for len in boundaries().into_iter().step_by(rounds(1, 9) as usize) {
        model.alloc(len);
        model.alloc(len);
    }
    model.check_contents();
    model.free_all(|_| ());
    model.assert_works();
}

#[test]
#[cfg_attr(feature = "checked", ignore = "checked slack is verified")]
fn lengths_are_exact_whatever_the_slack_holds() {
    let mut heap = PageSlab::new(memory());
    for len in boundaries().into_iter().step_by(rounds(1, 9) as usize) {
        for byte in [0, 1, 0xFF] {
            let ptr = heap.alloc(len).unwrap();
            for slack in len..room(len) {
                // SAFETY: the slack is the block's, in memory that the heap holds, and nobody refers to it.
                unsafe { heap.memory().address(ptr + slack).write(byte) };
            }
            assert_eq!(heap.mut_mem(ptr, len).len(), len as usize);
            assert_exact(&mut heap, ptr, len);
        }
    }
    heap.check_invariants();
}

#[test]
fn realloc_crosses_every_boundary_in_both_directions() {
    let mut model = Model::new(Scripted::new());
    let mut ptr = model.alloc(0);
    let lens = boundaries();
    for &len in lens
        .iter()
        .chain(lens.iter().rev())
        .step_by(rounds(1, 9) as usize)
    {
        ptr = model.realloc(ptr, len);
        model.refuses_wrong(ptr, len + 1);
        model.refuses_wrong(ptr, len.wrapping_sub(1));
    }
    model.check_contents();
}

#[test]
fn every_length_up_to_a_page_is_exact() {
    let mut heap = PageSlab::new(memory());
    for len in (0..=PAGE).step_by(rounds(1, 331) as usize) {
        let ptr = heap.alloc(len).unwrap();
        assert_eq!(ptr % 16, 0, "{len} bytes");
        assert_exact(&mut heap, ptr, len);
    }
    heap.check_invariants();
    assert_eq!(heap.live().count(), 0);
}

#[test]
#[cfg_attr(
    feature = "checked",
    ignore = "checked blocks have slack, and wait before their memory is reused"
)]
fn every_length_up_to_a_page_has_every_alignment() {
    let mut heap = PageSlab::new(memory());
    for len in (0..=PAGE).step_by(rounds(1, 2731) as usize) {
        for align in alignments() {
            match heap.alloc_aligned(len, align) {
                Ok(ptr) => {
                    assert_eq!(
                        ptr % align.max(16),
                        0,
                        "{len} bytes aligned to {align} at {ptr:#x}"
                    );
                    assert_eq!(
                        heap.free(ptr, len),
                        Ok(()),
                        "{len} bytes aligned to {align}"
                    );
                }
                Err(error) => panic!("{len} bytes aligned to {align}: {error}"),
            }
        }
    }
    heap.check_invariants();
    assert_eq!(heap.live().count(), 0);
    assert!(
        heap.pages() <= 6,
        "one block of at most a page at a time, yet {} pages",
        heap.pages()
    );
}

#[test]
fn aligned_blocks_of_boundary_lengths_lie_side_by_side() {
    let mut model = Model::new(Scripted::new());
    for len in boundaries().into_iter().step_by(rounds(9, 99) as usize) {
        for align in alignments() {
            assert!(
                model.try_alloc(len, Some(align)).is_ok(),
                "{len} bytes aligned to {align}"
            );
        }
    }
    model.check_contents();
    model.free_all(|_| ());
    model.assert_works();
}
