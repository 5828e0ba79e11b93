//! What the C library allocates, for itself and for its callers, as programs that use it do.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs;
use std::ptr::{null_mut, slice_from_raw_parts};
use std::sync::atomic::{AtomicU32, Ordering};

unsafe extern "C" {
    fn atexit(handler: extern "C" fn()) -> c_int;
    fn setlocale(category: c_int, name: *const c_char) -> *mut c_char;
    fn newlocale(categories: c_int, name: *const c_char, base: *mut c_void) -> *mut c_void;
    fn duplocale(locale: *mut c_void) -> *mut c_void;
    fn freelocale(locale: *mut c_void);
    fn getenv(name: *const c_char) -> *const c_char;
    fn strdup(text: *const c_char) -> *mut c_char;
    fn fmemopen(bytes: *const c_void, len: usize, mode: *const c_char) -> *mut c_void;
    fn getline(line: *mut *mut c_char, room: *mut usize, stream: *mut c_void) -> isize;
    fn open_memstream(bytes: *mut *mut c_char, len: *mut usize) -> *mut c_void;
    fn fputs(text: *const c_char, stream: *mut c_void) -> c_int;
    fn fclose(stream: *mut c_void) -> c_int;
    fn free(block: *mut c_void);
}

/// More than the C library has room for without memory of its own.
const HANDLERS: u32 = 40;

const LC_ALL: c_int = 6;
const LC_ALL_MASK: c_int = 0x7FFF_FFFF;

/// Each block is passed to `allocated`, and then freed.
pub fn call(allocated: impl Fn(*mut c_void)) {
    // SAFETY: the functions have what they ask for, and what they return is used until it is freed.
    unsafe {
        // Neither is a locale of the C library's own.
        assert!(!setlocale(LC_ALL, c"de_DE".as_ptr()).is_null());
        let locale = newlocale(LC_ALL_MASK, c"fr_FR".as_ptr(), null_mut());
        let copy = duplocale(locale);
        allocated(locale);
        allocated(copy);
        freelocale(copy);
        freelocale(locale);

        let variable = getenv(c"NAME1".as_ptr());
        let text = strdup(if variable.is_null() {
            c"".as_ptr()
        } else {
            variable
        });
        allocated(text.cast());
        free(text.cast());

        let lines = c"a line\nand another that is much longer than the first one was";
        let stream = fmemopen(lines.as_ptr().cast(), lines.count_bytes(), c"r".as_ptr());
        allocated(stream);
        let (mut line, mut room) = (null_mut(), 0);
        for text in lines.to_bytes().split_inclusive(|&byte| byte == b'\n') {
            let len = getline(&mut line, &mut room, stream) as usize;
            allocated(line.cast());
            assert_eq!(&*slice_from_raw_parts(line.cast::<u8>(), len), text);
        }
        fclose(stream);
        free(line.cast());

        let (mut bytes, mut len) = (null_mut(), 0);
        let stream = open_memstream(&mut bytes, &mut len);
        allocated(stream);
        for _ in 0..1000 {
            fputs(c"1,2,".as_ptr(), stream);
        }
        fclose(stream);
        allocated(bytes.cast());
        assert_eq!(CStr::from_ptr(bytes).to_bytes(), b"1,2,".repeat(1000));
        free(bytes.cast());
    }
}

/// At the end of the program there is a file of this name.
pub fn write_at_exit() {
    static CALLS: AtomicU32 = AtomicU32::new(0);

    extern "C" fn handler() {
        if CALLS.fetch_add(1, Ordering::Relaxed) + 1 == HANDLERS {
            fs::write("ended", "").expect("a file can be written");
        }
    }

    for _ in 0..HANDLERS {
        // SAFETY: the handler can be called at any time.
        assert_eq!(unsafe { atexit(handler) }, 0);
    }
}
