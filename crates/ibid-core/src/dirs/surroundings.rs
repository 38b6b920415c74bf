//! What the resolver is told about the process: platform, environment, current folder, user.
//!
//! Paths are judged by the rules of the *given* platform, not of the one that compiled this, so
//! that the tests of one platform run on another.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::environ::EnvSnapshot;
use crate::tree::Escaped;

/// A family of conventions about folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux and the other free unixes: the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Platform {
    /// Returns the platform this was compiled for.
    pub const fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }

    /// Says whether `path` is absolute by this platform's rules.
    pub(super) fn is_absolute(self, path: &Path) -> bool {
        match self {
            Self::Linux | Self::MacOs => path.has_root(),
            Self::Windows => match path.as_os_str().as_bytes() {
                [b'\\', b'\\', ..] => true,
                [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
                _ => false,
            },
        }
    }
}

/// Whose folders are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The name of the folder: `ibid` in `~/.cache/ibid`.
    pub name: String,
    /// What its environment variables start with: `IBID` for `IBID_CACHE_DIR`.
    pub env_prefix: String,
}

impl Default for App {
    fn default() -> Self {
        Self {
            name: "ibid".to_owned(),
            env_prefix: "IBID".to_owned(),
        }
    }
}

/// The facts of a process that folders depend on, as a front door saw them.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Whose conventions hold.
    pub platform: Platform,
    /// The process environment.
    pub env: &'a EnvSnapshot,
    /// The current folder, absolute: what typed relative paths are relative to.
    pub current_dir: &'a Path,
    /// The effective user id: it names the fallback for host-local state and owns trusted files.
    pub user: u32,
}

/// Folders that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirsError {
    /// The default lies below the home folder, and there is none.
    #[error("cannot tell the cache folder: no home folder is known (`{variable}` is not set)")]
    NoHome {
        /// The variable that usually names it.
        variable: &'static str,
        /// The variable that sets the cache folder directly.
        instead: String,
    },
    /// A path starts with `~` and no home folder is known.
    #[error("cannot expand `~` in `{}`: no home folder is known", Escaped::path(.path))]
    NoTilde {
        /// The path as it was typed.
        path: PathBuf,
    },
    /// A path starts with `~somebody`.
    #[error("cannot expand `{}`: only `~` and `~/…` are known", Escaped::path(.path))]
    OtherTilde {
        /// The path as it was typed.
        path: PathBuf,
    },
}

impl DirsError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoHome { instead, .. } => format!("set `{instead}` to an absolute path"),
            Self::NoTilde { .. } => "set `HOME`, or write the path in full".to_owned(),
            Self::OtherTilde { .. } => {
                "write the path in full, or `./~…` for a folder of that name".to_owned()
            }
        }
    }
}

impl Surroundings<'_> {
    /// Returns the variable that names the home folder.
    pub(super) const fn home_variable(&self) -> &'static str {
        match self.platform {
            Platform::Linux | Platform::MacOs => "HOME",
            Platform::Windows => "USERPROFILE",
        }
    }

    /// Returns the home folder, unless its variable is unset, empty or relative.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.absolute_variable(self.home_variable())
    }

    /// Returns the value of `name` if it is an absolute path; anything else counts as unset, as
    /// the XDG specification demands.
    pub(super) fn absolute_variable(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.env.non_empty(name)?);
        self.platform.is_absolute(&path).then_some(path)
    }

    /// Expands `~` in a typed path and makes it absolute, seen from `base` (the current folder
    /// unless given).
    pub fn expand(&self, typed: &Path, base: Option<&Path>) -> Result<PathBuf, DirsError> {
        let home = |rest: &OsStr| match self.home() {
            Some(home) if rest.is_empty() => Ok(home),
            Some(home) => Ok(home.join(rest)),
            None => Err(DirsError::NoTilde {
                path: typed.to_owned(),
            }),
        };
        let windows = self.platform == Platform::Windows;
        match typed.as_os_str().as_bytes() {
            [b'~'] => home(OsStr::new("")),
            [b'~', b'/', rest @ ..] => home(OsStr::from_bytes(trim_slashes(rest))),
            [b'~', b'\\', rest @ ..] if windows => home(OsStr::from_bytes(rest)),
            [b'~', ..] => Err(DirsError::OtherTilde {
                path: typed.to_owned(),
            }),
            _ if self.platform.is_absolute(typed) => Ok(typed.to_owned()),
            _ => Ok(self
                .current_dir
                .join(base.unwrap_or(Path::new("")))
                .join(typed)),
        }
    }
}

/// Drops leading slashes, so that `~//x` stays below the home folder.
fn trim_slashes(mut bytes: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}
