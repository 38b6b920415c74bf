//! Reading all layers, weakest first, so that a stronger one simply overwrites.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::root::{Root, RootError};
use super::setting::{Config, Overrides};
use crate::dirs::{App, ConfigFiles, Dirs, DirsError, Layer, Surroundings};
use crate::fs::{self, PathError};
use crate::mistake::Mistake;
use crate::tree::Escaped;

/// What a front door was given.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Platform, environment, current folder and user.
    pub around: Surroundings<'a>,
    /// Values of flags or call arguments.
    pub overrides: &'a Overrides,
    /// The settings file that the caller named; it must exist, and counts as explicit.
    pub config_file: Option<&'a Path>,
    /// The root that the caller named.
    pub root: Option<&'a Path>,
}

/// Settings, and the root that they hold for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The root.
    pub root: Root,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A mistake in a file.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A variable with a value that its setting does not know.
    #[error("`{name}` cannot be `{}`: expected {expected}", Escaped(.value.as_bytes()))]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: OsString,
        /// What a right value looks like.
        expected: &'static str,
    },
    /// The file that the caller named does not exist.
    #[error("there is no settings file `{}`", Escaped::path(.0))]
    NoSuchFile(PathBuf),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The root's file is not to be trusted or could not be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A typed path could not be expanded.
    #[error(transparent)]
    Dirs(#[from] DirsError),
}

impl ConfigError {
    /// Returns what the user can do about it, if something is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Root(error) => error.hint(),
            Self::Dirs(error) => Some(error.hint()),
            Self::Variable { .. } => Some("`ibid config` lists all settings".to_owned()),
            Self::Mistake(_) | Self::NoSuchFile(_) | Self::File(_) => None,
        }
    }
}

impl Loaded {
    /// Resolves the folders of ibid by these settings.
    pub fn dirs(&self, around: &Surroundings<'_>) -> Result<Dirs, DirsError> {
        Dirs::resolve(&App::default(), around, self.config.wishes())
    }
}

/// Finds the root and reads every layer of settings.
///
/// Fails on any mistake in any layer, even in a value that a stronger layer overwrites: a setting
/// that is silently without effect costs more than a message.
pub fn load(request: &Request<'_>) -> Result<Loaded, ConfigError> {
    let Request {
        around, overrides, ..
    } = request;
    let expand = |typed: &Path| around.expand(typed, None);
    let files = ConfigFiles::of(&App::default(), around);
    let system = read(Layer::System, files.system.as_deref())?;
    let user = read(Layer::User, files.user.as_deref())?;
    let named = match request.config_file.map(expand).transpose()? {
        Some(path) => Some(read(Layer::Named, Some(&path))?.ok_or(ConfigError::NoSuchFile(path))?),
        None => None,
    };
    let layered = |project: Option<&Document>| -> Result<Config, ConfigError> {
        let mut config = Config::default();
        for document in [system.as_ref(), user.as_ref(), project]
            .into_iter()
            .flatten()
        {
            document.apply(&mut config)?;
        }
        config.apply_variables(around.env)?;
        if let Some(document) = &named {
            document.apply(&mut config)?;
        }
        config.apply_overrides(overrides);
        Ok(config)
    };
    // Whether the project's file is trusted hangs on every layer but its own.
    let config = layered(None)?;
    let given = request.root.map(expand).transpose()?;
    let trust = &config.trust.value;
    let root = Root::find(given.as_deref(), around.current_dir, around.user, trust)?;
    let config = match &root.file {
        Some(file) => {
            let project = Document::new(Layer::Project, &file.path, file.bytes.clone())?;
            layered(Some(&project))?
        }
        None => config,
    };
    Ok(Loaded { config, root })
}

fn read(layer: Layer, path: Option<&Path>) -> Result<Option<Document>, ConfigError> {
    let Some(path) = path else { return Ok(None) };
    match fs::read_config_file(path)? {
        Some(file) => Ok(Some(Document::new(layer, path, file.bytes)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
