//! `Layer`: what will stand at some places, over what stands there on disk.
//!
//! For looks ahead: a step is prepared as if outputs that are to be restored stood already. A
//! place of a layer hides the disk below it; folders on the way to one exist. Invariant: an answer
//! is what the disk will say, or [`ScanError::Unforeseen`]. Links are not followed into a layer
//! and none stand in one, so every path that leads there by a link is unforeseen.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::ScanError;
use crate::digest::Digest;
use crate::fs::{self, FileKind, Links, Signature, Timestamp};
use crate::tree::{Entry, RelPath};

/// The device of what no file system has yet.
const NOWHERE: u64 = u64::MAX;

/// Everything at a place and below it; nothing where nothing will stand.
pub type Entries = BTreeMap<RelPath, Entry>;

/// What will stand at some places.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The root as it is called, and where it lies.
    root: Option<(PathBuf, PathBuf)>,
    places: BTreeMap<PathBuf, Arc<Entries>>,
    /// Places of which it is not known what will stand there.
    doubts: BTreeSet<PathBuf>,
}

/// What a layer says of one path.
enum Over<'a> {
    /// The disk counts.
    Disk,
    /// Nothing will stand there.
    Nothing,
    /// This will.
    Entry(&'a Entry),
    /// Places of the layer lie below; a folder will stand there for sure if it holds something.
    Way { exists: bool },
}

