//! The one trait of surrealism-types 0.1.1 that pageslab implements, for the fuzz targets alone: the crate itself brings more
//! than a hundred others, which take several times as long to build as all the rest. The guests' tests use the crate itself.

pub mod controller {
    /// That of a guest's memory.
    pub trait MemoryController {
        fn alloc(&mut self, len: u32) -> anyhow::Result<u32>;
        fn free(&mut self, ptr: u32, len: u32) -> anyhow::Result<()>;
        fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8];
    }
}
