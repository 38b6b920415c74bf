//! Outputs in place, compared with a result. Writes nothing.
//!
//! What stands is known by its status through the stat cache, else by hashing. A directory is
//! compared both ways: what is missing, what differs, and what is there without belonging to the
//! result. Whether everything is as it should be can be told without the store: the listing of
//! what stands has the digest of the listing of the result.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use super::aside::MadeLinks;
use super::content::{Digests, Entries, content, entries, wanted};
use super::glance::{glance, standing};
use super::keep::mirror;
use super::pattern::Pattern;
use super::restore::RestoreError;
use super::target::{Parents, Target};
use super::walk::{Standing, Stood, walk};
use crate::action::{OutputKind, OutputSpec};
use crate::digest::TreeId;
use crate::fs::{FileKind, PathError, Signature};
use crate::store::{OutputContent, StoredAs, StoredOutput};
use crate::tree::{Entry, RelPath, Tree};

/// Whether outputs stand as a result has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// Nothing needs to be done.
    UpToDate,
    /// These differ.
    Differs(Vec<Difference>),
    /// This output differs, and the store was not given it: only the command can make it.
    NotStored(NotStored),
}

/// An output whose content the store was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStored {
    /// The path where it lies, below the root if it does.
    pub path: RelPath,
    /// Why the store was not given it.
    pub stored_as: StoredAs,
}

impl std::fmt::Display for NotStored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.path;
        match self.stored_as {
            StoredAs::Keep => write!(f, "`{path}` is not as the last run left it (keep = true)"),
            StoredAs::Digest | StoredAs::Content => {
                write!(f, "`{path}` was not stored (store = \"digest\")")
            }
        }
    }
}

/// One path that is not as the result has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: PathBuf,
    /// In what.
    pub what: DifferenceKind,
}

/// In what a path differs from a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It has other bytes, or is a link with another text.
    Edited,
    /// It is there and does not belong to the result.
    Stray,
    /// It is a file instead of a directory, a link instead of a file, and so on.
    WrongKind,
    /// It has the right bytes and is executable where it should not be, or the reverse.
    WrongMode,
}

/// A place where a result wants something, or nothing, to stand.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) path: PathBuf,
    pub(super) mirror: RelPath,
    /// Nothing, for optional outputs that the run did not make and for strays of patterns.
    pub(super) content: Option<&'a OutputContent>,
    /// What of it the store was given, or may do about it.
    pub(super) stored_as: StoredAs,
    made: Option<&'a [u8]>,
}

impl Wanted<'_> {
    /// Returns what there is to say where this place is not right and the store was not given what
    /// belongs there.
    pub(super) fn missing_in_store(&self) -> Option<NotStored> {
        (self.stored_as != StoredAs::Content).then(|| NotStored {
            path: self.mirror.clone(),
            stored_as: self.stored_as,
        })
    }

    /// Finds the place. A link that is itself the output is not followed.
    pub(super) fn target(&self, parents: Parents) -> Result<Option<Target>, PathError> {
        match self.content {
            Some(OutputContent::Link(_)) => Target::unresolved(&self.path, parents),
            _ => Target::find(&self.path, self.made, parents),
        }
    }
}

/// Matches the outputs of a result with the declared ones. An output that is not declared is
/// refused: nothing is ever written where the step does not say so.
pub(super) fn places<'a>(
    declared: &'a [OutputSpec],
    outputs: &'a [StoredOutput],
    root: &Path,
    made: &'a MadeLinks,
) -> Result<Vec<Wanted<'a>>, RestoreError> {
    let mut wanted = Vec::new();
    let mut used = vec![false; outputs.len()];
    for spec in declared {
        let matching = (0..outputs.len()).filter(|index| outputs[*index].name == spec.key_name());
        match &spec.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                let output = matching.clone().find(|index| outputs[*index].at.is_none());
                let dir_only = matches!(spec.kind, OutputKind::Dir(_));
                if let Some(index) = output {
                    let is_dir = matches!(outputs[index].content, OutputContent::Tree(_));
                    used[index] = is_dir || !dir_only;
                }
                wanted.push(Wanted {
                    path: place.on_disk(root),
                    mirror: mirror(place),
                    content: output.map(|index| &outputs[index].content),
                    stored_as: stored_as(spec, output.map(|index| &outputs[index])),
                    made: made.get(place.key_name()).map(Vec::as_slice),
                });
            }
            OutputKind::Glob(text) => {
                let pattern =
                    Pattern::new(text).map_err(|error| RestoreError::Pattern(error.to_string()))?;
                let mut paths: BTreeMap<RelPath, Option<&StoredOutput>> = pattern
                    .find(root)?
                    .into_iter()
                    .map(|path| (path, None))
                    .collect();
                for index in matching {
                    if let Some(at) = outputs[index].at.clone().filter(|at| pattern.matches(at)) {
                        used[index] = true;
                        paths.insert(at, Some(&outputs[index]));
                    }
                }
                wanted.extend(paths.into_iter().map(|(path, output)| Wanted {
                    path: path.below(root),
                    mirror: path,
                    content: output.map(|output| &output.content),
                    stored_as: stored_as(spec, output),
                    made: None,
                }));
            }
        }
    }
    match used.iter().position(|used| !used) {
        Some(index) => Err(RestoreError::Undeclared(outputs[index].name.clone())),
        None => Ok(without_repeats(wanted)),
    }
}

