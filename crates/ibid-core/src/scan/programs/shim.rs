//! Programs that only choose among installed versions: the shims of pyenv.
//!
//! A shim's content does not change with the version it chooses, so its digest alone would make
//! another Python go unseen (hazard A4). This owns the choice that pyenv makes, without running
//! it. Shims of asdf, mise, rbenv and other choosers are not followed.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::fs::{Candidate, IfPresent as _, PathError, below, candidate, list_names, read_small};

use super::operand::base_name;
use super::program::{Program, ProgramError, resolve_program};
use super::python_env::Surroundings;

/// The longest file with a version's name that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Returns the program that a pyenv shim starts in its stead, or `None` where `program` is no
/// such shim. `path_var` is what the command gets as its PATH.
///
/// # Errors
/// Where the chosen version does not hold the program, or a file that chooses cannot be read.
pub fn behind_shim(
    program: &Program,
    path_var: &OsStr,
    around: &Surroundings<'_>,
) -> Result<Option<Program>, ProgramError> {
    let Some(shims) = program.path.parent() else {
        return Ok(None);
    };
    let is_shim =
        shims.file_name() == Some(OsStr::new("shims")) && !program.interpreters.is_empty();
    let Some(root) = shims.parent().filter(|_| is_shim) else {
        return Ok(None);
    };
    let versions = root.join("versions");
    let Some(installed) = list_names(&versions)? else {
        return Ok(None);
    };
    let text = read_small(&program.path, MAX_FILE)
        .unless_absent()?
        .unwrap_or_default();
    if !text.windows(10).any(|ten| ten == b"pyenv\" exe") {
        return Ok(None);
    }
    let name = base_name(program.path.as_os_str().as_bytes());
    let chosen = chosen_versions(root, around)?;
    for wanted in &chosen {
        if wanted == b"system" {
            let rest = without(path_var, shims, around.dir);
            return resolve_program(name, &rest, around.dir).map(Some);
        }
        let Some(version) = installed_version(wanted, &installed) else {
            continue;
        };
        let path = below(&below(&versions, version).join("bin"), name);
        if matches!(candidate(&path), Candidate::Program(_)) {
            let word = path.as_os_str().as_bytes();
            return resolve_program(word, path_var, around.dir).map(Some);
        }
    }
    let searched = chosen
        .iter()
        .map(|version| below(&versions, version))
        .collect();
    Err(ProgramError::NotFound {
        word: name.to_owned(),
        searched,
    })
}

/// Returns the names of the versions that are in force, in order of preference.
fn chosen_versions(root: &Path, around: &Surroundings<'_>) -> Result<Vec<Vec<u8>>, PathError> {
    if let Some(text) = around.env.non_empty("PYENV_VERSION") {
        return Ok(version_names(text.as_bytes()));
    }
    let start = around
        .env
        .non_empty("PYENV_DIR")
        .map(|dir| around.dir.join(dir));
    let starts = start.iter().map(PathBuf::as_path).chain([around.dir]);
    let local = starts
        .flat_map(Path::ancestors)
        .map(|dir| dir.join(".python-version"));
    for file in local.chain([root.join("version")]) {
        let named = read_small(&file, MAX_FILE)
            .unless_absent()?
            .map(|text| version_names(&text));
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            return Ok(named);
        }
    }
    Ok(vec![b"system".to_vec()])
}

fn version_names(text: &[u8]) -> Vec<Vec<u8>> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| {
        let comment = line
            .iter()
            .position(|byte| *byte == b'#')
            .unwrap_or(line.len());
        &line[..comment]
    });
    let words =
        lines.flat_map(|line| line.split(|byte| *byte == b':' || byte.is_ascii_whitespace()));
    let names = words.filter(|word| !word.is_empty());
    names
        .map(|name| {
            name.strip_prefix(b"python-".as_slice())
                .unwrap_or(name)
                .to_vec()
        })
        .collect()
}

/// Returns the installed version of that name, else the latest that it is the beginning of.
fn installed_version<'a>(wanted: &[u8], installed: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    if let Some(exact) = installed.iter().find(|name| *name == wanted) {
        return Some(exact);
    }
    let starts = [wanted, b"."].concat();
    let numbers = |name: &[u8]| -> Option<Vec<u64>> {
        let parts = name.split(|byte| *byte == b'.');
        parts
            .map(|part| str::from_utf8(part).ok()?.parse().ok())
            .collect()
    };
    let mut matching: Vec<_> = installed
        .iter()
        .filter(|name| name.starts_with(&starts))
        .filter_map(|name| Some((numbers(name)?, name.as_slice())))
        .collect();
    matching.sort_by_key(|(numbers, _)| Reverse(numbers.clone()));
    matching.first().map(|(_, name)| *name)
}

/// Returns the PATH without one directory.
fn without(path_var: &OsStr, removed: &Path, dir: &Path) -> OsString {
    let elements = path_var.as_bytes().split(|byte| *byte == b':');
    let kept = elements.filter(|element| dir.join(OsStr::from_bytes(element)) != removed);
    OsString::from_vec(kept.collect::<Vec<_>>().join(&b':'))
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::environ::EnvSnapshot;
    use crate::scan::programs::test_files::{program, write};

    fn behind(dir: &TempDir, env: &[(&str, &str)]) -> Result<PathBuf, ProgramError> {
        let path = std::env::join_paths([dir.join("pyenv/shims"), dir.join("usr/bin")]).unwrap();
        let env: EnvSnapshot = env.iter().copied().collect();
        let work = dir.join("work/sub");
        let around = Surroundings {
            env: &env,
            dir: &work,
        };
        let shim = resolve_program(b"python3", &path, dir.path()).unwrap();
        assert_eq!(shim.python(), None, "a script is no interpreter");
        let found = behind_shim(&shim, &path, &around)?;
        Ok(found.expect("it is a shim").path)
    }

    #[test]
    fn a_shim_leads_to_the_version_in_force() {
        let dir = TempDir::new();
        program(&dir.join("usr/bin/bash"), "\x7fELF");
        program(&dir.join("usr/bin/python3"), "\x7fELF");
        let shell = dir.join("usr/bin/bash").display().to_string();
        let text = format!("#!{shell}\nexec \"/p/libexec/pyenv\" exec \"$program\" \"$@\"\n");
        program(&dir.join("pyenv/shims/python3"), &text);
        for version in ["3.9.1", "3.11.9", "3.11.10"] {
            program(
                &dir.join(format!("pyenv/versions/{version}/bin/python3")),
                "\x7fELF",
            );
        }
        let of = |version: &str| dir.join(format!("pyenv/versions/{version}/bin/python3"));
        let system = dir.join("usr/bin/python3");
        assert_eq!(behind(&dir, &[]).unwrap(), system);
        write(&dir.join("pyenv/version"), "# chosen\n3.9.1\n");
        assert_eq!(behind(&dir, &[]).unwrap(), of("3.9.1"));
        write(&dir.join("work/.python-version"), "3.11\n");
        assert_eq!(behind(&dir, &[]).unwrap(), of("3.11.10"));
        let both = [("PYENV_VERSION", "absent:3.11.9")];
        assert_eq!(behind(&dir, &both).unwrap(), of("3.11.9"));
        assert_eq!(
            behind(&dir, &[("PYENV_VERSION", "system")]).unwrap(),
            system
        );
        let error = behind(&dir, &[("PYENV_VERSION", "2.7")]).unwrap_err();
        assert!(error.to_string().contains("versions/2.7"), "{error}");
    }
}
