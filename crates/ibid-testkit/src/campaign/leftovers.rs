//! What a killed process leaves behind, and whether the store tells the truth after it.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::snapshot::{Item, Snapshot};
use crate::TestEnv;

/// Names that nobody wants to see for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// Staged files in the store.
    pub(super) staged: usize,
    pub(super) leases: usize,
    /// Files in the folder for temporary ones, but for the one that tells the time.
    pub(super) temporary: usize,
    /// Staging names in the workspace.
    pub(super) strays: usize,
    /// Files and links below `.ibid/replaced/`.
    pub(super) replaced: usize,
}

impl Leftovers {
    /// Counts them.
    pub(super) fn of(env: &TestEnv) -> Self {
        let cache = env.cache();
        let count = |path: &Path| {
            let all = Snapshot::of(path).0;
            all.values().filter(|item| **item != Item::Dir).count()
        };
        let now = usize::from(cache.join("tmp/now").exists());
        Self {
            staged: count(&cache.join("v1/tmp")),
            leases: count(&cache.join("v1/leases")),
            temporary: count(&cache.join("tmp")) - now,
            strays: strays(env).len(),
            replaced: count(&env.work(".ibid/replaced")),
        }
    }

    /// Returns the larger of each count.
    pub(super) fn most(self, other: Self) -> Self {
        Self {
            staged: self.staged.max(other.staged),
            leases: self.leases.max(other.leases),
            temporary: self.temporary.max(other.temporary),
            strays: self.strays.max(other.strays),
            replaced: self.replaced.max(other.replaced),
        }
    }
}

impl std::fmt::Display for Leftovers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            staged,
            leases,
            temporary,
            strays,
            replaced,
        } = self;
        write!(
            f,
            "{staged} staged in the store, {leases} leases, {temporary} temporary, \
             {strays} staging names in the workspace, {replaced} replaced files"
        )
    }
}

/// Lists staging names in the workspace, the topmost only.
pub(super) fn strays(env: &TestEnv) -> Vec<PathBuf> {
    let is_staging = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.starts_with(b".ibid-")
    };
    let all = Snapshot::of(&env.work("")).0;
    all.into_keys()
        .filter(|path| is_staging(path) && !path.parent().is_some_and(is_staging))
        .collect()
}

/// Names blobs whose content is not what their name says.
pub(super) fn false_blobs(env: &TestEnv) -> Vec<String> {
    let blobs = Snapshot::of(&env.cache().join("v1/blobs")).0;
    let is_false = |(path, item): (PathBuf, Item)| {
        let Item::File { content, .. } = item else {
            return None;
        };
        let name = path.file_name()?.to_string_lossy().into_owned();
        let hex = blake3::hash(&content).to_hex();
        (name != hex.as_str()).then_some(name)
    };
    blobs.into_iter().filter_map(is_false).collect()
}

/// Lists the keys that the store has a file for.
pub(super) fn keys(env: &TestEnv) -> Vec<String> {
    let mut keys = Vec::new();
    let shards = fs::read_dir(env.cache().join("v1/keys"));
    for shard in shards.into_iter().flatten().flatten() {
        for key in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
            keys.push(key.file_name().to_string_lossy().into_owned());
        }
    }
    keys
}
