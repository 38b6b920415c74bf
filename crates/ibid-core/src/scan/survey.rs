//! `Survey`: what a directory held all the way down, as compact as it can be kept.
//!
//! A row a file: its name among those of its directory, its status, its digest and what that rests
//! on. Paths are made where they are asked for. Rows are sorted by name within a directory;
//! [`Survey::each`] goes through all of them in the order of the bytes of whole paths.

use std::sync::Arc;

use super::memory::Memory;
use super::seen::Proof;
use crate::digest::encoding::Encoder;
use crate::digest::{BlobId, Digest, Hasher, TreeId};
use crate::fs::{FileSystem, Signature};
use crate::tree::{Content, Entry, RelPath};

/// So many bytes of an encoding are kept before they are hashed.
const ENCODED: usize = 256 << 10;

/// Everything below a directory that counts.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The directories, sorted by path; the first is the one that was asked for.
    pub(super) dirs: Vec<Surveyed>,
    /// Under what name it may be remembered, if all of it is here.
    pub(super) memory: Option<Memory>,
    /// The digest of its listing, if everything is as it was remembered and no link leads out.
    pub(super) id: Option<TreeId>,
}

/// The entries of one directory.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// Where it lies below the one that was asked for.
    pub(super) path: RelPath,
    /// The names, one after another.
    pub(super) names: Vec<u8>,
    /// The entries, sorted by name.
    pub(super) rows: Vec<Row>,
    /// Whether any of them is a link.
    pub(super) has_links: bool,
    /// What was remembered of it, and what may be.
    pub(super) past: Past,
}

/// What a directory has to do with what the stat cache keeps of its tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// Its status before it was listed, if that stands for its names, and its file system.
    pub(super) settled: Option<(Signature, FileSystem)>,
    /// How many of its entries are as they were kept.
    pub(super) recalled: usize,
    /// Whether all of it is.
    pub(super) whole: bool,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Row {
    /// Where its name begins.
    pub(super) start: usize,
    /// How long its name is.
    pub(super) length: u16,
    /// Its status; of a file that was read, before that.
    pub(super) signature: Signature,
    /// What it is.
    pub(super) member: Member,
}

/// What becomes of the files that a survey meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// They are looked at.
    Look,
    /// Those have a digest whose status tells it.
    Know,
    /// All have a digest; those are read whose status does not tell it.
    Read,
}

/// What stands in a directory.
#[derive(Debug)]
pub(super) enum Member {
    /// A file, and what its digest rests on.
    File(Digest, Proof),
    /// A file whose content was not asked for, or is not known.
    Unread,
    /// A directory.
    Dir,
    /// A link.
    Link(Box<Link>),
}

/// A link in a directory.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) text: Vec<u8>,
    /// What it leads to, if that counts.
    pub(super) target: Option<Content>,
}

impl Row {
    /// Returns the entry of a listing that this row is.
    fn entry(&self) -> Entry {
        match &self.member {
            Member::File(digest, _) => Entry::File {
                executable: self.signature.is_executable(),
                size: self.signature.size,
                blob: BlobId::new(*digest),
            },
            Member::Unread => unreachable!("a listing is made of files that were read"),
            Member::Dir => Entry::Dir,
            Member::Link(link) => match &link.target {
                None => Entry::Link(link.text.clone()),
                Some(target) => Entry::LinkOut {
                    text: link.text.clone(),
                    target: target.clone(),
                },
            },
        }
    }

    /// Says whether two rows are the same but for what files hold.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        let is_file = |row: &Self| matches!(row.member, Member::File(..) | Member::Unread);
        match (&self.member, &other.member) {
            (Member::Dir, Member::Dir) => true,
            (Member::Link(one), Member::Link(other)) => one.text == other.text,
            _ => is_file(self) && is_file(other),
        }
    }
}

impl Surveyed {
    pub(super) fn new(path: &RelPath, names: Vec<u8>, rows: Vec<Row>, past: Past) -> Self {
        let is_link = |row: &Row| matches!(row.member, Member::Link(_));
        Self {
            path: path.clone(),
            has_links: rows.iter().any(is_link),
            names,
            rows,
            past,
        }
    }

    /// Returns the name of a row.
    pub(super) fn name(&self, row: &Row) -> &[u8] {
        &self.names[row.start..row.start + usize::from(row.length)]
    }

    /// Returns the path of a row below the directory that was asked for.
    pub(super) fn path_of(&self, row: &Row) -> RelPath {
        let name = self.path.child(self.name(row));
        name.expect("the system lists plain names")
    }
}

/// A directory that is being gone through.
struct Frame {
    dir: usize,
    row: usize,
    /// The rows that are directories, in the order of what lies in them.
    inner: Vec<usize>,
    entered: usize,
    /// The length of the path before the names.
    prefix: usize,
}

