//! From a word in command position to the file that runs, and to the interpreters behind it.
//!
//! Owns the search that `execvp` makes and the reading of `#!` lines. Links are not resolved: the
//! path as found is what tells a virtual environment, and the digest follows links by itself.
//! A script without a `#!` line is run by whatever shell starts it, and has no interpreter here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::fs::programs::{Candidate, candidate, names};
use crate::fs::{FileKind, PathError, walk};
use crate::tree::Escaped;

use super::operand::{base_name, started};
use super::options::is_assignment;
use super::shell_words::split_plain;

/// How many `#!` lines may lead to one another; Linux gives up after five.
const MAX_DEPTH: usize = 4;

/// How much of a file is read for its `#!` line and the line after it.
const HEAD: usize = 4096;

/// A program as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The word that named it.
    pub word: Vec<u8>,
    /// Where it lies: absolute, links not resolved.
    pub path: PathBuf,
    /// What runs it if it is a script, outermost first: for `#!/usr/bin/env python3` both `env`
    /// and `python3`. Empty for a binary.
    pub interpreters: Vec<Interpreter>,
}

/// A program that a `#!` line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The word that named it: a path, or a name that `env` looks up.
    pub word: Vec<u8>,
    /// Where it lies: absolute, links not resolved.
    pub path: PathBuf,
}

impl Program {
    /// Returns the path of the Python interpreter that this is or that runs it, if any.
    pub fn python(&self) -> Option<&Path> {
        std::iter::once(self.path.as_path())
            .chain(self.interpreters.iter().map(|found| found.path.as_path()))
            .find(|path| super::python_env::is_python(path))
    }
}

/// A word leads to no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Nothing of that name is there.
    #[error("cannot find the program `{}` in {}", Escaped(.word), Searched(.searched))]
    NotFound {
        /// The word.
        word: Vec<u8>,
        /// The directories that were searched, in order; for a word with `/` the one it is in.
        searched: Vec<PathBuf>,
    },
    /// Something is there that the caller may not execute: a file without permission, or a
    /// directory where the word is a path.
    #[error("cannot execute `{}`: {}", Escaped(.path.as_os_str().as_bytes()), Obstacle(*.kind))]
    NotExecutable {
        /// The word.
        word: Vec<u8>,
        /// What was found.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// The interpreter that a script names leads to no program.
    #[error("cannot find the interpreter of `{}`", Escaped(.script.as_os_str().as_bytes()))]
    Interpreter {
        /// The script.
        script: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// Interpreters are scripts of one another, more than four deep or in a ring.
    #[error("too many interpreters run one another behind `{}`", Escaped(.0.as_os_str().as_bytes()))]
    TooDeep(PathBuf),
    /// The program cannot be read, so it cannot be keyed either.
    #[error(transparent)]
    Unreadable(#[from] PathError),
}

/// Prints the searched directories.
struct Searched<'a>(&'a [PathBuf]);

impl std::fmt::Display for Searched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => f.write_str("an empty PATH"),
            [only] => write!(f, "`{}`", Escaped(only.as_os_str().as_bytes())),
            several => {
                let texts: Vec<_> = several
                    .iter()
                    .map(|dir| dir.as_os_str().as_bytes())
                    .collect();
                write!(f, "PATH (`{}`)", Escaped(&texts.join(&b':')))
            }
        }
    }
}

/// Prints why something cannot be executed.
struct Obstacle(FileKind);

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            FileKind::File => "permission denied",
            FileKind::Dir => "it is a directory",
            FileKind::Link | FileKind::Special => "it is no regular file",
        })
    }
}

/// Finds the program that `word` names, as `execvp` does in the working folder `dir` (absolute),
/// and the interpreters behind it. A word with `/` is a path relative to `dir`; any other is
/// looked for in the directories of `path_var`, where an empty element means `dir`.
///
/// # Errors
/// Where nothing is found or what is found cannot be executed or read, for the word or for an
/// interpreter that a `#!` line names.
pub fn resolve_program(word: &[u8], path_var: &OsStr, dir: &Path) -> Result<Program, ProgramError> {
    let path = find(word, path_var, dir)?;
    let mut interpreters: Vec<Interpreter> = Vec::new();
    let mut script = path.clone();
    for _ in 0..=MAX_DEPTH {
        let line = interpreter_line(&walk::read_start(&script, HEAD)?);
        if line.is_empty() {
            return Ok(Program {
                word: word.to_owned(),
                path,
                interpreters,
            });
        }
        for word in line {
            let found = find(&word, path_var, dir).map_err(|source| ProgramError::Interpreter {
                script: script.clone(),
                source: Box::new(source),
            })?;
            interpreters.push(Interpreter { word, path: found });
        }
        script.clone_from(&interpreters.last().expect("the line names a program").path);
    }
    Err(ProgramError::TooDeep(path))
}

