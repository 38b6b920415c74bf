//! Tests of the library through its public interface, and of the house rules, in one binary.

mod document;
mod engine;
mod format;
mod laws_action;
mod laws_encoding;
mod laws_place;
mod laws_tree;
mod layering;
mod samples;
