//! Threads that share the heap: `guest-threads SCENARIO THREADS SEED STEPS`.
//!
//! It panics on the first thing that is wrong.

mod block;
/// That of the command.
#[cfg(target_os = "wasi")]
#[path = "../../command/src/c_library.rs"]
#[allow(dead_code, reason = "there is no directory to write to")]
mod c_library;
#[cfg(target_os = "wasi")]
mod held;
/// That of the guest with collections, which as a library would bring its own global allocator.
#[path = "../../collections/src/random.rs"]
#[allow(dead_code, reason = "threads pick nothing")]
mod random;
mod scenarios;
#[cfg(target_os = "wasi")]
mod waits;

use pageslab::GlobalPageSlab;
use std::env;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

// The stacks of threads come from the C library's `malloc`, which takes for its own what others grow at the same time.
pageslab::export_abi!(c);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, scenario, threads, seed, steps] = &arguments[..] else {
        panic!("scenario, threads, seed and steps, not {arguments:?}");
    };
    let number = |text: &str| text.parse().expect("a number");
    let scenario = match &**scenario {
        #[cfg(target_os = "wasi")]
        "held" => held::held,
        name => scenarios::named(name),
    };

    // What the first calls and threads leave for those after them, the C library's own included.
    #[cfg(target_os = "wasi")]
    c_library::call(|_| ());
    scenarios::named("growth")(2, 0, 1);
    let live = ALLOCATOR.live();
    scenario(number(threads), number(seed) as u64, number(steps));
    ALLOCATOR.check_invariants();
    assert_eq!(ALLOCATOR.live(), live, "the threads have freed all");
}
