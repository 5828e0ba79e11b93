//! What a check of invariants says: nothing, or which one does not hold. It says so to its caller, and does not panic,
//! since a heap may be locked while it is checked, and whoever handles a panic may allocate.

/// Whether all invariants hold, else the first that does not.
pub(crate) type Checked = Result<(), &'static str>;

pub(crate) fn ensure(holds: bool, invariant: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(invariant) }
}
