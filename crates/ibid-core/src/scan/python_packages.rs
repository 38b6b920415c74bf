//! What is installed in a Python environment: names, versions, and digests of install records.
//!
//! Found by looking, without starting Python: an environment is known by the files beside its
//! interpreter. What an editable install leads to is code, and not looked at here: declare it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{ScanError, Scanner, Seen};
use crate::digest::Digest;
use crate::digest::encoding::Value;
use crate::fs::walk::{self, Links};
use crate::fs::{FileKind, Signature};

/// `pyvenv.cfg` is a few lines.
const MAX_CONFIG: usize = 64 << 10;

/// What an interpreter lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonEnvironment {
    /// A virtual environment: `pyvenv.cfg` stands beside it.
    Venv,
    /// A conda environment: `conda-meta/` stands beside it.
    Conda,
    /// None of its own.
    System,
}

/// The packages that an interpreter can import.
#[derive(Clone, Debug)]
pub struct PythonPackages {
    /// What the interpreter lies in.
    pub environment: PythonEnvironment,
    /// Map of name to `[version, digest]`, names as `PyPI` normalises them.
    pub value: Value,
    /// Everything that was looked at.
    pub seen: Vec<Seen>,
}

/// An environment and where it looks for packages.
struct Layout {
    environment: PythonEnvironment,
    /// `site-packages` and the like, in the order of their search.
    dirs: Vec<PathBuf>,
    /// Files that decide the above.
    config: Option<PathBuf>,
}

impl Scanner<'_> {
    /// Lists the packages installed for `interpreter`: the path by which it is started, links
    /// unresolved, since a virtual environment's interpreter is a link. `home` is the user's
    /// home, for packages installed there.
    pub fn python_packages(
        &self,
        interpreter: &Path,
        home: Option<&Path>,
    ) -> Result<PythonPackages, ScanError> {
        let layout = layout(interpreter, home)?;
        let mut found = Found::default();
        if let Some(config) = &layout.config {
            found.seen.push(self.file_digest(config)?.into());
        }
        let mut real_dirs = BTreeSet::new();
        for dir in &layout.dirs {
            match walk::look(dir, Links::Follow)? {
                Some(signature) if signature.kind() == FileKind::Dir => {}
                _ => continue,
            }
            // `lib64` is often a link to `lib`.
            if real_dirs.insert(walk::real_path(dir)?) {
                self.installed_in(dir, &mut found)?;
            }
        }
        Ok(PythonPackages {
            environment: layout.environment,
            value: Value::Map(found.packages),
            seen: found.seen,
        })
    }

    fn installed_in(&self, dir: &Path, found: &mut Found) -> Result<(), ScanError> {
        for (name, signature) in walk::list(dir)? {
            let Some(kind) = entry_kind(&name) else {
                continue;
            };
            let path = walk::below(dir, &name);
            let Some(digest) = self.record_digest(&path, signature, found)? else {
                continue;
            };
            let stem = String::from_utf8_lossy(kind.stem).into_owned();
            let (name, version) = match stem.split_once('-') {
                Some((name, rest)) if kind.has_version => {
                    // `.egg-info` may name the Python version behind its own.
                    let version = rest.split_once("-py").map_or(rest, |(version, _)| version);
                    (normalised(name), version.to_owned())
                }
                _ if kind.has_version => (normalised(&stem), String::new()),
                _ => (stem, String::new()),
            };
            found.add(&name, &version, digest);
        }
        Ok(())
    }

    /// Returns the digest that stands for an installed package.
    fn record_digest(
        &self,
        path: &Path,
        signature: Signature,
        found: &mut Found,
    ) -> Result<Option<Digest>, ScanError> {
        if signature.kind() != FileKind::Dir {
            return match walk::look(path, Links::Follow)? {
                Some(target) if target.kind() == FileKind::File => {
                    let file = self.file_digest(path)?;
                    let digest = file.digest;
                    found.seen.push(file.into());
                    Ok(Some(digest))
                }
                _ => Ok(None),
            };
        }
        let mut record = None;
        for name in ["RECORD", "METADATA", "PKG-INFO"] {
            let file = path.join(name);
            if walk::look(&file, Links::Follow)?.is_some() {
                let file = self.file_digest(&file)?;
                record = Some(file.digest);
                found.seen.push(file.into());
                break;
            }
        }
        // It says which commit or folder a package came from, which its record does not.
        let origin = path.join("direct_url.json");
        if let Some(known) = record
            && walk::look(&origin, Links::Follow)?.is_some()
        {
            let file = self.file_digest(&origin)?;
            record = Some(Digest::of(
                &[*known.as_bytes(), *file.digest.as_bytes()].concat(),
            ));
            found.seen.push(file.into());
        }
        Ok(record)
    }
}