/// Returns what the store has of what is wanted at a place. What stands at an output that the
/// command updates is nobody else's to move.
fn stored_as(spec: &OutputSpec, output: Option<&StoredOutput>) -> StoredAs {
    match output {
        _ if spec.keep => StoredAs::Keep,
        Some(output) => output.stored_as,
        None => StoredAs::Content,
    }
}

/// A path that two patterns match is wanted by the one under which it was captured.
fn without_repeats(mut wanted: Vec<Wanted<'_>>) -> Vec<Wanted<'_>> {
    wanted.sort_by(|a, b| (&a.path, a.content.is_none()).cmp(&(&b.path, b.content.is_none())));
    wanted.dedup_by(|later, earlier| later.path == earlier.path);
    wanted
}

/// Compares what stands at the declared outputs with a result. `made` are links that earlier runs
/// made as outputs; `listing` reads a directory's listing if that can be had, and makes the answer
/// more exact.
pub fn inspect(
    declared: &[OutputSpec],
    outputs: &[StoredOutput],
    (root, made): (&Path, &MadeLinks),
    digests: &Digests<'_>,
    listing: &dyn Fn(TreeId) -> Option<Tree>,
) -> Result<InPlace, RestoreError> {
    let mut differences = Vec::new();
    for wanted in places(declared, outputs, root, made)? {
        let before = differences.len();
        one(&wanted, digests, listing, &mut differences)?;
        if differences.len() > before
            && let Some(missing) = wanted.missing_in_store()
        {
            return Ok(InPlace::NotStored(missing));
        }
    }
    Ok(if differences.is_empty() {
        InPlace::UpToDate
    } else {
        InPlace::Differs(differences)
    })
}

/// Says whether every output is known to stand as a result has it, by one look at each: the usual
/// case of outputs that are files. That it does not say so decides nothing; a link, for one, may
/// be an output or the way to it.
pub fn stand_as_known(
    declared: &[OutputSpec],
    outputs: &[StoredOutput],
    root: &Path,
    digests: &Digests<'_>,
) -> bool {
    all_stand(declared, outputs, root, &|place| {
        is_known_file(place, digests)
    })
}

/// The same where folders are outputs, too, by one look at each name in them.
pub fn trees_stand_as_known(
    declared: &[OutputSpec],
    outputs: &[StoredOutput],
    root: &Path,
    digests: &Digests<'_>,
) -> bool {
    all_stand(declared, outputs, root, &|place| match place.content {
        Some(OutputContent::Tree(id)) => {
            // A link may be an output itself.
            Signature::of_link(&place.path).is_ok_and(|found| found.kind() == FileKind::Dir)
                && place.target(Parents::AsTheyAre).is_ok_and(|target| {
                    let looked = target.and_then(|it| glance(&it, digests.stats));
                    looked.is_some_and(|it| it.id() == Some(*id))
                })
        }
        _ => is_known_file(place, digests),
    })
}

fn all_stand(
    declared: &[OutputSpec],
    outputs: &[StoredOutput],
    root: &Path,
    stands: &dyn Fn(&Wanted<'_>) -> bool,
) -> bool {
    let is_pattern = |spec: &OutputSpec| matches!(spec.kind, OutputKind::Glob(_));
    if declared.iter().any(is_pattern) {
        return false;
    }
    let made = MadeLinks::new();
    places(declared, outputs, root, &made).is_ok_and(|places| places.iter().all(stands))
}

fn is_known_file(place: &Wanted<'_>, digests: &Digests<'_>) -> bool {
    let Some(OutputContent::File {
        executable,
        size,
        blob,
    }) = place.content
    else {
        return false;
    };
    Signature::of_link(&place.path).is_ok_and(|found| {
        found.kind() == FileKind::File
            && found.size == *size
            && found.is_executable() == *executable
            && digests.known_at(&place.path, &found) == Some(*blob.digest())
    })
}

pub(super) fn one(
    place: &Wanted<'_>,
    digests: &Digests<'_>,
    listing: &dyn Fn(TreeId) -> Option<Tree>,
    differences: &mut Vec<Difference>,
) -> Result<(), RestoreError> {
    let mut tell = |path: PathBuf, what| differences.push(Difference { path, what });
    let target = place.target(Parents::AsTheyAre)?;
    let standing = match &target {
        Some(target) => standing_unless_known(target, place.content, digests)?,
        None => Some(Standing::new()),
    };
    let Some(standing) = standing else {
        return Ok(());
    };
    let (target, content_wanted) = match (target, place.content) {
        (_, None) if standing.is_empty() => return Ok(()),
        (_, None) => {
            tell(place.path.clone(), DifferenceKind::Stray);
            return Ok(());
        }
        (Some(target), Some(content)) if !standing.is_empty() => (target, content),
        (_, Some(_)) => {
            tell(place.path.clone(), DifferenceKind::Missing);
            return Ok(());
        }
    };
    let OutputContent::Tree(id) = content_wanted else {
        let entries = wanted::<Infallible>(content_wanted, |_| unreachable!("it is no tree"));
        let Ok(entries) = entries;
        for (path, what) in compare(&entries, &target, &standing, digests) {
            tell(path.below(&place.path), what);
        }
        return Ok(());
    };
    if let Ok(known) = digests.of_all(&target.dir, &target.name, &standing)
        && let Some(entries) = entries(&standing, &known)
        && content(&entries).as_ref() == Some(content_wanted)
    {
        return Ok(());
    }
    let stored = place.stored_as == StoredAs::Content;
    let tree = stored.then(|| listing(*id)).flatten().ok_or(());
    match wanted(content_wanted, |_| tree) {
        Ok(entries) => {
            for (path, what) in compare(&entries, &target, &standing, digests) {
                tell(path.below(&place.path), what);
            }
        }
        Err(()) => tell(place.path.clone(), DifferenceKind::Edited),
    }
    Ok(())
}

/// Lists what stands at a target; `None` for a folder that is known to be what is wanted. Mostly it
/// is, which takes a look at each name and no more.
fn standing_unless_known(
    target: &Target,
    wanted: Option<&OutputContent>,
    digests: &Digests<'_>,
) -> Result<Option<Standing>, PathError> {
    if let Some(OutputContent::Tree(id)) = wanted
        && let Some(looked) = glance(target, digests.stats)
    {
        if looked.id() == Some(*id) {
            return Ok(None);
        }
        if let Some(standing) = standing(target, &looked) {
            return Ok(Some(standing));
        }
    }
    standing_at(target).map(Some)
}

/// Lists what stands at a target. A single file was looked at when the target was found.
fn standing_at(target: &Target) -> Result<Standing, PathError> {
    match target.seen {
        Some(signature) if signature.kind() == FileKind::File => {
            let file = Stood::new(signature, None);
            Ok(Standing::from([(RelPath::ROOT, file)]))
        }
        _ => walk(&target.dir, &target.name),
    }
}

/// Compares everything that stands at a target with what is wanted there, both ways. Only
/// differences are returned. A file that cannot be read is taken for edited.
pub(super) fn compare(
    wanted: &Entries,
    target: &Target,
    standing: &Standing,
    digests: &Digests<'_>,
) -> BTreeMap<RelPath, DifferenceKind> {
    use DifferenceKind::{Edited, Missing, Stray, WrongKind, WrongMode};
    let mut differences = BTreeMap::new();
    // Only files that may be right are worth reading.
    let candidates: Standing = standing
        .iter()
        .filter(|(path, stood)| {
            stood.kind() == FileKind::File
                && matches!(wanted.get(path),
                    Some(Entry::File { size, .. }) if *size == stood.signature.size)
        })
        .map(|(path, stood)| (path.clone(), stood.clone()))
        .collect();
    let known = digests
        .of_all(&target.dir, &target.name, &candidates)
        .unwrap_or_else(|_| one_by_one(target, &candidates, digests));
    for (path, entry) in wanted {
        let what = match (entry, standing.get(path)) {
            (_, None) => Missing,
            (
                Entry::File {
                    executable, blob, ..
                },
                Some(stood),
            ) if stood.kind() == FileKind::File => match known.get(path) {
                Some(digest) if digest != blob.digest() => Edited,
                Some(_) if stood.signature.is_executable() != *executable => WrongMode,
                Some(_) => continue,
                None => Edited,
            },
            (
                Entry::Link(text) | Entry::LinkOut { text, .. },
                Some(Stood { link: Some(it), .. }),
            ) => {
                if it == text {
                    continue;
                }
                Edited
            }
            (Entry::Dir, Some(stood)) if stood.kind() == FileKind::Dir => continue,
            (_, Some(_)) => WrongKind,
        };
        differences.insert(path.clone(), what);
    }
    for path in standing.keys().filter(|path| !wanted.contains_key(path)) {
        differences.insert(path.clone(), Stray);
    }
    differences
}

/// Hashes files of which some cannot be read; those have no digest.
fn one_by_one(
    target: &Target,
    standing: &Standing,
    digests: &Digests<'_>,
) -> BTreeMap<RelPath, crate::digest::Digest> {
    let hash = |(path, stood): (&RelPath, &Stood)| {
        let below = target.name.join(path);
        let threads = crate::fs::Threads::Many;
        let digest = digests.of(&target.dir, &below, &stood.signature, threads);
        Some((path.clone(), digest.ok()?))
    };
    standing.iter().filter_map(hash).collect()
}
