//! Runs of many steps against a real store and real processes.

mod bench;
mod endings;
mod laws;
mod running;
