//! From a word in command position to the file that runs, and to the interpreters behind it.
//!
//! Owns the search that `execvp` makes and the reading of `#!` lines. Links are not resolved: the
//! path as found is what tells a virtual environment, and the digest follows links by itself.
//! A script without a `#!` line is run by whatever shell starts it, and has no interpreter here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::fs::{self, Candidate, FileKind, PathError, Signature, candidate, list_names};
use crate::scan::FileDigest;
use crate::tree::Escaped;

use super::operand::{base_name, started};
use super::options::is_assignment;
use super::shell_words::split_plain;

/// How many `#!` lines may lead to one another; Linux gives up after five.
const MAX_DEPTH: usize = 4;

/// How much of a file is read for its `#!` line and the line after it.
const HEAD: u64 = 4096;

/// A program as it was found.
#[derive(Clone, Debug)]
pub struct Program {
    /// The word that named it.
    pub word: Vec<u8>,
    /// Where it lies: absolute, links not resolved.
    pub path: PathBuf,
    /// The signature of the file there, links followed, as it was opened for its `#!` line, or as
    /// it was found where that line was known without.
    pub signature: Signature,
    /// The digest of its content, where that was known without opening it.
    pub known: Option<FileDigest>,
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
    /// Returns the path of the Python interpreter that this is or that runs it, if any. A script
    /// is none, whatever its name: it may be a shim (see [`super::behind_shim`]).
    pub fn python(&self) -> Option<&Path> {
        let last = self.interpreters.last();
        let path = last.map_or(self.path.as_path(), |found| found.path.as_path());
        super::python_env::is_python(path).then_some(path)
    }
}

/// A word leads to no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Nothing of that name is there.
    #[error("cannot find the program `{}`{}", Escaped(.word), Searched(.word, .searched))]
    NotFound {
        /// The word.
        word: Vec<u8>,
        /// The directories that were searched, in order; for a word with `/` the one it is in.
        searched: Vec<PathBuf>,
    },
    /// Something is there that the caller may not execute: a file without permission, or a
    /// directory where the word is a path.
    #[error("cannot execute `{}`: {}", Escaped::path(.path), Obstacle(*.kind))]
    NotExecutable {
        /// The word.
        word: Vec<u8>,
        /// What was found.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// The interpreter that a script names leads to no program.
    #[error("cannot find the interpreter of `{}`", Escaped::path(.script))]
    Interpreter {
        /// The script.
        script: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// Interpreters are scripts of one another, more than four deep or in a ring.
    #[error("too many interpreters run one another behind `{}`", Escaped::path(.0))]
    TooDeep(PathBuf),
    /// The program cannot be read, so it cannot be keyed either.
    #[error(transparent)]
    Unreadable(#[from] PathError),
}

/// Prints where a word was searched: PATH is too long for a line, and no news to anybody.
struct Searched<'a>(&'a [u8], &'a [PathBuf]);

impl std::fmt::Display for Searched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1 {
            [] => f.write_str(": PATH is empty"),
            [only] => write!(f, " in `{}`", Escaped::path(only)),
            _ if self.0.contains(&b'/') => Ok(()),
            _ => f.write_str(" in PATH"),
        }
    }
}

/// Prints why something cannot be executed.
struct Obstacle(FileKind);

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            FileKind::File => "permission denied",
            FileKind::Dir => "it is a folder",
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
    resolve_with(word, path_var, dir, &|_, _| None)
}

