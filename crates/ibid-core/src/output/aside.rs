//! What stands at the declared outputs is set aside before a run.
//!
//! ```text
//! set_aside ──▶ run ──▶ succeeded: settle    what is in the store goes, the rest stays, and is told
//!                  └──▶ failed:    put_back  partial outputs are kept, the earlier ones return
//! ```
//!
//! A command starts with none of its outputs there, so that it cannot pass off an earlier run's as
//! its own; and nothing is lost, because everything is moved and only bytes that the store has are
//! removed, after the run has succeeded. Outputs that the command updates (`keep`) are the exception:
//! they stay where they are, whatever comes of the run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::content::{Digests, entries, files, tree};
use super::keep::{Ground, Keep, Moved, Thing, mirror, remove_empty};
use super::pattern::Pattern;
use super::strays;
use super::target::{Parents, Target, UserLink};
use super::validate::OutputError;
use super::walk::{Standing, walk};
use crate::action::{OutputKind, OutputSpec};
use crate::digest::{BlobId, Digest};
use crate::fs::{Dir, FileKind, PathError, Signature, Threads};
use crate::tree::{Place, RelPath};

/// The texts of links that an earlier run is known to have made as its outputs, by output name.
/// Every other link at a declared path is the user's own.
pub type MadeLinks = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why outputs could not be set aside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsideError {
    /// A pattern cannot be read.
    #[error("cannot set earlier outputs aside")]
    Output(#[source] OutputError),
    /// A system call failed. What was moved before is back in place.
    #[error("cannot set earlier outputs aside")]
    Path(#[source] PathError),
}

impl From<PathError> for AsideError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// Earlier outputs, out of the way of a run.
#[derive(Debug)]
pub struct Aside<'a> {
    keep: Keep<'a>,
    spots: Vec<Spot>,
    earlier: Vec<Earlier>,
}

/// A declared output, as it was found before the run.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) kind: SpotKind,
    pub(super) optional: bool,
    /// Whether the command updates what stands there, which is never moved then.
    pub(super) keep: bool,
}

#[derive(Debug)]
pub(super) enum SpotKind {
    Place {
        place: Place,
        path: PathBuf,
        dir_only: bool,
        link: Option<UserLink>,
    },
    Glob(String, Pattern),
}

/// An earlier output that was moved, with what was known of its files before.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) moved: Moved,
    pub(super) digests: BTreeMap<RelPath, (Signature, Digest)>,
    /// Whether it is a link that an earlier run made, which loses nothing when it goes.
    pub(super) is_made_link: bool,
}

/// What stayed behind of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many files and links that the store does not have.
    pub count: usize,
    /// The folder below the root that holds them, but for those that were left beside their
    /// places because they lie on another file system.
    pub folder: Option<PathBuf>,
    /// Paths of things left beside their places.
    pub beside: Vec<PathBuf>,
}

/// Moves everything that stands at the outputs out of the way, and makes the directories above
/// them. On an error what was moved is moved back.
pub fn set_aside<'a>(
    outputs: &[OutputSpec],
    ground: Ground<'a>,
    made: &MadeLinks,
    digests: &Digests<'_>,
) -> Result<Aside<'a>, AsideError> {
    let mut aside = Aside {
        keep: Keep::new(ground),
        spots: Vec::new(),
        earlier: Vec::new(),
    };
    let moved = outputs
        .iter()
        .try_for_each(|output| aside.clear(output, made, digests));
    if let Err(error) = moved {
        for earlier in aside.earlier.iter().rev() {
            // The first error is the one to tell; what cannot return is still in its folder.
            let _ = earlier.moved.put_back();
        }
        aside.keep.tidy();
        return Err(error);
    }
    Ok(aside)
}

