//! Installed packages that the command's interpreter would import.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::gather::Gather;
use crate::action::Packages;
use crate::digest::encoding::Value;
use crate::engine::error::Error;
use crate::engine::memo::{self, remembered};
use crate::fs::PathError;
use crate::scan::programs::{PythonScope, Surroundings, is_python, python_packages};
use crate::scan::{ScanError, Seen};

/// Lists the packages of the first Python interpreter among the programs of the command: by
/// itself if it lies in an environment, wherever it lies if that was asked for.
pub(super) fn resolve(
    gather: &mut Gather<'_>,
    programs: &[PathBuf],
    around: &Surroundings<'_>,
) -> Result<BTreeMap<String, Value>, Error> {
    let scope = match gather.step.packages {
        Packages::None => return Ok(BTreeMap::new()),
        Packages::Auto => PythonScope::Environment,
        Packages::Python => PythonScope::Everywhere,
    };
    let Some(python) = programs.iter().find(|program| is_python(program)) else {
        return Ok(BTreeMap::new());
    };
    let (packages, mut seen) = remembered(
        gather.memo,
        |state| &mut state.packages,
        || (python.clone(), gather.step.packages, memo::around(around)),
        |_| !python.starts_with(gather.root),
        || list(gather, python, scope, around),
    )?;
    gather.seen.append(&mut seen);
    Ok(packages
        .map(|packages| ("python".to_owned(), packages))
        .into_iter()
        .collect())
}

/// Lists the packages, with what the list rests on.
fn list(
    gather: &Gather<'_>,
    python: &Path,
    scope: PythonScope,
    around: &Surroundings<'_>,
) -> Result<(Option<Value>, Vec<Seen>), Error> {
    let scanner = gather.scanner;
    let seen = RefCell::new(Vec::new());
    let digest = |path: &Path| {
        let file = scanner
            .file_digest(path)
            .map_err(|error| unread(error, path))?;
        let digest = file.digest;
        seen.borrow_mut().push(Seen::from(file));
        Ok(digest)
    };
    let packages = python_packages(python, scope, around, &digest)?;
    Ok((packages, seen.into_inner()))
}

/// Tells absence from everything else, as the listing of packages wants it.
fn unread(error: ScanError, path: &Path) -> PathError {
    let source = match error {
        ScanError::Io(error) => return error,
        ScanError::Missing(_) => io::ErrorKind::NotFound.into(),
        other => io::Error::other(other),
    };
    PathError {
        operation: "read",
        path: path.to_owned(),
        source,
    }
}