#[derive(Default)]
struct Found {
    packages: BTreeMap<String, Value>,
    seen: Vec<Seen>,
}

impl Found {
    /// Adds a package; one that is installed in several places is listed once for each.
    fn add(&mut self, name: &str, version: &str, digest: Digest) {
        let value = Value::Array(vec![
            Value::from(version),
            Value::from(digest.as_bytes().as_slice()),
        ]);
        let mut unique = name.to_owned();
        let mut count = 1;
        while self.packages.contains_key(&unique) {
            count += 1;
            unique = format!("{name} ({count})");
        }
        self.packages.insert(unique, value);
    }
}

struct EntryKind<'n> {
    stem: &'n [u8],
    has_version: bool,
}

/// Says what an entry of `site-packages` tells about packages, if anything.
fn entry_kind(name: &[u8]) -> Option<EntryKind<'_>> {
    let with_version = |stem| EntryKind {
        stem,
        has_version: true,
    };
    name.strip_suffix(b".dist-info")
        .or_else(|| name.strip_suffix(b".egg-info"))
        .or_else(|| name.strip_suffix(b".egg"))
        .map(with_version)
        .or_else(|| {
            // A `.pth` file adds folders to the search, or runs code at start.
            let editable = name.ends_with(b".pth")
                || name.ends_with(b".egg-link")
                || (name.starts_with(b"__editable__") && name.ends_with(b".py"));
            editable.then_some(EntryKind {
                stem: name,
                has_version: false,
            })
        })
}

