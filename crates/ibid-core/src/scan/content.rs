//! Declared paths to content: files, directory trees, and links followed to either.
//!
//! A link inside a tree that stays inside is listed with its text. One that leaves it, or that
//! leads to what the filter leaves out, counts with the content at its end, because nothing else
//! in the listing stands for that.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::seen::{Seen, What};
use super::survey::{Files, Listing, Member};
use super::walk::Top;
use super::{Filter, Pattern, ScanError, Scanner, SymlinkPolicy};
use crate::digest::{BlobId, TreeId};
use crate::fs::{self, FileKind, Links, Signature};
use crate::tree::{Content, RelPath};

/// As many links as the kernel follows in a row.
const MAX_HOPS: usize = 40;

/// How often links may lead out of trees that links led to.
const MAX_LINKED_TREES: usize = 16;

/// What a declared path turned out to be.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// Its identity.
    pub content: Content,
    /// The listing, if it is a directory or a link to one.
    pub tree: Option<Listing>,
    /// Everything that was looked at.
    pub seen: Vec<Seen>,
}

impl Scanned {
    /// Returns itself if it is a directory or leads to one; `path` is for the error.
    pub fn require_dir(self, path: &Path) -> Result<Self, ScanError> {
        match self.content.resolved() {
            Content::Tree(_) => Ok(self),
            _ => Err(ScanError::NotADirectory(path.to_owned())),
        }
    }
}

/// A directory's listing.
#[derive(Clone, Debug)]
pub struct ScannedTree {
    /// Everything in it that counts.
    pub tree: Listing,
    /// Everything that was looked at: its own files, members and links, and what links lead to.
    pub seen: Vec<Seen>,
}

/// What a pattern matched.
#[derive(Clone, Debug)]
pub struct Globbed {
    /// The paths, sorted by raw bytes.
    pub paths: Vec<RelPath>,
    /// That these are the matches; their contents are not looked at.
    pub seen: Seen,
}

impl Scanner<'_> {
    /// Returns the content of a declared path: of a file, of a directory under `filter`, or of
    /// what a link leads to.
    pub fn content(&self, path: &Path, filter: &Filter) -> Result<Scanned, ScanError> {
        let mut texts = Vec::new();
        let mut seen = Vec::new();
        let mut here = path.to_owned();
        let signature = loop {
            match self.look(&here, Links::Keep)? {
                None => {
                    return Err(match texts.pop() {
                        Some(text) => ScanError::Dangling {
                            path: path.to_owned(),
                            text,
                        },
                        None => ScanError::Missing(path.to_owned()),
                    });
                }
                Some(signature) if signature.kind() == FileKind::Link => {
                    if texts.len() == MAX_HOPS {
                        return Err(ScanError::LinkLoop(path.to_owned()));
                    }
                    let text = fs::read_link(&here)?;
                    let next = fs::below(here.parent().unwrap_or(Path::new("/")), &text);
                    seen.push(Seen(What::Link {
                        path: std::mem::replace(&mut here, next),
                        text: text.clone(),
                    }));
                    texts.push(text);
                }
                Some(signature) => break signature,
            }
        };
        let (target, tree) = self.plain(&here, signature, filter, &mut seen)?;
        let content = if texts.is_empty() {
            target
        } else {
            let target = Box::new(target);
            Content::Link { texts, target }
        };
        Ok(Scanned {
            content,
            tree,
            seen,
        })
    }

    /// Returns the content of a file or directory that is no link.
    fn plain(
        &self,
        path: &Path,
        signature: Signature,
        filter: &Filter,
        seen: &mut Vec<Seen>,
    ) -> Result<(Content, Option<Listing>), ScanError> {
        match signature.kind() {
            FileKind::Dir => {
                let scanned = self.tree(path, filter)?;
                seen.extend(scanned.seen);
                Ok((Content::Tree(scanned.tree.id()), Some(scanned.tree)))
            }
            FileKind::Link | FileKind::Special => Err(ScanError::Special(path.to_owned())),
            FileKind::File => {
                let file = self.examine(path, signature)?;
                let content = Content::File {
                    executable: file.signature.is_executable(),
                    blob: BlobId::new(file.digest),
                };
                seen.push(file.into());
                Ok((content, None))
            }
        }
    }

    /// Returns the listing of a directory, all the way down.
    pub fn tree(&self, dir: &Path, filter: &Filter) -> Result<ScannedTree, ScanError> {
        let mut trees = Trees {
            scanner: self,
            filter,
            above: Vec::new(),
            done: HashMap::new(),
            cut: false,
            seen: Vec::new(),
        };
        let tree = trees.scan(dir)?;
        Ok(ScannedTree {
            tree,
            seen: trees.seen,
        })
    }

    /// Returns what a pattern matches under `filter`; no match is an error.
    pub fn glob(&self, pattern: &Pattern, filter: &Filter) -> Result<Globbed, ScanError> {
        let paths = self.matches(pattern, filter)?;
        if paths.is_empty() {
            return Err(ScanError::NoMatch(pattern.text().to_owned()));
        }
        let seen = Seen(What::Matches {
            pattern: pattern.clone(),
            filter: filter.clone(),
            paths: paths.clone(),
        });
        Ok(Globbed { paths, seen })
    }
}

