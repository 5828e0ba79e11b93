//! A global allocator that writes down what a program asks of it.
//!
//! The list of events lives behind one mutex, and its own memory comes from the same allocator: while an event is
//! pushed the mutex is held, so the list's growth finds it taken and is not recorded. There is one thread, so a taken
//! mutex means nothing else.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    hint::black_box,
    sync::{Mutex, PoisonError},
};

use lab_workloads::trace::Encoder;

/// One successful call of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Alloc {
        ptr: usize,
        size: usize,
        align: usize,
    },
    Realloc {
        old: usize,
        new: usize,
        new_size: usize,
        align: usize,
    },
    Free {
        ptr: usize,
    },
}

/// What is recorded so far; `None` while nothing is to be.
static EVENTS: Mutex<Option<Vec<Event>>> = Mutex::new(None);

/// Runs `program` and returns its result and its events.
pub fn record<R>(program: impl FnOnce() -> R) -> (R, Vec<Event>) {
    set_events(Some(Vec::with_capacity(1 << 20)));
    let result = black_box(program());
    let events = set_events(None).unwrap_or_default();
    (result, events)
}

fn set_events(events: Option<Vec<Event>>) -> Option<Vec<Event>> {
    std::mem::replace(
        &mut EVENTS.lock().unwrap_or_else(PoisonError::into_inner),
        events,
    )
}

fn push(event: Event) {
    if let Ok(mut events) = EVENTS.try_lock()
        && let Some(events) = events.as_mut()
    {
        events.push(event);
    }
}

/// The trace file of these events.
///
/// Blocks from before the recording are not the program's: their frees are left out, and a realloc of one counts as an
/// alloc.
pub fn encode(name: &str, events: &[Event]) -> Vec<u8> {
    let narrow = |len: usize| u32::try_from(len).expect("a 32-bit target's sizes fit 32 bits");
    let mut ids = BTreeMap::new();
    let mut encoder = Encoder::default();
    for &event in events {
        match event {
            Event::Alloc { ptr, size, align } => {
                ids.insert(ptr, encoder.alloc(narrow(size), narrow(align)));
            }
            Event::Realloc {
                old,
                new,
                new_size,
                align,
            } => {
                let id = match ids.remove(&old) {
                    Some(id) => {
                        encoder.realloc(id, narrow(new_size));
                        id
                    }
                    None => encoder.alloc(narrow(new_size), narrow(align)),
                };
                ids.insert(new, id);
            }
            Event::Free { ptr } => {
                if let Some(id) = ids.remove(&ptr) {
                    encoder.free(id);
                }
            }
        }
    }
    encoder.finish(name)
}

struct Recorder;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

// SAFETY: every call is passed on to `System` as it came, and its answer returned.
unsafe impl GlobalAlloc for Recorder {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps this method's contract, which is `System`'s.
        let ptr = unsafe { System.alloc(layout) };
        push_alloc(ptr, layout);
        ptr
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let ptr = unsafe { System.alloc_zeroed(layout) };
        push_alloc(ptr, layout);
        ptr
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let old = ptr.addr();
        // SAFETY: as in `alloc`.
        let new = unsafe { System.realloc(ptr, layout, new_size) };
        if !new.is_null() {
            push(Event::Realloc {
                old,
                new: new.addr(),
                new_size,
                align: layout.align(),
            });
        }
        new
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        push(Event::Free { ptr: ptr.addr() });
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

fn push_alloc(ptr: *mut u8, layout: Layout) {
    if !ptr.is_null() {
        push(Event::Alloc {
            ptr: ptr.addr(),
            size: layout.size(),
            align: layout.align(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab_workloads::trace::{Op, Trace};

    #[test]
    fn pointers_become_ids() {
        let events = [
            Event::Free { ptr: 8 },
            Event::Alloc {
                ptr: 16,
                size: 5,
                align: 1,
            },
            Event::Realloc {
                old: 16,
                new: 32,
                new_size: 10,
                align: 1,
            },
            Event::Alloc {
                ptr: 16,
                size: 12,
                align: 4,
            },
            Event::Free { ptr: 32 },
            Event::Realloc {
                old: 24,
                new: 48,
                new_size: 8,
                align: 8,
            },
        ];
        let trace = Trace::decode(&encode("events", &events)).expect("decodes");
        assert_eq!(
            trace.ops,
            [
                Op::Alloc {
                    id: 0,
                    size: 5,
                    align: 1
                },
                Op::Realloc {
                    id: 0,
                    new_size: 10
                },
                Op::Alloc {
                    id: 1,
                    size: 12,
                    align: 4
                },
                Op::Free { id: 0 },
                Op::Alloc {
                    id: 0,
                    size: 8,
                    align: 8
                },
            ]
        );
    }

    /// Only where tests run one after the other: another thread's calls would be recorded too.
    #[cfg(target_family = "wasm")]
    #[test]
    fn calls_become_events() {
        let (ptr, events) = record(|| {
            let mut bytes: Vec<u8> = Vec::with_capacity(100);
            bytes.reserve_exact(1000);
            bytes.as_ptr().addr()
        });
        let [
            Event::Alloc {
                size: 100,
                align: 1,
                ptr: first,
            },
            Event::Realloc {
                old,
                new,
                new_size: 1000,
                align: 1,
            },
            Event::Free { ptr: last },
        ] = events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((first, new, last), (old, ptr, ptr));
    }
}
