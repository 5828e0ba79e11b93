//! The module's exports: the controller, and two foreign parties in its memory.

use crate::{Refusal, pack};
use pageslab::{Error, MemoryController as _, PageSlab, WasmMemory};
use std::{
    cell::{RefCell, UnsafeCell},
    ffi::CStr,
    hint::black_box,
    ops::Range,
    panic::{self, PanicHookInfo},
};

/// The controller. Not in a `RefCell`: that would stay borrowed when a call traps.
struct Heap(UnsafeCell<PageSlab<WasmMemory>>);

// SAFETY: the module has one thread.
unsafe impl Sync for Heap {}

static HEAP: Heap = Heap(UnsafeCell::new(PageSlab::new(WasmMemory::new())));

fn with_heap<T>(call: impl FnOnce(&mut PageSlab<WasmMemory>) -> T) -> T {
    // SAFETY: the module has one thread, no closure in this file calls an export, and the host
    // calls none from `panicked`: this is the only reference. One that a trap ended is not used
    // again.
    call(unsafe { &mut *HEAP.0.get() })
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfMemory { .. } => Self::OutOfMemory,
            Error::InvalidAlignment { .. } => Self::InvalidAlignment,
            Error::InvalidPointer { .. } => Self::InvalidPointer,
            Error::LengthMismatch { .. } => Self::LengthMismatch,
            Error::DoubleFree { .. } => Self::DoubleFree,
            _ => unreachable!("an error that the border does not know: {error}"),
        }
    }
}

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Tells the host the message of the panic that is about to trap.
    safe fn panicked(message: *const u8, len: usize);
}

/// To be called before anything else.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let message = info.payload_as_str().unwrap_or("no message");
        panicked(message.as_ptr(), message.len());
    }));
}

#[unsafe(no_mangle)]
extern "C" fn heap_alloc(len: u32, align: u32) -> u64 {
    with_heap(|heap| pack(heap.alloc_aligned(len, align).map_err(Refusal::from)))
}

#[unsafe(no_mangle)]
extern "C" fn heap_free(ptr: u32, len: u32) -> u64 {
    with_heap(|heap| pack(heap.free(ptr, len).map(|()| 0).map_err(Refusal::from)))
}

#[unsafe(no_mangle)]
extern "C" fn heap_realloc(ptr: u32, old_len: u32, new_len: u32) -> u64 {
    with_heap(|heap| pack(heap.realloc(ptr, old_len, new_len).map_err(Refusal::from)))
}

/// Fills bytes through `mut_mem`.
#[unsafe(no_mangle)]
extern "C" fn heap_write(ptr: u32, len: u32, byte: u32) {
    with_heap(|heap| heap.mut_mem(ptr, len).fill(byte as u8));
}

/// Adds up bytes through `mut_mem`.
#[unsafe(no_mangle)]
extern "C" fn heap_read(ptr: u32, len: u32) -> u64 {
    with_heap(|heap| {
        heap.mut_mem(ptr, len)
            .iter()
            .map(|&byte| u64::from(byte))
            .sum()
    })
}

/// Goes through a block, whose last byte alone is 0, in each way that looks at its end.
#[unsafe(no_mangle)]
extern "C" fn heap_walk(ptr: u32, len: u32) {
    with_heap(|heap| {
        let (bytes, len) = (&*heap.mut_mem(ptr, len), len as usize);
        assert_eq!(bytes.iter().position(|&byte| byte == 0), Some(len - 1));
        assert_eq!(bytes.iter().rposition(|&byte| byte == 0), Some(len - 1));
        // By core's `memchr`.
        let text = CStr::from_bytes_until_nul(bytes).map(CStr::count_bytes);
        assert_eq!(text, Ok(len - 1));
        assert_eq!(bytes.chunks(7).map(<[u8]>::len).sum::<usize>(), len);
        let Range { mut start, end } = black_box(bytes.as_ptr_range());
        assert_eq!(end.addr() - start.addr(), len);
        let mut passed = 0;
        while start < end {
            passed += 1;
            // SAFETY: it is a byte of the block.
            start = unsafe { start.add(1) };
        }
        assert_eq!(passed, len);
    });
}

#[unsafe(no_mangle)]
extern "C" fn heap_check() {
    with_heap(|heap| heap.check_invariants());
}

/// How many allocations are live.
#[unsafe(no_mangle)]
extern "C" fn heap_live() -> u32 {
    with_heap(|heap| heap.live().count() as u32)
}

#[unsafe(no_mangle)]
extern "C" fn heap_pages() -> u32 {
    with_heap(|heap| heap.pages())
}

/// Grows memory past the heap. Returns the first of the new pages, or -1.
#[unsafe(no_mangle)]
extern "C" fn grow_foreign(pages: u32) -> u32 {
    core::arch::wasm32::memory_grow::<0>(pages as usize) as u32
}

thread_local! {
    /// What lives on std's own allocator.
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps `len` more bytes on std's own allocator, if it has them.
#[unsafe(no_mangle)]
extern "C" fn hoard(len: u32) {
    HOARD.with_borrow_mut(|hoard| {
        let mut bytes = Vec::new();
        if hoard.try_reserve(1).is_ok() && bytes.try_reserve_exact(len as usize).is_ok() {
            bytes.resize(len as usize, hoard.len() as u8);
            hoard.push(bytes);
        }
    });
}

/// Traps if a byte of what was kept has changed.
#[unsafe(no_mangle)]
extern "C" fn hoard_check() {
    HOARD.with_borrow(|hoard| {
        for (place, bytes) in hoard.iter().enumerate() {
            assert!(
                bytes.iter().all(|&byte| byte == place as u8),
                "the hoard has changed"
            );
        }
    });
}
