//! A folder that stands as a result has it, recognised by one look at each name in it.
//!
//! The listing of what stands is encoded as the folders are listed, each by one thread, without a
//! map of paths between: what lies below a folder is one run of the encoding, and where that run
//! belongs among the folder's neighbours the order of bytes tells. Reads no file. It only ever
//! says yes: whatever is unknown, special or fails is left to the exact comparison.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::content::Digests;
use super::target::Target;
use super::walk::PARALLEL_DIRS;
use crate::digest::encoding::Encoder;
use crate::digest::{BlobId, TreeId};
use crate::fs::{Dir, FileKind, FileSystem, Signature};
use crate::tree::{Entry, MAX_TREE_DEPTH, RelPath, Tree};

/// One folder, listed.
struct Folder {
    /// The pairs of all names in it, in their order.
    encoded: Encoder,
    /// How many pairs these are.
    count: usize,
    /// The folders in it, and where in `encoded` that belongs which lies below them.
    below: Vec<(usize, RelPath)>,
}

/// A name, or what lies below it, in the order of paths.
struct Place {
    start: usize,
    length: usize,
    /// Nothing for what lies below a folder of that name.
    signature: Option<Signature>,
}

/// Returns the digest of the listing of the folder that stands at a target, if everything in it is
/// known by its status.
pub(super) fn listed_as_known(target: &Target, digests: &Digests<'_>) -> Option<TreeId> {
    let top = target.dir.status_if_any(&target.name).ok()??;
    if top.kind() != FileKind::Dir {
        return None;
    }
    let top = target.dir.dir(&target.name).ok()?;
    let mut folders: Vec<Folder> = Vec::new();
    let mut level = vec![RelPath::ROOT];
    for _ in 0..MAX_TREE_DEPTH {
        let list = |path: &RelPath| Folder::list(&top, path, digests);
        let listed: Vec<Folder> = if level.len() < PARALLEL_DIRS {
            level.iter().map(list).collect::<Option<_>>()?
        } else {
            level.par_iter().map(list).collect::<Option<_>>()?
        };
        let below = listed.iter().flat_map(|folder| &folder.below);
        level = below.map(|(_, path)| path.clone()).collect();
        folders.extend(listed);
        if level.is_empty() {
            return Some(put_together(&folders));
        }
    }
    None
}

/// Makes one listing of those of all folders, which come level by level, each level in order.
fn put_together(folders: &[Folder]) -> TreeId {
    let mut first_below = Vec::with_capacity(folders.len());
    let mut next = 1;
    for folder in folders {
        first_below.push(next);
        next += folder.below.len();
    }
    let count = folders.iter().map(|folder| folder.count).sum();
    let mut parts = Vec::new();
    let mut open: Vec<(usize, usize)> = vec![(0, 0)];
    while let Some((index, done)) = open.pop() {
        let folder = &folders[index];
        let bytes = folder.encoded.as_bytes();
        let start = done.checked_sub(1).map_or(0, |last| folder.below[last].0);
        if let Some((end, _)) = folder.below.get(done) {
            parts.push(&bytes[start..*end]);
            open.push((index, done + 1));
            open.push((first_below[index] + done, 0));
        } else {
            parts.push(&bytes[start..]);
        }
    }
    Tree::id_of_parts(count, &parts)
}

impl Folder {
    /// Lists the folder `path` below `top`; `None` where something in it is not known.
    fn list(top: &Dir, path: &RelPath, digests: &Digests<'_>) -> Option<Self> {
        let here = top.dir(path).ok()?;
        let mut names = here.names().ok()?;
        let mut places = Vec::with_capacity(names.spans.len());
        for span in &names.spans {
            let (start, length) = (span.start, usize::from(span.length));
            let signature = here.facts_here(&names.bytes[start..][..length]).ok()?;
            let signature = signature.signature;
            if signature.kind() == FileKind::Dir {
                let below = Place {
                    start: names.bytes.len(),
                    length: length + 1,
                    signature: None,
                };
                names.bytes.extend_from_within(start..start + length);
                names.bytes.push(b'/');
                places.push(below);
            }
            places.push(Place {
                start,
                length,
                signature: Some(signature),
            });
        }
        let name = |place: &Place| &names.bytes[place.start..][..place.length];
        places.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let mut folder = Self {
            encoded: Encoder::new(),
            count: names.spans.len(),
            below: Vec::new(),
        };
        let mut full = path.as_bytes().to_vec();
        if !path.is_root() {
            full.push(b'/');
        }
        let prefix = full.len();
        let mut known = Known {
            digests,
            here: &here,
            on: None,
        };
        for place in &places {
            full.truncate(prefix);
            full.extend_from_slice(name(place));
            let Some(signature) = &place.signature else {
                full.pop();
                let path = RelPath::new(full.as_slice()).ok()?;
                let at = folder.encoded.as_bytes().len();
                folder.below.push((at, path));
                continue;
            };
            let entry = known.entry(name(place), signature)?;
            Tree::encode_pair(&full, &entry, &mut folder.encoded);
        }
        Some(folder)
    }
}

/// What is known of the names in a folder, by their status.
struct Known<'a> {
    digests: &'a Digests<'a>,
    here: &'a Dir,
    /// The file system of the name before.
    on: Option<FileSystem>,
}

impl Known<'_> {
    fn entry(&mut self, name: &[u8], signature: &Signature) -> Option<Entry> {
        match signature.kind() {
            FileKind::File => {
                let on = self.on.filter(|on| on.device == signature.device);
                let on = on.or_else(|| self.digests.file_system(self.here, signature))?;
                self.on = Some(on);
                Some(Entry::File {
                    executable: signature.is_executable(),
                    size: signature.size,
                    blob: BlobId::new(self.digests.stats.known(signature, &on)?),
                })
            }
            FileKind::Dir => Some(Entry::Dir),
            FileKind::Link => {
                let name = RelPath::new(name).ok()?;
                Some(Entry::Link(self.here.read_link(&name).ok()?))
            }
            FileKind::Special => None,
        }
    }
}