/// Takes outputs as they stand, because the run that made them is over: nothing is moved or made.
pub fn leave_in_place<'a>(
    outputs: &[OutputSpec],
    ground: Ground<'a>,
    made: &MadeLinks,
) -> Result<Aside<'a>, AsideError> {
    let spot = |output: &OutputSpec| {
        let kind = match &output.kind {
            OutputKind::Glob(text) => {
                let pattern = Pattern::new(text)
                    .map_err(|error| AsideError::Output(OutputError::Pattern(error)))?;
                SpotKind::Glob(text.clone(), pattern)
            }
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                let path = place.on_disk(ground.root);
                let made = made.get(place.key_name()).map(Vec::as_slice);
                let target = Target::find(&path, made, Parents::AsTheyAre)?;
                SpotKind::Place {
                    place: place.clone(),
                    dir_only: matches!(output.kind, OutputKind::Dir(_)),
                    link: target.and_then(|target| target.link),
                    path,
                }
            }
        };
        Ok(Spot {
            kind,
            optional: output.optional,
            keep: output.keep,
        })
    };
    Ok(Aside {
        keep: Keep::new(ground),
        spots: outputs
            .iter()
            .map(spot)
            .collect::<Result<_, AsideError>>()?,
        earlier: Vec::new(),
    })
}

impl Aside<'_> {
    fn clear(
        &mut self,
        output: &OutputSpec,
        made: &MadeLinks,
        digests: &Digests<'_>,
    ) -> Result<(), AsideError> {
        let root = self.keep.ground().root;
        let kind = match &output.kind {
            OutputKind::Glob(text) => {
                let pattern = Pattern::new(text)
                    .map_err(|error| AsideError::Output(OutputError::Pattern(error)))?;
                Dir::open_or_create(&pattern.prefix().below(root))?;
                let standing = if output.keep {
                    Vec::new()
                } else {
                    pattern.find(root)?
                };
                for path in standing {
                    if let Some(target) = Target::unresolved(&path.below(root), Parents::AsTheyAre)?
                    {
                        self.move_away(target, &path, None, digests)?;
                    }
                }
                SpotKind::Glob(text.clone(), pattern)
            }
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                let path = place.on_disk(root);
                let made = made.get(place.key_name()).map(Vec::as_slice);
                let link = match Target::find(&path, made, Parents::Create)? {
                    None => None,
                    Some(target) => {
                        match self.keep.ground().swept {
                            Some(swept) => swept.sweep(&target.dir),
                            None => strays::sweep(&target.dir, &|| ()),
                        }
                        let link = target.link.clone();
                        if !output.keep {
                            self.move_away(target, &mirror(place), made, digests)?;
                        }
                        link
                    }
                };
                SpotKind::Place {
                    place: place.clone(),
                    dir_only: matches!(output.kind, OutputKind::Dir(_)),
                    link,
                    path,
                }
            }
        };
        self.spots.push(Spot {
            kind,
            optional: output.optional,
            keep: output.keep,
        });
        Ok(())
    }

    /// Moves what stands at a target: the thing itself, or what is in it where the user's own link
    /// leads to a directory.
    fn move_away(
        &mut self,
        target: Target,
        mirror: &RelPath,
        made: Option<&[u8]>,
        digests: &Digests<'_>,
    ) -> Result<(), PathError> {
        for thing in things(target, mirror)? {
            // What cannot be listed, for its depth say, can be moved all the same.
            let standing = walk(&thing.dir, &thing.name).unwrap_or_default();
            let is_made_link = made.is_some()
                && standing
                    .get(&RelPath::ROOT)
                    .is_some_and(|top| top.link.as_deref() == made);
            let known = files(&standing)
                .filter_map(|(path, signature)| {
                    let digest = digests.known(&thing.dir, signature)?;
                    Some((path.clone(), (*signature, digest)))
                })
                .collect();
            let moved = self.keep.put_away(&thing)?;
            self.earlier.push(Earlier {
                moved,
                digests: known,
                is_made_link,
            });
        }
        Ok(())
    }

    /// Returns the declared outputs as they were found.
    pub(super) fn spots(&self) -> &[Spot] {
        &self.spots
    }

    /// Returns the root.
    pub(super) fn root(&self) -> &std::path::Path {
        self.keep.ground().root
    }

    /// Says how many things were moved.
    pub fn moved(&self) -> usize {
        self.earlier.len()
    }

    /// Names the outputs that were left for the command to update and stand there.
    pub fn updated(&self) -> Vec<PathBuf> {
        let left = self.spots.iter().filter(|spot| spot.keep);
        let standing = left.filter_map(|spot| spot.standing(self.root()).ok());
        standing
            .flatten()
            .map(|(target, _)| target.dir.path_of(&target.name))
            .collect()
    }

    /// After a run that succeeded: removes what the store has, and says what stays. `is_stored`
    /// must have looked at the blob itself, of this length. What cannot be read or removed stays;
    /// so does what would have to be read first, if `reading` is [`Reading::Never`].
    pub fn settle(
        self,
        is_stored: &dyn Fn(BlobId, u64) -> bool,
        reading: Reading,
        digests: &Digests<'_>,
    ) -> Kept {
        let search = Search {
            is_stored,
            reading,
            digests,
        };
        settle_all(&self.earlier, &self.keep, &search)
    }

    /// After a run that failed: keeps what it left at the outputs in a folder `partial`, and puts
    /// the earlier outputs back where they were. Returns what was kept of the failed run.
    pub fn put_back(mut self) -> Result<Kept, PathError> {
        let partial = RelPath::new("partial").expect("one component");
        let spots = std::mem::take(&mut self.spots);
        let mut kept = Kept::default();
        // Whatever fails, everything else is still done, and the first error is told.
        let mut first_error = Ok(());
        for spot in spots.iter().filter(|spot| !spot.keep) {
            let moved = self.keep_partial(spot, &partial, &mut kept);
            first_error = first_error.and(moved.and_then(|()| spot.mend_link()));
        }
        for earlier in self.earlier.iter().rev() {
            first_error = first_error.and(earlier.moved.put_back());
        }
        self.keep.tidy();
        first_error.map(|()| kept)
    }

    /// Keeps what a failed run left at one output.
    fn keep_partial(
        &mut self,
        spot: &Spot,
        partial: &RelPath,
        kept: &mut Kept,
    ) -> Result<(), PathError> {
        for (target, at) in spot.standing(self.root())? {
            for thing in things(target, &partial.join(&at))? {
                let moved = self.keep.put_away(&thing)?;
                let (dir, name) = &moved.to;
                kept.count += walk(dir, name).map_or(1, |all| {
                    let not_dirs = all.values().filter(|stood| stood.kind() != FileKind::Dir);
                    not_dirs.count()
                });
                if moved.is_beside {
                    kept.beside.push(moved.path());
                } else {
                    kept.folder = self.keep.folder().map(|dir| dir.path_of(partial));
                }
            }
        }
        Ok(())
    }
}