impl Survey {
    /// Returns how many entries there are.
    pub(super) fn len(&self) -> usize {
        self.dirs.iter().map(|dir| dir.rows.len()).sum()
    }

    /// Says whether the content of every file is known.
    pub(super) fn is_known(&self) -> bool {
        let mut rows = self.dirs.iter().flat_map(|dir| &dir.rows);
        self.id.is_some() || !rows.any(|row| matches!(row.member, Member::Unread))
    }

    /// Returns the digest of the listing; every file has to be known.
    pub(super) fn listing_id(&self) -> TreeId {
        self.id.unwrap_or_else(|| {
            let mut hasher = Hasher::new();
            self.encode_to(|bytes| hasher.update_here(bytes));
            TreeId::new(hasher.finish())
        })
    }

    /// Goes through all links.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        let dirs = self.dirs.iter().filter(|dir| dir.has_links);
        let rows = dirs.flat_map(|dir| &dir.rows);
        rows.filter_map(|row| match &row.member {
            Member::Link(link) => Some(&**link),
            _ => None,
        })
    }

    /// Returns the directory at a path.
    pub(super) fn position(&self, path: &RelPath) -> Option<usize> {
        self.dirs.binary_search_by(|dir| dir.path.cmp(path)).ok()
    }

    fn frame(&self, dir: usize, prefix: usize) -> Frame {
        let listed = &self.dirs[dir];
        let is_dir = |row: &usize| matches!(listed.rows[*row].member, Member::Dir);
        let mut inner: Vec<_> = (0..listed.rows.len()).filter(is_dir).collect();
        // What lies in `a` comes after `a.c`, because its path goes on with a slash.
        inner.sort_by(|one, other| {
            let (one, other) = (&listed.rows[*one], &listed.rows[*other]);
            let below = |row| listed.name(row).iter().chain(b"/");
            below(one).cmp(below(other))
        });
        Frame {
            dir,
            row: 0,
            inner,
            entered: 0,
            prefix,
        }
    }

    /// Goes through all entries in the order of the bytes of their paths.
    pub(super) fn each(&self, mut visit: impl FnMut(&[u8], &Row)) {
        if self.dirs.is_empty() {
            return;
        }
        let mut path = Vec::new();
        let mut frames = vec![self.frame(0, 0)];
        while let Some(frame) = frames.last_mut() {
            let dir = &self.dirs[frame.dir];
            path.truncate(frame.prefix);
            let inner = frame.inner.get(frame.entered).map(|row| &dir.rows[*row]);
            let row = dir.rows.get(frame.row).filter(|row| {
                inner.is_none_or(|inner| comes_before(dir.name(row), dir.name(inner)))
            });
            match (row, inner) {
                (Some(row), _) => {
                    frame.row += 1;
                    path.extend_from_slice(dir.name(row));
                    visit(&path, row);
                }
                (None, Some(inner)) => {
                    frame.entered += 1;
                    path.extend_from_slice(dir.name(inner));
                    let below = self.position(&dir.path_of(inner));
                    path.push(b'/');
                    let below = below.expect("every directory that is listed was surveyed");
                    let next = self.frame(below, path.len());
                    frames.push(next);
                }
                (None, None) => {
                    frames.pop();
                }
            }
        }
    }

    /// Writes the canonical encoding of the listing, in pieces.
    fn encode_to(&self, mut take: impl FnMut(&[u8])) {
        let mut encoder = Encoder::new();
        encoder.array(self.len());
        self.each(|path, row| {
            encoder.array(2).bytes(path);
            row.entry().encode(&mut encoder);
            if encoder.as_bytes().len() >= ENCODED {
                take(encoder.as_bytes());
                encoder.clear();
            }
        });
        take(encoder.as_bytes());
    }
}

/// Says whether an entry comes before what lies in the directory `inner`.
fn comes_before(name: &[u8], inner: &[u8]) -> bool {
    let shared = name.len().min(inner.len());
    name[..shared]
        .cmp(&inner[..shared])
        .then_with(|| match name.get(inner.len()) {
            Some(next) => next.cmp(&b'/'),
            None => std::cmp::Ordering::Less,
        })
        .is_lt()
}

/// The listing of a directory that was scanned.
#[derive(Clone, Debug)]
pub struct Listing {
    survey: Arc<Survey>,
    id: TreeId,
}

impl Listing {
    /// Makes the listing of a survey whose files were all read.
    pub(super) fn new(survey: Arc<Survey>) -> Self {
        let id = survey.listing_id();
        Self { survey, id }
    }

    /// Returns the digest of the encoding.
    pub fn id(&self) -> TreeId {
        self.id
    }

    /// Returns the canonical encoding, which is that of the [`crate::tree::Tree`] of the same
    /// entries.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        self.survey
            .encode_to(|bytes| encoded.extend_from_slice(bytes));
        encoded
    }
}
