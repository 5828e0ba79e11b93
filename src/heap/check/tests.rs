//! That the checker finds what it looks for: each of its sentences is seen, of a heap that was brought out of order.

extern crate std;

use super::*;
use crate::ReservedMemory;
use crate::sizes::class::class_of;
use crate::slabs::slab::DESCRIPTOR;
use std::vec::Vec;

const LEN: u32 = 40;
const CLASS: usize = class_of(LEN) as usize;

type Heap = super::Heap<ReservedMemory>;

/// A heap, slabs of one of its classes, and another heap, of which the next class has such slabs.
struct Fixture {
    heap: Heap,
    full: SlabPtr,
    partial: SlabPtr,
    vacant: SlabPtr,
    other: Heap,
}

fn fixture() -> Fixture {
    let (heap, [full, partial, vacant]) = heap_of(LEN);
    let (other, _) = heap_of(LEN + 16);
    Fixture {
        heap,
        full,
        partial,
        vacant,
        other,
    }
}

/// A heap of such blocks, with a full, two partial and a vacant slab, the latter first in their lists.
fn heap_of(len: u32) -> (Heap, [SlabPtr; 3]) {
    let mut heap = Heap::new(ReservedMemory::new(64), 64);
    let mut blocks = Vec::new();
    for _ in 0..500 {
        blocks.push(heap.alloc(len, 1).expect("there is memory").get());
    }
    let mut slabs: Vec<_> = blocks.iter().filter_map(|&ptr| heap.slab_of(ptr)).collect();
    slabs.dedup();
    let [full, other, partial, vacant] = [slabs[0], slabs[1], slabs[2], slabs[3]];
    let mut free_of = |slab, most| {
        let of_slab = |ptr: &u32| heap.slab_of(*ptr) == Some(slab);
        let own: Vec<u32> = blocks.iter().copied().filter(of_slab).take(most).collect();
        for ptr in own {
            assert!(heap.free(ptr, len));
        }
    };
    free_of(other, 1);
    free_of(partial, 1);
    free_of(vacant, usize::MAX);
    let class = class_of(len) as usize;
    assert!(heap.partial[class] == Some(partial));
    assert!(heap.vacant[class] == Some(vacant));
    assert_eq!(heap.check(), Ok(()));
    (heap, [full, partial, vacant])
}

/// Makes a slab's run one frame longer, and names the slab in it.
fn lengthen(heap: &mut Heap, slab: SlabPtr) {
    let head = slab.head();
    let frames = heap.runs.map.tag(head).frames();
    let next = head + frames;
    let of_next = heap.runs.map.tag(next).frames();
    let named = heap.runs.map.entry(next).any_slab();
    assert!(named.is_some() && of_next > 1);
    heap.runs.set_internal(head, frames + 1);
    heap.runs.map.set_slab(next, 1, Some(slab));
    heap.runs.map.entry_mut(next).tag =
        crate::frames::entry::Tag::new(crate::frames::entry::Kind::Interior, 0);
    heap.runs.set_internal(next + 1, of_next - 1);
}

#[test]
fn what_is_out_of_order_is_found() {
    type Defect = fn(&mut Fixture);
    let defects: &[(&str, Defect)] = &[
        ("C1: a slab has a run of another shape", |fixture| {
            lengthen(&mut fixture.heap, fixture.full);
        }),
        (
            "C1: the map names another slab than the frame's",
            |fixture| {
                let last = fixture.partial.head() + 1;
                let full = fixture.full;
                fixture.heap.runs.map.set_slab(last, 1, Some(full));
            },
        ),
        ("C1: the map names a slab of another run", |fixture| {
            let (head, frames) = (fixture.partial.head(), fixture.partial.frames());
            let full = fixture.full;
            fixture.heap.runs.map.set_slab(head, frames, Some(full));
        }),
        ("C5: the slot that was freed last is none", |fixture| {
            fixture.heap.last_freed.ptr += 1;
        }),
        ("C5: the slot that was freed last is none", |fixture| {
            fixture.heap.last_freed.slab = fixture.full;
        }),
        ("C5: the slot that was freed last is none", |fixture| {
            fixture.heap.last_freed.slot = fixture.vacant.slots();
        }),
        ("C3: a descriptor is lost", |fixture| {
            let descriptors = fixture.heap.current[DESCRIPTORS as usize];
            descriptors.pop(DESCRIPTOR).expect("there is room");
        }),
        ("C2: a slab is in two places", |fixture| {
            fixture.heap.current[CLASS].watch();
            fixture.partial.appoint();
            fixture.heap.current[CLASS] = fixture.partial;
        }),
        ("C2: a slab with free slots is in no place", |fixture| {
            fixture.heap.partial[CLASS] = None;
        }),
        ("C2: a slab with free slots is in no place", |fixture| {
            fixture.heap.vacant[CLASS] = None;
            fixture.heap.with_vacant = 0;
        }),
        ("C2: a list's links disagree", |fixture| {
            fixture.partial.get_mut().previous = fixture.full;
        }),
        ("C2: a listed slab is not partial", |fixture| {
            let (mut full, mut next) = (fixture.full, fixture.partial.next());
            full.get_mut().next = next;
            next.get_mut().previous = full;
            fixture.partial.get_mut().next = full;
            full.get_mut().previous = fixture.partial;
        }),
        ("C2: a kept slab is not vacant", |fixture| {
            fixture.vacant.get_mut().next = fixture.full;
        }),
        ("C2: a class's bit is wrong", |fixture| {
            fixture.heap.with_vacant = 0;
        }),
        ("C2: a class's bit is wrong", |fixture| {
            fixture.heap.with_vacant |= 1 << (CLASS + 1);
        }),
        ("C2: a slab is in the place of another class", |fixture| {
            fixture.heap.current[CLASS + 1] = fixture.full;
        }),
        ("C2: a slab is in the place of another class", |fixture| {
            fixture.heap.partial[CLASS + 1] = Some(fixture.partial);
        }),
        ("C2: a slab is in the place of another class", |fixture| {
            fixture.heap.vacant[CLASS + 1] = Some(fixture.vacant);
            fixture.heap.with_vacant |= 1 << (CLASS + 1);
        }),
        ("C2: a slab that is gone has a place", |fixture| {
            fixture.heap.current[CLASS + 1] = fixture.other.current[CLASS + 1];
        }),
        ("C2: a slab that is gone has a place", |fixture| {
            fixture.heap.partial[CLASS + 1] = fixture.other.partial[CLASS + 1];
        }),
        ("C2: a slab that is gone has a place", |fixture| {
            fixture.heap.vacant[CLASS + 1] = fixture.other.vacant[CLASS + 1];
            fixture.heap.with_vacant |= 1 << (CLASS + 1);
        }),
        // Lists without an end.
        ("C2: a slab that is gone has a place", |fixture| {
            fixture.vacant.get_mut().next = fixture.vacant;
        }),
        (
            "C4: a call was stopped in the midst of a change",
            |fixture| {
                fixture.heap.is_changing = true;
            },
        ),
        ("S3: a slab watches for something else", |fixture| {
            fixture.full.appoint();
        }),
    ];
    for (found, defect) in defects {
        let mut fixture = fixture();
        defect(&mut fixture);
        assert_eq!(fixture.heap.check(), Err(*found));
    }
}
