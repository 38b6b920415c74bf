//! Reading: the text of `ibid.toml`, and of all that it includes, to what is declared.
//!
//! Every table of which the fields are known is checked against the one table of fields (`field`);
//! a typed reader then asks for each. Owns which tables there are, defaults, params and includes;
//! knows nothing of placeholders, points or edges. Reads files and changes none. Whatever the
//! files hold, the answer is a declaration or one mistake with its place.

mod axis_file;
mod command;
mod environment;
pub(super) mod field;
mod fields;
pub(super) mod file;
mod item;
mod matrix;
mod named_file;
mod params;
mod paths;
mod resources;
mod slip;
mod step;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test sets its files up by itself"
)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::file::Parts;
use self::item::Page;
use super::declared::{At, DeclaredPipeline, Located, Sources};
use super::load::Source;
use crate::fs::{ConfigFile, read_config_file};
use crate::mistake::Mistake;
use crate::tree::{Escaped, Place, RelPath};

/// Files that include one another deeper than this are a mistake.
const DEEPEST: usize = 50;

/// Reads a project's file and those that it includes.
pub(super) fn read(source: &Source<'_>) -> Result<(DeclaredPipeline, Sources), Mistake> {
    let mut reading = Reading {
        root: source.root,
        sources: Sources::default(),
        open: Vec::new(),
        seen: BTreeMap::new(),
    };
    let place = Place::resolve(path_bytes(source.path), &RelPath::ROOT, source.root);
    let mut parts = reading.file(source.path, place, source.bytes)?;
    let pipeline = DeclaredPipeline {
        name: parts.name.take(),
        limits: parts.limits,
        params: parts.params,
        env_mode: source.env_mode,
        steps: parts.steps,
    };
    reading.no_step_twice(&pipeline)?;
    Ok((pipeline, reading.sources))
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

/// What is known while files include one another.
struct Reading<'a> {
    root: &'a Path,
    sources: Sources,
    /// The files that are being read, outermost first.
    open: Vec<(Place, PathBuf)>,
    /// Every file that was included, and where.
    seen: BTreeMap<Place, At>,
}

impl Reading<'_> {
    /// Reads a file and puts what it includes in its place.
    fn file(&mut self, path: &Path, place: Place, bytes: &[u8]) -> Result<Parts, Mistake> {
        let text = text(path, bytes)?;
        let file = self.sources.add(path, text);
        let page = Page {
            sources: &self.sources,
            file,
            root: self.root,
        };
        let is_main = self.open.is_empty();
        let mut own = file::read(page, is_main)?;
        self.open.push((place, path.to_owned()));
        let mut included = Parts::default();
        for name in std::mem::take(&mut own.include) {
            let parts = self.include(&name)?;
            params::merge(&mut included.params, parts.params);
            included.steps.extend(parts.steps);
        }
        self.open.pop();
        let mut params = own.file_params;
        params::merge(&mut params, included.params);
        params::merge(&mut params, std::mem::take(&mut own.params));
        own.file_params = params::Params::new();
        own.params = params;
        let before = own.steps_before_include;
        own.steps.splice(before..before, included.steps);
        Ok(own)
    }

    fn include(&mut self, name: &Located<String>) -> Result<Parts, Mistake> {
        let place = Place::resolve(name.value.as_bytes(), &RelPath::ROOT, self.root);
        self.check_include(name, &place)?;
        let path = place.on_disk(self.root);
        let page = Page {
            sources: &self.sources,
            file: name.at.file,
            root: self.root,
        };
        let file: ConfigFile = match read_config_file(&path) {
            Ok(Some(file)) => file,
            Ok(None) => {
                let mut mistake = self
                    .sources
                    .mistake(&name.at, format!("there is no file `{}`", name.value));
                let root = Escaped::path(self.root);
                mistake.hint = Some(format!("paths start at the root, `{root}`"));
                return Err(mistake);
            }
            Err(error) => return Err(named_file::unreadable(page, name, &error)),
        };
        self.seen.insert(place.clone(), name.at.clone());
        self.file(&path, place, &file.bytes)
    }

    /// Refuses rings, and files that are included twice.
    fn check_include(&self, name: &Located<String>, place: &Place) -> Result<(), Mistake> {
        let wrong = |message: String| Err(self.sources.mistake(&name.at, message));
        if let Some(start) = self.open.iter().position(|(open, _)| open == place) {
            let ring = self.open[start..].iter().chain(&self.open[start..=start]);
            let ring: Vec<_> = ring
                .map(|(_, path)| {
                    let short = path.strip_prefix(self.root).unwrap_or(path);
                    format!("`{}`", Escaped::path(short))
                })
                .collect();
            return wrong(format!(
                "files include one another in a ring: {}",
                ring.join(" → ")
            ));
        }
        if let Some(other) = self.seen.get(place) {
            let other = self.sources.line(other);
            return wrong(format!(
                "`{}` is included twice, first by {other}",
                name.value
            ));
        }
        if self.open.len() >= DEEPEST {
            return wrong(format!(
                "files include one another more than {DEEPEST} deep"
            ));
        }
        Ok(())
    }

    fn no_step_twice(&self, pipeline: &DeclaredPipeline) -> Result<(), Mistake> {
        let mut first: BTreeMap<&str, &At> = BTreeMap::new();
        for step in &pipeline.steps {
            let name = step.name.value.as_str();
            if let Some(other) = first.insert(name, &step.name.at) {
                let other = self.sources.line(other);
                let message = format!("step `{name}` is declared twice, first in {other}");
                return Err(self.sources.mistake(&step.name.at, message));
            }
        }
        Ok(())
    }
}

/// Returns the text of a file of steps.
fn text(path: &Path, bytes: &[u8]) -> Result<String, Mistake> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes);
            let message = "the file is not UTF-8 text".to_owned();
            Err(Mistake::new(path, &text, &(at..at), message))
        }
    }
}
