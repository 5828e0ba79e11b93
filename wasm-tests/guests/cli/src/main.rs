//! A command that does with its heap what its argument says, for whoever looks into it from outside.

use std::{env, fs, hint::black_box, mem, process};

#[cfg(target_arch = "wasm32")]
mod heap {
    #[global_allocator]
    static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

    pageslab::export_abi!(snapshot);
}

fn main() {
    match env::args().nth(1).as_deref() {
        // All is freed when it ends, and what it has written is out.
        Some("clean") => println!("{}", black_box(vec![1; 5000]).len()),
        Some("leaks") => {
            mem::forget(black_box(vec![1_u8; 100_000]));
            for _ in 0..3 {
                mem::forget(black_box(vec![1_u8; 40]));
            }
        }
        Some("many") => {
            for _ in 0..1000 {
                mem::forget(black_box(vec![1_u8; 40]));
            }
        }
        Some("misuses") => {
            let block = Box::into_raw(Box::new([0_u64; 5]));
            // SAFETY: there is none: it is the misuse that the host must see.
            drop(unsafe { Box::from_raw(black_box(block)) });
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(black_box(block)) });
        }
        Some("grows") => work(|kept| kept.push(vec![1; 10_000])),
        Some("settles") => {
            mem::forget(black_box(vec![1_u8; 1_000_000]));
            work(|_| {});
        }
        Some("panics") => panic!("as told"),
        Some("exits") => process::exit(7),
        Some("pretends") => eprintln!("pageslab: it is not"),
        Some("prints") => {
            let name = env::args().nth(2).expect("a file");
            print!("{}", fs::read_to_string(name).expect("it can be read"));
        }
        Some("loops") => {
            let kept = black_box(vec![1_u8; 12_345]);
            loop {
                black_box(&kept);
            }
        }
        _ => process::exit(64),
    }
}

/// A second or so of work, with a step after each hundredth of it.
fn work(mut step: impl FnMut(&mut Vec<Vec<u8>>)) {
    let mut kept = Vec::new();
    for _ in 0..100 {
        for number in 0..20_000_000_u32 {
            black_box(number);
        }
        step(&mut kept);
    }
}
