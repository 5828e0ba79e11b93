//! A command with pageslab, without the line that lets a host find its heap.

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

fn main() {
    println!("it runs");
}
