//! Manifests: the readable record, in the workspace, of a step's last successful run.
//!
//! ```text
//! <root>/.ibid/manifests/<step>.json
//! ```
//!
//! A manifest holds what the step gave, so that a step can be recognised as up to date where the
//! store knows nothing any more; `docs/reference/manifest.md` describes it. Invariants: it is
//! written whole or not at all and reached through no link; one that is missing, damaged, of
//! another key or of another schema decides nothing; a failure to write one is a warning.

mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod text;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use rustix::io::Errno;

use super::context::Context;
use super::error::chain;
use super::event::Warning;
use super::freshness::is_success;
use super::prepare::Prepared;
use crate::action::KeyRecord;
use crate::digest::{BlobId, Digest, Key};
use crate::fs::{
    Dir, FileKind, IfPresent as _, IoContext as _, PathError, close_checked, look_aside,
    read_limited, set_mode,
};
use crate::output::{staging_name, workspace_dir};
use crate::store::{Outcome, RunInfo, StoredResult};
use crate::tree::RelPath;

/// Longer files are no manifests: one of some hundred thousand inputs and outputs fits.
const LIMIT: u64 = 64 << 20;

/// What a step's last successful run was made of and gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What history calls the step.
    pub label: String,
    /// The key.
    pub key: Key,
    /// What the run gave.
    pub outcome: Outcome,
    /// When the command started, in nanoseconds since 1970.
    pub started: u64,
    /// How long it ran, in nanoseconds.
    pub duration: u64,
    /// The host it ran on.
    pub host: String,
    /// The user it ran as, where that is recorded.
    pub user: Option<String>,
    /// The version of ibid.
    pub version: String,
    /// Title and value of each component of the key, in words.
    pub components: Vec<(String, String)>,
    /// Version tags that the user gives by hand.
    pub versions: BTreeMap<String, String>,
    /// What the user wants to stand here.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl Manifest {
    /// Makes the manifest of a prepared step with this result.
    fn of(prepared: &Prepared, result: &StoredResult) -> Self {
        let RunInfo {
            record: _,
            log: _,
            started,
            duration,
            host,
            user,
            version,
            label: _,
        } = result.run.clone();
        let policy = &prepared.action.policy;
        Self {
            // The step's own name: the result may have come about under another one.
            label: policy.label.clone(),
            key: result.key,
            outcome: result.outcome.clone(),
            started,
            duration,
            host,
            user,
            version,
            components: words::components(&prepared.record),
            versions: prepared.action.versions.clone(),
            metadata: words::metadata(&policy.metadata),
        }
    }

    /// Says whether this is the manifest that the step would get for this result.
    fn is_of(&self, prepared: &Prepared, result: &StoredResult) -> bool {
        let policy = &prepared.action.policy;
        self.key == result.key
            && self.outcome == result.outcome
            && (self.started, self.duration) == (result.run.started, result.run.duration)
            && self.label == policy.label
            && self.metadata == words::metadata(&policy.metadata)
    }

    /// Returns title and values, before and now, of each component that is not as it is recorded. A
    /// value that is cut here ends in a digest, so that two of them differ where they do.
    pub(super) fn changes_to(
        &self,
        record: &KeyRecord,
    ) -> Vec<(String, Option<String>, Option<String>)> {
        let old: BTreeMap<_, _> = self.components.iter().cloned().collect();
        let new: BTreeMap<_, _> = words::components(record).into_iter().collect();
        let titles: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let change = |title: &String| {
            (
                title.clone(),
                old.get(title).cloned(),
                new.get(title).cloned(),
            )
        };
        let changes = titles.into_iter().map(change);
        changes.filter(|(_, old, new)| old != new).collect()
    }

    /// Returns a digest of everything that a decision may rest on. It tells damage, not forgery:
    /// whoever writes in the workspace may also write the outputs.
    fn check(&self) -> Digest {
        let result = StoredResult {
            key: self.key,
            outcome: self.outcome.clone(),
            run: RunInfo {
                record: BlobId::of(&[]),
                log: None,
                started: self.started,
                duration: self.duration,
                host: self.host.clone(),
                user: self.user.clone(),
                version: self.version.clone(),
                label: self.label.clone(),
            },
        };
        Digest::of(&result.encode())
    }
}

