//! malloc and its family.
