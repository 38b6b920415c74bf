//! `Gather`: what all parts of preparing add to.

use std::collections::BTreeSet;
use std::path::Path;

use crate::action::{Action, Command, OutputKind, Step, Word};
use crate::digest::Digest;
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::event::Note;
use crate::engine::memo::Memo;
use crate::engine::overlay::Overlay;
use crate::fs::{FileKind, Meter, Signature};
use crate::output::Role;
use crate::scan::{FileDigest, Filter, Listing, Pattern, ScanError, Scanned, Scanner, Seen};
use crate::tree::{Content, Escaped, Place};

/// Folders that are alike on every machine of a platform: their absolute names do no harm.
const SYSTEM: [&[u8]; 8] = [
    b"/usr/", b"/bin/", b"/sbin/", b"/lib", b"/etc/", b"/opt/", b"/dev/", b"/proc/",
];

/// The step that is prepared, and what was found so far.
pub(super) struct Gather<'a> {
    pub(super) step: &'a Step,
    pub(super) root: &'a Path,
    pub(super) memo: Option<&'a Memo>,
    pub(super) scanner: Scanner<'a>,
    overlay: &'a Overlay,
    pub(super) filter: Filter,
    pub(super) seen: Vec<Seen>,
    pub(super) listings: Vec<Listing>,
    pub(super) reads: Vec<(Role, Place)>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(
        step: &'a Step,
        overlay: &'a Overlay,
        cx: &Context<'a>,
        meter: &'a Meter,
    ) -> Result<Self, Error> {
        Ok(Self {
            step,
            root: cx.root,
            memo: cx.memo,
            scanner: Scanner::new(cx.root, cx.stats, meter).over(overlay.layer()),
            overlay,
            filter: filter(step, cx)?,
            seen: Vec::new(),
            listings: Vec::new(),
            reads: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Scans a place that the step reads, and remembers what was seen.
    pub(super) fn content(&mut self, place: &Place, role: Role) -> Result<Scanned, Error> {
        let scanned = self
            .scanner
            .content(&place.on_disk(self.root), &self.filter)?;
        Ok(self.keep(place, role, scanned))
    }

    pub(super) fn keep(&mut self, place: &Place, role: Role, mut scanned: Scanned) -> Scanned {
        self.seen.append(&mut scanned.seen);
        self.listings.extend(scanned.tree.take());
        self.reads.push((role, place.clone()));
        scanned
    }

    /// Digests a program or another file whose name does not count.
    pub(super) fn digest(&mut self, path: &Path) -> Result<Digest, Error> {
        let file = self.scanner.file_digest(path)?;
        Ok(self.see(file))
    }

    /// Digests a file that was just opened.
    pub(super) fn digest_at(&mut self, path: &Path, looked: Signature) -> Result<Digest, Error> {
        let file = self.scanner.examine(path, looked)?;
        Ok(self.see(file))
    }

    /// Takes the digest of a file that was known as it was found.
    pub(super) fn see(&mut self, file: FileDigest) -> Digest {
        let digest = file.digest;
        self.seen.push(file.into());
        digest
    }

    /// Says whether anything is looked at that does not stand yet.
    pub(super) fn looks_ahead(&self) -> bool {
        !self.overlay.is_empty()
    }

    /// Fails where a path is one of those that do not stand yet.
    pub(super) fn foreseen(&self, path: &Path) -> Result<(), Error> {
        if self.overlay.layer().covers(path) {
            return Err(ScanError::Unforeseen(path.to_owned()).into());
        }
        Ok(())
    }

    /// Says whether something stands at a place, or will.
    pub(super) fn exists(&self, place: &Place) -> Result<bool, Error> {
        let path = place.on_disk(self.root);
        if self.overlay.layer().concerns(&path) {
            return Ok(self.scanner.kind(&path)?.is_some());
        }
        Ok(crate::fs::exists(&path)?)
    }

    /// Returns what stands at a place, or will, links followed; what cannot be looked at is none.
    pub(super) fn kind(&self, place: &Place) -> Result<Option<FileKind>, Error> {
        let path = place.on_disk(self.root);
        if self.overlay.layer().concerns(&path) {
            return Ok(self.scanner.kind(&path)?);
        }
        Ok(Signature::of(&path).ok().map(|found| found.kind()))
    }

    /// Says whether a place is read as declared, or lies in a directory that is and is not left
    /// out there, neither by its own name nor by that of where links lead.
    pub(super) fn is_declared(&self, place: &Place) -> bool {
        let reads = || self.reads.iter().map(|(_, read)| read);
        reads().any(|read| place == read)
            || reads().any(|read| place.is_within(read) && !self.is_left_out(place, read))
    }

    /// Says whether the filter leaves out a place below `dir`, or a folder on the way to it.
    fn is_left_out(&self, place: &Place, dir: &Place) -> bool {
        let [place, dir] = [place, dir].map(|place| place.on_disk(self.root));
        let kind = |path: &Path| {
            if self.overlay.layer().concerns(path) {
                return self.scanner.kind(path).ok().flatten();
            }
            Signature::of_link(path).ok().map(|found| found.kind())
        };
        if self.filter.skips_below(&place, &dir, self.root, &kind) {
            return true;
        }
        let [real, real_dir] = [&place, &dir].map(|path| crate::fs::future_path(path));
        if (&real, &real_dir) == (&place, &dir) {
            return false;
        }
        // A link out of the folder leads to a listing whose own start is not known here: what is
        // keyed once too often does no harm.
        let above = [real_dir.as_path(), self.root, Path::new("/")];
        let above = above.into_iter().find(|above| real.starts_with(above));
        above.is_some_and(|above| self.filter.skips_below(&real, above, self.root, &kind))
    }

    /// Says whether a place is a declared output, lies in one, or holds one.
    pub(super) fn meets_output(&self, place: &Place) -> bool {
        self.step.outputs.iter().any(|output| match &output.kind {
            OutputKind::Path(output) | OutputKind::Dir(output) => {
                place.is_within(output) || output.is_within(place)
            }
            OutputKind::Glob(pattern) => place.inside().is_some_and(|path| {
                Pattern::new(pattern).is_ok_and(|pattern| {
                    pattern.prefix().strip_prefix(path).is_some()
                        || pattern.matches(path, FileKind::File)
                })
            }),
        })
    }

    /// Notes absolute paths in the key: the same action elsewhere has another one.
    pub(super) fn note_absolute_paths(&mut self, action: &Action) {
        let mut found = BTreeSet::new();
        if let Command::Argv(words) = &action.command {
            let plain = words.iter().skip(1).filter_map(|word| match word {
                Word::Plain(bytes) => Some(bytes.as_slice()),
                Word::Segments(_) => None,
            });
            found.extend(plain.filter_map(absolute_path));
        }
        found.extend(
            action
                .env
                .values()
                .flatten()
                .filter_map(|value| absolute_path(value)),
        );
        found.extend(action.inputs.keys().filter_map(|name| absolute_path(name)));
        let outputs = action
            .outputs
            .iter()
            .map(crate::action::OutputSpec::key_name);
        found.extend(outputs.filter_map(absolute_path));
        let notes = found
            .into_iter()
            .map(|path| Note::AbsolutePath(Escaped(path).to_string()));
        self.notes.extend(notes);
    }
}

/// What declared directories and patterns leave out: what the user excludes, the step's own
/// outputs, and the cache. A command finds outputs removed, so what stands there cannot count; a
/// folder that holds one, or the cache, would change with every run.
pub(super) fn filter(step: &Step, cx: &Context<'_>) -> Result<Filter, ScanError> {
    let mut excludes = step.excludes.clone();
    let (mut written, mut folders) = (Vec::new(), Vec::new());
    for output in &step.outputs {
        match &output.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                written.extend(place.inside().cloned());
            }
            OutputKind::Glob(pattern) => {
                excludes.push(pattern.clone());
                folders.push(Pattern::new(pattern)?.prefix().clone());
            }
        }
    }
    Ok(Filter::inputs(&excludes)?
        .beside_outputs(written, folders)
        .without(cx.cache_dir, cx.root))
}