/// Whether files whose digest is not known are read, to find out if the store has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// They are.
    Unknown,
    /// They are not: the store was never given files like these, and reading them is dear.
    Never,
}

/// How is found out whether bytes would be lost.
pub(super) struct Search<'a> {
    pub(super) is_stored: &'a dyn Fn(BlobId, u64) -> bool,
    pub(super) reading: Reading,
    pub(super) digests: &'a Digests<'a>,
}

/// Removes what the store has of things that were moved, and says what stays.
pub(super) fn settle_all(all: &[Earlier], keep: &Keep<'_>, search: &Search<'_>) -> Kept {
    let mut kept = Kept::default();
    for earlier in all {
        let count = earlier.settle(search);
        if count > 0 && earlier.moved.is_beside {
            kept.beside.push(earlier.moved.path());
        } else if count > 0 {
            kept.folder = keep.folder().map(|folder| folder.path().to_owned());
        }
        kept.count += count;
    }
    keep.tidy();
    kept
}

/// Lists what is to be moved for a target: nothing, itself, or its children.
fn things(target: Target, mirror: &RelPath) -> Result<Vec<Thing>, PathError> {
    let Some(standing) = target.status()? else {
        return Ok(Vec::new());
    };
    let is_destination = target.link.is_some() && standing.kind() == FileKind::Dir;
    let output = (Arc::new(target.dir), target.name);
    if !is_destination {
        return Ok(vec![Thing {
            dir: Arc::clone(&output.0),
            name: output.1.clone(),
            mirror: mirror.clone(),
            output,
        }]);
    }
    let dir = Arc::new(output.0.dir(&output.1)?);
    let listed = dir.list()?.into_iter().map(|listed| {
        let name = RelPath::new(listed.name).expect("a listed name is one component");
        Thing {
            dir: Arc::clone(&dir),
            mirror: mirror.join(&name),
            name,
            output: output.clone(),
        }
    });
    Ok(listed.collect())
}

