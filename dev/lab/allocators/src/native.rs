//! Stand-ins for native programs: allocators whose statics are for wasm32 only, and those whose statics take a
//! lock for each call. The lab has one thread, in which the system's malloc and its like take none either.

#[cfg(any(feature = "dlmalloc", feature = "rlsf"))]
mod alone;
#[cfg(feature = "dlmalloc")]
mod dlmalloc;
#[cfg(feature = "pageslab")]
mod pageslab;
#[cfg(feature = "rlsf")]
mod rlsf;
#[cfg(feature = "talc")]
mod talc;

#[cfg(feature = "dlmalloc")]
pub use dlmalloc::Dlmalloc;
#[cfg(feature = "pageslab")]
pub use pageslab::PageSlab;
#[cfg(feature = "rlsf")]
pub use rlsf::Rlsf;
#[cfg(feature = "talc")]
pub use talc::Talc;
