//! What a host can do to a guest in the midst of a call: let its fuel, its time or its stack run out, refuse to grow its
//! memory, or trap in doing so. Then the instance is as good as before, or says that its heap is dead; live blocks keep
//! their bytes in any case, and none is handed out twice. A host may also write whatever it likes over blocks that were
//! freed.
//!
//! [`calls`] is what the host calls, [`guest`] an instance with what its host knows of the heap, and [`afterwards`] how a
//! heap is used, and found out, once a call was stopped in it.

#![cfg(not(target_family = "wasm"))]

mod afterwards;
mod calls;
mod growth;
mod guest;
mod poisoned;
mod restored;
mod rubbish;
mod stops;
