//! Where a request is made. Whoever hands in the same place asks for the same cache and settings.

use std::path::PathBuf;

use ibid_core::environ::EnvSnapshot;

/// Where a request is made, and which cache and settings it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder to work in: absolute, without links.
    pub dir: PathBuf,
    /// The environment of the caller.
    pub env: EnvSnapshot,
    /// The cache, if the caller names one.
    pub cache_dir: Option<PathBuf>,
    /// The folder for temporary files, if the caller names one.
    pub tmp_dir: Option<PathBuf>,
    /// A settings file above all others, if the caller names one.
    pub config: Option<PathBuf>,
}
