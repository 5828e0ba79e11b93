//! What becomes of misuse where no error can be returned: in `GlobalAlloc`, the C functions and `cabi_realloc`.

use crate::Error;
use core::fmt::{self, Write};

/// What is called when the global heap is misused through an interface that cannot return an error.
///
/// The call that was misused has changed nothing, and the heap can be used: the handler may allocate. It must not
/// return, and if it unwinds, the program traps instead: no allocator may unwind.
pub type MisuseHandler = fn(Error) -> !;

/// The [`MisuseHandler`] unless another is set: writes one line with the error to stderr, where there is one (in checked mode
/// a second, with what is known of the block), and traps
/// ([`unreachable`][trap] on wasm, `abort` natively). It allocates nothing, but for what the C library of WASI 0.2 may need
/// when it writes for the first time.
///
/// Stderr is file descriptor 2 under WASI and natively; a module for wasm32-unknown-unknown has none.
///
/// [trap]: https://webassembly.github.io/spec/core/exec/instructions.html#xref-syntax-instructions-syntax-instr-control-mathsf-unreachable
#[cold]
pub fn report_and_trap(error: Error) -> ! {
    report(error);
    trap()
}

/// The line, and in checked mode another with what is known of the block.
#[cold]
#[inline(never)]
pub(super) fn report(error: Error) {
    #[cfg(fuzzing)]
    super::fuzzing::tell(error);
    print(format_args!("{error}"));
    #[cfg(feature = "checked")]
    if let Some(report) = super::checked::report_of(error) {
        print(format_args!("{report}"));
    }
}

/// Writes a line to stderr, where there is one.
pub(super) fn print(text: fmt::Arguments) {
    if cfg!(any(target_os = "wasi", unix, windows)) {
        let mut line = Line::default();
        // A line that is too long would end early.
        let _ = writeln!(line, "pageslab: {text}");
        write_to_stderr(&line.bytes[..line.len]);
    }
}

/// Calls the handler.
#[cold]
#[inline(never)]
pub(super) fn misused(handler: MisuseHandler, error: Error) -> ! {
    let _bomb = TrapOnUnwind;
    handler(error)
}

struct TrapOnUnwind;

impl Drop for TrapOnUnwind {
    fn drop(&mut self) {
        trap()
    }
}

/// A line of text that needs no allocation.
struct Line {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl Line {
    const MAX_LEN: usize = 320;
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; Self::MAX_LEN],
            len: 0,
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let part = &text.as_bytes()[..text.len().min(room.len())];
        room[..part.len()].copy_from_slice(part);
        self.len += part.len();
        if part.len() < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Ends the program, or the call into it, at once.
pub(super) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(all(unix, not(target_arch = "wasm32")))]
    // SAFETY: it has no conditions.
    unsafe {
        libc::abort()
    }
    #[cfg(windows)]
    loop {
        use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
        // The code with which `abort` ends a program.
        const FAST_FAIL: u32 = 0xC000_0409;
        // SAFETY: the handle is this process's.
        unsafe { TerminateProcess(GetCurrentProcess(), FAST_FAIL) };
    }
}

/// [`fd_write`][fd_write] of WASI 0.1.
///
/// [fd_write]: https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#fd_write
#[cfg(all(target_os = "wasi", target_env = "p1"))]
fn write_to_stderr(line: &[u8]) {
    #[repr(C)]
    struct Ciovec {
        buf: *const u8,
        buf_len: usize,
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn fd_write(fd: u32, iovs: *const Ciovec, iovs_len: usize, nwritten: *mut usize) -> u32;
    }

    let part = Ciovec {
        buf: line.as_ptr(),
        buf_len: line.len(),
    };
    // SAFETY: the parts and their number are right, and the count is this function's.
    unsafe { fd_write(2, &part, 1, &mut 0) };
}

/// `write` of the C library, which a program for later versions of WASI has.
#[cfg(all(target_os = "wasi", not(target_env = "p1")))]
fn write_to_stderr(line: &[u8]) {
    #[link(name = "c")]
    unsafe extern "C" {
        fn write(fd: i32, bytes: *const u8, len: usize) -> isize;
    }

    // SAFETY: the bytes are the line's.
    unsafe { write(2, line.as_ptr(), line.len()) };
}

#[cfg(all(unix, not(target_arch = "wasm32")))]
fn write_to_stderr(line: &[u8]) {
    // SAFETY: the bytes are the line's.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
}

#[cfg(windows)]
fn write_to_stderr(line: &[u8]) {
    use core::ptr::{from_mut, null_mut};
    use windows_sys::Win32::Storage::FileSystem::WriteFile;
    use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};

    let mut written = 0;
    // SAFETY: the bytes are the line's; without an `OVERLAPPED`, the place for the count of them must not be null.
    unsafe {
        WriteFile(
            GetStdHandle(STD_ERROR_HANDLE),
            line.as_ptr(),
            line.len() as u32,
            from_mut(&mut written),
            null_mut(),
        )
    };
}

/// There is none.
#[cfg(not(any(target_os = "wasi", all(unix, not(target_arch = "wasm32")), windows)))]
fn write_to_stderr(_: &[u8]) {}
