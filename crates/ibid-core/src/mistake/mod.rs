//! Mistakes in files that people write: what is wrong, in which line, and what was meant.
//!
//! Settings and pipelines are told in the same way. Knows nothing of what the files mean.

mod excerpt;
mod suggest;
mod toml;

pub use excerpt::{Excerpt, Mistake};
pub use suggest::closest;
pub use toml::not_toml;