/// A tree, and the trees that links lead to from there.
struct Trees<'a> {
    scanner: &'a Scanner<'a>,
    filter: &'a Filter,
    /// The real paths of the trees that are being listed, outermost first.
    above: Vec<PathBuf>,
    /// Linked trees that were listed, unless a loop was cut in them.
    done: HashMap<PathBuf, TreeId>,
    cut: bool,
    seen: Vec<Seen>,
}

impl Trees<'_> {
    /// Lists a directory. Recursive in linked trees only, up to [`MAX_LINKED_TREES`].
    fn scan(&mut self, dir: &Path) -> Result<Listing, ScanError> {
        if self.above.len() > MAX_LINKED_TREES {
            return Err(ScanError::TooDeep(dir.to_owned()));
        }
        self.above.push(match self.scanner.layer {
            None => fs::real_path(dir)?,
            Some(layer) => layer.real_path(dir)?,
        });
        let mut survey = self
            .scanner
            .survey(Top::Path(dir), self.filter, Files::Read)?;
        for at in survey.dirs.iter_mut().filter(|at| at.has_links) {
            for row in &mut at.rows {
                let Member::Link(link) = &mut row.member else {
                    continue;
                };
                let name = &at.names[row.start..row.start + usize::from(row.length)];
                let path = fs::below(&at.path.below(dir), name);
                link.target = self.target(&path)?;
            }
        }
        if survey.links().any(|link| link.target.is_some()) {
            survey.id = None;
        }
        let survey = Arc::new(survey);
        self.seen.push(Seen(What::Tree {
            dir: dir.to_owned(),
            filter: self.filter.clone(),
            survey: Arc::clone(&survey),
        }));
        self.above.pop();
        let listing = Listing::new(Arc::clone(&survey));
        self.scanner.keep(&survey, listing.id());
        Ok(listing)
    }

    /// Says what a link inside the innermost tree leads to, if that counts.
    fn target(&mut self, path: &Path) -> Result<Option<Content>, ScanError> {
        let kept = || Ok(None);
        if self.scanner.symlinks == SymlinkPolicy::Keep {
            return kept();
        }
        // A dangling link has no content but its text; so has one to a device.
        let Ok(real) = fs::real_path(path) else {
            return match self.scanner.layer {
                None => kept(),
                // What it leads to may be about to stand.
                Some(_) => Err(ScanError::Unforeseen(path.to_owned())),
            };
        };
        if self
            .scanner
            .layer
            .is_some_and(|layer| layer.touches_real(&real))
        {
            return Err(ScanError::Unforeseen(path.to_owned()));
        }
        if self.lists(&real)? {
            return kept();
        }
        let Some(signature) = fs::look(&real, Links::Keep)? else {
            return kept();
        };
        let target = match signature.kind() {
            FileKind::Link | FileKind::Special => return kept(),
            FileKind::File => {
                let file = self.scanner.examine(&real, signature)?;
                let executable = file.signature.is_executable();
                let blob = BlobId::new(file.digest);
                self.seen.push(file.into());
                Content::File { executable, blob }
            }
            FileKind::Dir if self.above.contains(&real) => {
                // It is being listed already: a loop ends here.
                self.cut = true;
                return kept();
            }
            FileKind::Dir => Content::Tree(self.linked_tree(&real)?),
        };
        self.seen.push(Seen(What::Real {
            path: path.to_owned(),
            real,
        }));
        Ok(Some(target))
    }

    fn linked_tree(&mut self, real: &Path) -> Result<TreeId, ScanError> {
        if let Some(digest) = self.done.get(real) {
            return Ok(*digest);
        }
        let was_cut = std::mem::take(&mut self.cut);
        let digest = self.scan(real)?.id();
        if !self.cut {
            self.done.insert(real.to_owned(), digest);
        }
        self.cut |= was_cut;
        Ok(digest)
    }

    /// Says whether the listing of the innermost tree holds what stands at this real path.
    fn lists(&self, real: &Path) -> Result<bool, ScanError> {
        let tree = self.above.last().expect("a link lies in a tree");
        let Ok(below) = real.strip_prefix(tree) else {
            return Ok(false);
        };
        let Ok(below) = RelPath::new(below.as_os_str().as_bytes()) else {
            return Ok(false);
        };
        let from_root = self.scanner.below_root(tree);
        let mut path = RelPath::ROOT;
        for name in below.components() {
            if from_root.is_none() && self.filter.is_own(&path.below(tree), name) {
                return Ok(false);
            }
            path = path.child(name).expect("a component is a name");
            // All but the last are directories, and the last is asked for its kind.
            let kind = match fs::look(&path.below(tree), Links::Keep)? {
                Some(signature) => signature.kind(),
                None => return Ok(false),
            };
            let from_root = from_root.as_ref().map(|root| root.join(&path));
            if self.filter.skips(name, from_root.as_ref(), kind) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
