//! The module's allocator, and what the host may do with it apart from the workloads: call
//! `GlobalAlloc` directly, rightly or wrongly, and use memory up.

use pageslab::GlobalPageSlab;
use std::alloc::{GlobalAlloc as _, Layout};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

/// How many pages the heap holds.
#[unsafe(no_mangle)]
extern "C" fn pages() -> u32 {
    ALLOCATOR.pages()
}

/// The host passes valid layouts.
fn layout(len: u32, align: u32) -> Layout {
    Layout::from_size_align(len as usize, align as usize).expect("a valid layout")
}

/// `GlobalAlloc::alloc`.
#[unsafe(no_mangle)]
extern "C" fn global_alloc(len: u32, align: u32) -> u32 {
    // SAFETY: the allocator has a meaning for every layout, of no bytes as well.
    unsafe { ALLOCATOR.alloc(layout(len, align)) as u32 }
}

/// `GlobalAlloc::dealloc`.
#[unsafe(no_mangle)]
extern "C" fn global_dealloc(ptr: u32, len: u32, align: u32) {
    // SAFETY: the host breaks the trait's contract on purpose; the allocator promises to trap then.
    unsafe { ALLOCATOR.dealloc(ptr as *mut u8, layout(len, align)) }
}

/// `GlobalAlloc::realloc`.
#[unsafe(no_mangle)]
extern "C" fn global_realloc(ptr: u32, len: u32, align: u32, new_len: u32) -> u32 {
    // SAFETY: as in `global_dealloc`.
    unsafe { ALLOCATOR.realloc(ptr as *mut u8, layout(len, align), new_len as usize) as u32 }
}

/// Takes vectors of `len` bytes until one is refused, and frees them. Returns how many there were,
/// or traps if one of them changed.
#[unsafe(no_mangle)]
extern "C" fn take_vectors_until_refused(len: u32) -> u32 {
    let mut vectors: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut vector = Vec::new();
        if vectors.try_reserve(1).is_err() || vector.try_reserve_exact(len as usize).is_err() {
            break;
        }
        vector.resize(len as usize, vectors.len() as u8);
        vectors.push(vector);
    }
    for (place, vector) in vectors.iter().enumerate() {
        assert!(vector.iter().all(|&byte| byte == place as u8));
    }
    vectors.len() as u32
}

/// Lets one vector grow until it is refused more, and frees it. Returns how many numbers it held,
/// or traps if one of them changed.
#[unsafe(no_mangle)]
extern "C" fn grow_a_vector_until_refused() -> u32 {
    let mut numbers = Vec::new();
    while numbers.try_reserve(1).is_ok() {
        while numbers.len() < numbers.capacity() {
            numbers.push(numbers.len() as u32);
        }
    }
    assert!(numbers.iter().copied().eq(0..numbers.len() as u32));
    numbers.len() as u32
}
