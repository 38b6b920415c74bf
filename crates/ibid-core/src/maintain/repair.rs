//! Putting right what a check found: damaged files are put aside, never deleted.
//!
//! ```text
//! damaged blob, small file   looked at again, moved to the trash
//! tag, description, generation   written anew
//! wrong mode                 set right, then read again
//! key's file, old result     moved to the trash where something that it needs is gone
//! ```
//!
//! Every file is looked at again just before it is touched: whoever uses the store meanwhile heals
//! it, too. Tombstones and what no store has stay. What cannot be put right is told with the reason.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::check::{self, Broken, Checked, Flaw, FlawKind, Recheck};
use crate::digest::{BlobId, Key};
use crate::fs::{Facts, FileKind, IfPresent as _, Signature};
use crate::store::{KeySays, LocalStore, StoreError, StoredResult};
use crate::tree::Escaped;

/// What repairing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Flaws that are no more, each with what was done.
    pub done: Vec<(Flaw, String)>,
    /// Flaws that need a person, each with why.
    pub left: Vec<(Flaw, String)>,
}

/// What became of one flaw.
enum Mended {
    /// It is no more.
    Done(String),
    /// A person is needed.
    Left(String),
    /// It is no more once the results that it spoils are put aside.
    WithResults,
    /// It is none that wants repair.
    Told,
}

/// Puts aside what is wrong, so that the next run makes it anew.
pub fn repair(store: &LocalStore, checked: &Checked) -> Repaired {
    // Nothing is written where others may write, so that is taken from them first.
    let is_folder =
        |flaw: &Flaw| flaw.kind == FlawKind::Untrusted && is_dir_of_layout(store, &flaw.path);
    let folders = checked.flaws.iter().filter(|flaw| is_folder(flaw));
    let mut folders: HashMap<&Path, Mended> = folders
        .map(|flaw| (&*flaw.path, mend(store, flaw)))
        .collect();
    // The first write to a store writes its description anew where that is damaged.
    for flaw in &checked.flaws {
        if flaw.kind == FlawKind::SmallFile && is_renewed(store, &flaw.path) {
            store.keep_copy(&flaw.path);
        }
    }
    let mended = checked.flaws.iter().map(|flaw| {
        let folder = is_folder(flaw).then(|| folders.remove(&*flaw.path));
        folder.flatten().unwrap_or_else(|| mend(store, flaw))
    });
    let mended: Vec<_> = mended.collect();
    let failed = put_results_aside(store, checked);
    let mut repaired = Repaired::default();
    for (flaw, mended) in checked.flaws.iter().zip(mended) {
        let failure = flaw.spoils.iter().find_map(|key| failed.get(key));
        match (mended, failure) {
            (Mended::Done(what), None) => repaired.done.push((flaw.clone(), what)),
            (Mended::WithResults, None) => {
                let what = "what needs it was moved to the trash".to_owned();
                repaired.done.push((flaw.clone(), what));
            }
            (Mended::Left(why), _) => repaired.left.push((flaw.clone(), why)),
            (Mended::Done(_) | Mended::WithResults, Some(why)) => {
                repaired.left.push((flaw.clone(), why.clone()));
            }
            (Mended::Told, _) => {}
        }
    }
    repaired
}

fn mend(store: &LocalStore, flaw: &Flaw) -> Mended {
    let path = &flaw.path;
    let mended = match flaw.kind {
        FlawKind::BlobContent => again(store, flaw),
        FlawKind::NotAFile => not_a_file(store, path),
        FlawKind::KeyFile | FlawKind::SmallFile => small(store, flaw),
        FlawKind::Untrusted => set_right(store, flaw),
        FlawKind::Unreadable => unreadable(store, flaw),
        FlawKind::ResultMissing
        | FlawKind::Result
        | FlawKind::ForeignKey
        | FlawKind::BlobMissing
        | FlawKind::Listing => Ok(Mended::WithResults),
        FlawKind::Stranger | FlawKind::Unread => Ok(Mended::Told),
    };
    mended.unwrap_or_else(|error| Mended::Left(in_words(&error)))
}