fn find(word: &[u8], path_var: &OsStr, dir: &Path) -> Result<PathBuf, ProgramError> {
    let mut searched = search_path(word, path_var, dir);
    let is_path = word.contains(&b'/');
    let mut unusable = None;
    if !word.is_empty() {
        for folder in &searched {
            let path = folder.join(OsStr::from_bytes(word));
            match candidate(&path) {
                Candidate::Program => return Ok(path),
                Candidate::Unusable(kind) if is_path || kind == FileKind::File => {
                    unusable.get_or_insert((path, kind));
                }
                Candidate::Unusable(_) | Candidate::Absent => {}
            }
        }
    }
    let word = word.to_owned();
    if let Some((path, kind)) = unusable {
        return Err(ProgramError::NotExecutable { word, path, kind });
    }
    searched.dedup();
    Err(ProgramError::NotFound { word, searched })
}

fn search_path(word: &[u8], path_var: &OsStr, dir: &Path) -> Vec<PathBuf> {
    if word.contains(&b'/') {
        return vec![dir.to_owned()];
    }
    let elements = path_var.as_bytes().split(|byte| *byte == b':');
    elements
        .map(|element| match element {
            b"" => dir.to_owned(),
            element => dir.join(OsStr::from_bytes(element)),
        })
        .collect()
}

/// Returns the words that the head of a script names as programs: none for a binary, the
/// interpreter, and after `env` what that looks up.
fn interpreter_line(head: &[u8]) -> Vec<Vec<u8>> {
    let Some(rest) = head.strip_prefix(b"#!") else {
        return Vec::new();
    };
    let mut lines = rest.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let line = line.trim_ascii_start();
    let ends = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (word, argument) = line.split_at(ends);
    if word.is_empty() {
        return Vec::new();
    }
    let mut words = vec![word.to_owned()];
    match base_name(word) {
        b"env" => words.extend(after_env(word, argument.trim_ascii())),
        // Installers write this where the interpreter's path is too long for a `#!` line.
        b"sh" => words.extend(
            lines
                .next()
                .and_then(|line| line.strip_prefix(b"'''exec' "))
                .and_then(|rest| split_plain(rest).into_iter().next()),
        ),
        _ => {}
    }
    words
}

/// Returns the program that `env` starts for the single argument that the kernel hands it.
fn after_env(env: &[u8], argument: &[u8]) -> Option<Vec<u8>> {
    let split = [b"-S".as_slice(), b"-vS", b"--split-string="]
        .iter()
        .find_map(|flag| argument.strip_prefix(*flag));
    let Some(text) = split else {
        let is_program = !argument.starts_with(b"-") && !is_assignment(argument);
        return (is_program && !argument.is_empty()).then(|| argument.to_owned());
    };
    let mut argv = vec![env.to_owned()];
    argv.extend(split_plain(text));
    let index = started(&argv)?;
    Some(argv.swap_remove(index))
}

/// Returns a name on the PATH that differs from `word` by one letter or by two swapped ones: a
/// hint for a message. Lists every directory of the PATH, so it is not for the way to a hit.
pub fn near_program(word: &[u8], path_var: &OsStr, dir: &Path) -> Option<Vec<u8>> {
    if word.len() < 3 || word.contains(&b'/') {
        return None;
    }
    search_path(word, path_var, dir).iter().find_map(|folder| {
        let names = names(folder).ok()??;
        names.into_iter().find(|name| {
            is_near(word, name)
                && candidate(&folder.join(OsStr::from_bytes(name))) == Candidate::Program
        })
    })
}

/// Says whether one insertion, deletion, replacement or swap of neighbours makes `a` into `b`.
fn is_near(a: &[u8], b: &[u8]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[..a.len() - back], &b[..b.len() - back]);
    match (a, b) {
        ([], _) | (_, []) | ([_], [_]) => true,
        ([first, second], [other_first, other_second]) => {
            first == other_second && second == other_first
        }
        _ => false,
    }
}
