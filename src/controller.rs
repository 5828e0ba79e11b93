//! The controller: the trait that clients hold, and its implementation, which ties lengths to slots and runs.
//!
//! An allocation of up to [`MAX_SLOT`] bytes is a slot in the *current* slab of its class; a longer one is a
//! run of frames. A class has at most one current slab. Its other slabs are *full* and in no list, *partial*
//! and in a list, or *empty* and in another. Empty slabs go back to the runs, except for a bounded number
//! that are kept as they are, since most programs soon want them again; these go back before memory grows.

use crate::checked::{CHECKED, Checks, SLACK, fill};
use crate::class::{GRANULE, MAX_LISTED, MAX_SLOT, aligned_size, class_of, listed_class_of};
use crate::geometry::GEOMETRY;
use crate::map::{Entry, FRAME, FRAME_SHIFT, GUARD_FRAMES, Kind, Tag};
use crate::memory::{LinearMemory, MAX_PAGES, PAGE};
use crate::runs::{MAX_CACHED_FRAMES, Runs, frames_of};
use crate::slab::{DESCRIPTOR, DESCRIPTORS, MAX_LEN, SlabPtr, Slot, guard, shape};
use crate::{Error, Result};
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::slice_from_raw_parts_mut;
use core::sync::atomic::{Ordering, compiler_fence};
use static_assertions::const_assert;

/// Classes, that of the descriptors included.
const CLASSES: usize = DESCRIPTORS as usize + 1;

/// How many empty slabs are kept at most, besides the current ones.
pub(crate) const MAX_EMPTY: u32 = GEOMETRY.max_empty;

/// Up to this length blocks are copied in a loop here: a copy by the engine costs more to begin.
const MAX_COPIED: u32 = 128;

/// Whether what lies behind a block must not get into another's slack: a pattern, or what is to be erased.
const COPIES_EXACTLY: bool = CHECKED || ZEROES;

/// What is copied at a time: of any contents, initialized or not.
type Copied = [MaybeUninit<u64>; 2];

/// Whether freed bytes are overwritten with zeros. (In checked mode they are, with its pattern.)
const ZEROES: bool = cfg!(feature = "zero-on-free");

/// Whether a slice of Rust's, or an object of C's, may be this long: on wasm32 not from 2^31 bytes on.
const fn is_slice_len(len: u32) -> bool {
    len as usize <= isize::MAX as usize
}

const_assert!((GRANULE as usize).is_multiple_of(size_of::<Copied>()));

/// How many runs must have been cut before it is worth a look whether nothing is live.
const MIN_CUTS: u32 = GEOMETRY.min_cuts;

/// A memory controller: allocates in linear memory for a party that may be anyone, and checks whatever it is
/// given back.
///
/// Pointers are byte offsets into linear memory; lengths and alignments are bytes. A call that errs has
/// changed nothing.
///
/// ```
/// # #[cfg(unix)] {
/// use pageslab::{Error, MemoryController, PageSlab, ReservedMemory};
///
/// let mut heap = PageSlab::new(ReservedMemory::new(256));
/// let controller: &mut dyn MemoryController = &mut heap;
///
/// let ptr = controller.alloc(5)?;
/// controller.mut_mem(ptr, 5).copy_from_slice(b"hello");
/// assert_eq!(controller.mut_mem(ptr + 1, 4), b"ello");
///
/// assert_eq!(controller.free(ptr, 4), Err(Error::LengthMismatch { ptr, allocated: 5, given: 4 }));
/// controller.free(ptr, 5)?;
/// assert_eq!(controller.free(ptr, 5), Err(Error::DoubleFree { ptr, len: 5 }));
/// # }
/// # Ok::<(), pageslab::Error>(())
/// ```
pub trait MemoryController {
    /// Allocates `len` bytes, aligned to 16, and returns the pointer to them. It is never 0.
    ///
    /// A length of 0 is an allocation like others: its pointer is unlike all others that are live, and is
    /// freed once. The bytes have any contents.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if memory cannot grow, or may not, and for more bytes than a slice can have: `isize::MAX`,
    /// on wasm32 2^31 - 1.
    fn alloc(&mut self, len: u32) -> Result<u32>;

    /// Frees the allocation of `len` bytes at `ptr`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPointer`], [`Error::LengthMismatch`] or [`Error::DoubleFree`] unless `alloc`, `alloc_aligned` or `realloc`
    /// returned `ptr` for this very length and it has not been freed since.
    fn free(&mut self, ptr: u32, len: u32) -> Result<()>;

    /// The `len` bytes at `ptr`, which are all or a part of one live allocation.
    ///
    /// # Panics
    ///
    /// If the bytes are not all within one live allocation, with the reason.
    fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8];

    /// Allocates as [`alloc`](Self::alloc) does, aligned to `align` as well: a power of two up to 65,536.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAlignment`] if `align` is none of these, else as `alloc`.
    fn alloc_aligned(&mut self, len: u32, align: u32) -> Result<u32>;

    /// Changes the length of an allocation, and returns its pointer: the same one, or that of a new
    /// allocation (aligned to 16), in which case the old one has been freed. The bytes up to the shorter
    /// length stay as they were.
    ///
    /// # Errors
    ///
    /// As `free` for `ptr` and `old_len`, and as `alloc` for `new_len`. The old allocation is then untouched.
    fn realloc(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Result<u32>;
}

