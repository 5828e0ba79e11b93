//! The sizes of all that a heap is made of, in one place. All other constants derive from these.
//!
//! There are two geometries: the one that guests have, and a tiny one, in which every sequence of operations up to some
//! length can be tried: `--cfg pageslab_geometry="tiny"` chooses it. Knows nothing else.

pub(crate) struct Geometry {
    /// log2 of the bytes in a page, the unit in which memory grows.
    pub(crate) page_shift: u32,
    /// log2 of the bytes in a frame, the unit of which runs are made.
    pub(crate) frame_shift: u32,
    /// log2 of the smallest slot's bytes.
    pub(crate) granule_shift: u32,
    /// The largest slot, in bytes.
    pub(crate) max_slot: u32,
    /// Up to this length, classes are looked up.
    pub(crate) max_listed: u32,
    /// The most slots that a slab has: bits of a word, less one.
    pub(crate) max_slots: u32,
    /// The most frames that a slab has.
    pub(crate) max_slab_frames: u32,
    /// log2 of the length in frames below which free runs of each length have a list of their own.
    pub(crate) exact_shift: u32,
}

/// That of WebAssembly, and of what is quick there (`docs/design.md`).
const GUEST: Geometry = Geometry {
    page_shift: 16,
    frame_shift: 10,
    granule_shift: 4,
    max_slot: 8192,
    max_listed: 1024,
    max_slots: 63,
    max_slab_frames: 16,
    exact_shift: 6,
};

/// Three classes, pages of sixteen frames, and every bound so low that a few operations reach it.
const TINY: Geometry = Geometry {
    page_shift: 12,
    frame_shift: 8,
    granule_shift: 6,
    max_slot: 192,
    max_listed: 128,
    max_slots: 7,
    max_slab_frames: 2,
    exact_shift: 4,
};

pub(crate) const GEOMETRY: Geometry = if cfg!(pageslab_geometry = "tiny") {
    TINY
} else {
    GUEST
};

#[cfg(all(pageslab_geometry = "tiny", target_arch = "wasm32"))]
compile_error!("linear memory has pages of 64 KiB: the tiny geometry is for a simulated one");

/// log2 of [`FRAME`].
pub(crate) const FRAME_SHIFT: u32 = GEOMETRY.frame_shift;

/// Bytes in a frame: the unit in which pages are divided between slabs and runs.
pub(crate) const FRAME: u32 = 1 << FRAME_SHIFT;

/// Frames in a page.
pub(crate) const FRAMES_PER_PAGE: u32 = 1 << (GEOMETRY.page_shift - FRAME_SHIFT);

/// Frames in a 4 GiB memory.
pub(crate) const MAX_FRAMES: u32 = 1 << (32 - FRAME_SHIFT);

/// The number of a frame in linear memory: the one at `offset` is `offset >> FRAME_SHIFT`.
pub(crate) type Frame = u32;
