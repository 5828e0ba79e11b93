//! The family natively, for C code: the same functions by names that begin with `pageslab_`, so that the process keeps its
//! own `malloc`. `include/pageslab_native.h` has a program call them.

use crate::*;
use core::ffi::{c_int, c_void};

macro_rules! prefixed {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(
            const _: () = {
                #[unsafe(export_name = concat!("pageslab_", stringify!($name)))]
                unsafe extern "C" fn prefixed($($argument: $type),*) $(-> $result)? {
                    #[allow(unused_unsafe, reason = "some of them are safe")]
                    // SAFETY: the caller promises what the function asks for.
                    unsafe {
                        $name($($argument),*)
                    }
                }
            };
        )*
    };
}

prefixed! {
    malloc(size: usize) -> *mut c_void;
    calloc(count: usize, size: usize) -> *mut c_void;
    realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
    reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void;
    free(ptr: *mut c_void);
    free_sized(ptr: *mut c_void, size: usize);
    free_aligned_sized(ptr: *mut c_void, alignment: usize, size: usize);
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    memalign(alignment: usize, size: usize) -> *mut c_void;
    valloc(size: usize) -> *mut c_void;
    posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int;
    malloc_usable_size(ptr: *mut c_void) -> usize;
}
