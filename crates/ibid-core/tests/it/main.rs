//! Laws and formats of `ibid-core`, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "what a helper of a test cannot unwrap has failed the test"
)]

mod document;
mod format;
mod laws_action;
mod laws_encoding;
mod laws_place;
mod laws_tree;
mod samples;