/// Normalises a name as `PyPI` does: lower case, runs of `-`, `_` and `.` are one `-`.
fn normalised(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Finds out what the interpreter lies in, and where it looks.
fn layout(interpreter: &Path, home: Option<&Path>) -> Result<Layout, ScanError> {
    let bin = interpreter.parent().unwrap_or(Path::new("/"));
    let prefix = bin.parent().unwrap_or(Path::new("/"));
    let config = [prefix.join("pyvenv.cfg"), bin.join("pyvenv.cfg")]
        .into_iter()
        .find(|path| matches!(walk::look(path, Links::Follow), Ok(Some(_))));
    if let Some(config) = config {
        let text = walk::read_start(&config, MAX_CONFIG)?;
        let text = String::from_utf8_lossy(&text);
        let version = setting(&text, "version_info").or_else(|| setting(&text, "version"));
        let version = version.as_deref().and_then(short_version);
        let mut dirs = package_dirs(prefix, version.as_deref())?;
        let shared = setting(&text, "include-system-site-packages")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if shared {
            dirs.extend(user_dirs(home, version.as_deref())?);
            let base = setting(&text, "home").map(PathBuf::from);
            if let Some(base) = base.as_deref().and_then(Path::parent) {
                dirs.extend(package_dirs(base, version.as_deref())?);
            }
        }
        return Ok(Layout {
            environment: PythonEnvironment::Venv,
            dirs,
            config: Some(config),
        });
    }
    // `python3` is a link to `python3.12`, in the same environment or in the system's.
    let real = walk::real_path(interpreter)?;
    let version = real
        .file_name()
        .and_then(OsStr::to_str)
        .and_then(|name| name.strip_prefix("python"))
        .and_then(short_version);
    let is_conda = matches!(
        walk::look(&prefix.join("conda-meta"), Links::Follow),
        Ok(Some(_))
    );
    let mut dirs = user_dirs(home, version.as_deref())?;
    dirs.extend(package_dirs(prefix, version.as_deref())?);
    let real_prefix = real.parent().and_then(Path::parent);
    if let Some(real_prefix) = real_prefix.filter(|real| *real != prefix) {
        dirs.extend(package_dirs(real_prefix, version.as_deref())?);
    }
    if prefix == Path::new("/usr") || prefix == Path::new("/") {
        dirs.extend(package_dirs(Path::new("/usr/local"), version.as_deref())?);
    }
    Ok(Layout {
        environment: if is_conda {
            PythonEnvironment::Conda
        } else {
            PythonEnvironment::System
        },
        dirs,
        config: None,
    })
}

/// Returns the value of a line `name = value`.
fn setting(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// Shortens `3.12.1` to `3.12`; anything without two numbers is no version.
fn short_version(version: &str) -> Option<String> {
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| format!("{major}.{minor}"))
}

fn user_dirs(home: Option<&Path>, version: Option<&str>) -> Result<Vec<PathBuf>, ScanError> {
    match home {
        Some(home) => package_dirs(&home.join(".local"), version),
        None => Ok(Vec::new()),
    }
}

/// Returns the folders below a prefix that packages of this version (of any, if it is unknown)
/// are installed in.
fn package_dirs(prefix: &Path, version: Option<&str>) -> Result<Vec<PathBuf>, ScanError> {
    let mut dirs = Vec::new();
    for lib in ["lib", "lib64"] {
        let lib = prefix.join(lib);
        let versions = match version {
            // Debian installs for all versions in `python3`.
            Some(version) => vec![format!("python{version}").into_bytes(), b"python3".to_vec()],
            None => python_dirs(&lib)?,
        };
        for python in versions {
            let python = walk::below(&lib, &python);
            dirs.extend(["site-packages", "dist-packages"].map(|name| python.join(name)));
        }
    }
    Ok(dirs)
}

/// Returns the names in `lib` that begin with `python` or `pypy`, sorted.
fn python_dirs(lib: &Path) -> Result<Vec<Vec<u8>>, ScanError> {
    let listed = match walk::list(lib) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        listed => listed?,
    };
    let names = listed.into_iter().map(|(name, _)| name);
    Ok(names
        .filter(|name| name.starts_with(b"python") || name.starts_with(b"pypy"))
        .collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use super::super::StatCache;
    use super::*;
    use crate::fs::Meter;
    use ibid_testkit::TempDir;

    fn put(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn packages(dir: &TempDir, home: Option<&Path>) -> PythonPackages {
        let (stats, meter) = (StatCache::off(), Meter::new());
        let scanner = Scanner::new(dir.path(), &stats, &meter);
        scanner
            .python_packages(&dir.join("v/bin/python3"), home)
            .unwrap()
    }

    fn listed(packages: &PythonPackages) -> Vec<(String, String)> {
        let Value::Map(map) = &packages.value else {
            panic!("not a map")
        };
        let version = |value: &Value| match value {
            Value::Array(parts) => match &parts[0] {
                Value::Text(version) => version.clone(),
                _ => panic!("no version"),
            },
            _ => panic!("no pair"),
        };
        map.iter()
            .map(|(name, value)| (name.clone(), version(value)))
            .collect()
    }

    fn venv() -> TempDir {
        let dir = TempDir::new();
        put(dir.join("v/bin/python3"), "");
        put(
            dir.join("v/pyvenv.cfg"),
            "home = /nowhere/bin\nversion = 3.12.1\n",
        );
        let site = dir.join("v/lib/python3.12/site-packages");
        put(site.join("Typing_Extensions-4.0.dist-info/RECORD"), "r");
        put(site.join("old-1.2-py3.12.egg-info/PKG-INFO"), "p");
        put(site.join("__editable__.mine-0.pth"), "/src");
        put(site.join("numpy/__init__.py"), "");
        std::os::unix::fs::symlink("lib", dir.join("v/lib64")).unwrap();
        dir
    }

    #[test]
    fn a_virtual_environment_lists_each_package_once() {
        let dir = venv();
        let found = packages(&dir, None);
        assert_eq!(found.environment, PythonEnvironment::Venv);
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let expected = [
            pair("__editable__.mine-0.pth", ""),
            pair("old", "1.2"),
            pair("typing-extensions", "4.0"),
        ];
        assert_eq!(listed(&found), expected);
    }

    #[test]
    fn another_record_origin_or_editable_folder_is_another_value() {
        let dir = venv();
        let site = dir.join("v/lib/python3.12/site-packages");
        let mut values = vec![packages(&dir, None).value];
        for (name, text) in [
            ("Typing_Extensions-4.0.dist-info/RECORD", "s"),
            ("Typing_Extensions-4.0.dist-info/direct_url.json", "{}"),
            ("__editable__.mine-0.pth", "/other"),
        ] {
            put(site.join(name), text);
            let value = packages(&dir, None).value;
            assert!(!values.contains(&value), "{name}");
            values.push(value);
        }
    }

    #[test]
    fn the_users_packages_count_only_where_python_would_see_them() {
        let dir = venv();
        let home = dir.join("home");
        put(
            home.join(".local/lib/python3.12/site-packages/extra-1.dist-info/METADATA"),
            "m",
        );
        assert_eq!(listed(&packages(&dir, Some(&home))).len(), 3);
        put(
            dir.join("v/pyvenv.cfg"),
            "home = /nowhere/bin\ninclude-system-site-packages = true\nversion_info = 3.12.1\n",
        );
        let found = listed(&packages(&dir, Some(&home)));
        assert!(found.iter().any(|(name, _)| name == "extra"), "{found:?}");
        std::fs::remove_file(dir.join("v/pyvenv.cfg")).unwrap();
        std::fs::create_dir(dir.join("v/conda-meta")).unwrap();
        let conda = packages(&dir, Some(&home));
        assert_eq!(conda.environment, PythonEnvironment::Conda);
        assert_eq!(listed(&conda).len(), 4);
    }
}
