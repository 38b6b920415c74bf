//! Engine.
pub mod event;
pub mod outcome;