/// Looks at a file once more, and puts it aside if it is still wrong.
fn again(store: &LocalStore, flaw: &Flaw) -> Result<Mended, StoreError> {
    let path = &flaw.path;
    let seen = seen(path)?;
    match check::recheck(store, path) {
        Recheck::Wrong => aside(store, path, seen),
        // It is not read again, so it goes only if it is the very file that was judged.
        Recheck::Hollow if seen == flaw.judged => aside(store, path, seen),
        Recheck::Hollow | Recheck::Sound | Recheck::Absent => Ok(healed()),
        Recheck::Unreadable(reason) => Ok(Mended::Left(reason)),
    }
}

fn healed() -> Mended {
    Mended::Done("it is right by now".to_owned())
}

/// Looks at what is about to be judged, so that nothing else is moved for it.
fn seen(path: &Path) -> Result<Option<Signature>, StoreError> {
    Signature::of_link(path)
        .if_present()
        .map_err(StoreError::Io)
}

/// Moves away what was judged; what has its name by now is another's, and right as far as is known.
fn aside(store: &LocalStore, path: &Path, seen: Option<Signature>) -> Result<Mended, StoreError> {
    let Some(seen) = seen else {
        return Ok(healed());
    };
    let to = match store.put_aside_seen(path, &seen) {
        // The first write of a process puts aside what stands in its way.
        Err(StoreError::Io(error)) if error.is_absent() => return Ok(healed()),
        put => put?,
    };
    let Some(to) = to else {
        return Ok(healed());
    };
    let to = to.strip_prefix(store.dir()).unwrap_or(&to).to_owned();
    Ok(Mended::Done(format!("moved to `{}`", Escaped::path(&to))))
}

fn not_a_file(store: &LocalStore, path: &Path) -> Result<Mended, StoreError> {
    let seen = seen(path)?;
    let wanted = if is_dir_of_layout(store, path) {
        FileKind::Dir
    } else {
        FileKind::File
    };
    match Facts::of_link(path) {
        Ok(facts) if facts.signature.kind() == wanted => return Ok(healed()),
        Err(error) if error.is_absent() => return Ok(healed()),
        _ => {}
    }
    if path == store.dir().join("v1") {
        let why = "everything that is stored belongs there: move it away by hand";
        return Ok(Mended::Left(why.to_owned()));
    }
    let done = aside(store, path, seen)?;
    renew(store, path)?;
    Ok(done)
}

fn is_dir_of_layout(store: &LocalStore, path: &Path) -> bool {
    match check::parts(store, path)[..] {
        [] | ["v1"] | ["v1", "blobs" | "keys" | "tombstones", _] => true,
        ["v1", name] => name != "generation" && name != "collected",
        _ => false,
    }
}

/// Says whether a path is that of a file that a store has only one of.
fn is_renewed(store: &LocalStore, path: &Path) -> bool {
    matches!(
        check::parts(store, path)[..],
        ["CACHEDIR.TAG" | "store.json"] | ["v1", "generation"] | ["v1", "tombstones", _, _]
    )
}