/// The same, where `known` tells of a file with this signature that it has no `#!` line, by its
/// digest.
///
/// # Errors
/// As for [`resolve_program`].
pub fn resolve_with(
    word: &[u8],
    path_var: &OsStr,
    dir: &Path,
    known: &dyn Fn(&Path, &Signature) -> Option<FileDigest>,
) -> Result<Program, ProgramError> {
    let (path, mut looked) = find(word, path_var, dir)?;
    let mut interpreters: Vec<Interpreter> = Vec::new();
    let mut script = path.clone();
    let mut first = None;
    for _ in 0..=MAX_DEPTH {
        let digest = known(&script, &looked);
        let line = if digest.is_some() {
            Vec::new()
        } else {
            let (start, opened) = fs::read_start_of(&script, HEAD)?;
            looked = opened;
            interpreter_line(&start)
        };
        let (signature, known) = first.get_or_insert((looked, digest));
        if line.is_empty() {
            return Ok(Program {
                word: word.to_owned(),
                path,
                signature: *signature,
                known: known.take(),
                interpreters,
            });
        }
        for word in line {
            let (path, signature) =
                find(&word, path_var, dir).map_err(|source| ProgramError::Interpreter {
                    script: script.clone(),
                    source: Box::new(source),
                })?;
            looked = signature;
            interpreters.push(Interpreter { word, path });
        }
        script.clone_from(&interpreters.last().expect("the line names a program").path);
    }
    Err(ProgramError::TooDeep(path))
}

