//! How to use pageslab: a page for whoever writes a guest, a host, or C. There is no code here.

#[doc = include_str!("guide/guest.md")]
pub mod guest {}

#[doc = include_str!("guide/host.md")]
pub mod host {}

#[doc = include_str!("guide/c.md")]
pub mod c {}