static_assertions::assert_obj_safe!(MemoryController);

/// The allocator: a heap in a linear memory, with each `free` validated.
///
/// It takes nothing from its memory before the first allocation. Dropping it drops the memory value; what
/// `WasmMemory` has grown stays grown.
///
/// Invariants, beside those of its runs and slabs:
/// - **C1**: a slab's frames are an internal run of the slab's class's shape, and the map names the slab for each of
///   them. For slabs of descriptors it names none, but the first frame of the run; their live slots are the slabs' descriptors.
/// - **C2**: a class's current slab is in no list. Every other slab of the class is in the list of partial
///   slabs if it has free and live slots, in that of empty slabs if it has no live slot, and in none if it is
///   full.
/// - **C3**: `empty` counts the slabs in lists of empty slabs, at most `MAX_EMPTY`; `busy` counts the live runs, and the guest's
///   slabs that have live slots and are not current.
/// - **C4**: no call is in the midst of a change. If one is, at the beginning of another, it was stopped there.
pub struct PageSlab<M> {
    /// The slab from which each class allocates, or [`SlabPtr::EMPTY`].
    pub(crate) current: [SlabPtr; CLASSES],
    pub(crate) runs: Runs<M>,
    pub(crate) partial: [Option<SlabPtr>; CLASSES],
    pub(crate) empties: [Option<SlabPtr>; CLASSES],
    pub(crate) empty: u32,
    pub(crate) busy: u32,
    /// Runs cut, and not taken from the cache, since the last look whether nothing is live.
    cuts: u32,
    /// Whether nothing is live and no slab is current, so that the heap may start over.
    is_idle: bool,
    /// Whether the heap has started over, and nobody has looked since whether nothing is live.
    is_fresh: bool,
    /// Whether a call is in the midst of a [`change`](Self::change).
    pub(crate) is_changing: bool,
    /// What checked mode keeps; nothing otherwise.
    pub(crate) checks: [Checks; CHECKED as usize],
}

#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
static_assertions::assert_impl_all!(PageSlab<crate::ReservedMemory>: Send);

impl<M> PageSlab<M> {
    /// A heap in this memory, which may grow as far as the memory can.
    pub const fn new(memory: M) -> Self {
        Self::with_limit(memory, MAX_PAGES)
    }

    /// A heap in this memory that never holds more than `max_pages` pages of 64 KiB, its own metadata
    /// included. Pages of other parties do not count.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use pageslab::{Error, MemoryController, PageSlab, ReservedMemory};
    ///
    /// let mut heap = PageSlab::with_limit(ReservedMemory::new(256), 4);
    /// assert_eq!(heap.alloc(300_000), Err(Error::OutOfMemory { len: 300_000 }));
    /// assert!(heap.alloc(100_000).is_ok());
    /// # }
    /// ```
    pub const fn with_limit(memory: M, max_pages: u32) -> Self {
        Self {
            current: [SlabPtr::EMPTY; CLASSES],
            runs: Runs::new(memory, max_pages),
            partial: [None; CLASSES],
            empties: [None; CLASSES],
            empty: 0,
            busy: 0,
            cuts: 0,
            is_idle: false,
            is_fresh: false,
            is_changing: false,
            checks: [const { Checks::NEW }; _],
        }
    }

    /// How many pages of 64 KiB the heap holds.
    pub fn pages(&self) -> u32 {
        self.runs.held()
    }

    /// The memory.
    pub fn memory(&self) -> &M {
        self.runs.memory()
    }

    fn link(list: &mut Option<SlabPtr>, mut slab: SlabPtr) {
        let next = list.replace(slab);
        if let Some(mut next) = next {
            next.get_mut().previous = Some(slab);
        }
        slab.get_mut().next = next;
        slab.get_mut().previous = None;
    }

    fn unlink(list: &mut Option<SlabPtr>, mut slab: SlabPtr) {
        let (next, previous) = (slab.get_mut().next, slab.get_mut().previous);
        if let Some(mut next) = next {
            next.get_mut().previous = previous;
        }
        match previous {
            Some(mut previous) => previous.get_mut().next = next,
            None => *list = next,
        }
    }

    /// The slab that holds this pointer, or the empty one.
    #[inline(always)]
    pub(crate) fn slab_of(&self, ptr: u32) -> SlabPtr {
        match self.runs.map().frame_of(ptr) {
            Some(frame) => self.runs.map().entry(frame).slab,
            None => SlabPtr::EMPTY,
        }
    }

    /// The live run that begins at this pointer and has this length in bytes: its first frame, and its length
    /// in frames.
    fn live_run(&self, ptr: u32, len: u32) -> Option<(u32, u32)> {
        let frame = self.runs.map().frame_at(ptr)?;
        let Entry { tag, next, .. } = *self.runs.map().entry(frame);
        (tag.is(Kind::Live) && next == len).then(|| (frame, tag.frames()))
    }