/// Returns the manifest of this name, if there is a whole one of a schema that is known here.
/// Nothing that is wrong with it is an error: the step is decided without it.
pub fn read(root: &Path, name: &str) -> Option<Manifest> {
    // Its folder stands for it in a snapshot; for whoever has it as an input, its own status does.
    look_aside(|| read_file(root, name))
}

fn read_file(root: &Path, name: &str) -> Option<Manifest> {
    standing(root, name).ok().flatten()
}

/// Returns the manifest of this name if one stands there; what stands there and is none is told.
pub(super) fn standing(root: &Path, name: &str) -> Result<Option<Manifest>, String> {
    let unreadable = |error: PathError| chain(&error);
    let name = file_name(name).ok_or("it has no name that a file can have")?;
    let dir = Dir::open(root).and_then(|top| top.dir(&folder()));
    let Some(dir) = dir.if_present().map_err(unreadable)? else {
        return Ok(None);
    };
    let Some((file, signature)) = dir.open_file(&name).if_present().map_err(unreadable)? else {
        return Ok(None);
    };
    if signature.size > LIMIT {
        return Err("it is too large for one".to_owned());
    }
    let path = dir.path_of(&name);
    let bytes = read_limited((&file, &path), signature.size, LIMIT);
    let bytes = bytes.map_err(unreadable)?;
    form::decode(&bytes).map_or_else(
        || Err("it is damaged, or none of this version".to_owned()),
        |it| Ok(Some(it)),
    )
}

/// Removes the manifest of this name, and says whether there was one: for a result that is to
/// count no longer, wherever the store may be by then.
pub fn remove(root: &Path, name: &str) -> Result<bool, PathError> {
    let Some(name) = file_name(name) else {
        return Ok(false);
    };
    let top = Dir::open(root);
    let dir = top.and_then(|top| top.dir(&folder())).if_present()?;
    let removed = dir.map(|dir| dir.remove_file(&name));
    Ok(removed.transpose().if_present()?.flatten().is_some())
}

/// Keeps the manifest of a step whose outputs stand as this result has them, unless it stands
/// already, or the step keeps none.
pub(super) fn keep(prepared: &Prepared, result: &StoredResult, cx: &Context<'_>) {
    let policy = &prepared.action.policy;
    let Some(name) = &policy.manifest else { return };
    if !is_success(result.outcome.exit_code, policy) {
        return;
    }
    if read(cx.root, name).is_some_and(|standing| standing.is_of(prepared, result)) {
        return;
    }
    let bytes = form::encode(&Manifest::of(prepared, result));
    if let Err(error) = write(cx.root, name, &bytes) {
        let reason = chain(&error);
        cx.warn(Warning::Store(format!("no manifest was written: {reason}")));
    }
}

fn write(root: &Path, name: &str, bytes: &[u8]) -> Result<(), PathError> {
    let Some(name) = file_name(name) else {
        return Err(Errno::INVAL).context("name a manifest", Path::new(name));
    };
    let top = Dir::open(root)?;
    let ours = one(".ibid");
    // What replaces files may follow the user's link; a record that is read back may not.
    if top
        .status_if_any(&ours)?
        .is_some_and(|found| found.kind() == FileKind::Link)
    {
        return Err(Errno::LOOP).context("keep a manifest in", &top.path_of(&ours));
    }
    // Staged where few names stand, so that what a killed process left is soon found.
    let stage = workspace_dir(root)?;
    let dir = top.create_dirs(&folder())?;
    let staged = one(&staging_name());
    let path = stage.path_of(&staged);
    let mut file = stage.create_file(&staged)?;
    let written = file
        .write_all(bytes)
        .context("write", &path)
        .and_then(|()| set_mode(&file, 0o644, &path))
        .and_then(|()| close_checked(file).context("close", &path))
        .and_then(|()| stage.rename(&staged, &dir, &name));
    if written.is_err() {
        // What stays behind has no manifest's name, and nobody reads it.
        let _ = stage.remove_file(&staged);
    }
    written
}

fn folder() -> RelPath {
    RelPath::new(".ibid/manifests").expect("the path is clean")
}

/// A fixed name of one component.
fn one(name: &str) -> RelPath {
    RelPath::new(name).expect("the name is one component")
}

/// Returns the name of a manifest's file; `None` for what is not one name.
fn file_name(name: &str) -> Option<RelPath> {
    let path = RelPath::new(format!("{name}.json")).ok()?;
    let is_plain = !name.is_empty() && !name.contains('/') && path.components().count() == 1;
    is_plain.then_some(path)
}

#[cfg(test)]
mod tests;
