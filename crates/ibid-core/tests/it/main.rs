//! Tests of the library through its public interface, and of the house rules, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails where something unexpected happens, and sets its files up by itself"
)]

mod call;
mod chain;
mod detour;
mod document;
mod engine;
mod format;
mod laws_action;
mod laws_encoding;
mod laws_place;
mod laws_plan;
mod laws_tree;
mod layering;
mod manifest;
mod own_run;
mod plan;
mod samples;
mod schedule;
mod vanished;
