//! A command that asks WASI for all that it hands out as lists: arguments, environment, the names and bytes of files. It
//! fails unless they are what its host says they are.
//!
//! Under WASI 0.2 the host puts these into blocks of `cabi_realloc`, and the C library frees some of them.

use std::{env, fs, process};

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

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
    #[cfg(target_arch = "wasm32")]
    ALLOCATOR.check_invariants();
}
