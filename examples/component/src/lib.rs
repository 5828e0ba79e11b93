//! A component whose host allocates lists and strings by pageslab: groups articles by their tags, and turns lists round.
//!
//! `wit/world.wit` has the interfaces. The host puts arguments into blocks of `cabi_realloc`, the component takes them
//! over as vectors and strings, and frees them as such.

mod articles;
mod mirrors;

use pageslab::GlobalPageSlab;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

// Without this the linker takes a weak function of that name, std's or wasi-libc's. The latter's blocks come from
// wasi-libc's `malloc`, and the component would free them here.
pageslab::export_abi!(cabi_realloc);

wit_bindgen::generate!({ world: "component" });

struct Component;

impl exports::pageslab::example::heap::Guest for Component {
    fn live() -> u32 {
        ALLOCATOR.live().expect("the heap is whole") as u32
    }

    fn pages() -> u32 {
        ALLOCATOR.pages()
    }
}

export!(Component);
