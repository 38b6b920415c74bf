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
use crate::fs::{self, FileKind, Links, PathError, below, list_names};
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
    for file in list_names(&dir.path)?.unwrap_or_default() {
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
                // A folder without the file that would describe it is a leftover.
                if choice.is_empty() && !is_file(&path)? {
                    continue;
                }
                match digest(&path) {
                    Ok(digest) => entry.push(Value::Bytes(digest.as_bytes().to_vec())),
                    Err(error) if error.is_surely_absent() => continue,
                    Err(error) => return Err(error),
                }
                break;
            }
        }
        insert(packages, &metadata.name, Value::Array(entry));
    }
    Ok(())
}

fn is_file(path: &Path) -> Result<bool, PathError> {
    let signature = fs::look(path, Links::Follow)?;
    Ok(signature.is_some_and(|signature| signature.kind() == FileKind::File))
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::digest::Hasher;
    use crate::environ::EnvSnapshot;
    use crate::scan::programs::test_files::{link, program, write};

    fn digest(path: &Path) -> Result<Digest, PathError> {
        let content = fs::read_start(path, 1 << 20)?;
        let mut hasher = Hasher::new();
        hasher.update(&content);
        Ok(hasher.finish())
    }

    fn packages_of(
        dir: &TempDir,
        python: &Path,
        env: &[(&str, PathBuf)],
        scope: PythonScope,
    ) -> Option<BTreeMap<String, Value>> {
        let env: EnvSnapshot = env.iter().map(|(name, value)| (*name, value)).collect();
        let around = Surroundings {
            env: &env,
            dir: dir.path(),
        };
        match python_packages(python, scope, &around, &digest).unwrap()? {
            Value::Map(map) => Some(map),
            other => panic!("packages are a map: {other:?}"),
        }
    }

    fn packages_in(
        dir: &TempDir,
        python: &Path,
        env: &[(&str, PathBuf)],
    ) -> BTreeMap<String, Value> {
        packages_of(dir, python, env, PythonScope::Environment).expect("there is an environment")
    }

    fn listed(packages: &BTreeMap<String, Value>) -> Vec<String> {
        let version = |entry: &Value| match entry {
            Value::Array(parts) => match &parts[0] {
                Value::Text(version) => version.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        packages
            .iter()
            .map(|(name, entry)| format!("{name} {}", version(entry)))
            .collect()
    }

    fn differing(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        names
            .into_iter()
            .filter(|name| old.get(*name) != new.get(*name))
            .cloned()
            .collect()
    }

    /// A base installation below `usr` and a virtual environment below `venv`.
    fn venv(setting: &str) -> (TempDir, PathBuf) {
        let dir = TempDir::new();
        program(&dir.join("usr/bin/python3.12"), "");
        write(&dir.join("usr/lib/python3.12/os.py"), "");
        write(
            &dir.join("usr/lib/python3/dist-packages/apt-2.6.dist-info/METADATA"),
            "apt",
        );
        let home = dir.join("usr/bin");
        let config = format!("home = {}\n{setting}", home.display());
        write(&dir.join("venv/pyvenv.cfg"), &config);
        link(
            &dir.join("usr/bin/python3.12"),
            &dir.join("venv/bin/python"),
        );
        let site = dir.join("venv/lib/python3.12/site-packages");
        write(
            &site.join("Foo_Bar.baz-1.2.dist-info/RECORD"),
            "foo,sha256=1",
        );
        write(&site.join("foo/__init__.py"), "");
        write(&site.join("old-0.1-py3.12.egg-info/PKG-INFO"), "Name: old");
        write(&site.join("flat-2.0.egg-info"), "Name: flat");
        write(&site.join("distutils-precedence.pth"), "import os");
        write(&site.join("dev.egg-link"), "/src/dev");
        write(&site.join("left-3.egg-info/other"), "");
        link(Path::new("lib"), &dir.join("venv/lib64"));
        let python = dir.join("venv/bin/python");
        (dir, python)
    }

    #[test]
    fn a_venv_lists_what_its_installers_recorded_once() {
        let (dir, python) = venv("");
        let found = packages_in(&dir, &python, &[]);
        let expected = [
            "dev.egg-link ",
            "distutils-precedence.pth ",
            "flat 2.0",
            "foo-bar-baz 1.2",
            "left 3",
            "old 0.1",
        ];
        assert_eq!(listed(&found), expected);
        let record =
            digest(&dir.join("venv/lib/python3.12/site-packages/Foo_Bar.baz-1.2.dist-info/RECORD"));
        let record = Value::Bytes(record.unwrap().as_bytes().to_vec());
        assert_eq!(
            found["foo-bar-baz"],
            Value::Array(vec!["1.2".into(), record])
        );
    }

    #[test]
    fn one_change_changes_one_entry() {
        let (dir, python) = venv("");
        let site = dir.join("venv/lib/python3.12/site-packages");
        let first = packages_in(&dir, &python, &[]);
        write(
            &site.join("Foo_Bar.baz-1.2.dist-info/RECORD"),
            "foo,sha256=2",
        );
        let second = packages_in(&dir, &python, &[]);
        assert_eq!(differing(&first, &second), ["foo-bar-baz"]);
        write(
            &site.join("Foo_Bar.baz-1.2.dist-info/direct_url.json"),
            "{}",
        );
        let third = packages_in(&dir, &python, &[]);
        assert_eq!(differing(&second, &third), ["foo-bar-baz"]);
        write(&site.join("distutils-precedence.pth"), "import sys");
        let fourth = packages_in(&dir, &python, &[]);
        assert_eq!(differing(&third, &fourth), ["distutils-precedence.pth"]);
        write(&site.join("flat-2.0.egg-info"), "Name: flat\nChanged: yes");
        let fifth = packages_in(&dir, &python, &[]);
        assert_eq!(differing(&fourth, &fifth), ["flat"]);
        link(
            Path::new("old-0.1-py3.12.egg-info"),
            &site.join("old-0.2-py3.12.egg-info"),
        );
        let sixth = packages_in(&dir, &python, &[]);
        assert_eq!(differing(&fifth, &sixth), ["old@2"]);
    }

    #[test]
    fn system_and_user_packages_count_where_the_venv_lets_them_in() {
        for (setting, open) in [("", false), ("include-system-site-packages = true\n", true)] {
            let (dir, python) = venv(setting);
            let user = dir.join("home/.local/lib/python3.12/site-packages");
            write(&user.join("foo_bar.baz-9.dist-info/METADATA"), "");
            let found = listed(&packages_in(&dir, &python, &[("HOME", dir.join("home"))]));
            let has = |entry: &str| found.contains(&entry.to_owned());
            assert!(has("foo-bar-baz 1.2"), "{found:?}");
            assert_eq!(has("foo-bar-baz@2 9"), open, "{found:?}");
            assert_eq!(has("apt 2.6"), open, "{found:?}");
            let env = [("HOME", dir.join("home")), ("PYTHONNOUSERSITE", "1".into())];
            let found = listed(&packages_in(&dir, &python, &env));
            assert!(!found.contains(&"foo-bar-baz@2 9".to_owned()), "{found:?}");
        }
    }

    #[test]
    fn an_interpreter_outside_an_environment_counts_only_when_asked() {
        let (dir, _) = venv("");
        let python = dir.join("usr/bin/python3.12");
        assert_eq!(
            packages_of(&dir, &python, &[], PythonScope::Environment),
            None
        );
        let asked = packages_of(&dir, &python, &[], PythonScope::Everywhere).unwrap();
        assert_eq!(listed(&asked), ["apt 2.6"]);
        write(&dir.join("extra/lone-1.dist-info/METADATA"), "");
        write(&dir.join("extra/ignored.pth"), "");
        let env = [("PYTHONPATH", PathBuf::from("extra:absent"))];
        let asked = packages_of(&dir, &python, &env, PythonScope::Everywhere).unwrap();
        assert_eq!(listed(&asked), ["apt 2.6", "lone 1"]);
    }

    #[test]
    fn a_conda_environment_is_known_by_its_metadata_even_through_a_link() {
        let dir = TempDir::new();
        program(&dir.join("conda/bin/python3.11"), "");
        write(&dir.join("conda/conda-meta/history"), "");
        let site = dir.join("conda/lib/python3.11/site-packages");
        write(&site.join("numpy-2.1.0.dist-info/RECORD"), "");
        let user = dir.join("home/.local/lib/python3.11/site-packages");
        write(&user.join("mine-1.dist-info/RECORD"), "");
        link(&dir.join("conda/bin/python3.11"), &dir.join("bin/python3"));
        let env = [("HOME", dir.join("home"))];
        let found = packages_in(&dir, &dir.join("bin/python3"), &env);
        assert_eq!(listed(&found), ["mine 1", "numpy 2.1.0"]);
    }

    #[test]
    fn an_unreadable_record_is_an_error_that_names_it() {
        let (dir, python) = venv("");
        let fail = |path: &Path| {
            Err(PathError {
                operation: "open",
                path: path.to_owned(),
                source: std::io::ErrorKind::PermissionDenied.into(),
            })
        };
        let env = EnvSnapshot::default();
        let around = Surroundings {
            env: &env,
            dir: dir.path(),
        };
        let found = python_packages(&python, PythonScope::Environment, &around, &fail);
        let error = found.unwrap_err();
        assert!(
            error.path.ends_with("Foo_Bar.baz-1.2.dist-info/RECORD"),
            "{error}"
        );
    }
}
