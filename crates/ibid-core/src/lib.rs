//! A content-addressed cache for computations.
//!
//! The data flows one way: a declared [`action::Step`] is prepared (its inputs scanned, its key
//! made), looked up, and then either restored or run, captured and committed. The modules are
//! layers; each imports from the layers below it only, and a test holds them to it.
//!
//! This library touches no terminal, no home directory and no process environment: a front door
//! hands those in, and hears of everything that happens through one event sink.

#![deny(missing_docs)]

pub mod action;
pub mod config;
pub mod digest;
pub mod dirs;
pub mod engine;
pub mod environ;
pub mod exec;
pub mod fs;
pub mod output;
pub mod scan;
pub mod store;
pub mod tree;
