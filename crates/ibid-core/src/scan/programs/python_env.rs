//! Which directories a Python interpreter imports installed packages from.
//!
//! Owns what `site` and `getpath` of `CPython` would find out, without running Python: virtual
//! environments, conda environments, Debian's folders, the user's own, `PYTHONPATH`. Settings in
//! the command's flags (`-I`, `-s`, `-S`) are not looked at: at worst a package too many is keyed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::environ::EnvSnapshot;
use crate::fs::{IfPresent as _, PathError, below, kind_at, list_names, read_small, real_path};

use super::operand::{base_name, is_versioned};

/// The longest `pyvenv.cfg` that is believed, in bytes.
const MAX_CONFIG: u64 = 64 * 1024;

/// For which interpreters packages are keyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonScope {
    /// Those in a virtual or conda environment.
    Environment,
    /// Any.
    Everywhere,
}

/// Where and with what the command will run.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The environment that the command gets: `HOME`, `PYTHONPATH`, `PYTHONUSERBASE` and
    /// `PYTHONNOUSERSITE` count.
    pub env: &'a EnvSnapshot,
    /// The folder it runs in, absolute.
    pub dir: &'a Path,
}

/// A directory that installed packages are imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SiteDir {
    pub(super) path: PathBuf,
    /// Whether its `.pth` files are read.
    pub(super) reads_pth: bool,
}

/// Says whether a path is that of a Python interpreter, by its name.
pub fn is_python(path: &Path) -> bool {
    let name = base_name(path.as_os_str().as_bytes());
    ["python", "pypy", "pythonw"]
        .iter()
        .any(|stem| is_versioned(name, stem))
}

/// What kind of installation an interpreter belongs to.
enum Installation {
    Venv { prefix: PathBuf, config: Vec<u8> },
    Conda(PathBuf),
    Base(PathBuf),
}

/// Returns the directories in the order of `sys.path`, or `None` where the interpreter lies in
/// no environment and only those count. Directories need not exist.
pub(super) fn site_dirs(
    interpreter: &Path,
    scope: PythonScope,
    around: &Surroundings<'_>,
) -> Result<Option<Vec<SiteDir>>, PathError> {
    let installation = installation(interpreter)?;
    if matches!(installation, Installation::Base(_)) && scope == PythonScope::Environment {
        return Ok(None);
    }
    let mut dirs = python_path(around);
    match installation {
        Installation::Venv { prefix, config } => {
            dirs.extend(libraries(&prefix, None)?);
            if setting(&config, "include-system-site-packages")
                .is_some_and(|on| on.eq_ignore_ascii_case(b"true"))
            {
                let version = python_version(&prefix, interpreter)?;
                let version = version.as_deref();
                dirs.extend(user_site(around, version));
                if let Some(base) = base_prefix(&config, interpreter)? {
                    dirs.extend(base_libraries(&base, version)?);
                }
            }
        }
        Installation::Conda(prefix) => {
            let version = python_version(&prefix, interpreter)?;
            dirs.extend(user_site(around, version.as_deref()));
            dirs.extend(libraries(&prefix, None)?);
        }
        Installation::Base(prefix) => {
            let version = python_version(&prefix, interpreter)?;
            dirs.extend(user_site(around, version.as_deref()));
            dirs.extend(base_libraries(&prefix, version.as_deref())?);
        }
    }
    once_each(dirs).map(Some)
}

/// Looks for the environment as `CPython` does: by the path it was called by, links not resolved.
fn installation(interpreter: &Path) -> Result<Installation, PathError> {
    let bin = interpreter.parent().unwrap_or(Path::new("/"));
    let prefix = bin.parent().unwrap_or(bin);
    // A config beside the executable makes its folder the prefix only in part: libraries are
    // still looked for above a `bin`.
    for folder in [bin, prefix] {
        if let Some(config) = read_small(&folder.join("pyvenv.cfg"), MAX_CONFIG).unless_absent()? {
            let has_lib = kind_at(&folder.join("lib"))?.is_some();
            let prefix = if has_lib { folder } else { prefix };
            return Ok(Installation::Venv {
                prefix: prefix.to_owned(),
                config,
            });
        }
    }
    let real = real_path(interpreter)?;
    let real_prefix = real
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"));
    for prefix in [prefix, real_prefix] {
        if kind_at(&prefix.join("conda-meta"))?.is_some() {
            return Ok(Installation::Conda(prefix.to_owned()));
        }
    }
    Ok(Installation::Base(real_prefix.to_owned()))
}

/// Returns the value of a `pyvenv.cfg` line.
fn setting<'a>(config: &'a [u8], name: &str) -> Option<&'a [u8]> {
    config.split(|byte| *byte == b'\n').find_map(|line| {
        let equals = line.iter().position(|byte| *byte == b'=')?;
        let (key, value) = line.split_at(equals);
        key.trim_ascii()
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| value[1..].trim_ascii())
    })
}

