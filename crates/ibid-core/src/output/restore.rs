//! Outputs out of the store, into place.
//!
//! ```text
//! compare ──▶ stage everything beside its place ──▶ move what is in the way ──▶ rename in ──▶ tidy
//!                 verified while it is copied          into .ibid/replaced/       links last
//! ```
//!
//! Only what differs is touched. Until everything is staged nothing that stood is moved, and every
//! step after that can be undone; so a full disk, a damaged blob or a refused rename leaves the
//! old outputs as they were. Nothing is overwritten: what stood is renamed, and only what the store
//! has is removed at the end. Modes are 0755 or 0644 under the umask, and mtime is now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aside::{Earlier, Kept, MadeLinks, Reading, Search, settle_all};
use super::content::{Digests, Entries, files, wanted};
use super::glance::{glance, standing};
use super::inspect::{DifferenceKind, NotStored, Wanted, compare, one, places};
use super::keep::{Ground, Keep, Thing, mirror};
use super::stage::{LinkRefusal, Staging};
use super::target::{Parents, Target};
use super::walk::walk;
use crate::action::OutputSpec;
use crate::digest::TreeId;
use crate::fs::PathError;
use crate::store::{
    BlobProblem, LinkMode, ListingProblem, LocalStore, OutputContent, StoredAs, StoredOutput,
};
use crate::tree::{Entry, Escaped, Place, RelPath, Tree};

/// Why outputs were not put in place. Whatever stood before stands again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The result has an output that the step does not declare, or of another kind.
    #[error("the stored result has an output `{}` that is not declared so", Escaped(.0))]
    Undeclared(Vec<u8>),
    /// A declared pattern cannot be read.
    #[error("{0}")]
    Pattern(String),
    /// The store does not have what the result names, or what it has is damaged: this is a miss.
    /// The store's faults say more.
    #[error("cannot restore from the store")]
    Blob(#[source] BlobProblem),
    /// The store was not given the content of an output that differs, on purpose.
    #[error("{0}")]
    NotStored(NotStored),
    /// A listing in the store is not one.
    #[error("cannot restore from the store: {0}")]
    Listing(String),
    /// A system call failed at the destination.
    #[error("cannot put outputs in place")]
    Path(#[source] PathError),
    /// The directory to restore into holds something.
    #[error("`{}` is not empty", Escaped::path(.0))]
    NotEmpty(PathBuf),
}

impl RestoreError {
    /// Says whether the store is at fault, so that the caller runs the command instead.
    pub fn is_miss(&self) -> bool {
        match self {
            Self::Blob(problem) => !matches!(problem, BlobProblem::Destination { .. }),
            Self::Listing(_) | Self::Undeclared(_) | Self::NotStored(_) => true,
            Self::Pattern(_) | Self::Path(_) | Self::NotEmpty(_) => false,
        }
    }
}

impl From<PathError> for RestoreError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Whether anything was touched.
    pub touched: bool,
    /// How many files and links were put in place; folders count where there is nothing else.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What stood in the way and is not in the store.
    pub replaced: Kept,
    /// Why files were copied although hard links were asked for.
    pub copied_because: Option<LinkRefusal>,
}

/// Puts outputs in place.
#[derive(Clone, Copy, Debug)]
pub struct Restorer<'a> {
    /// Where the content comes from.
    pub store: &'a LocalStore,
    /// What is known of files, and what is remembered of those put in place.
    pub digests: Digests<'a>,
    /// How content leaves the store.
    pub link_mode: LinkMode,
    /// The workspace, and the run for which things are moved aside.
    pub ground: Ground<'a>,
}

/// One output that is to be put right.
struct Repair {
    target: Target,
    mirror: RelPath,
    wanted: Entries,
    differences: Vec<(RelPath, DifferenceKind)>,
}

