//! A guest that allocates until its host refuses: how far it gets.
//!
//! It says so even if the host traps instead.

use lab_allocators::Global;
use std::alloc::{GlobalAlloc as _, Layout};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static BYTES: AtomicU32 = AtomicU32::new(0);

/// How many bytes were had.
#[unsafe(no_mangle)]
extern "C" fn bytes() -> u32 {
    BYTES.load(Relaxed)
}

/// Takes blocks of `len` bytes, which is not 0.
#[unsafe(no_mangle)]
extern "C" fn take_blocks(len: u32) {
    let layout = Layout::array::<u8>(len as usize).expect("a length below 2 GiB");
    // SAFETY: the layout has bytes.
    while !black_box(unsafe { Global.alloc(layout) }).is_null() {
        BYTES.fetch_add(len, Relaxed);
    }
}

/// Lets one vector grow from `len` bytes on, as vectors do.
#[unsafe(no_mangle)]
extern "C" fn grow_a_vector(len: u32) {
    let mut vector: Vec<u8> = Vec::new();
    let mut more = len as usize;
    while vector.try_reserve(more).is_ok() {
        vector.resize(vector.capacity(), 1);
        BYTES.store(vector.len() as u32, Relaxed);
        more = 1;
    }
}