/// Writes such a file anew, and says whether it is one.
fn renew(store: &LocalStore, path: &Path) -> Result<bool, StoreError> {
    match check::parts(store, path)[..] {
        ["CACHEDIR.TAG"] => store.renew_tag()?,
        ["store.json"] => store.renew_description()?,
        ["v1", "generation"] => store.renew_generation()?,
        ["v1", "tombstones", _, name] => match name.parse() {
            Ok(key) => store.renew_tombstone(&key)?,
            Err(_) => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// Puts a small file right: one that is needed is written anew, any other is put aside.
fn small(store: &LocalStore, flaw: &Flaw) -> Result<Mended, StoreError> {
    let seen = seen(&flaw.path)?;
    match check::recheck(store, &flaw.path) {
        Recheck::Sound => return Ok(healed()),
        Recheck::Unreadable(reason) => return Ok(Mended::Left(reason)),
        Recheck::Wrong | Recheck::Hollow | Recheck::Absent => {}
    }
    if renew(store, &flaw.path)? {
        return Ok(Mended::Done("written anew".to_owned()));
    }
    match Facts::of_link(&flaw.path) {
        Err(error) if error.is_absent() => Ok(healed()),
        _ => aside(store, &flaw.path, seen),
    }
}

/// Takes rights away that nobody should have; what it is then is read once more.
fn set_right(store: &LocalStore, flaw: &Flaw) -> Result<Mended, StoreError> {
    let path = &flaw.path;
    let facts = match Facts::of_link(path) {
        Ok(facts) => facts,
        Err(error) if error.is_absent() => return Ok(healed()),
        Err(error) => return Err(StoreError::Io(error)),
    };
    if check::objection(store, path).is_none() {
        return Ok(healed());
    }
    if is_disguised(store, path, &facts) {
        return aside(store, path, Some(facts.signature));
    }
    store.set_right(path, is_blob(store, path))?;
    if let Some(reason) = check::objection(store, path) {
        return Ok(Mended::Left(format!(
            "{reason}: give it to yourself, or remove it"
        )));
    }
    if is_blob(store, path) && matches!(check::recheck(store, path), Recheck::Wrong) {
        return aside(store, path, Some(facts.signature));
    }
    Ok(Mended::Done("its mode was set right".to_owned()))
}

fn is_blob(store: &LocalStore, path: &Path) -> bool {
    blob_of(path).is_some_and(|blob| store.blob_path(&blob) == path)
}

/// Says whether a file that never was a key's file has the name of one: with another mode it would
/// be believed.
fn is_disguised(store: &LocalStore, path: &Path, facts: &Facts) -> bool {
    let is_key = matches!(check::parts(store, path)[..], ["v1", "keys", _, _]);
    is_key && store.is_disguised(facts)
}

fn blob_of(path: &Path) -> Option<BlobId> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Gives a file's owner the right to read it, if that is what was missing.
fn unreadable(store: &LocalStore, flaw: &Flaw) -> Result<Mended, StoreError> {
    let path = &flaw.path;
    let facts = match Facts::of_link(path) {
        Ok(facts) => facts,
        Err(error) if error.is_absent() => return Ok(healed()),
        Err(error) => return Err(StoreError::Io(error)),
    };
    if is_disguised(store, path, &facts) {
        return aside(store, path, Some(facts.signature));
    }
    let facts = facts.signature;
    if facts.kind() == FileKind::File && facts.mode & 0o400 == 0 {
        store.set_right(path, is_blob(store, path))?;
        return match again(store, flaw)? {
            Mended::Done(_) if Facts::of_link(path).is_ok() => {
                Ok(Mended::Done("its mode was set right".to_owned()))
            }
            other => Ok(other),
        };
    }
    match check::recheck(store, path) {
        Recheck::Sound => Ok(healed()),
        Recheck::Unreadable(reason) => Ok(Mended::Left(format!(
            "{reason}: it may be whole, so it stays"
        ))),
        Recheck::Wrong | Recheck::Hollow | Recheck::Absent => Ok(Mended::Left(
            "it may be whole, so it stays: look at its mode and at the disk".to_owned(),
        )),
    }
}

/// Puts aside what names a result that cannot be used, so that nothing names it any more. Returns
/// the keys of which something could not be moved, and why.
fn put_results_aside(store: &LocalStore, checked: &Checked) -> HashMap<Key, String> {
    let spoiled = checked.flaws.iter().flat_map(|flaw| &flaw.spoils);
    let keys: BTreeSet<&Key> = spoiled.collect();
    let mut failed = HashMap::new();
    for key in keys {
        if let Ok(KeySays::Result(result)) = store.peek_key(key) {
            let broken = Broken {
                key: *key,
                result,
                stands: true,
            };
            put_result_aside(store, &broken, &mut failed);
        }
    }
    for broken in checked.broken.iter().filter(|broken| !broken.stands) {
        put_result_aside(store, broken, &mut failed);
    }
    failed
}

fn put_result_aside(store: &LocalStore, broken: &Broken, failed: &mut HashMap<Key, String>) {
    let places = [store.key_path(&broken.key), store.blob_path(&broken.result)];
    let places = places.map(|path| (Signature::of_link(&path).ok(), path));
    if check::seems_usable(store, broken) {
        return;
    }
    // History may name the result that stood, and nothing must name what cannot be used.
    let own = |found: &StoredResult| found.key == broken.key;
    let result = store.peek_result(&broken.result).ok().filter(own);
    for ((seen, path), goes) in places.into_iter().zip([broken.stands, result.is_some()]) {
        let Some(seen) = seen.filter(|_| goes) else {
            continue;
        };
        match store.put_aside_seen(&path, &seen) {
            Err(StoreError::Io(error)) if error.is_absent() => {}
            Err(error) => {
                failed.insert(broken.key, in_words(&error));
                return;
            }
            Ok(_) => {}
        }
    }
}

fn in_words(error: &StoreError) -> String {
    match error {
        StoreError::Io(error) => format!("cannot {}: {}", error.operation, error.source),
        other => other.to_string(),
    }
}