    /// What the slot or the run is that begins at this pointer.
    fn slot_at(&self, ptr: u32) -> Option<Slot> {
        let slab = self.slab_of(ptr);
        if !slab.is_empty() {
            let (start, slot) = slab.slot_around(ptr)?;
            return (start == ptr).then_some(slot);
        }
        let frame = self.runs.map().frame_at(ptr)?;
        let Entry { tag, next, .. } = *self.runs.map().entry(frame);
        Some(match () {
            () if tag.is(Kind::Live) => Slot::Live { len: next },
            () if tag.was_freed() => Slot::Freed,
            () => Slot::Fresh,
        })
    }

    /// Whether a live allocation of this length is at this pointer.
    pub(crate) fn is_live(&self, ptr: u32, len: u32) -> bool {
        self.slot_at(ptr) == Some(Slot::Live { len })
    }

    /// The first frame of the run that holds the byte at `ptr`.
    pub(crate) fn run_around(&self, ptr: u32) -> Option<u32> {
        let map = self.runs.map();
        let mut frame = map.frame_of(ptr)?;
        while matches!(map.entry(frame).tag.kind(), Kind::Interior | Kind::FreeTail) {
            frame = frame.checked_sub(1)?;
        }
        Some(frame)
    }

    /// The live allocation that holds the byte at `ptr`, or that is empty and at `ptr`: its pointer and length.
    fn allocation_around(&self, ptr: u32) -> Option<(u32, u32)> {
        let slab = self.slab_of(ptr);
        if !slab.is_empty() {
            return match slab.slot_around(ptr)? {
                (start, Slot::Live { len }) => Some((start, len)),
                _ => None,
            };
        }
        let map = self.runs.map();
        let frame = self.run_around(ptr)?;
        let entry = map.entry(frame);
        let is_live = entry.tag.is(Kind::Live);
        is_live.then(|| (map.offset(frame), entry.next))
    }
}

impl<M: LinearMemory> PageSlab<M> {
    /// The length of the live allocation that starts at `ptr`, in bytes: for callers that do not know it.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use pageslab::{Error, MemoryController, PageSlab, ReservedMemory};
    ///
    /// let mut heap = PageSlab::new(ReservedMemory::new(256));
    /// let ptr = heap.alloc(5)?;
    /// assert_eq!(heap.len_at(ptr), Ok(5));
    /// assert_eq!(heap.len_at(ptr + 1), Err(Error::InvalidPointer { ptr: ptr + 1 }));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPointer`] or [`Error::DoubleFree`] (of length 0) if none does.
    pub fn len_at(&self, ptr: u32) -> Result<u32> {
        match self.fault(ptr, 0) {
            Error::LengthMismatch { allocated, .. } => Ok(allocated),
            Error::Overflow { len, .. } => Ok(len),
            error => Err(error),
        }
    }

