//! Installed packages that the command's interpreter would import.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::gather::Gather;
use crate::action::Packages;
use crate::digest::encoding::Value;
use crate::engine::error::Error;
use crate::scan::programs::{PythonScope, Surroundings, is_python, python_packages};

/// Lists the packages of the first Python interpreter among the programs of the command: by
/// itself if it lies in an environment, wherever it lies if that was asked for.
pub(super) fn resolve(
    gather: &mut Gather<'_>,
    programs: &[PathBuf],
) -> Result<BTreeMap<String, Value>, Error> {
    let of = match gather.step.packages {
        Packages::None => return Ok(BTreeMap::new()),
        Packages::Auto => PackagesOf::Environment,
        Packages::Python => PackagesOf::Anywhere,
    };
    let Some(python) = programs.iter().find(|program| is_python(program)) else {
        return Ok(BTreeMap::new());
    };
    let home = gather.home;
    let mut digest = |path: &Path| gather.digest(path);
    let packages = python_packages(python, of, home, &mut digest)?;
    Ok(packages.map(|packages| ("python".to_owned(), packages)).into_iter().collect())
}

fn is_python(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let version = ["python", "pypy"].iter().find_map(|stem| name.strip_prefix(stem));
    version.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}