impl Spot {
    /// Finds what stands at the output, with the path below the root under which it is kept.
    /// A link that is not the user's own of before the run was made by the command.
    pub(super) fn standing(
        &self,
        root: &std::path::Path,
    ) -> Result<Vec<(Target, RelPath)>, PathError> {
        let (found, mirror) = match &self.kind {
            SpotKind::Place {
                path,
                link: Some(link),
                place,
                ..
            } if link.is_unchanged() => {
                (Target::find(path, None, Parents::AsTheyAre)?, mirror(place))
            }
            SpotKind::Place { path, place, .. } => {
                (Target::unresolved(path, Parents::AsTheyAre)?, mirror(place))
            }
            SpotKind::Glob(_, pattern) => {
                let found = pattern.find(root)?.into_iter();
                let targets = found.map(|path| {
                    let target = Target::unresolved(&path.below(root), Parents::AsTheyAre)?;
                    Ok(target.map(|target| (target, path)))
                });
                return targets.filter_map(Result::transpose).collect();
            }
        };
        let mut standing = Vec::new();
        if let Some(target) = found
            && target.status()?.is_some()
        {
            standing.push((target, mirror));
        }
        Ok(standing)
    }

    /// Makes the user's link again if the command removed or replaced it.
    fn mend_link(&self) -> Result<(), PathError> {
        let SpotKind::Place {
            path,
            link: Some(link),
            ..
        } = &self.kind
        else {
            return Ok(());
        };
        if link.is_unchanged() {
            return Ok(());
        }
        match Target::unresolved(path, Parents::Create)? {
            Some(target) => target.dir.create_link(&target.name, &link.text),
            None => Ok(()),
        }
    }
}

impl Earlier {
    /// Removes what the store has and returns how many files and links stay.
    fn settle(&self, search: &Search<'_>) -> usize {
        let is_stored = search.is_stored;
        let (dir, name) = &self.moved.to;
        if self.is_made_link {
            return usize::from(dir.remove_file(name).is_err());
        }
        let Ok(standing) = walk(dir, name) else {
            return 1;
        };
        let mut contents = BTreeMap::new();
        for (path, signature) in files(&standing) {
            let digest = self.known_before(path, signature).or_else(|| {
                let digests = (search.reading == Reading::Unknown).then_some(search.digests)?;
                let hashed = digests.of(dir, &name.join(path), signature, Threads::Many);
                hashed.ok()
            });
            if let Some(digest) = digest.filter(|it| is_stored(BlobId::new(*it), signature.size)) {
                contents.insert(path.clone(), digest);
            }
        }
        let listing = entries(&standing, &contents).and_then(|entries| tree(&entries));
        let loses_nothing = listing.is_some_and(|tree| {
            let bytes = tree.encode();
            is_stored(BlobId::of(&bytes), bytes.len() as u64)
        });
        self.remove(&standing, &contents, loses_nothing)
    }

    fn remove(
        &self,
        standing: &Standing,
        contents: &BTreeMap<RelPath, Digest>,
        loses_nothing: bool,
    ) -> usize {
        let (dir, name) = &self.moved.to;
        let mut stays = 0;
        for (path, stood) in standing.iter().filter(|(_, x)| x.kind() != FileKind::Dir) {
            let removed = (loses_nothing || contents.contains_key(path))
                // It may have been written to meanwhile by somebody who still has it open.
                && dir.status(&name.join(path)).is_ok_and(|now| now == stood.signature)
                && dir.remove_file(&name.join(path)).is_ok();
            stays += usize::from(!removed);
        }
        if standing
            .get(&RelPath::ROOT)
            .is_some_and(|top| top.kind() == FileKind::Dir)
        {
            remove_empty(dir, name);
        }
        stays
    }

    /// Returns the digest taken before the rename, which changes the file's ctime and nothing
    /// else.
    fn known_before(&self, path: &RelPath, now: &Signature) -> Option<Digest> {
        let (then, digest) = self.digests.get(path)?;
        let same = Signature {
            ctime: then.ctime,
            ..*now
        } == *then;
        same.then_some(*digest)
    }
}