impl Layer {
    /// Says whether the disk is all there is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.doubts.is_empty()
    }

    /// Adds what will stand at an absolute path. One that links lead away from is left in doubt.
    pub fn add(&mut self, root: &Path, path: &Path, entries: &Arc<Entries>) {
        if self.root.is_none() {
            self.root = Some((root.to_owned(), fs::future_path(root)));
        }
        if self.named(&fs::future_path(path)) == path {
            self.places.insert(path.to_owned(), Arc::clone(entries));
        } else {
            self.doubts.insert(path.to_owned());
            self.doubts.insert(self.named(&fs::future_path(path)));
        }
    }

    /// Returns the name under which the root has a real path.
    fn named(&self, real: &Path) -> PathBuf {
        let below = self.root.as_ref().and_then(|(root, real_root)| {
            let below = real.strip_prefix(real_root).ok()?;
            Some(if below.as_os_str().is_empty() {
                root.clone()
            } else {
                root.join(below)
            })
        });
        below.unwrap_or_else(|| real.to_owned())
    }

    /// Says whether a path is a place of the layer or lies in one, by its name or by way of links.
    pub fn covers(&self, path: &Path) -> bool {
        if self.is_empty() {
            return false;
        }
        let covers = |path: &Path| {
            path.ancestors()
                .any(|above| self.places.contains_key(above) || self.doubts.contains(above))
        };
        covers(path) || covers(&self.named(&fs::future_path(path)))
    }

    /// Says whether a path is, lies in, or holds a place of the layer, by its name or by way of
    /// links.
    pub fn concerns(&self, path: &Path) -> bool {
        !self.is_empty()
            && (self.touches(path) || self.touches(&self.named(&fs::future_path(path))))
    }

    /// Says whether a path without links on the way is, lies in, or holds a place of the layer.
    pub(super) fn touches_real(&self, real: &Path) -> bool {
        self.touches(&self.named(real))
    }

    /// The same of a path by its name.
    fn touches(&self, path: &Path) -> bool {
        let places = || self.places.keys().chain(&self.doubts);
        places().any(|place| place.starts_with(path) || path.starts_with(place))
    }

    fn over(&self, path: &Path) -> Result<Over<'_>, ScanError> {
        let unforeseen = || ScanError::Unforeseen(path.to_owned());
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.named(&fs::future_path(parent)).join(name),
            _ => self.named(&fs::future_path(path)),
        };
        let climbs = real.components().any(|part| part == Component::ParentDir);
        if climbs || (real != path && (self.touches(&real) || self.touches(path))) {
            return Err(unforeseen());
        }
        if path.ancestors().any(|above| self.doubts.contains(above)) {
            return Err(unforeseen());
        }
        for above in path.ancestors() {
            let Some(entries) = self.places.get(above) else {
                continue;
            };
            let below = path.strip_prefix(above).expect("it is an ancestor");
            let below = RelPath::new(below.as_os_str().as_bytes()).map_err(|_| unforeseen())?;
            return match entries.get(&below) {
                None => Ok(Over::Nothing),
                Some(Entry::Link(_) | Entry::LinkOut { .. }) => Err(unforeseen()),
                Some(entry) => Ok(Over::Entry(entry)),
            };
        }
        let holds = |(place, entries): (&PathBuf, &Arc<Entries>)| {
            !entries.is_empty() && place.starts_with(path)
        };
        let doubts = self.doubts.iter().any(|it| it.starts_with(path));
        if doubts || self.places.keys().any(|it| it.starts_with(path)) {
            let exists = doubts || self.places.iter().any(holds);
            return Ok(Over::Way { exists });
        }
        Ok(Over::Disk)
    }

    /// Looks at a path as [`fs::look`] does.
    pub(super) fn look(&self, path: &Path, links: Links) -> Result<Option<Signature>, ScanError> {
        match self.over(path)? {
            Over::Nothing => Ok(None),
            Over::Entry(entry) => Ok(Some(signature(entry))),
            Over::Disk => {
                let found = fs::look(path, links)?;
                if links == Links::Follow && self.covers(path) {
                    return Err(ScanError::Unforeseen(path.to_owned()));
                }
                Ok(found)
            }
            Over::Way { exists } => match fs::look(path, Links::Keep)? {
                None => Ok(exists.then(|| signature(&Entry::Dir))),
                Some(found) if found.kind() == FileKind::Dir => Ok(Some(found)),
                Some(_) => Err(ScanError::Unforeseen(path.to_owned())),
            },
        }
    }

    /// Lists a directory as [`fs::list_signatures`] does.
    pub(super) fn list(&self, dir: &Path) -> Result<Vec<(Vec<u8>, Signature)>, ScanError> {
        let names = match self.over(dir)? {
            Over::Disk => return Ok(fs::list_signatures(dir)?),
            Over::Nothing => BTreeSet::new(),
            Over::Entry(_) => self.names_in_place(dir),
            Over::Way { exists } => {
                let on_disk = match fs::list_signatures(dir) {
                    Err(error) if error.is_surely_absent() && exists => Vec::new(),
                    listed => listed?,
                };
                let mut names: BTreeSet<_> = on_disk.into_iter().map(|(name, _)| name).collect();
                let places = self.places.keys().chain(&self.doubts);
                let below = places.filter_map(|place| place.strip_prefix(dir).ok());
                let first = below.filter_map(|below| below.components().next());
                names.extend(first.map(|name| name.as_os_str().as_bytes().to_vec()));
                names
            }
        };
        let mut listed = Vec::with_capacity(names.len());
        for name in names {
            if let Some(found) = self.look(&fs::below(dir, &name), Links::Keep)? {
                listed.push((name, found));
            }
        }
        Ok(listed)
    }

    fn names_in_place(&self, dir: &Path) -> BTreeSet<Vec<u8>> {
        let place = dir
            .ancestors()
            .find_map(|above| Some((above, self.places.get(above)?)));
        let (above, entries) = place.expect("it lies in a place");
        let below = dir.strip_prefix(above).expect("it is an ancestor");
        let below = RelPath::new(below.as_os_str().as_bytes()).expect("it was looked at");
        let is_child = |path: &&RelPath| path.parent().as_ref() == Some(&below);
        let children = entries.keys().filter(is_child);
        children
            .filter_map(|path| path.name().map(<[u8]>::to_vec))
            .collect()
    }

    /// Returns the digest of a file of the layer, which `signature` says that it is.
    pub(super) fn digest(&self, path: &Path, signature: &Signature) -> Option<Digest> {
        if signature.device != NOWHERE {
            return None;
        }
        match self.over(path) {
            Ok(Over::Entry(Entry::File { blob, .. })) => Some(*blob.digest()),
            _ => None,
        }
    }

    /// Returns where a path will lie with links resolved; it exists, or will.
    pub(super) fn real_path(&self, path: &Path) -> Result<PathBuf, ScanError> {
        match self.over(path)? {
            Over::Disk => Ok(fs::real_path(path)?),
            _ => Ok(fs::future_path(path)),
        }
    }
}

/// Makes the signature of what no file system has yet.
fn signature(entry: &Entry) -> Signature {
    const REGULAR: u32 = 0o100_000;
    const DIRECTORY: u32 = 0o040_000;
    let mode = match entry {
        Entry::Dir => DIRECTORY | 0o755,
        Entry::File {
            executable: true, ..
        } => REGULAR | 0o755,
        _ => REGULAR | 0o644,
    };
    Signature {
        device: NOWHERE,
        inode: 0,
        size: entry.size(),
        mtime: Timestamp::default(),
        ctime: Timestamp::default(),
        mode,
        links: 1,
    }
}
