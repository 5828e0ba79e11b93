//! A command that has not adopted pageslab: with std's own allocator, and a few calls of it that can be counted.

use std::{env, hint::black_box, process};

/// Three blocks of 100 bytes at once, a vector that grows once, and one block at a large alignment.
#[unsafe(no_mangle)]
extern "C" fn work() -> u32 {
    let blocks: [Box<[u8; 100]>; 3] = black_box([(); 3].map(|()| Box::new([1; 100])));
    let mut vector: Vec<u8> = Vec::with_capacity(1000);
    black_box(&mut vector).reserve_exact(5000);
    drop(black_box(vector));
    #[repr(align(256))]
    struct Aligned(#[expect(dead_code)] u8);
    drop(black_box(Box::new(Aligned(1))));
    blocks.iter().map(|block| u32::from(block[0])).sum()
}

#[unsafe(no_mangle)]
extern "C" fn takes(number: u32) -> u32 {
    number
}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("exits") => process::exit(7),
        Some("panics") => panic!("as told"),
        _ => println!("{}", work()),
    }
}
