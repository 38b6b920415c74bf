//! What fuzzing calls: every decoder and every rule for paths, by name, with the law it must keep.
//!
//! Built for tests and under `--cfg fuzzing` only. A target panics where its law is broken: what is
//! accepted comes back as the same bytes (so that nothing can be read in two ways), whatever the
//! bytes are the answer is a value or an error, and nothing is allocated that the input does not pay
//! for. Each target brings inputs to begin with. Reads no file and writes none.

mod formats;
mod texts;

#[cfg(test)]
mod mutants;

/// One decoder with its law.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Tries one input; panics where the law is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Returns all targets.
pub fn targets() -> impl Iterator<Item = Target> {
    formats::TARGETS.iter().chain(texts::TARGETS).copied()
}

/// Returns the target of this name.
pub fn target(name: &str) -> Option<Target> {
    targets().find(|target| target.name == name)
}
