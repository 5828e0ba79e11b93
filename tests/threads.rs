//! Many threads on the module's heap, natively: the scenarios of the guest with threads, whose blocks notice when what
//! is in them changes. The sanitizers run these, too.
//!
//! It is without libtest, whose main thread allocates when it likes: all blocks of the threads must be free again.

#[cfg(not(any(miri, target_arch = "wasm32")))]
#[path = "../wasm-tests/guests/threads/src/block.rs"]
mod block;
#[cfg(not(any(miri, target_arch = "wasm32")))]
#[path = "support/random.rs"]
#[allow(dead_code, reason = "threads pick nothing")]
mod random;
#[cfg(not(any(miri, target_arch = "wasm32")))]
#[path = "../wasm-tests/guests/threads/src/scenarios.rs"]
mod scenarios;

use pageslab::GlobalPageSlab;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

/// The one test, as libtest would name it.
const TEST: &str = "blocks_keep_their_bytes_whichever_thread_has_them";

fn main() {
    // Tools that run tests ask for their names.
    if std::env::args().any(|word| word == "--list") {
        println!("{TEST}: test");
        return;
    }
    let threads = cfg!(not(any(miri, target_arch = "wasm32")));
    #[cfg(not(any(miri, target_arch = "wasm32")))]
    blocks_keep_their_bytes_whichever_thread_has_them();
    let (passed, ignored) = (u32::from(threads), u32::from(!threads));
    println!(
        "test result: ok. {passed} passed; 0 failed; {ignored} ignored; 0 measured; 0 filtered out"
    );
}

#[cfg(not(any(miri, target_arch = "wasm32")))]
fn blocks_keep_their_bytes_whichever_thread_has_them() {
    /// Those of all threads of a scenario.
    const STEPS: usize = 3000;

    let run = |scenario: &str, threads: usize, seed: u64, steps: usize| {
        scenarios::named(scenario)(threads, seed, steps);
        ALLOCATOR.check_invariants();
    };
    // What threads leave for those after them is there from the first time on.
    run("passing", 2, 0, 1);
    for scenario in ["apart", "passing", "crowd"] {
        for (seed, threads) in [1, 2, 3, 8].into_iter().enumerate() {
            let live = ALLOCATOR.live();
            run(scenario, threads, seed as u64, STEPS / threads);
            let left = ALLOCATOR.live();
            assert_eq!(left, live, "{scenario}: {threads} threads have freed all");
        }
    }
}
