//! The packages installed for a Python interpreter, as a value to key.
//!
//! Owns which entries of a package directory count and under which name. What is keyed is what
//! the installer recorded: a file edited in place afterwards, a module copied in without
//! metadata, and the source of an editable install (its `.pth` or link counts, not what that
//! points to) go unseen.

use std::collections::BTreeMap;
use std::path::Path;

use crate::digest::Digest;
use crate::digest::encoding::Value;
use crate::fs::PathError;
use crate::fs::programs::names;
use crate::fs::walk::below;
use crate::tree::Escaped;

use super::python_env::{PythonScope, SiteDir, Surroundings, site_dirs};

/// Takes the digest of a file's content; an absent file is an error that says so.
type DigestOf<'a> = &'a dyn Fn(&Path) -> Result<Digest, PathError>;

/// Lists the packages that the interpreter at `interpreter` imports from: its path as found,
/// links not resolved, since that is what places it in a virtual environment. Returns `None`
/// where `scope` asks for environments and it lies in none.
///
/// The value is a map from name to `[version, digests…]`: names as PEP 503 writes them, the
/// version as text (empty where the name of the metadata has none), the digest of the installer's
/// record, else of the metadata, and that of `direct_url.json` where there is one. A package
/// that is found again further down `sys.path` is `name@2` and so on; path configurations go by
/// their file name (`distutils-precedence.pth`), which is no package's name.
///
/// # Errors
/// Where a directory or a file in it cannot be read; what is not there is no error.
pub fn python_packages(
    interpreter: &Path,
    scope: PythonScope,
    around: &Surroundings<'_>,
    digest: DigestOf<'_>,
) -> Result<Option<Value>, PathError> {
    let Some(dirs) = site_dirs(interpreter, scope, around)? else {
        return Ok(None);
    };
    let mut packages = BTreeMap::new();
    for dir in &dirs {
        add_packages(dir, digest, &mut packages)?;
    }
    Ok(Some(Value::Map(packages)))
}

fn add_packages(
    dir: &SiteDir,
    digest: DigestOf<'_>,
    packages: &mut BTreeMap<String, Value>,
) -> Result<(), PathError> {
    for file in names(&dir.path)?.unwrap_or_default() {
        let Some(metadata) = Metadata::of(&file, dir.reads_pth) else {
            continue;
        };
        let path = below(&dir.path, &file);
        let mut entry = vec![Value::Text(metadata.version)];
        for choices in metadata.files {
            for choice in *choices {
                let path = if choice.is_empty() {
                    path.clone()
                } else {
                    path.join(choice)
                };
                match digest(&path) {
                    Ok(digest) => entry.push(Value::Bytes(digest.as_bytes().to_vec())),
                    Err(error) if error.is_absent() => continue,
                    Err(error) => return Err(error),
                }
                break;
            }
        }
        insert(packages, &metadata.name, Value::Array(entry));
    }
    Ok(())
}

fn insert(packages: &mut BTreeMap<String, Value>, name: &str, entry: Value) {
    let mut key = name.to_owned();
    let mut copy = 1;
    while packages.contains_key(&key) {
        copy += 1;
        key = format!("{name}@{copy}");
    }
    packages.insert(key, entry);
}

/// What the name of an entry in a package directory says.
struct Metadata {
    name: String,
    version: String,
    /// Of each list the first file that is there counts; the empty name is the entry itself.
    files: &'static [&'static [&'static str]],
}

impl Metadata {
    fn of(file: &[u8], reads_pth: bool) -> Option<Self> {
        let text = Escaped(file).to_string();
        if let Some(stem) = text.strip_suffix(".dist-info") {
            let (name, version) = stem.rsplit_once('-').unwrap_or((stem, ""));
            let files: &[&[&str]] = &[&["RECORD", "METADATA"], &["direct_url.json"]];
            return Some(Self {
                name: normalised(name),
                version: version.to_owned(),
                files,
            });
        }
        if let Some(stem) = text.strip_suffix(".egg-info") {
            // A folder, or a file by itself; below a file nothing is there.
            return Some(Self::egg(stem, &[&["PKG-INFO", ""]]));
        }
        if let Some(stem) = text.strip_suffix(".egg") {
            return Some(Self::egg(stem, &[&["EGG-INFO/PKG-INFO", ""]]));
        }
        let counts = file.ends_with(b".egg-link") || (reads_pth && file.ends_with(b".pth"));
        counts.then(|| Self {
            name: text,
            version: String::new(),
            files: &[&[""]],
        })
    }

    /// Takes `name-version-py3.12` apart; name and version hold no dash.
    fn egg(stem: &str, files: &'static [&'static [&'static str]]) -> Self {
        let mut parts = stem.split('-');
        let name = normalised(parts.next().unwrap_or_default());
        let version = parts.next().unwrap_or_default().to_owned();
        Self {
            name,
            version,
            files,
        }
    }
}

/// Writes a name in lower case with runs of `-`, `_` and `.` as one `-` (PEP 503).
fn normalised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            c => text.extend(c.to_lowercase()),
        }
    }
    text
}
