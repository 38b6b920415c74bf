//! A directory that lives as long as a test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A fresh private directory below the system's temporary one, removed on drop.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes the directory.
    ///
    /// # Panics
    /// Where the temporary directory cannot be written: no test can go on without it.
    #[expect(
        clippy::new_without_default,
        reason = "making a directory is no default value"
    )]
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ibid-test-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A killed test of the same process id may have left its own.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path.canonicalize().expect("the directory was just made"))
    }

    /// Returns where it lies, without links on the way.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns a path below it.
    pub fn join(&self, below: impl AsRef<Path>) -> PathBuf {
        self.0.join(below)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
