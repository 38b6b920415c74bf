//! `CacheEyes`: the library's stat cache as the campaign of fresh looks sees it.
//!
//! Here, because the campaigns know nothing of the library, and the library's tests nothing of
//! chores. Each is what one process would have: a cache of its own over files that others share.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ibid_core::fs::{self, FileSystem, Host, Meter, Signature, Threads, Timestamp};
use ibid_core::scan::{
    Filter, Origin, Scanner, StatCache, StatCacheOptions, StatPolicy, StatWrites,
};
use ibid_core::tree::{Entry, RelPath, Tree};
use ibid_testkit::campaign::{Eyes, Look};

/// One process's view.
struct CacheEyes {
    stats: StatCache,
    meter: Meter,
}

/// Opens the view of another process; its stat cache lies in the folder `stats`.
pub(crate) fn open(stats: &Path) -> Box<dyn Eyes> {
    let stats = StatCache::open(StatCacheOptions {
        dir: Some(stats.to_owned()),
        probe_dirs: Vec::new(),
        policy: StatPolicy::Safe,
        writes: StatWrites::Allowed,
        host: Host::this(),
        clock: wall,
    });
    let meter = Meter::new();
    Box::new(CacheEyes { stats, meter })
}

fn wall() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: now.subsec_nanos(),
    }
}

impl Eyes for CacheEyes {
    fn look(&mut self, path: &Path) -> io::Result<Look> {
        let read = self.meter.done();
        let scanner = Scanner::new(Path::new("/"), &self.stats, &self.meter);
        let found = scanner.file_digest(path).map_err(io::Error::other)?;
        Ok(Look {
            digest: *found.digest.as_bytes(),
            read: self.meter.done() > read,
        })
    }

    fn look_through(&mut self, folder: &Path) -> io::Result<BTreeMap<PathBuf, [u8; 32]>> {
        let scanner = Scanner::new(Path::new("/"), &self.stats, &self.meter);
        let found = scanner.tree(folder, &Filter::everything());
        let listing = found.map_err(io::Error::other)?.tree;
        let tree = Tree::decode(&listing.encode()).map_err(io::Error::other)?;
        if tree.id() != listing.id() {
            return Err(io::Error::other("the digest of a listing is another's"));
        }
        let file = |(path, entry): (&RelPath, &Entry)| match entry {
            Entry::File { blob, .. } => Some((path.below(folder), *blob.digest().as_bytes())),
            _ => None,
        };
        Ok(tree.iter().filter_map(file).collect())
    }

    fn capture(&mut self, path: &Path) -> io::Result<Look> {
        let (file, signature) = fs::open_any(path).map_err(io::Error::other)?;
        let system: Option<FileSystem> = self.stats.file_system(path, signature.device);
        let started = system.map(|system| self.stats.started_anew(&system));
        let digest = fs::hash_open(&file, path, signature.size, Threads::Many, &self.meter);
        let digest = digest.map_err(io::Error::other)?;
        let same = Signature::of_open(&file, path).map_err(io::Error::other)? == signature;
        if let (Some(system), Some(started), true) = (system, started, same) {
            let origin = Origin::Captured { started };
            self.stats.remember(&signature, &system, digest, origin);
        }
        Ok(Look {
            digest: *digest.as_bytes(),
            read: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ibid_testkit::campaign::{Plan, freshness};

    #[test]
    fn a_look_never_gives_the_digest_of_other_bytes() {
        let plan = Plan {
            binary: std::path::PathBuf::new(),
            seed: 1,
            times: 60_000,
            workers: 1,
            only: None,
            resident: None,
            limit: Duration::from_secs(5),
        };
        let report = freshness(&plan, &super::open);
        assert!(report.violations().is_empty(), "{report}");
    }
}
