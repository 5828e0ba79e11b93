//! How to use pageslab: a page for whoever writes a guest, a host, or C. Nothing here can be called.
//!
//! What a guest begins with in which a host allocates, too:
//!
//! ```
//! # #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))] {
//! #[global_allocator]
//! static HEAP: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();
//! pageslab::export_abi!(alloc_free);
//! # assert_eq!(HEAP.len_of(String::from("guest").as_mut_ptr()), Ok(5));
//! # }
//! ```

#[doc = include_str!("guide/guest.md")]
pub mod guest {}

#[doc = include_str!("guide/host.md")]
pub mod host {}

#[doc = include_str!("guide/c.md")]
pub mod c {}
