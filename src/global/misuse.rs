//! What becomes of misuse where no error can be returned: in `GlobalAlloc`, the C functions and `cabi_realloc`.

use super::lock::Locked;
use super::with_heap;
use crate::{Error, Explanation};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

/// What is called when the global heap is misused through an interface that cannot return an error.
///
/// The call that was misused has changed nothing, and the heap can be used: the handler may allocate. It must not
/// return, and if it unwinds, the program traps instead: no allocator may unwind. [`explain`] tells it more than the error does.
///
/// It is not entered from within itself: a second misuse ends as by [`report_and_trap`]. On wasm, where a handler that has
/// trapped cannot be told from one that runs, that holds for [`Error::Poisoned`], which whatever allocates would meet again.
///
/// ```
/// use pageslab::{Error, GlobalPageSlab, MisuseHandler};
/// use std::alloc::{GlobalAlloc, Layout};
///
/// const END: MisuseHandler = |error| {
///     assert!(matches!(error, Error::LengthMismatch { allocated: 8, given: 4, .. }));
///     std::process::exit(0)
/// };
///
/// #[global_allocator]
/// static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::with_misuse_handler(END);
///
/// // SAFETY: the heap refuses the wrong layout.
/// unsafe { ALLOCATOR.dealloc(ALLOCATOR.alloc(Layout::new::<u64>()), Layout::new::<u32>()) };
/// # unreachable!()
/// ```
pub type MisuseHandler = fn(Error) -> !;

/// The [`MisuseHandler`] unless another is set: writes one line with the error to stderr, where there is one (in checked mode
/// a second, with what is known of the block), and traps
/// ([`unreachable`][trap] on wasm, `abort` natively). It allocates nothing, but for what the C library of WASI 0.2 may need
/// when it writes for the first time.
///
/// Stderr is file descriptor 2 under WASI and natively; a module for wasm32-unknown-unknown has none.
///
/// [trap]: https://webassembly.github.io/spec/core/exec/instructions.html#xref-syntax-instructions-syntax-instr-control-mathsf-unreachable
///
/// ```should_panic
/// use pageslab::{Error, report_and_trap};
/// // "pageslab: no allocation starts at 0x8", and the end.
/// report_and_trap(Error::InvalidPointer { ptr: 8 });
/// ```
#[cold]
pub fn report_and_trap(error: Error) -> ! {
    report(error);
    trap()
}

/// A [`MisuseHandler`] that panics with what [`explain`] tells: for hooks that show panics, such as `console_error_panic_hook`
/// and those of plugins. What has unwinding traps after the hook.
///
/// ```
/// use pageslab::{Error, GlobalPageSlab};
///
/// #[global_allocator]
/// static ALLOCATOR: GlobalPageSlab =
///     GlobalPageSlab::with_misuse_handler(pageslab::panic_on_misuse);
///
/// std::panic::set_hook(Box::new(|panic| {
///     assert!(panic.to_string().contains("no allocation starts at 0x8"));
///     std::process::exit(0)
/// }));
/// ALLOCATOR.misuse(Error::InvalidPointer { ptr: 8 });
/// ```
#[cold]
pub fn panic_on_misuse(error: Error) -> ! {
    panic!("{}", explain(error))
}

/// What the module's heap knows of an error, as [`PageSlab::explain`](crate::PageSlab::explain): for a [`MisuseHandler`].
///
/// ```
/// use pageslab::Error;
///
/// fn tell(error: Error) -> ! {
///     eprintln!("a plugin misused its heap: {}", pageslab::explain(error));
///     std::process::abort()
/// }
/// # let ptr = pageslab::abi::alloc_free::alloc(24, 8) + 8;
/// # let text = pageslab::explain(Error::InvalidPointer { ptr }).to_string();
/// # assert!(text.contains("is 8 bytes behind the start of the allocation"));
/// ```
#[cold]
#[must_use]
pub fn explain(error: Error) -> Explanation {
    with_heap(|heap| heap.explain(error))
}

/// What a host may ask for last: see `abi::messages`.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "no host asks")
)]
pub(super) enum Last {
    Nothing,
    Error(Error),
    #[cfg(feature = "checked")]
    Leaks,
}

/// In modules in which nobody asks it is only written, and so removed by what optimizes them as a whole.
static LAST: Locked<Last> = Locked::new(Last::Nothing);

/// Notes what a host may ask for, and returns what it could have asked for before.
pub(super) fn note(last: Last) -> Last {
    LAST.with(|current| core::mem::replace(current, last))
}

/// Whether this is a place where the lines can be read.
const HAS_STDERR: bool = cfg!(any(target_os = "wasi", unix, windows));

/// The line, and others with what is known of the block.
#[cold]
#[inline(never)]
pub(super) fn report(error: Error) {
    #[cfg(fuzzing)]
    super::fuzzing::tell(error);
    note(Last::Error(error));
    if HAS_STDERR {
        // A line that cannot be written is no reason not to trap.
        let _ = explain(error).tell(&mut |line| {
            print(line);
            Ok(())
        });
    }
}

/// Writes a line to stderr, where there is one.
pub(super) fn print(text: fmt::Arguments) {
    if HAS_STDERR {
        let mut line = Text::<320>::NEW;
        // A line that is too long ends early.
        let _ = writeln!(line, "pageslab: {text}");
        write_to_stderr(line.as_bytes());
    }
}

/// How many handlers were entered, the last of which has not [trapped](trap) by this crate's own means.
static ENTERED: AtomicU32 = AtomicU32::new(0);

/// Calls the handler.
#[cold]
#[inline(never)]
pub(super) fn misused(handler: Option<MisuseHandler>, error: Error) -> ! {
    note(Last::Error(error));
    // The default one allocates nothing, but for the C library of WASI 0.2.
    let may_allocate = handler.is_some() || cfg!(all(target_os = "wasi", not(target_env = "p1")));
    // Natively one that was entered ends the process.
    let is_final = error == Error::Poisoned || cfg!(not(any(target_arch = "wasm32", fuzzing)));
    let before = if may_allocate && is_final {
        ENTERED.fetch_add(1, Ordering::Relaxed)
    } else {
        0
    };
    match (before, handler) {
        (0, Some(handler)) => {
            let _bomb = TrapOnUnwind;
            handler(error)
        }
        (0 | 1, _) => report_and_trap(error),
        _ => trap(),
    }
}

struct TrapOnUnwind;

impl Drop for TrapOnUnwind {
    fn drop(&mut self) {
        trap()
    }
}

/// Text of up to so many bytes, which needs no allocation. What is more is cut off.
pub(super) struct Text<const MAX_LEN: usize> {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl<const MAX_LEN: usize> Text<MAX_LEN> {
    pub(super) const NEW: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
    };

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const MAX_LEN: usize> Write for Text<MAX_LEN> {
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
    ENTERED.store(0, Ordering::Relaxed);
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
pub(super) fn write_to_stderr(line: &[u8]) {
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
pub(super) fn write_to_stderr(line: &[u8]) {
    #[link(name = "c")]
    unsafe extern "C" {
        fn write(fd: i32, bytes: *const u8, len: usize) -> isize;
    }

    // SAFETY: the bytes are the line's.
    unsafe { write(2, line.as_ptr(), line.len()) };
}

#[cfg(all(unix, not(target_arch = "wasm32")))]
pub(super) fn write_to_stderr(line: &[u8]) {
    // SAFETY: the bytes are the line's.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
}

#[cfg(windows)]
pub(super) fn write_to_stderr(line: &[u8]) {
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
pub(super) fn write_to_stderr(_: &[u8]) {}
