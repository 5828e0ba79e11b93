//! Three guests whose memory stays high although little is live. `docs/seeing.md` tells which is which.

use std::{env, hint::black_box, mem::forget, process};

#[global_allocator]
static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

pageslab::export_abi!(snapshot);

/// Pictures, each of which needs this much while it is made smaller.
const PICTURES: usize = 100;
const PICTURE: usize = 40_000;

/// What is kept of each.
const THUMBNAIL: usize = 10_000;

fn main() {
    let kept = match env::args().nth(1).as_deref() {
        Some("spike") => spike(),
        Some("holes") => holes(),
        Some("sparse") => sparse(),
        _ => process::exit(64),
    };
    println!("{} vectors kept", kept.len());
    // A service does not end.
    forget(black_box(kept));
}

/// Has all pictures at once, then makes them smaller: all that they took is free in the end.
fn spike() -> Vec<Vec<u8>> {
    let thumbnails = (0..PICTURES).map(|_| vec![1; THUMBNAIL]).collect();
    let pictures: Vec<_> = (0..PICTURES).map(|_| vec![1_u8; PICTURE]).collect();
    drop(black_box(pictures));
    thumbnails
}

/// Has all pictures at once, and puts a thumbnail behind each: what is free is in as many pieces.
fn holes() -> Vec<Vec<u8>> {
    let mut pictures = Vec::new();
    let mut thumbnails = Vec::new();
    for _ in 0..PICTURES {
        pictures.push(vec![1_u8; PICTURE]);
        thumbnails.push(vec![1; THUMBNAIL]);
    }
    drop(black_box(pictures));
    thumbnails
}

/// Has many small vectors, and keeps one of every fifty: they are in as many slabs as all of them were.
fn sparse() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..20_000).map(|_| vec![1_u8; 100]).collect();
    let mut number = 0;
    all.retain(|_| {
        number += 1;
        number % 50 == 0
    });
    all.shrink_to_fit();
    all
}
