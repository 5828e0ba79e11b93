//! Nothing: the tests are all. What they take from others takes long to build.
