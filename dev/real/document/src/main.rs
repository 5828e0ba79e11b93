//! Typesets a report of some pages with Typst, edition after edition, and exports each as PDF. Prints a checksum of all bytes.
//! The argument is the number of editions.

// The allocator is that crate's.
use lab_allocators as _;

mod desk;

use desk::Desk;
use std::hash::{DefaultHasher, Hash, Hasher};
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

#[cfg(feature = "pageslab")]
pageslab::export_abi!(snapshot);

const EDITIONS: u32 = 4;

/// After each edition, what was not used for so many is dropped from Typst's caches, as by its own command.
const KEPT: usize = 10;

fn main() -> Result<(), String> {
    let editions = std::env::args().nth(1);
    let editions = editions
        .and_then(|editions| editions.parse().ok())
        .unwrap_or(EDITIONS);
    let mut desk = Desk::new();
    let (mut pages, mut bytes) = (0, DefaultHasher::new());
    for edition in 0..editions {
        desk.edit(edition);
        let document = typst::compile::<PagedDocument>(&desk).output;
        let document = document.map_err(|errors| format!("{errors:?}"))?;
        let pdf = typst_pdf::pdf(&document, &PdfOptions::default());
        pages += document.pages().len();
        pdf.map_err(|errors| format!("{errors:?}"))?
            .hash(&mut bytes);
        typst::comemo::evict(KEPT);
    }
    // What is left then is no entry of a cache.
    typst::comemo::evict(0);
    println!(
        "{editions} editions, {pages} pages, checksum {:016x}",
        bytes.finish()
    );
    Ok(())
}
