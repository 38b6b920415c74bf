//! `Tree`: the whole listing of a directory, flat and sorted.
//!
//! Encoded as an array of `[path, entry]` pairs in the order of the raw bytes of their paths.
//! Every directory is listed, empty or not, and every entry's parent is listed, so that a
//! directory has exactly one listing. A flat listing is one blob: a restore reads one file, not
//! one per directory (`docs/design/trees.md`).

use std::collections::BTreeMap;

use super::{Content, RelPath};
use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{BlobId, Digest, TreeId};

/// How deep a tree may nest: deeper ones come from loops or from somebody hostile (hazard G7).
pub const MAX_TREE_DEPTH: usize = 1024;

/// Bytes of a path of so many of the longest names that a file system takes.
const LONGEST_PATH: usize = MAX_TREE_DEPTH * 256;

/// What stands at one path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file. Its size is listed too, although the digest implies it, so that progress
    /// and limits are known before a byte is read.
    File {
        /// Whether anybody may execute it; no other mode bit counts.
        executable: bool,
        /// Its length in bytes.
        size: u64,
        /// Its content.
        blob: BlobId,
    },
    /// A symbolic link with this text.
    Link(Vec<u8>),
    /// A symbolic link that leaves the tree.
    LinkOut {
        /// The text of the link.
        text: Vec<u8>,
        /// What it leads to in the end: a file with its executable bit, or a directory.
        target: Content,
    },
    /// A directory.
    Dir,
}

/// A directory: every path below it, sorted by raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<RelPath, Entry>);

/// Bytes or entries that are not the listing of a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Not the canonical encoding of a listing.
    #[error("damaged directory listing: {0}")]
    Encoding(#[from] DecodeError),
    /// An entry whose parent is not a directory of the listing.
    #[error("`{0}` does not lie in a directory")]
    Orphan(RelPath),
    /// An entry below more than [`MAX_TREE_DEPTH`] directories.
    #[error("`{0}` lies too deep")]
    TooDeep(RelPath),
}

impl Tree {
    /// Makes a tree of entries in any order; directories above them are added where missing.
    /// Fails where an entry lies below something that is not a directory, or too deep.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (RelPath, Entry)>,
    ) -> Result<Self, TreeError> {
        let mut tree: BTreeMap<_, _> = entries.into_iter().collect();
        tree.remove(&RelPath::ROOT);
        let mut missing = Vec::new();
        for path in first_of_each_run(tree.keys()) {
            let mut parent = path.parent();
            while let Some(dir) = parent.filter(|dir| !dir.is_root() && !tree.contains_key(dir)) {
                parent = dir.parent();
                missing.push(dir);
            }
        }
        tree.extend(missing.into_iter().map(|dir| (dir, Entry::Dir)));
        first_of_each_run(tree.keys()).try_for_each(|path| check_place(path, &tree))?;
        Ok(Self(tree))
    }

    /// Iterates over the entries in the order of their paths' bytes. A directory comes before
    /// what lies in it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&RelPath, &Entry)> {
        self.0.iter()
    }

    /// Returns the entries of a tree that is needed no more.
    pub fn into_entries(self) -> BTreeMap<RelPath, Entry> {
        self.0
    }

    /// Returns the entry at `path`.
    pub fn get(&self, path: &RelPath) -> Option<&Entry> {
        self.0.get(path)
    }

    /// Returns the number of entries, directories included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes of all files together, or `u64::MAX` where a listing claims more.
    pub fn total_size(&self) -> u64 {
        let sizes = self.0.values().map(Entry::size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.array(self.0.len());
        for (path, entry) in &self.0 {
            encoder.array(2).bytes(path.as_bytes());
            entry.encode(&mut encoder);
        }
        encoder.finish()
    }

    /// Returns the digest of the encoding.
    pub fn id(&self) -> TreeId {
        TreeId::new(Digest::of(&self.encode()))
    }

    /// Decodes a listing, and refuses one that no directory has.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let mut decoder = Decoder::new(bytes);
        let mut tree: BTreeMap<RelPath, Entry> = BTreeMap::new();
        for _ in 0..decoder.array()? {
            decoder.array_of(2)?;
            let bytes = decoder.bytes()?;
            if bytes.len() > LONGEST_PATH {
                return Ok(decoder.fail("path that is too long")?);
            }
            let Ok(path) = RelPath::new(bytes) else {
                return Ok(decoder.fail("path that is not below a directory")?);
            };
            let last = tree.last_key_value().map(|(last, _)| last);
            if path.is_root() || last.is_some_and(|last| *last >= path) {
                return Ok(decoder.fail("paths out of order")?);
            }
            if !last.is_some_and(|last| last.is_beside(&path)) {
                check_place(&path, &tree)?;
            }
            let entry = Entry::decode(&mut decoder)?;
            tree.insert(path, entry);
        }
        decoder.finish()?;
        Ok(Self(tree))
    }
}

impl Entry {
    /// Returns the length of a file; other entries have none.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Link(_) | Self::LinkOut { .. } | Self::Dir => 0,
        }
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::File {
                executable,
                size,
                blob,
            } => encoder
                .array(4)
                .text("file")
                .bool(*executable)
                .uint(*size)
                .bytes(blob.digest().as_bytes()),
            Self::Link(text) => encoder.array(2).text("link").bytes(text),
            Self::LinkOut { text, target } => {
                encoder.array(3).text("link-out").bytes(text);
                target.encode(encoder);
                encoder
            }
            Self::Dir => encoder.array(1).text("dir"),
        };
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let len = decoder.array()?;
        match (decoder.text()?, len) {
            ("file", 4) => Ok(Self::File {
                executable: decoder.bool()?,
                size: decoder.uint()?,
                blob: BlobId::new(decoder.digest()?),
            }),
            ("link", 2) => Ok(Self::Link(link_text(decoder)?)),
            ("link-out", 3) => Ok(Self::LinkOut {
                text: link_text(decoder)?,
                target: Content::decode(decoder)?,
            }),
            ("dir", 1) => Ok(Self::Dir),
            _ => decoder.fail("unknown kind of entry"),
        }
    }
}

/// Leaves out each path that lies beside the one before it: what is so of the directory of one is so
/// of the other's.
fn first_of_each_run<'a>(
    paths: impl Iterator<Item = &'a RelPath>,
) -> impl Iterator<Item = &'a RelPath> {
    let mut last: Option<&RelPath> = None;
    paths.filter(move |path| {
        let last = last.replace(path);
        !last.is_some_and(|last| last.is_beside(path))
    })
}

/// Checks that `path` is not too deep and lies in a directory that `tree` lists.
fn check_place(path: &RelPath, tree: &BTreeMap<RelPath, Entry>) -> Result<(), TreeError> {
    if path.components().count() > MAX_TREE_DEPTH {
        return Err(TreeError::TooDeep(path.clone()));
    }
    match path.parent() {
        Some(parent) if !parent.is_root() && tree.get(&parent) != Some(&Entry::Dir) => {
            Err(TreeError::Orphan(path.clone()))
        }
        _ => Ok(()),
    }
}

/// Reads the text of a link: not empty, without NUL.
pub(super) fn link_text(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
    let text = decoder.bytes()?;
    if text.is_empty() || text.contains(&0) {
        return decoder.fail("link without a valid target");
    }
    Ok(text.to_vec())
}
