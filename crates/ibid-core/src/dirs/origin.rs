//! `Origin`: which layer a value came from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::tree::Escaped;

/// A kind of settings file, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The machine's file, such as `/etc/ibid/config.toml`.
    System,
    /// The user's file, such as `~/.config/ibid/config.toml`.
    User,
    /// The table `[config]` of the project's `ibid.toml`.
    Project,
    /// A file that the caller named; it counts as an explicit value.
    Named,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything: the platform's or the program's default.
    Default,
    /// A line of a settings file.
    File {
        /// Which kind of file.
        layer: Layer,
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line or an argument of a call.
    Explicit,
}

impl Origin {
    /// Returns the folder that a relative path from this origin is relative to, or `None` for the
    /// current one.
    pub fn base(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => path.parent(),
            Self::Default | Self::Variable(_) | Self::Explicit => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, .. } => {
                write!(f, "{}:{line}", Escaped::path(path))
            }
            Self::Variable(name) => write!(f, "environment, {name}"),
            Self::Explicit => f.write_str("given"),
        }
    }
}