impl Restorer<'_> {
    /// Makes the declared outputs what the result says, touching only what differs. `made` are
    /// links that an earlier run made as its outputs; other links in the way are the user's, and
    /// are followed.
    pub fn restore(
        &self,
        declared: &[OutputSpec],
        outputs: &[StoredOutput],
        made: &MadeLinks,
    ) -> Result<Restored, RestoreError> {
        let mut repairs = Vec::new();
        for place in places(declared, outputs, self.ground.root, made)? {
            if let Some(missing) = place.missing_in_store() {
                self.store.takes_longer();
                let mut differences = Vec::new();
                one(&place, &self.digests, &|_| None, &mut differences)?;
                if differences.is_empty() {
                    continue;
                }
                return Err(RestoreError::NotStored(missing));
            }
            let wanted = match place.content {
                Some(content) => wanted(content, |id| self.listing(id))?,
                None => Entries::new(),
            };
            repairs.extend(self.repair(&place, wanted)?);
        }
        self.put_right(repairs)
    }

    /// Restores outputs below another directory, which must be empty or not exist: each under its
    /// path below the root, those outside the root under `outside/`.
    pub fn restore_to(
        &self,
        dir: &Path,
        outputs: &[StoredOutput],
    ) -> Result<Restored, RestoreError> {
        let target = Target::find(dir, None, Parents::Create)?
            .expect("directories above are made where they are missing");
        let standing = walk(&target.dir, &target.name)?;
        let is_free = match standing.get(&RelPath::ROOT) {
            None => true,
            Some(top) => top.kind() == crate::fs::FileKind::Dir && standing.len() == 1,
        };
        if !is_free {
            return Err(RestoreError::NotEmpty(dir.to_owned()));
        }
        let mut all = Vec::new();
        for output in outputs {
            let at = match (&output.at, RelPath::new(output.name.clone())) {
                (Some(at), _) => at.clone(),
                (None, Ok(name)) => name,
                (None, Err(_)) => mirror(&Place::Outside(output.name.clone())),
            };
            if output.stored_as != StoredAs::Content {
                return Err(RestoreError::NotStored(NotStored {
                    path: at,
                    stored_as: output.stored_as,
                }));
            }
            let entries = wanted(&output.content, |id| self.listing(id))?;
            all.extend(
                entries
                    .into_iter()
                    .map(|(path, entry)| (at.join(&path), entry)),
            );
        }
        let tree = Tree::from_entries(all.into_iter().filter(|(path, _)| !path.is_root()))
            .map_err(|error| RestoreError::Listing(error.to_string()))?;
        let mut entries = tree.into_entries();
        entries.insert(RelPath::ROOT, Entry::Dir);
        let differences = compare(&entries, &target, &standing, &self.digests);
        self.put_right(vec![Repair {
            mirror: RelPath::new("restored").expect("one component"),
            target,
            wanted: entries,
            differences: differences.into_iter().collect(),
        }])
    }

    /// Reads the listing of a directory.
    pub fn listing(&self, id: TreeId) -> Result<Tree, RestoreError> {
        self.store.listing(&id).map_err(|problem| match problem {
            ListingProblem::Blob(problem) => RestoreError::Blob(problem),
            problem => RestoreError::Listing(problem.to_string()),
        })
    }

    /// Finds what differs at one place; nothing differing is no repair.
    fn repair(&self, place: &Wanted<'_>, wanted: Entries) -> Result<Option<Repair>, RestoreError> {
        let parents = if wanted.is_empty() {
            Parents::AsTheyAre
        } else {
            Parents::Create
        };
        let Some(target) = place.target(parents)? else {
            return Ok(None);
        };
        // What stands may be large, and is listed, hashed and moved.
        if target.seen.is_some() || !matches!(place.content, Some(OutputContent::File { .. })) {
            self.store.takes_longer();
        }
        let looked = glance(&target, self.digests.stats);
        let standing = match looked.and_then(|looked| standing(&target, &looked)) {
            Some(standing) => standing,
            None => walk(&target.dir, &target.name)?,
        };
        let differences = compare(&wanted, &target, &standing, &self.digests);
        Ok((!differences.is_empty()).then(|| Repair {
            target,
            mirror: place.mirror.clone(),
            wanted,
            differences: differences.into_iter().collect(),
        }))
    }

    fn put_right(&self, repairs: Vec<Repair>) -> Result<Restored, RestoreError> {
        let mut staging = Staging::new(self.store, self.link_mode, self.digests.meter);
        let mut in_the_way = Vec::new();
        for repair in repairs {
            plan(repair, &mut staging, &mut in_the_way)?;
        }
        if staging.is_empty() && in_the_way.is_empty() {
            return Ok(Restored::default());
        }
        staging.sweep();
        staging.fill()?;
        // Files that get their names a tick after their bytes can be remembered.
        let begun = staging.begin(&self.digests);
        let mut keep = Keep::new(self.ground);
        let mut earlier: Vec<Earlier> = Vec::new();
        let done = (|| {
            for thing in &in_the_way {
                earlier.push(self.move_away(&mut keep, thing)?);
            }
            staging.publish()
        })();
        if let Err(error) = done {
            staging.withdraw();
            for earlier in earlier.iter().rev() {
                // The first error is the one to tell; what cannot return is still in its folder.
                let _ = earlier.moved.put_back();
            }
            keep.tidy();
            return Err(error.into());
        }
        staging.remember(&begun, &self.digests);
        let stored = |blob, size| self.store.contains_verified(&blob, size).is_ok();
        let search = Search {
            is_stored: &stored,
            reading: Reading::Unknown,
            digests: &self.digests,
        };
        let replaced = settle_all(&earlier, &keep, &search);
        Ok(Restored {
            touched: true,
            files: staging.files(),
            bytes: staging.bytes(),
            replaced,
            copied_because: staging.refusal(),
        })
    }

    fn move_away(&self, keep: &mut Keep<'_>, thing: &Thing) -> Result<Earlier, PathError> {
        // What cannot be listed, for its depth say, can be moved all the same.
        let standing = walk(&thing.dir, &thing.name).unwrap_or_default();
        let known = files(&standing).filter_map(|(path, signature)| {
            let digest = self.digests.known(&thing.dir, signature)?;
            Some((path.clone(), (*signature, digest)))
        });
        let digests = known.collect();
        Ok(Earlier {
            moved: keep.put_away(thing)?,
            digests,
            is_made_link: false,
        })
    }
}

