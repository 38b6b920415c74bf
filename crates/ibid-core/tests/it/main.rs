//! Laws and formats of `ibid-core`, and the rules of the house, in one binary.

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
mod layering;
mod samples;
