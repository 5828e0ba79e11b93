//! A command that asks WASI for all that it hands out as lists: arguments, environment, the names and bytes of files. It
//! fails unless they are what its host says they are. Then it has the C library allocate.
//!
//! Under WASI 0.2 the host puts these into blocks of `cabi_realloc`, and the C library frees some of them.

#[cfg(target_os = "wasi")]
mod c_library;

use std::{env, fs, process};

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

/// Whether the C library's `malloc` is on this heap as well.
#[cfg(target_os = "wasi")]
const IS_ONE_HEAP: bool = cfg!(any(feature = "c", not(target_env = "p1")));

fn main() {
    // The first argument is the number of variables, which are all alike.
    let count: usize = env::args()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number");
    for round in 0..20 {
        let right =
            |n: &usize| env::var(format!("NAME{n}")).is_ok_and(|value| value == "v".repeat(*n));
        if env::vars().count() != count || !(0..count).all(|n| right(&n)) {
            eprintln!("the environment is not the host's");
            process::exit(1);
        }
        let name = format!("file{round}");
        let bytes = vec![round as u8; round * 3000];
        fs::write(&name, &bytes).expect("a file can be written");
        assert_eq!(fs::read(&name).expect("it can be read"), bytes);
        let names = fs::read_dir(".").expect("there is a directory").count();
        assert_eq!(names, round + 1);
    }
    #[cfg(target_os = "wasi")]
    {
        c_library::write_at_exit();
        c_library::call(|block| {
            let is_ours = ALLOCATOR.len_of(block.cast()).is_ok();
            assert_eq!(is_ours, IS_ONE_HEAP);
        });
    }
    #[cfg(target_arch = "wasm32")]
    ALLOCATOR.check_invariants();
}
