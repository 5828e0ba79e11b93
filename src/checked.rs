//! Checked mode (feature `checked`), above the heap: what it does at each call, and what it tells. Below the heap there are only
//! its [`hooks`](crate::hooks).

pub(crate) mod mode;
#[cfg(feature = "checked")]
pub(crate) mod report;
