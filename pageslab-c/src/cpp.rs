//! C++'s operators `new` and `delete`, in all of their forms: so that a `delete` that says how long a block is, or how it
//! is aligned, is held to it. Those of libc++ forget both, and call `free`.
//!
//! A program cannot replace them itself then: it links a library without the feature `cpp`.
//!
//! Their names are mangled as the [Itanium C++ ABI][mangling] does, where `size_t` is `unsigned long` (`m`).
//!
//! [mangling]: https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling

use core::ffi::c_void;
use pageslab::abi::c::{aligned_alloc, free, free_aligned_sized, free_sized, malloc_usable_size};
use pageslab::{Error, GlobalPageSlab};

/// The alignment of what is not aligned to more: `__STDCPP_DEFAULT_NEW_ALIGNMENT__`.
const ALIGN: usize = 16;

type Block = *mut c_void;

/// `const std::nothrow_t &`.
type Nothrow = *const c_void;

macro_rules! operators {
    ($($name:literal($($argument:ident: $type:ty),*) $(-> $result:ty)? => $body:expr;)*) => {
        $(
            const _: () = {
                #[unsafe(export_name = $name)]
                unsafe extern "C" fn operator($($argument: $type),*) $(-> $result)? {
                    #[allow(unused_unsafe, reason = "those that allocate are safe")]
                    // SAFETY: the caller promises what the C functions ask for.
                    unsafe {
                        $body
                    }
                }
            };
        )*
    };
}

// Each for an object, and for an array.
operators! {
    "_Znwm"(size: usize) -> Block => new(ALIGN, size);
    "_Znam"(size: usize) -> Block => new(ALIGN, size);
    "_ZnwmSt11align_val_t"(size: usize, align: usize) -> Block => new(align, size);
    "_ZnamSt11align_val_t"(size: usize, align: usize) -> Block => new(align, size);

    "_ZnwmRKSt9nothrow_t"(size: usize, _n: Nothrow) -> Block => try_new(ALIGN, size);
    "_ZnamRKSt9nothrow_t"(size: usize, _n: Nothrow) -> Block => try_new(ALIGN, size);
    "_ZnwmSt11align_val_tRKSt9nothrow_t"(size: usize, align: usize, _n: Nothrow) -> Block => try_new(align, size);
    "_ZnamSt11align_val_tRKSt9nothrow_t"(size: usize, align: usize, _n: Nothrow) -> Block => try_new(align, size);

    "_ZdlPv"(ptr: Block) => free(ptr);
    "_ZdaPv"(ptr: Block) => free(ptr);
    "_ZdlPvm"(ptr: Block, size: usize) => free_sized(ptr, size);
    "_ZdaPvm"(ptr: Block, size: usize) => free_sized(ptr, size);
    "_ZdlPvSt11align_val_t"(ptr: Block, align: usize) => free_aligned(ptr, align);
    "_ZdaPvSt11align_val_t"(ptr: Block, align: usize) => free_aligned(ptr, align);
    "_ZdlPvmSt11align_val_t"(ptr: Block, size: usize, align: usize) => free_aligned_sized(ptr, align, size);
    "_ZdaPvmSt11align_val_t"(ptr: Block, size: usize, align: usize) => free_aligned_sized(ptr, align, size);

    "_ZdlPvRKSt9nothrow_t"(ptr: Block, _n: Nothrow) => free(ptr);
    "_ZdaPvRKSt9nothrow_t"(ptr: Block, _n: Nothrow) => free(ptr);
    "_ZdlPvSt11align_val_tRKSt9nothrow_t"(ptr: Block, align: usize, _n: Nothrow) => free_aligned(ptr, align);
    "_ZdaPvSt11align_val_tRKSt9nothrow_t"(ptr: Block, align: usize, _n: Nothrow) => free_aligned(ptr, align);
}

/// Ends the program where there is no memory: Rust code cannot throw `std::bad_alloc`.
fn new(align: usize, size: usize) -> Block {
    let block = try_new(align, size);
    if block.is_null() {
        let [len, align] = [size, align].map(|number| number as u32);
        let is_alignment = align.is_power_of_two() && align <= pageslab::PAGE;
        GlobalPageSlab::new().misuse(match is_alignment {
            true => Error::OutOfMemory { len },
            false => Error::InvalidAlignment { align },
        });
    }
    block
}

/// While there is no memory, the program's handler may free some.
fn try_new(align: usize, size: usize) -> Block {
    loop {
        let block = aligned_alloc(align, size);
        if !block.is_null() {
            return block;
        }
        let Some(handler) = new_handler() else {
            return block;
        };
        handler();
    }
}

/// `std::get_new_handler` of the C++ library.
#[cfg(target_os = "wasi")]
fn new_handler() -> Option<extern "C" fn()> {
    unsafe extern "C" {
        #[link_name = "_ZSt15get_new_handlerv"]
        fn get_new_handler() -> Option<extern "C" fn()>;
    }

    // SAFETY: it has no conditions.
    unsafe { get_new_handler() }
}

/// There need be no C++ library.
#[cfg(not(target_os = "wasi"))]
fn new_handler() -> Option<extern "C" fn()> {
    None
}

/// # Safety
///
/// As for [`free`].
unsafe fn free_aligned(ptr: Block, align: usize) {
    // SAFETY: the caller's promise.
    unsafe { free_aligned_sized(ptr, align, malloc_usable_size(ptr)) }
}
