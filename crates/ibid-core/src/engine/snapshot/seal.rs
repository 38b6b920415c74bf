//! Sealing: the account of looks to what was seen, if every one of them can be made again.
//!
//! Three kinds of looks are treated by their place: those into the store's own folders, for which
//! its generation stands (views are copies for anybody's use, and none of them); at folders of
//! ibid's own, of which only what they are counts; and at what the kernel tells of memory, which
//! only says how many commands may run. Everything else counts as it was found: users choose where
//! those folders lie, around a project for one. So no folder of ibid's that was listed is sealed.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::bytes::Writer;
use super::form::{BLOCK, Expected, Identity, Look, write_block};
use crate::fs::{Account, Facts, FileKind, Noted, Signature, Timestamp};
use crate::scan::StatCache;

/// What was looked at and found, to be looked at again: in bytes, as it stands in a file.
///
/// ```text
/// from when and until when; root; place and bytes of the generation; paths without links for
/// others; looks in blocks of 512, each of which can be read by itself
/// ```
#[derive(Debug)]
pub struct Seen(pub(super) Vec<u8>);

/// Fewer looks are all made by whole paths.
const FEW: usize = 64;

/// What it hangs on beside the account.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The folder that most paths lie in.
    pub root: &'a Path,
    /// The folder of the store.
    pub cache_dir: &'a Path,
    /// The folder for temporary files.
    pub tmp_dir: &'a Path,
    /// The folder of the stat cache.
    pub local_dir: &'a Path,
    /// The store's generation as it was before anything was decided.
    pub generation: Option<&'a [u8]>,
    /// Which signatures can be believed.
    pub stats: &'a StatCache,
    /// The host's time before the first look.
    pub began: Timestamp,
    /// The host's time, in nanoseconds since 1970.
    pub now: u64,
}

/// What becomes of a look.
enum Fate {
    Counts,
    /// Only what stands there counts.
    AsPlace,
    /// Something else stands for it.
    Covered,
    Unfit,
}

/// What the kernel tells that says only how many commands run at once, or what the request has.
const KERNEL: [&str; 4] = [
    "/proc/self/cgroup",
    "/proc/meminfo",
    "/proc/sys/kernel/random/boot_id",
    "/proc/self/ns/pid",
];

impl Seen {
    /// Returns how many bytes it has.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Keeps what was looked at; `None` if anything in the account cannot be looked at again.
    pub fn seal(account: Account, sealing: &Sealing<'_>) -> Option<Self> {
        let is_ours = |dir: &PathBuf| !matches!(fate(dir, sealing), Fate::Counts);
        // Whoever lists such a folder, for a tree or a pattern, wants what is in it.
        if account.spoilt.is_some() || account.listed.iter().any(is_ours) {
            return None;
        }
        let looks = looks(account.looks, sealing)?;
        // To open the root costs more than a few long paths do.
        let root = if looks.iter().all(|look| look.path.starts_with(b"/")) {
            Path::new("")
        } else {
            sealing.root
        };
        let mut out = Writer::default();
        out.number(sealing.now);
        out.number(account.until.unwrap_or(u64::MAX));
        out.bytes(root.as_os_str().as_bytes());
        out.bytes(generation_in(sealing.cache_dir).as_os_str().as_bytes());
        out.option(sealing.generation);
        out.number(account.resolved.len() as u64);
        for (path, found) in &account.resolved {
            out.bytes(path.as_os_str().as_bytes());
            out.option(found.as_ref().map(|found| found.as_os_str().as_bytes()));
        }
        let blocks: Vec<Vec<u8>> = looks.chunks(BLOCK).map(write_block).collect();
        out.number(looks.len() as u64);
        for block in &blocks {
            out.number(block.len() as u64);
        }
        for block in &blocks {
            out.0.extend_from_slice(block);
        }
        Some(Self(out.0))
    }
}

fn generation_in(cache_dir: &Path) -> PathBuf {
    cache_dir.join("v1/generation")
}

