//! Which of a guest's functions are its allocator, by their names: Rust's, from the symbols that every Rust program has, and C's.
//!
//! They call one another: under WASI Rust's `__rust_alloc` calls `__rdl_alloc`, and that `malloc`. All are watched, and the outermost
//! call is the one that counts. So it does no harm if the compiler has inlined some of them.

/// What a function of an allocator does, and with which parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `(size, align) -> block`
    RustAlloc,
    /// `(block, size, align)`
    RustDealloc,
    /// `(block, old_size, align, new_size) -> block`
    RustRealloc,
    /// `(size) -> block`
    Malloc,
    /// `(count, size) -> block`
    Calloc,
    /// `(block, size) -> block`
    Realloc,
    /// `(block)`
    Free,
    /// `(align, size) -> block`
    AlignedAlloc,
    /// `(place, align, size) -> status`, with the block in the place.
    PosixMemalign,
}

impl Role {
    /// That of the function of this name.
    pub fn of(name: &str) -> Option<Self> {
        // Names are mangled or not, in more than one way, and all end like this.
        let rust = |what: &str| {
            let families = ["__rust_", "__rdl_", "__rg_"];
            let name = name.strip_suffix(what);
            name.is_some_and(|name| families.iter().any(|family| name.ends_with(family)))
        };
        Some(match name {
            "malloc" | "dlmalloc" => Self::Malloc,
            "calloc" | "dlcalloc" => Self::Calloc,
            "realloc" | "dlrealloc" => Self::Realloc,
            "free" | "dlfree" => Self::Free,
            "aligned_alloc" | "memalign" => Self::AlignedAlloc,
            "posix_memalign" => Self::PosixMemalign,
            _ if rust("alloc") || rust("alloc_zeroed") => Self::RustAlloc,
            _ if rust("dealloc") => Self::RustDealloc,
            _ if rust("realloc") => Self::RustRealloc,
            _ => return None,
        })
    }

    /// How many parameters it has, and whether it has a result: all are `i32`.
    pub fn signature(self) -> (u32, bool) {
        match self {
            Self::RustAlloc | Self::Calloc | Self::Realloc | Self::AlignedAlloc => (2, true),
            Self::RustDealloc => (3, false),
            Self::RustRealloc => (4, true),
            Self::Malloc => (1, true),
            Self::Free => (1, false),
            Self::PosixMemalign => (3, true),
        }
    }

    /// Whether it gives blocks out, and whether it takes them back.
    pub fn gives_and_takes(self) -> (bool, bool) {
        match self {
            Self::RustDealloc | Self::Free => (false, true),
            Self::RustRealloc | Self::Realloc => (true, true),
            _ => (true, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn names_are_known_however_they_are_mangled() {
        for (name, role) in [
            ("__rust_alloc", Some(Role::RustAlloc)),
            ("__rustc::__rust_alloc_zeroed", Some(Role::RustAlloc)),
            (
                "_RNvCsdBezzDwma51_7___rustc14___rust_dealloc",
                Some(Role::RustDealloc),
            ),
            (
                "_RNvCsdBezzDwma51_7___rustc14___rust_realloc",
                Some(Role::RustRealloc),
            ),
            ("__rdl_alloc", Some(Role::RustAlloc)),
            ("free", Some(Role::Free)),
            ("my_free", None),
            ("__rust_alloc_error_handler", None),
            ("__rust_no_alloc_shim_is_unstable_v2", None),
            ("alloc", None),
        ] {
            assert_eq!(Role::of(name), role, "{name}");
        }
    }
}
