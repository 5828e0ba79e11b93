//! Nothing but dependencies, each with the features that some program of this workspace asks of it.
//!
//! Cargo builds a crate once for each set of features, and all that depends on it again. What uses Wasmtime here has
//! dependencies that ask for different features of the crates beneath it; naming this crate as a dependency makes them
//! the same, which saves a build of Wasmtime.
