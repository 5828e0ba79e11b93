//! One test per misuse: each happens natively in a process of its own, which must say so in one line and abort.

#![cfg(not(target_family = "wasm"))]

use pageslab::{Error, GlobalPageSlab, MemoryController as _};
use pageslab_c::*;
use std::env;
use std::ffi::c_void;
use std::process::Command;

/// Set in the process that is to misuse its heap.
const MISUSE: &str = "PAGESLAB_C_MISUSE";

/// What the process prints before its expected line.
const EXPECTED: &str = "expected: ";

/// Runs the test of this name once more, in a process that does what `misuse` does. It tells what error is to come, and
/// then misuses the heap.
fn refused(test: &str, misuse: fn()) {
    if env::var_os(MISUSE).is_some() {
        misuse();
        return;
    }
    let output = Command::new(env::current_exe().expect("a program has a place"))
        .args([test, "--exact", "--nocapture"])
        .env(MISUSE, "")
        // What is loaded before may have something to say on stderr.
        .env_remove("LD_PRELOAD")
        .output()
        .expect("this program runs once more");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = stdout
        .split_once(EXPECTED)
        .expect("the process says what is to come");
    let (line, _) = rest.split_once('\n').expect("in one line");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let more = stderr.strip_prefix(&format!("pageslab: {line}\n"));
    let more = more.unwrap_or_else(|| panic!("{line}, not {stderr}"));
    // Of a pointer into a block, which block.
    let is_within = test.contains("interior") || test.contains("middle");
    assert_eq!(
        more.contains(" behind the start of the allocation at "),
        is_within
    );
    assert_eq!(more.lines().count(), usize::from(is_within));
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        const SIGABRT: i32 = 6;
        assert_eq!(output.status.signal(), Some(SIGABRT));
    }
    assert!(!output.status.success());
}

fn expect(error: Error) {
    println!("{EXPECTED}{error}");
}

/// The offset of an address in the heap.
fn offset(address: *mut c_void) -> u32 {
    // SAFETY: only what it allocated itself is passed to the controller.
    let mut controller = unsafe { GlobalPageSlab::new().controller() };
    let known = controller.alloc(16).expect("there is memory");
    let base = controller.mut_mem(known, 16).as_ptr().addr() - known as usize;
    u32::try_from(address.addr() - base).expect("callers pass addresses in the heap")
}

/// What an address outside of the heap is in an error.
const OUTSIDE: u32 = u32::MAX;

macro_rules! misuses {
    ($($name:ident: $misuse:expr;)*) => {
        $(
            #[test]
            fn $name() {
                // SAFETY: the heap refuses what is wrong, and the block is not used in any other way.
                refused(stringify!($name), || unsafe { $misuse });
            }
        )*
    };
}

misuses! {
    double_free: {
        let block = malloc(24);
        expect(Error::DoubleFree { ptr: offset(block), len: 0 });
        free(block);
        free(block);
    };

    double_free_of_a_long_block: {
        let block = malloc(100_000);
        expect(Error::DoubleFree { ptr: offset(block), len: 0 });
        free(block);
        free(block);
    };

    interior_free: {
        let block = malloc(24);
        expect(Error::InvalidPointer { ptr: offset(block) + 8 });
        free(block.byte_add(8));
    };

    interior_free_of_a_long_block: {
        let block = malloc(100_000);
        expect(Error::InvalidPointer { ptr: offset(block) + 4096 });
        free(block.byte_add(4096));
    };

    free_of_a_static_object: {
        static OBJECT: u64 = 0;
        expect(Error::InvalidPointer { ptr: OUTSIDE });
        free((&raw const OBJECT).cast_mut().cast());
    };

    free_of_the_stack: {
        let mut local = 0_u64;
        expect(Error::InvalidPointer { ptr: OUTSIDE });
        free((&raw mut local).cast());
    };

    free_sized_of_another_length: {
        let block = malloc(24);
        expect(Error::LengthMismatch { ptr: offset(block), allocated: 24, given: 23 });
        free_sized(block, 23);
    };

    free_sized_of_a_length_that_cannot_be: {
        let block = malloc(24);
        expect(Error::LengthMismatch { ptr: offset(block), allocated: 24, given: u32::MAX });
        free_sized(block, usize::MAX);
    };

    free_sized_after_free: {
        let block = malloc(24);
        expect(Error::DoubleFree { ptr: offset(block), len: 24 });
        free(block);
        free_sized(block, 24);
    };

    free_aligned_sized_of_another_length: {
        let block = aligned_alloc(64, 24);
        expect(Error::LengthMismatch { ptr: offset(block), allocated: 24, given: 25 });
        free_aligned_sized(block, 64, 25);
    };

    free_aligned_sized_of_no_alignment: {
        let block = aligned_alloc(64, 24);
        expect(Error::InvalidAlignment { align: 48 });
        free_aligned_sized(block, 48, 24);
    };

    free_aligned_sized_of_too_large_an_alignment: {
        let block = aligned_alloc(65_536, 24);
        expect(Error::InvalidAlignment { align: 131_072 });
        free_aligned_sized(block, 131_072, 24);
    };

    free_aligned_sized_of_a_block_aligned_to_less: {
        // Not all neighbours are.
        let blocks = [malloc(24), malloc(24), malloc(24)];
        let block = blocks.into_iter().find(|block| block.addr() % 64 != 0);
        expect(Error::InvalidAlignment { align: 64 });
        free_aligned_sized(block.expect("slots of 24 bytes are not all aligned to 64"), 64, 24);
    };

    free_aligned_sized_of_the_middle: {
        let block = aligned_alloc(64, 24);
        expect(Error::InvalidPointer { ptr: offset(block) + 8 });
        free_aligned_sized(block.byte_add(8), 64, 24);
    };

    realloc_after_free: {
        let block = malloc(24);
        expect(Error::DoubleFree { ptr: offset(block), len: 0 });
        free(block);
        realloc(block, 48);
    };

    realloc_after_free_to_a_length_that_cannot_be: {
        let block = malloc(24);
        expect(Error::DoubleFree { ptr: offset(block), len: 0 });
        free(block);
        realloc(block, usize::MAX);
    };

    reallocarray_of_the_middle: {
        let block = malloc(64);
        expect(Error::InvalidPointer { ptr: offset(block) + 16 });
        reallocarray(block.byte_add(16), 3, 5);
    };

    usable_size_after_free: {
        let block = malloc(24);
        expect(Error::DoubleFree { ptr: offset(block), len: 0 });
        free(block);
        malloc_usable_size(block);
    };
}
