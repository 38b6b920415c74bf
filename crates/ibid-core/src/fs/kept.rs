//! `Kept`: a second name for a file that is about to lose its own.
//!
//! A rename over a file takes two changes of the disk: the name leads elsewhere, and the file that
//! had it is gone. Where no journal ties them together (ext2), a power cut may leave the second
//! without the first, and then the name leads nowhere. With a second name the file is not gone
//! before whoever replaced it has synced the first.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD};

use super::random_name;

/// A second name for what `path` led to, until it is dropped.
#[derive(Debug)]
pub struct Kept(Option<PathBuf>);

impl Kept {
    /// Links the file at `path` to a name of its own in `dir`. Where there is no file, or no
    /// link can be made, nothing is kept: that costs what the file was good for, after a power cut
    /// in the moment of the rename.
    pub fn new(path: &Path, dir: &Path) -> Self {
        let name = dir.join(random_name());
        let linked = rustix::fs::linkat(CWD, path, CWD, &name, AtFlags::empty());
        Self(linked.is_ok().then_some(name))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            // What stays behind is found by age.
            let _ = rustix::fs::unlink(name);
        }
    }
}
