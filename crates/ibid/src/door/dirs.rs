//! Where the cache and temporary files lie, and why there.
//!
//! Owns nothing of how folders are found: that is the resolver that every front door asks. Other
//! programs ask it for folders of their own, by their name and their variables; the settings of
//! ibid are none of theirs. Invariant: a question creates nothing; a folder for temporary files is
//! made for whoever is about to make a file there.

use std::path::PathBuf;

use ibid_core::config::Overrides;
pub use ibid_core::dirs::Choice;
use ibid_core::dirs::{App, Dirs, Origin, Wishes};
use ibid_core::store::make_folder_beside;

use super::{Door, Failure};
use crate::context::dirs_failure;
use crate::exit;

/// The folders of a program.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Where the cache lies.
    pub cache: Choice,
    /// Where temporary files lie.
    pub tmp: Choice,
}

/// A program other than ibid.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of its folder.
    pub name: String,
    /// What its variables begin with.
    pub env_prefix: String,
    /// Its cache, if the caller names it.
    pub cache: Option<PathBuf>,
    /// Its folder for temporary files, if the caller names it.
    pub tmp: Option<PathBuf>,
}

impl Door {
    /// Returns the folders that every request made here uses.
    pub fn folders(&self) -> Result<Folders, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        Ok(folders(&session.dirs))
    }

    /// Returns the folders of another program: named ones, then those of its variables
    /// `<PREFIX>_CACHE_DIR` or `<PREFIX>_CACHE` and `<PREFIX>_TMP_DIR` or `<PREFIX>_TEMP_DIR`, then
    /// those of the platform.
    pub fn folders_of(&self, program: Program) -> Result<Folders, Failure> {
        let around = self.context.surroundings();
        let wish = |named: Option<PathBuf>, suffix: &str| {
            let variable = format!("{}_{suffix}", program.env_prefix);
            let value = || around.env.non_empty(&variable).map(PathBuf::from);
            // The resolver knows the other spelling, which outranks this one.
            let by_variable = || {
                let origin = Origin::Variable(variable.clone());
                value().map(|path| Choice { path, origin })
            };
            named.map(Choice::explicit).or_else(by_variable)
        };
        let wishes = Wishes {
            cache: wish(program.cache, "CACHE"),
            tmp: wish(program.tmp, "TEMP_DIR"),
            local: None,
        };
        let app = App {
            name: program.name,
            env_prefix: program.env_prefix,
        };
        let dirs = Dirs::resolve(&app, &around, wishes);
        Ok(folders(&dirs.map_err(|error| dirs_failure(&error))?))
    }

    /// Makes the folder for temporary files, unless it is there, and returns it.
    pub fn make_tmp(&self) -> Result<PathBuf, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let path = session.dirs.tmp().path.clone();
        make_folder_beside(&path, session.sharing()).map_err(|error| {
            Failure::of(exit::IBID_FAILED, &error)
                .hint("`IBID_TMP_DIR` names a folder for temporary files")
        })?;
        Ok(path)
    }
}

fn folders(dirs: &Dirs) -> Folders {
    Folders {
        cache: dirs.cache().clone(),
        tmp: dirs.tmp().clone(),
    }
}
