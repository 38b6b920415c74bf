//! `Dirs`: the folders that a run uses, and why those.
//!
//! ```text
//! cache   wish, else $XDG_CACHE_HOME/ibid, else ~/.cache/ibid   (each platform has its own)
//! tmp     wish, else <cache>/tmp: nodes of a cluster often have a tiny or unwritable /tmp
//! local   wish, else <cache>/local on a local file system, else /var/tmp/ibid-<uid>, else off
//! ```

use std::path::{Path, PathBuf};

use super::{App, DirsError, Origin, Platform, Surroundings};
use crate::fs::make_private_dir;

/// A path and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The path: as typed in a wish, absolute in an answer.
    pub path: PathBuf,
    /// Where it came from.
    pub origin: Origin,
}

impl Choice {
    /// A value that a flag or a call gave.
    pub fn explicit(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            origin: Origin::Explicit,
        }
    }
}

/// What flags, calls and settings files ask for; the strongest layer that says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The cache folder.
    pub cache: Option<Choice>,
    /// The folder for temporary files.
    pub tmp: Option<Choice>,
    /// The folder for host-local, disposable state.
    pub local: Option<Choice>,
}

impl Wishes {
    /// Takes the variables of `app` where they outrank the wish: everywhere but over an explicit
    /// value. Wishes that settled this order already come out as they went in.
    fn with_variables(self, app: &App, around: &Surroundings<'_>) -> Self {
        let take = |wish: Option<Choice>, what: &str| {
            let explicit = |choice: &Choice| {
                use super::Layer::Named;
                matches!(
                    choice.origin,
                    Origin::Explicit | Origin::File { layer: Named, .. }
                )
            };
            let name = format!("{}_{what}_DIR", app.env_prefix);
            match (&wish, around.env.non_empty(&name)) {
                (Some(choice), _) if explicit(choice) => wish,
                (_, Some(value)) => Some(Choice {
                    path: value.into(),
                    origin: Origin::Variable(name),
                }),
                (_, None) => wish,
            }
        };
        Self {
            cache: take(self.cache, "CACHE"),
            tmp: take(self.tmp, "TMP"),
            local: take(self.local, "LOCAL"),
        }
    }
}

/// Where host-local state goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDir {
    /// The folder.
    pub path: PathBuf,
    /// Where it came from.
    pub origin: Origin,
    /// Whether its parent is open to everybody, so that whoever uses it must make it with mode
    /// 0700 and check that it is a directory, its own, and closed to others.
    pub in_shared_parent: bool,
}

impl LocalDir {
    /// Returns the folder if it may be used. In a shared parent it is made, and it is refused if
    /// `user` does not own it alone: what others can write there would be believed.
    pub fn trusted(self, user: u32) -> Option<PathBuf> {
        let is_own = !self.in_shared_parent || make_private_dir(&self.path, user).is_ok();
        is_own.then_some(self.path)
    }
}

/// The folders of one application. Getters create nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    cache: Choice,
    tmp: Choice,
    local: Option<Choice>,
    shared_local: Option<PathBuf>,
}

impl Dirs {
    /// Resolves the folders of `app`: explicit wishes, then variables, then the files' wishes,
    /// then the platform's default.
    ///
    /// Fails if the cache folder hangs on a home folder that is not known, and on a `~` that
    /// cannot be expanded.
    pub fn resolve(
        app: &App,
        around: &Surroundings<'_>,
        wishes: Wishes,
    ) -> Result<Self, DirsError> {
        let wishes = wishes.with_variables(app, around);
        let expand = |wish: Option<Choice>| {
            wish.map(|Choice { path, origin }| {
                let path = around.expand(&path, origin.base())?;
                Ok(Choice { path, origin })
            })
            .transpose()
        };
        let cache = match expand(wishes.cache)? {
            Some(cache) => cache,
            None => default_cache(app, around)?,
        };
        let tmp = expand(wishes.tmp)?.unwrap_or_else(|| Choice {
            path: cache.path.join("tmp"),
            origin: cache.origin.clone(),
        });
        Ok(Self {
            tmp,
            local: expand(wishes.local)?,
            shared_local: (around.platform != Platform::Windows)
                .then(|| PathBuf::from(format!("/var/tmp/{}-{}", app.name, around.user))),
            cache,
        })
    }

    /// Returns the folder of the store.
    pub fn cache(&self) -> &Choice {
        &self.cache
    }

    /// Returns the folder for temporary files.
    pub fn tmp(&self) -> &Choice {
        &self.tmp
    }

    /// Returns the folder for host-local state, or `None` if there is no place for it.
    ///
    /// `is_local` says whether a path lies, or would lie once made, on a file system of this host
    /// alone. It is asked only where nobody chose the folder.
    pub fn local(&self, is_local: impl Fn(&Path) -> bool) -> Option<LocalDir> {
        if let Some(Choice { path, origin }) = self.local.clone() {
            return Some(LocalDir {
                path,
                origin,
                in_shared_parent: false,
            });
        }
        let below_cache = self.cache.path.join("local");
        if is_local(&below_cache) {
            return Some(LocalDir {
                path: below_cache,
                origin: self.cache.origin.clone(),
                in_shared_parent: false,
            });
        }
        let shared = self.shared_local.clone()?;
        is_local(&shared).then_some(LocalDir {
            path: shared,
            origin: Origin::Default,
            in_shared_parent: true,
        })
    }
}

fn default_cache(app: &App, around: &Surroundings<'_>) -> Result<Choice, DirsError> {
    let below = |dir: PathBuf| dir.join(&app.name);
    let (variable, home) = match around.platform {
        Platform::Linux => (Some("XDG_CACHE_HOME"), around.home()),
        Platform::MacOs => (None, around.home()),
        Platform::Windows => (Some("LOCALAPPDATA"), around.home()),
    };
    let named = variable.and_then(|name| Some((name, around.absolute_variable(name)?)));
    let (path, origin) = match (named, home) {
        (Some((name, dir)), _) => (below(dir), Origin::Variable(name.to_owned())),
        (None, Some(home)) => {
            let dir = match around.platform {
                Platform::Linux => home.join(".cache"),
                Platform::MacOs => home.join("Library").join("Caches"),
                Platform::Windows => home.join("AppData").join("Local"),
            };
            (below(dir), Origin::Default)
        }
        (None, None) => {
            return Err(DirsError::NoHome {
                variable: around.home_variable(),
                instead: format!("{}_CACHE_DIR", app.env_prefix),
            });
        }
    };
    let path = match around.platform {
        Platform::Windows => path.join("cache"),
        Platform::Linux | Platform::MacOs => path,
    };
    Ok(Choice { path, origin })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