    /// Why the allocation of `len` bytes at `ptr` cannot be freed. If there is one, and nothing is wrong with it: a mismatch.
    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&self, ptr: u32, len: u32) -> Error {
        if self.is_changing {
            return Error::Poisoned;
        }
        match self.slot_at(ptr) {
            Some(Slot::Live { len: allocated }) => {
                if CHECKED
                    && allocated == len
                    && let Some(at) = self.overflow(ptr)
                {
                    return Error::Overflow { ptr, len, at };
                }
                Error::LengthMismatch {
                    ptr,
                    allocated,
                    given: len,
                }
            }
            Some(Slot::Freed) => Error::DoubleFree { ptr, len },
            Some(Slot::Fresh) | None => Error::InvalidPointer { ptr },
        }
    }

    /// Why there is no block of `len` bytes.
    #[cold]
    pub(crate) fn refusal(&mut self, len: u32) -> Error {
        if self.is_changing {
            return Error::Poisoned;
        }
        let refusal = if CHECKED { self.take_refusal() } else { None };
        refusal.unwrap_or(Error::OutOfMemory { len })
    }

    /// Makes a change that needs more than one store: of lists, or of a block together with its bytes. `None` if an earlier
    /// one was stopped on its way, by a host that lets a guest run out of fuel, time or stack: then the heap is half changed,
    /// and nothing is changed any more. Not within another change.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> Option<R> {
        if core::mem::replace(&mut self.is_changing, true) {
            return None;
        }
        compiler_fence(Ordering::SeqCst);
        let result = change(self);
        compiler_fence(Ordering::SeqCst);
        self.is_changing = false;
        Some(result)
    }

    /// The address of an offset.
    #[inline(always)]
    fn address(&self, ptr: u32) -> *mut u8 {
        self.runs.memory().address(ptr)
    }

    /// The `len` bytes at `ptr`, if they are all within one live allocation.
    pub(crate) fn bytes(&self, ptr: u32, len: u32) -> core::result::Result<*mut [u8], NoBytes> {
        let holds = |&(start, allocated): &(u32, u32)| {
            let offset = ptr - start;
            offset <= allocated && len <= allocated - offset
        };
        if self.is_changing {
            return Err(NoBytes::Poisoned);
        }
        let around = self.allocation_around(ptr);
        // No bytes right behind a block are a part of it, even where another block begins.
        let before = || {
            self.allocation_around(ptr.checked_sub(1)?)
                .filter(|_| len == 0)
        };
        match around.filter(holds).or_else(|| before().filter(holds)) {
            Some(_) => Ok(slice_from_raw_parts_mut(self.address(ptr), len as usize)),
            None => Err(NoBytes::NotLive { ptr, len, around }),
        }
    }

    #[inline(always)]
    fn alloc_slot(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        debug_assert!((class as usize) < CLASSES);
        // SAFETY: callers pass `class_of` a length of at most `MAX_SLOT`, below `CLASSES`.
        let slab = unsafe { *self.current.get_unchecked(class as usize) };
        match slab.pop(len) {
            Some(ptr) => Some(ptr),
            None => self.alloc_from_another(class, len),
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_from_another(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        self.change(|heap| {
            heap.start_over_if_idle();
            heap.alloc_from_next(class, len)
        })?
    }

    /// Replaces the class's current slab, which is full, and allocates from the new one.
    fn alloc_from_next(&mut self, class: u32, len: u32) -> Option<NonZeroU32> {
        let index = class as usize;
        let mut slab = if let Some(slab) = self.partial[index] {
            Self::unlink(&mut self.partial[index], slab);
            self.busy -= is_guests(index);
            slab
        } else {
            self.take_empty(index).or_else(|| self.new_slab(class))?
        };
        slab.appoint();
        self.replace_current(index, slab);
        slab.pop(len)
    }

    /// Makes another slab the current one of its class, and puts the previous one where it belongs.
    #[inline(never)]
    fn replace_current(&mut self, index: usize, slab: SlabPtr) {
        let mut retired = core::mem::replace(&mut self.current[index], slab);
        if retired.is_empty() {
            return;
        }
        retired.watch();
        if retired.is_vacant() {
            self.keep_empty(index, retired);
            return;
        }
        self.busy += is_guests(index);
        // For a slab of descriptors: while another was made, reclaiming may have freed some in the one that
        // was full.
        if !retired.is_full() {
            Self::link(&mut self.partial[index], retired);
        }
    }

    /// Keeps an empty slab, if there is room for it.
    fn keep_empty(&mut self, index: usize, slab: SlabPtr) {
        if self.empty < MAX_EMPTY {
            self.empty += 1;
            Self::link(&mut self.empties[index], slab);
        } else {
            self.destroy(slab);
        }
    }

    fn take_empty(&mut self, index: usize) -> Option<SlabPtr> {
        let slab = self.empties[index]?;
        Self::unlink(&mut self.empties[index], slab);
        self.empty -= 1;
        Some(slab)
    }

    /// Takes a run for a new slab: its frames, its slots, its first frame. Where no room is left for one twice
    /// the size of the last, a smaller one fits into what is free rather than that memory grows.
    fn take_slab(&mut self, class: u32) -> Option<(u32, u32, u32)> {
        let previous = self.current[class as usize].slots();
        let mut wanted = previous;
        loop {
            let (frames, slots) = shape(class, wanted);
            if let Some(head) = self.runs.take(frames) {
                self.cuts = self.cuts.saturating_add(1);
                return Some((frames, slots, head));
            }
            if wanted == 0 {
                break;
            }
            wanted /= 2;
        }
        let grown = |heap: &mut Self, previous| {
            let (frames, slots) = shape(class, previous);
            let head = heap.take_frames(frames, 1)?;
            Some((frames, slots, head))
        };
        grown(self, previous).or_else(|| grown(self, 0))
    }

    fn new_slab(&mut self, class: u32) -> Option<SlabPtr> {
        let (frames, slots, head) = self.take_slab(class)?;
        let start = self.runs.map().offset(head + guard(class));
        if class == DESCRIPTORS {
            // It describes itself, in its own first slot, and the map does not name it: no pointer into it is
            // the guest's.
            for frame in head..head + frames {
                self.runs.map_mut().entry_mut(frame).next = head;
            }
            // SAFETY: the run is new, and a descriptor behind its guard is within it.
            return Some(unsafe {
                SlabPtr::describe(self.address(start), class, head, start, slots)
            });
        }
        let descriptor = self.current[DESCRIPTORS as usize].pop(DESCRIPTOR);
        let next = |heap: &mut Self| heap.alloc_from_next(DESCRIPTORS, DESCRIPTOR);
        let Some(descriptor) = descriptor.or_else(|| next(self)) else {
            self.runs.recycle(head, frames);
            return None;
        };
        // SAFETY: the descriptor is a live slot that only this slab has.
        let slab =
            unsafe { SlabPtr::describe(self.address(descriptor.get()), class, head, start, slots) };
        // Only now: from here on the slab's pointers are looked at, even if this call goes no further.
        compiler_fence(Ordering::SeqCst);
        self.name_slab(head, frames, slab);
        Some(slab)
    }

    fn name_slab(&mut self, head: u32, frames: u32, slab: SlabPtr) {
        for frame in head..head + frames {
            self.runs.map_mut().entry_mut(frame).slab = slab;
        }
    }

    /// Gives an empty slab, which is in no list, back to the runs.
    #[inline(never)]
    fn destroy(&mut self, slab: SlabPtr) {
        let (head, class) = (slab.head(), slab.class());
        let frames = self.runs.map().entry(head).tag.frames();
        if class != DESCRIPTORS {
            self.name_slab(head, frames, SlabPtr::EMPTY);
            // Before the descriptor becomes another's.
            compiler_fence(Ordering::SeqCst);
            let descriptor = (slab.address() - self.address(0) as usize) as u32;
            let map = self.runs.map();
            let home = map.entry(map.own_frame_of(descriptor)).next;
            // SAFETY: by C1 the slab of descriptors, of which this one is a live slot, begins there and is not destroyed. It
            // describes itself right behind its guard.
            let home = unsafe { SlabPtr::at(self.runs.address(home + GUARD_FRAMES)) };
            self.push_slot(home, home.slot_of(descriptor));
        } else {
            fill(
                self.memory(),
                self.runs.map().offset(head),
                (frames * FRAME) as usize,
            );
        }
        self.runs.recycle(head, frames);
    }

    /// Frees a live slot. False if the heap is poisoned, and it would have to change more than the slab.
    #[inline(always)]
    pub(crate) fn free_slot(&mut self, slab: SlabPtr, slot: u32) -> bool {
        slab.push(slot) || self.free_watched(slab, slot)
    }

    #[cold]
    #[inline(never)]
    fn free_watched(&mut self, slab: SlabPtr, slot: u32) -> bool {
        self.change(|heap| heap.relist(slab, slot)).is_some()
    }

    /// Frees a live slot, within a change.
    fn push_slot(&mut self, slab: SlabPtr, slot: u32) {
        if !slab.push(slot) {
            self.relist(slab, slot);
        }
    }

    /// Frees a slot for which its slab watches, and moves the slab to the list in which it belongs then.
    fn relist(&mut self, mut slab: SlabPtr, slot: u32) {
        slab.push_watched(slot);
        let index = slab.class() as usize;
        if slab.is_unlisted() {
            // It was full.
            let mut current = self.current[index];
            if current.is_full() && !current.is_empty() {
                // The next allocation of the class would take it from the list at once.
                slab.appoint();
                current.watch();
                self.current[index] = slab;
                return;
            }
            slab.watch();
            Self::link(&mut self.partial[index], slab);
        }
        if slab.is_vacant() {
            Self::unlink(&mut self.partial[index], slab);
            self.keep_empty(index, slab);
            self.leave_busy(is_guests(index));
        }
    }

    /// Gives back to the runs whatever is only kept for speed: when nothing else will do, and when a long run
    /// comes or goes. Such a run needs room in one piece, and what is kept would lie in the middle of it:
    /// without this, a heap in which the same is done over and over would grow for a long time.
    fn reclaim(&mut self) {
        // The slabs of descriptors come last, when the descriptors of others are free.
        for index in 0..rolled(CLASSES) {
            while let Some(slab) = self.take_empty(index) {
                self.destroy(slab);
            }
            let current = self.current[index];
            if !current.is_empty() && current.is_vacant() {
                self.current[index] = SlabPtr::EMPTY;
                self.destroy(current);
            }
        }
        self.runs.flush();
    }

    /// Counts down what is busy. If only current slabs can have live slots then, they are retired, so that
    /// what is freed in them is counted as well; and if nothing is live at all, the heap is idle.
    fn leave_busy(&mut self, count: u32) {
        self.busy -= count;
        if self.busy == 0 && count > 0 {
            self.look_whether_idle();
        }
    }

    #[inline(never)]
    fn look_whether_idle(&mut self) {
        let guests = 0..rolled(DESCRIPTORS as usize);
        if self.cuts < MIN_CUTS && !guests.clone().all(|index| self.current[index].is_empty()) {
            return;
        }
        self.cuts = 0;
        if core::mem::take(&mut self.is_fresh) {
            return;
        }
        for index in guests {
            self.replace_current(index, SlabPtr::EMPTY);
        }
        self.is_idle = self.busy == 0;
    }

    /// If nothing is live, starts over: gives all slabs back, so that what comes next finds the heap in one piece.
    /// Only now that something is allocated again: until then a double free is still told from a pointer that was
    /// never handed out.
    fn start_over_if_idle(&mut self) {
        if core::mem::take(&mut self.is_idle) {
            self.is_fresh = true;
            self.reclaim();
            self.runs.move_map_to_front();
        }
    }

    /// Takes a run of frames, aligned to `align` frames, growing memory if there is no other way.
    fn take_frames(&mut self, frames: u32, align: u32) -> Option<u32> {
        self.cuts = self.cuts.saturating_add(1);
        let search = |runs: &mut Runs<M>| {
            if align == 1 {
                runs.take(frames)
            } else {
                runs.take_aligned(frames, align)
            }
        };
        if frames > MAX_CACHED_FRAMES {
            self.reclaim();
        } else if let Some(head) = search(&mut self.runs) {
            return Some(head);
        } else {
            self.reclaim();
        }
        if let Some(head) = search(&mut self.runs) {
            return Some(head);
        }
        // Once is enough, unless others grow the memory in between.
        while self.runs.grow(frames + align - 1) {
            if let Some(head) = search(&mut self.runs) {
                return Some(head);
            }
        }
        if align == 1 {
            self.runs.take_hidden(frames)
        } else {
            None
        }
    }

    fn alloc_run(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if align > PAGE || !is_slice_len(len) {
            return None;
        }
        let frames = frames_of(len);
        self.change(|heap| {
            heap.start_over_if_idle();
            let cached = if align <= FRAME {
                heap.runs.take_cached(frames)
            } else {
                None
            };
            let head = match cached {
                Some(head) => head,
                None => heap.take_frames(frames, (align >> FRAME_SHIFT).max(1))?,
            };
            heap.set_live(head, frames, len);
            heap.busy += 1;
            NonZeroU32::new(heap.runs.map().offset(head))
        })?
    }

    fn set_live(&mut self, head: u32, frames: u32, len: u32) {
        let entry = self.runs.map_mut().entry_mut(head);
        entry.next = len;
        // A call that is stopped here leaves no live run of another length.
        compiler_fence(Ordering::SeqCst);
        entry.tag = Tag::new(Kind::Live, frames);
    }

    /// Frees a live run of this length. False, and nothing changes, if none is there.
    #[cold]
    #[inline(never)]
    pub(crate) fn free_run(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            return self.free_checked(ptr, len);
        }
        let Some((head, frames)) = self.live_run(ptr, len) else {
            return false;
        };
        let freed = self.change(|heap| {
            heap.erase(ptr, len);
            heap.recycle_run(head, frames);
        });
        freed.is_some()
    }

    /// Gives back the run of a block that was freed.
    fn recycle_run(&mut self, head: u32, frames: u32) {
        self.runs.recycle(head, frames);
        if frames > MAX_CACHED_FRAMES {
            self.reclaim();
        }
        self.leave_busy(1);
    }

    /// Makes the memory of a block free that was freed, but held. Within a change.
    pub(crate) fn release(&mut self, ptr: u32) {
        let slab = self.slab_of(ptr);
        if slab.is_empty() {
            let frame = self.runs.map().own_frame_of(ptr);
            let frames = self.runs.map().entry(frame).tag.frames();
            self.recycle_run(frame, frames);
        } else {
            self.push_slot(slab, slab.slot_of(ptr));
        }
    }

    /// Overwrites bytes of a block that is freed, or of which they are no longer a part, if that is asked for.
    #[inline(always)]
    fn erase(&self, ptr: u32, len: u32) {
        if ZEROES {
            // SAFETY: callers name bytes of a live block, which its owner gives back.
            unsafe { self.address(ptr).write_bytes(0, len as usize) };
        }
    }

    /// The same for what a block loses when it becomes shorter, if it does.
    #[inline(always)]
    fn erase_tail(&self, ptr: u32, old_len: u32, new_len: u32) {
        if new_len < old_len {
            self.erase(ptr + new_len, old_len - new_len);
        }
    }

    /// Allocates at an alignment that is a power of two. `None` if there is a [`refusal`](Self::refusal), or if the alignment
    /// is more than a page.
    #[inline(always)]
    pub(crate) fn alloc_at(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if CHECKED {
            self.alloc_checked(len, align)
        } else {
            self.alloc_raw(len, align)
        }
    }

    /// The same, of memory of which nobody has made sure that it was not written to.
    #[inline(always)]
    pub(crate) fn alloc_raw(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if len <= MAX_LISTED - SLACK && align <= GRANULE {
            self.alloc_slot(listed_class_of(len + SLACK), len)
        } else {
            self.alloc_unlisted(len, align)
        }
    }

    /// The same, for what is less common.
    #[cold]
    #[inline(never)]
    fn alloc_unlisted(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        if len > MAX_SLOT - SLACK || align > FRAME {
            return self.alloc_run(len, align);
        }
        match aligned_size(len + SLACK, align) {
            size @ ..=MAX_SLOT => self.alloc_slot(class_of(size), len),
            _ => self.alloc_run(len, align),
        }
    }

    /// [`alloc_at`](Self::alloc_at), and all bytes are zero: those that memory had already before are cleared.
    pub(crate) fn alloc_zeroed_at(&mut self, len: u32, align: u32) -> Option<NonZeroU32> {
        let untouched = self.runs.untouched();
        let ptr = self.alloc_at(len, align)?;
        let touched = if CHECKED {
            u64::MAX
        } else {
            untouched.saturating_sub(ptr.get().into())
        };
        let bytes = touched.min(len.into()) as usize;
        // SAFETY: the bytes are within an allocation that nobody knows of yet.
        unsafe { self.address(ptr.get()).write_bytes(0, bytes) };
        Some(ptr)
    }

    /// Allocates as [`MemoryController::alloc_aligned`] does, and all bytes are zero. Pages that were never used are
    /// not cleared: `memory.grow` gives zeroed ones.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use pageslab::{MemoryController, PageSlab, ReservedMemory};
    ///
    /// let mut heap = PageSlab::new(ReservedMemory::new(256));
    /// let ptr = heap.alloc_zeroed(100_000, 16)?;
    /// assert!(heap.mut_mem(ptr, 100_000).iter().all(|&byte| byte == 0));
    /// # }
    /// # Ok::<(), pageslab::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `alloc_aligned`.
    pub fn alloc_zeroed(&mut self, len: u32, align: u32) -> Result<u32> {
        check_alignment(align)?;
        let ptr = self.alloc_zeroed_at(len, align);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    /// Changes the length of an allocation as [`MemoryController::realloc`] does, and keeps it aligned to `align`, to
    /// which it must be aligned already.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAlignment`] if `align` is no power of two up to 65,536 or the allocation is not aligned to it,
    /// else as `realloc`.
    pub fn realloc_aligned(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Result<u32> {
        self.check_aligned(ptr, old_len, align)?;
        self.realloc_at(ptr, old_len, new_len, align)
    }

    /// Frees an allocation as [`MemoryController::free`] does, if it is aligned to `align`.
    #[cfg(any(target_arch = "wasm32", target_pointer_width = "64"))]
    pub(crate) fn free_aligned(&mut self, ptr: u32, len: u32, align: u32) -> Result<()> {
        self.check_aligned(ptr, len, align)?;
        self.free(ptr, len)
    }

    /// Whether `align` is an alignment, and that of the allocation of `len` bytes at `ptr`, if there is one.
    fn check_aligned(&self, ptr: u32, len: u32, align: u32) -> Result<()> {
        check_alignment(align)?;
        if ptr.is_multiple_of(align) {
            return Ok(());
        }
        Err(match self.fault(ptr, len) {
            Error::LengthMismatch { allocated, .. } if allocated == len => {
                Error::InvalidAlignment { align }
            }
            error => error,
        })
    }

    /// Frees the live allocation of this length. False, and nothing changes, if none is there.
    #[inline(always)]
    pub(crate) fn free_at(&mut self, ptr: u32, len: u32) -> bool {
        self.free_slot_at(ptr, len) || self.free_run(ptr, len)
    }

    /// The same for an allocation in a slab: what is most common.
    #[inline(always)]
    pub(crate) fn free_slot_at(&mut self, ptr: u32, len: u32) -> bool {
        if CHECKED {
            return false;
        }
        let slab = self.slab_of(ptr);
        match slab.find(ptr, len) {
            Some(slot) if len <= MAX_LEN => {
                if ZEROES {
                    let freed = self.change(|heap| {
                        heap.erase(ptr, len);
                        heap.push_slot(slab, slot);
                    });
                    freed.is_some()
                } else {
                    self.free_slot(slab, slot)
                }
            }
            _ => false,
        }
    }

    /// [`MemoryController::realloc`] that aligns the block to `align`, known to be valid, if it moves it.
    #[inline]
    pub(crate) fn realloc_at(
        &mut self,
        ptr: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Result<u32> {
        if CHECKED {
            return self.realloc_checked(ptr, old_len, new_len, align);
        }
        let slab = self.slab_of(ptr);
        if let Some(slot) = slab.find(ptr, old_len)
            && old_len <= MAX_LEN
        {
            let size = slab.slot_size();
            // A block that would fill less than half of its slot rather moves to a smaller one.
            if new_len > size || new_len < size / 2 {
                let moved = self.move_block(ptr, old_len, new_len, align);
                if moved.is_ok() || new_len > size {
                    return moved;
                }
            }
            if ZEROES {
                let shorten = |heap: &mut Self| {
                    heap.erase_tail(ptr, old_len, new_len);
                    slab.set_len(slot, new_len);
                };
                self.change(shorten).ok_or(Error::Poisoned)?;
            } else {
                slab.set_len(slot, new_len);
            }
            Ok(ptr)
        } else {
            self.realloc_run(ptr, old_len, new_len, align)
        }
    }

    #[cold]
    #[inline(never)]
    fn realloc_run(&mut self, ptr: u32, old_len: u32, new_len: u32, align: u32) -> Result<u32> {
        let (head, from) = self
            .live_run(ptr, old_len)
            .ok_or_else(|| self.fault(ptr, old_len))?;
        if !is_slice_len(new_len) {
            return Err(Error::OutOfMemory { len: new_len });
        }
        // A block that would fill less than a frame rather moves to a slot.
        if new_len >= old_len.min(FRAME) {
            let resized = self.change(|heap| heap.resize_live(head, from, old_len, new_len, align));
            if let Some(ptr) = resized.ok_or(Error::Poisoned)? {
                return Ok(ptr);
            }
        }
        let moved = self.move_block(ptr, old_len, new_len, align);
        let stays = |heap: &mut Self| heap.resize_in_place(head, from, old_len, new_len);
        if moved.is_err() && self.change(stays) == Some(true) {
            return Ok(ptr);
        }
        moved
    }

    /// Changes the length of a live run of `from` frames: in place, or to a run that has room already, or by growing memory
    /// behind it. The pointer to it then.
    fn resize_live(
        &mut self,
        head: u32,
        from: u32,
        old_len: u32,
        new_len: u32,
        align: u32,
    ) -> Option<u32> {
        let to = frames_of(new_len);
        let new = match self.resize_run(head, from, to, align) {
            None if to > from => {
                self.reclaim();
                let again = self.resize_run(head, from, to, align);
                again.or_else(|| self.runs.grow_behind(head, from, to).then_some(head))
            }
            new => new,
        }?;
        self.set_live(new, to, new_len);
        let map = self.runs.map();
        let (ptr, new_ptr) = (map.offset(head), map.offset(new));
        if new == head {
            self.erase_tail(ptr, old_len, new_len);
        } else {
            self.copy(ptr, new_ptr, old_len);
            self.erase(ptr, old_len);
            self.runs.recycle(head, from);
        }
        Some(new_ptr)
    }

    /// Changes the length of a live run of `from` frames where it is, if there is room.
    fn resize_in_place(&mut self, head: u32, from: u32, old_len: u32, new_len: u32) -> bool {
        let to = frames_of(new_len);
        if !self.runs.resize(head, from, to) {
            return false;
        }
        self.erase_tail(self.runs.map().offset(head), old_len, new_len);
        self.set_live(head, to, new_len);
        true
    }

    /// Makes a live run shorter or longer within the memory that the heap has: where it is, or else, if it is
    /// to be longer, where there is room for more still, since a run that grows will often grow again. The
    /// run's first frame then.
    fn resize_run(&mut self, head: u32, from: u32, to: u32, align: u32) -> Option<u32> {
        if self.runs.resize(head, from, to) {
            Some(head)
        } else if align <= FRAME {
            self.cuts = self.cuts.saturating_add(1);
            self.runs.take_roomy(to)
        } else {
            None
        }
    }

    /// Allocates anew, copies and frees the old block.
    #[cold]
    #[inline(never)]
    fn move_block(&mut self, ptr: u32, old_len: u32, new_len: u32, align: u32) -> Result<u32> {
        // The old block could not be freed.
        if self.is_changing {
            return Err(Error::Poisoned);
        }
        let Some(new) = self.alloc_at(new_len, align) else {
            return Err(self.refusal(new_len));
        };
        self.copy(ptr, new.get(), old_len.min(new_len));
        self.free_at(ptr, old_len);
        Ok(new.get())
    }

    /// Copies the first bytes of one live allocation to another, and perhaps a few more that neither uses: blocks
    /// have room for whole granules.
    pub(crate) fn copy(&self, from: u32, to: u32, len: u32) {
        let (mut from, mut to) = (self.address(from), self.address(to));
        // SAFETY: callers pass two live allocations of this heap of at least this many bytes, which do not overlap.
        // Slots and runs are aligned to granules and whole numbers of them, so the last granule is within both.
        unsafe {
            if COPIES_EXACTLY || len > MAX_COPIED {
                to.copy_from_nonoverlapping(from, len as usize);
                return;
            }
            let end = from.add(len as usize);
            while from < end {
                to.cast::<Copied>().write(from.cast::<Copied>().read());
                (from, to) = (from.add(size_of::<Copied>()), to.add(size_of::<Copied>()));
            }
        }
    }
}

/// A number of rounds that the compiler does not know, so that it does not write a loop out round by round, which
/// would make it three times the size of all else.
fn rolled(rounds: usize) -> usize {
    core::hint::black_box(rounds)
}

/// 1 for a class of the guest's slots, 0 for that of the descriptors, which are not live by themselves.
fn is_guests(index: usize) -> u32 {
    u32::from(index < DESCRIPTORS as usize)
}

pub(crate) fn check_alignment(align: u32) -> Result<()> {
    if align.is_power_of_two() && align <= PAGE {
        Ok(())
    } else {
        Err(Error::InvalidAlignment { align })
    }
}

/// Why no live allocation holds all of some bytes.
pub(crate) enum NoBytes {
    Poisoned,
    NotLive {
        ptr: u32,
        len: u32,
        /// The live allocation that holds the first of them.
        around: Option<(u32, u32)>,
    },
}

impl NoBytes {
    /// What `mut_mem` does about it.
    #[cold]
    #[inline(never)]
    pub(crate) fn panic(self) -> ! {
        match self {
            Self::Poisoned => panic!("mut_mem: {}", Error::Poisoned),
            Self::NotLive {
                ptr,
                len,
                around: Some((start, allocated)),
            } => panic!(
                "mut_mem: {len} bytes at {ptr:#x} run past the {allocated} bytes allocated at {start:#x}"
            ),
            Self::NotLive { ptr, len, .. } => {
                panic!("mut_mem: no live allocation holds the {len} bytes at {ptr:#x}")
            }
        }
    }
}

impl<M: LinearMemory> MemoryController for PageSlab<M> {
    #[inline]
    fn alloc(&mut self, len: u32) -> Result<u32> {
        let ptr = self.alloc_at(len, GRANULE);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    #[inline]
    fn free(&mut self, ptr: u32, len: u32) -> Result<()> {
        if self.free_at(ptr, len) {
            Ok(())
        } else {
            Err(self.fault(ptr, len))
        }
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> &mut [u8] {
        match self.bytes(ptr, len) {
            // SAFETY: the bytes are within a live allocation of this heap, so in memory that is its alone (S2, R6), and the
            // borrow of `self` keeps it live and unshared.
            Ok(bytes) => unsafe { &mut *bytes },
            Err(none) => none.panic(),
        }
    }

    fn alloc_aligned(&mut self, len: u32, align: u32) -> Result<u32> {
        check_alignment(align)?;
        let ptr = self.alloc_at(len, align);
        ptr.map(NonZeroU32::get).ok_or_else(|| self.refusal(len))
    }

    fn realloc(&mut self, ptr: u32, old_len: u32, new_len: u32) -> Result<u32> {
        self.realloc_at(ptr, old_len, new_len, GRANULE)
    }
}

#[cfg(all(
    test,
    unix,
    target_pointer_width = "64",
    not(any(miri, feature = "checked", pageslab_geometry = "tiny"))
))]
mod tests;