/// Cuts a repair into whole things to stage and whole things to move away.
fn plan(
    repair: Repair,
    staging: &mut Staging<'_>,
    in_the_way: &mut Vec<Thing>,
) -> Result<(), PathError> {
    let mut covered: Option<RelPath> = None;
    let beside = Arc::new(repair.target.dir);
    let mut top = None;
    let mut ordered = repair.differences;
    ordered.sort_by(|a, b| a.0.components().cmp(b.0.components()));
    for (path, what) in ordered {
        if covered
            .as_ref()
            .is_some_and(|above| path.strip_prefix(above).is_some())
        {
            continue;
        }
        let (dir, name) = match (path.parent(), path.name()) {
            (Some(parent), Some(name)) => {
                if top.is_none() {
                    top = Some(beside.dir(&repair.target.name)?);
                }
                let top = top.as_ref().expect("it was just opened");
                let name = RelPath::new(name).expect("one component");
                (Arc::new(top.dir(&parent)?), name)
            }
            _ => (Arc::clone(&beside), repair.target.name.clone()),
        };
        if what != DifferenceKind::Missing {
            in_the_way.push(Thing {
                dir: Arc::clone(&dir),
                name: name.clone(),
                mirror: repair.mirror.join(&path),
                output: (Arc::clone(&beside), repair.target.name.clone()),
            });
        }
        if what != DifferenceKind::Stray {
            staging.add(dir, name, &path, &repair.wanted);
        }
        covered = Some(path);
    }
    Ok(())
}