/// Returns the absolute path that a word is, or that follows its `=`.
fn absolute_path(word: &[u8]) -> Option<&[u8]> {
    let value = match word.iter().position(|byte| *byte == b'=') {
        Some(at) if !word.starts_with(b"/") => &word[at + 1..],
        _ => word,
    };
    let is_path = value.len() > 1 && value.starts_with(b"/") && !value.starts_with(b"//");
    (is_path && !SYSTEM.iter().any(|folder| value.starts_with(folder))).then_some(value)
}

/// Returns the content behind links, for things whose name and links do not count.
pub(super) fn resolved(content: &Content) -> Content {
    content.resolved().clone()
}

#[cfg(test)]
mod tests {
    use super::absolute_path;

    #[test]
    fn absolute_paths_are_found_where_a_command_would_find_them() {
        assert_eq!(
            absolute_path(b"/data/a.csv"),
            Some(b"/data/a.csv".as_slice())
        );
        assert_eq!(absolute_path(b"--in=/data/a"), Some(b"/data/a".as_slice()));
        for word in [
            "a/b",
            "/",
            "/dev/null",
            "--prefix=/usr/local",
            "s/a/b/",
            "//x",
            "a=b",
        ] {
            assert_eq!(absolute_path(word.as_bytes()), None, "{word}");
        }
    }
}