fn looks(
    noted: std::collections::HashMap<(PathBuf, bool), Noted>,
    sealing: &Sealing<'_>,
) -> Option<Vec<Look>> {
    let manifests = sealing.root.join(".ibid/manifests");
    let mut all: BTreeMap<(PathBuf, bool), Noted> = BTreeMap::new();
    for ((path, follow), found) in noted {
        let found = match fate(&path, sealing) {
            Fate::Counts => found,
            Fate::AsPlace => Noted::Place,
            Fate::Covered => continue,
            Fate::Unfit => return None,
        };
        all.insert((path, follow), found);
    }
    // Manifests are replaced by a rename, which changes their folder; and they only decide where
    // the store has nothing.
    let found = match Signature::of_link(&manifests) {
        Ok(signature) => Noted::Status {
            signature,
            clean: None,
        },
        Err(error) => Noted::Failed(error.source.raw_os_error()?),
    };
    all.insert((manifests, false), found);
    let are_few = all.len() < FEW;
    let mut looks: Vec<Look> = Vec::with_capacity(all.len());
    for ((path, follow), found) in all {
        if !path.is_absolute() {
            return None;
        }
        let expected = expected(&path, follow, found, sealing)?;
        let below = path.strip_prefix(sealing.root).ok();
        let short = below.filter(|below| !are_few && !below.as_os_str().is_empty());
        let path = short.unwrap_or(&path).as_os_str().as_bytes().to_vec();
        // Nothing that holds a NUL can be looked at again.
        if path.contains(&0) {
            return None;
        }
        // What is no link is the same to whoever follows it.
        let is_known = |last: &Look| last.path == path && last.expected == expected;
        if follow && looks.last().is_some_and(is_known) {
            continue;
        }
        looks.push(Look {
            path,
            follow,
            expected,
        });
    }
    looks.sort_by(|a, b| (&a.path, a.follow).cmp(&(&b.path, b.follow)));
    Some(looks)
}

/// Says what becomes of looks at a path.
fn fate(path: &Path, sealing: &Sealing<'_>) -> Fate {
    let ours = sealing.root.join(".ibid");
    if path == sealing.cache_dir || path == sealing.tmp_dir || path == ours {
        return Fate::AsPlace;
    }
    let within = |dir: &Path| path.starts_with(dir);
    let v1 = sealing.cache_dir.join("v1");
    let is_covered = (within(&v1) && !within(&v1.join("views")))
        || path == sealing.local_dir
        || is_of_kernel(path);
    if is_covered {
        Fate::Covered
    } else if within(Path::new("/proc")) || within(Path::new("/sys")) {
        Fate::Unfit
    } else {
        Fate::Counts
    }
}

fn is_of_kernel(path: &Path) -> bool {
    let is_limit = path.starts_with("/sys/fs/cgroup") && path.ends_with("memory.max");
    is_limit || KERNEL.iter().any(|known| path == Path::new(known))
}

/// Returns what a later look has to find, if that can be believed.
fn expected(path: &Path, follow: bool, found: Noted, sealing: &Sealing<'_>) -> Option<Expected> {
    match found {
        Noted::Unsteady => None,
        Noted::Failed(error) => Some(Expected::Failed(error)),
        Noted::Place => {
            let facts = if follow {
                Facts::of(path)
            } else {
                Facts::of_link(path)
            };
            match facts {
                // A link that was taken for none has become one.
                Ok(facts) if !follow && facts.signature.kind() == FileKind::Link => None,
                Ok(facts) => Some(Expected::Place(Identity::of(&facts))),
                Err(error) => error.source.raw_os_error().map(Expected::Failed),
            }
        }
        Noted::Status { signature, clean } => is_believed(path, &signature, clean, sealing)
            .then_some(Expected::Status(Signature {
                links: 0,
                ..signature
            })),
    }
}

/// Says whether a thing is as it was for as long as its signature is.
fn is_believed(
    path: &Path,
    signature: &Signature,
    clean: Option<bool>,
    sealing: &Sealing<'_>,
) -> bool {
    let at = match signature.kind() {
        FileKind::File | FileKind::Dir => path,
        FileKind::Link => path.parent().unwrap_or(path),
        FileKind::Special => return false,
    };
    let stats = sealing.stats;
    let Some(fs) = stats.file_system(at, signature.device) else {
        return false;
    };
    // A folder and a link have no pages that somebody could store to.
    let read = clean.filter(|_| signature.kind() == FileKind::File);
    stats.was_settled(signature, &fs, sealing.began, read)
        || (signature.kind() == FileKind::File && stats.known(signature, &fs).is_some())
}