/// Returns the prefix of the installation that a virtual environment was made from.
fn base_prefix(config: &[u8], interpreter: &Path) -> Result<Option<PathBuf>, PathError> {
    if let Some(home) = setting(config, "home") {
        let home = Path::new(OsStr::from_bytes(home));
        let prefix = home.parent().unwrap_or(home);
        if !python_folders(&prefix.join("lib"), None)?.is_empty() {
            return Ok(Some(prefix.to_owned()));
        }
    }
    let real = real_path(interpreter)?;
    Ok(real.parent().and_then(Path::parent).map(Path::to_owned))
}

/// Returns the names below a `lib` that hold a Python's modules (`python3.12`, `pypy3.10`): all,
/// or those of one version.
fn python_folders(lib: &Path, version: Option<&[u8]>) -> Result<Vec<Vec<u8>>, PathError> {
    let mut found = list_names(lib)?.unwrap_or_default();
    found.retain(|name| {
        name.strip_prefix(b"python".as_slice())
            .or_else(|| name.strip_prefix(b"pypy".as_slice()))
            .is_some_and(|own| {
                own.starts_with(b"3.")
                    && version.is_none_or(|wanted| own.strip_suffix(b"t").unwrap_or(own) == wanted)
            })
    });
    Ok(found)
}

/// Returns the `site-packages` below a prefix.
fn libraries(prefix: &Path, version: Option<&[u8]>) -> Result<Vec<SiteDir>, PathError> {
    let mut dirs = Vec::new();
    for lib in ["lib", "lib64"] {
        let lib = prefix.join(lib);
        for folder in python_folders(&lib, version)? {
            dirs.push(site(below(&lib, &folder).join("site-packages")));
        }
    }
    Ok(dirs)
}

/// Returns the package directories of an installation that is no environment, Debian's included.
fn base_libraries(prefix: &Path, version: Option<&[u8]>) -> Result<Vec<SiteDir>, PathError> {
    let mut dirs = Vec::new();
    let local = prefix.join("local/lib");
    for folder in python_folders(&local, version)? {
        dirs.push(site(below(&local, &folder).join("dist-packages")));
    }
    dirs.push(site(prefix.join("lib/python3/dist-packages")));
    let lib = prefix.join("lib");
    for folder in python_folders(&lib, version)? {
        dirs.push(site(below(&lib, &folder).join("dist-packages")));
    }
    dirs.extend(libraries(prefix, version)?);
    Ok(dirs)
}

/// Returns `3.12` for an interpreter whose own name or whose `lib` tells it.
fn python_version(prefix: &Path, interpreter: &Path) -> Result<Option<Vec<u8>>, PathError> {
    let real = real_path(interpreter)?;
    let name = base_name(real.as_os_str().as_bytes());
    let own = name
        .iter()
        .position(u8::is_ascii_digit)
        .map(|at| &name[at..]);
    if let Some(version) = own.filter(|version| version.contains(&b'.')) {
        return Ok(Some(
            version.strip_suffix(b"t").unwrap_or(version).to_owned(),
        ));
    }
    let folders = python_folders(&prefix.join("lib"), None)?;
    let [only] = folders.as_slice() else {
        return Ok(None);
    };
    let at = only
        .iter()
        .position(u8::is_ascii_digit)
        .unwrap_or(only.len());
    let version = &only[at..];
    Ok(Some(
        version.strip_suffix(b"t").unwrap_or(version).to_owned(),
    ))
}

/// Returns the user's own directory for a version of Python, if the command would read it.
fn user_site(around: &Surroundings<'_>, version: Option<&[u8]>) -> Option<SiteDir> {
    if around.env.non_empty("PYTHONNOUSERSITE").is_some() {
        return None;
    }
    let base = match around.env.non_empty("PYTHONUSERBASE") {
        Some(base) => around.dir.join(base),
        None => around
            .dir
            .join(around.env.non_empty("HOME")?)
            .join(".local"),
    };
    let folder = [b"python".as_slice(), version?].concat();
    Some(site(
        below(&base.join("lib"), &folder).join("site-packages"),
    ))
}

fn python_path(around: &Surroundings<'_>) -> Vec<SiteDir> {
    let Some(text) = around.env.non_empty("PYTHONPATH") else {
        return Vec::new();
    };
    let elements = text.as_bytes().split(|byte| *byte == b':');
    elements
        .filter(|element| !element.is_empty())
        .map(|element| SiteDir {
            path: around.dir.join(OsStr::from_bytes(element)),
            reads_pth: false,
        })
        .collect()
}

fn site(path: PathBuf) -> SiteDir {
    SiteDir {
        path,
        reads_pth: true,
    }
}

/// Drops what is not there and what is reached twice (`lib64` is often a link to `lib`).
fn once_each(dirs: Vec<SiteDir>) -> Result<Vec<SiteDir>, PathError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = Vec::new();
    for dir in dirs {
        if let Some(real) = real_path(&dir.path).unless_absent()?
            && seen.insert(real)
        {
            kept.push(dir);
        }
    }
    Ok(kept)
}