fn find(word: &[u8], path_var: &OsStr, dir: &Path) -> Result<(PathBuf, Signature), ProgramError> {
    let mut searched = search_path(word, path_var, dir);
    let is_path = word.contains(&b'/');
    let mut unusable = None;
    if !word.is_empty() {
        for (index, folder) in searched.iter().enumerate() {
            // A PATH often names a folder twice, and the second look finds what the first did.
            if searched[..index].contains(folder) {
                continue;
            }
            let below = word.strip_prefix(b"./").unwrap_or(word);
            let path = folder.join(OsStr::from_bytes(below));
            match candidate(&path) {
                Candidate::Program(signature) => return Ok((path, signature)),
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
        let names = list_names(folder).ok()??;
        names.into_iter().find(|name| {
            let found = || candidate(&folder.join(OsStr::from_bytes(name)));
            is_near(word, name) && matches!(found(), Candidate::Program(_))
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::scan::programs::test_files::{link, program, write};

    /// `bin1` and `bin2` on the PATH, with an `env` and a `python3`.
    fn path_of(dir: &TempDir) -> OsString {
        program(&dir.join("bin1/env"), "\x7fELF");
        program(&dir.join("bin2/python3"), "\x7fELF");
        std::env::join_paths([dir.join("bin1"), dir.join("bin2")]).unwrap()
    }

    #[test]
    fn the_first_on_the_path_is_found_unresolved() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        program(&dir.join("bin2/tool"), "");
        let found = resolve_program(b"tool", &path, dir.path()).unwrap();
        assert_eq!(found.path, dir.join("bin2/tool"));
        assert_eq!(found.interpreters, []);
        link(&dir.join("bin2/tool"), &dir.join("bin1/tool"));
        let found = resolve_program(b"tool", &path, dir.path()).unwrap();
        assert_eq!(found.path, dir.join("bin1/tool"));
    }

    #[test]
    fn directories_and_files_without_permission_are_passed_over() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        write(&dir.join("bin1/tool"), "");
        let error = resolve_program(b"tool", &path, dir.path()).unwrap_err();
        let denied = dir.join("bin1/tool");
        assert!(matches!(&error, ProgramError::NotExecutable { path, .. } if *path == denied));
        program(&dir.join("bin2/tool"), "");
        let found = resolve_program(b"tool", &path, dir.path()).unwrap();
        assert_eq!(found.path, dir.join("bin2/tool"));
        write(&dir.join("bin1/folder/x"), "");
        let error = resolve_program(b"folder", &path, dir.path()).unwrap_err();
        assert!(matches!(error, ProgramError::NotFound { .. }), "{error}");
        let error = resolve_program(b"./bin1/folder", &path, dir.path()).unwrap_err();
        assert!(matches!(
            error,
            ProgramError::NotExecutable {
                kind: FileKind::Dir,
                ..
            }
        ));
    }

    #[test]
    fn a_word_with_a_slash_and_an_empty_element_mean_the_working_folder() {
        let dir = TempDir::new();
        let work = dir.join("work");
        program(&work.join("sub/tool"), "");
        program(&work.join("here"), "");
        let found = resolve_program(b"sub/tool", OsStr::new(""), &work).unwrap();
        assert_eq!(found.path, work.join("sub/tool"));
        let found = resolve_program(b"here", OsStr::new("/absent:"), &work).unwrap();
        assert_eq!(found.path, work.join("here"));
        for word in [b"".as_slice(), b"he\0re", b"absent"] {
            let error = resolve_program(word, OsStr::new("/absent:"), &work).unwrap_err();
            assert!(matches!(error, ProgramError::NotFound { .. }), "{error}");
        }
    }

    #[test]
    fn interpreters_of_scripts_are_found_through_env() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        let env = dir.join("bin1/env").display().to_string();
        let python = dir.join("bin2/python3").display().to_string();
        for (text, expected) in [
            (format!("#!{env} python3\n"), vec!["env", "python3"]),
            (format!("#! {env}\tpython3 \nx"), vec!["env", "python3"]),
            (format!("#!{env} -S python3 -u\n"), vec!["env", "python3"]),
            (
                format!("#!{env} -S -i A=1 python3 x\n"),
                vec!["env", "python3"],
            ),
            (format!("#!{env} -i\n"), vec!["env"]),
            (format!("#!{python} -u"), vec!["python3"]),
            (format!("#!\n{python}"), vec![]),
            ("text without a line".to_owned(), vec![]),
        ] {
            program(&dir.join("bin1/script"), &text);
            let found = resolve_program(b"script", &path, dir.path()).unwrap();
            let names: Vec<_> = found
                .interpreters
                .iter()
                .map(|one| String::from_utf8_lossy(base_name(&one.word)).into_owned())
                .collect();
            assert_eq!(names, expected, "{text}");
            assert_eq!(
                found.python().is_some(),
                expected.contains(&"python3"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_too_long_for_the_line_is_found_behind_the_shell() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        program(&dir.join("bin1/sh"), "\x7fELF");
        let shell = dir.join("bin1/sh").display().to_string();
        let python = dir.join("bin2/python3");
        let text = format!(
            "#!{shell}\n'''exec' \"{}\" \"$0\" \"$@\"\n' '''\n",
            python.display()
        );
        program(&dir.join("bin1/script"), &text);
        let found = resolve_program(b"script", &path, dir.path()).unwrap();
        assert_eq!(found.python(), Some(python.as_path()));
    }

    #[test]
    fn scripts_run_by_scripts_are_followed_but_not_in_a_ring() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        let inner = dir.join("bin1/inner");
        program(
            &inner,
            &format!("#!{}\n", dir.join("bin2/python3").display()),
        );
        program(&dir.join("bin1/outer"), &format!("#!{}\n", inner.display()));
        let found = resolve_program(b"outer", &path, dir.path()).unwrap();
        assert_eq!(found.interpreters.len(), 2);
        program(&inner, &format!("#!{}\n", inner.display()));
        let error = resolve_program(b"outer", &path, dir.path()).unwrap_err();
        assert!(matches!(error, ProgramError::TooDeep(_)), "{error}");
    }

    #[test]
    fn a_missing_interpreter_names_script_and_word() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        program(&dir.join("bin1/script"), "#!/absent/perl\r\n");
        let error = resolve_program(b"script", &path, dir.path()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("bin1/script"), "{error}");
        assert!(source.contains("/absent/perl\\r"), "{source}");
    }

    #[test]
    fn a_near_name_is_hinted_at() {
        let dir = TempDir::new();
        let path = path_of(&dir);
        for near in ["pyhton3", "python", "python33", "pythan3"] {
            let hint = near_program(near.as_bytes(), &path, dir.path());
            assert_eq!(hint.as_deref(), Some(b"python3".as_slice()), "{near}");
        }
        assert_eq!(near_program(b"perl", &path, dir.path()), None);
    }
}
