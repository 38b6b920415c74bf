//! From the word that names a program to the file that runs, and the interpreters behind it.
//!
//! The search is that of `execvp`. A script's interpreter is a program too, and what
//! `/usr/bin/env` starts for it is another one: each is keyed by its content (hazard A4).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::seen::{FileDigest, Seen, What};
use super::{ScanError, Scanner};
use crate::fs::FileKind;
use crate::fs::walk::{self, Links};
use crate::tree::Escaped;

/// Where programs are sought if `PATH` is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// As many interpreters in a row as the kernel starts, and `env` between them.
const MAX_INTERPRETERS: usize = 8;

/// What the kernel reads of a script's first line.
const FIRST_LINE: usize = 256;

/// A program that a word names.
#[derive(Clone, Debug)]
pub struct Program {
    /// The word that names it, in the command or in the first line of a script.
    pub word: Vec<u8>,
    /// Where the word leads; links are not resolved, because an environment is known by them.
    pub path: PathBuf,
    /// The content of the file that runs.
    pub file: FileDigest,
    /// What runs it, if it is a script.
    pub interpreter: Option<Box<Self>>,
}

impl Program {
    /// Iterates over the program and the interpreters behind it.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |program| program.interpreter.as_deref())
    }

    /// Returns what was looked at.
    pub fn seen(&self) -> Vec<Seen> {
        self.chain()
            .flat_map(|program| {
                let real = Seen(What::Real {
                    path: program.path.clone(),
                    real: program.file.path.clone(),
                });
                [real, program.file.clone().into()]
            })
            .collect()
    }
}

/// A word names no program that can run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Nothing of that name is there: a shell would exit with 127.
    #[error("no program `{}` was found", Escaped(.word))]
    NotFound {
        /// The word.
        word: Vec<u8>,
    },
    /// Something is there, but the caller may not execute it: a shell would exit with 126.
    #[error("`{}` is not an executable file", Escaped(.path.as_os_str().as_bytes()))]
    NotExecutable {
        /// Where it was found.
        path: PathBuf,
    },
    /// A script's interpreter cannot run.
    #[error("the interpreter of `{}` cannot run", Escaped(.path.as_os_str().as_bytes()))]
    Interpreter {
        /// The script.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// Scripts run scripts without end.
    #[error("`{}` has too many interpreters", Escaped(.path.as_os_str().as_bytes()))]
    TooManyInterpreters {
        /// The last script.
        path: PathBuf,
    },
    /// Its content cannot be read, so it cannot be keyed.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Where and how words are resolved.
#[derive(Clone, Copy, Debug)]
pub struct SearchPath<'a> {
    /// The value of `PATH` that the command will see; `None` if it is not set.
    pub path_var: Option<&'a OsStr>,
    /// The folder that the command runs in, absolute.
    pub dir: &'a Path,
}

impl SearchPath<'_> {
    /// Returns the path of the executable file that `word` names, as `execvp` finds it: a word
    /// with a `/` is a path from the folder, an empty element of `PATH` is the folder itself.
    pub fn find(&self, word: &[u8]) -> Result<PathBuf, ProgramError> {
        let not_found = || ProgramError::NotFound {
            word: word.to_vec(),
        };
        if word.is_empty() || word.contains(&0) {
            return Err(not_found());
        }
        if word.contains(&b'/') {
            let path = walk::below(self.dir, word);
            return match candidate(&path) {
                Candidate::Absent => Err(not_found()),
                Candidate::NotExecutable => Err(ProgramError::NotExecutable { path }),
                Candidate::Executable => Ok(path),
            };
        }
        let path_var = self.path_var.unwrap_or(OsStr::new(DEFAULT_PATH));
        let mut refused = None;
        for dir in path_var.as_bytes().split(|byte| *byte == b':') {
            // `join` keeps an absolute directory, and takes a relative one from the folder.
            let path = walk::below(&walk::below(self.dir, dir), word);
            match candidate(&path) {
                Candidate::Executable => return Ok(path),
                Candidate::NotExecutable => refused = refused.or(Some(path)),
                Candidate::Absent => {}
            }
        }
        Err(refused.map_or_else(not_found, |path| ProgramError::NotExecutable { path }))
    }
}

enum Candidate {
    Absent,
    NotExecutable,
    Executable,
}

fn candidate(path: &Path) -> Candidate {
    match walk::look(path, Links::Follow) {
        Ok(None) => Candidate::Absent,
        Ok(Some(signature)) if signature.kind() == FileKind::File && walk::may_execute(path) => {
            Candidate::Executable
        }
        Ok(Some(_)) | Err(_) => Candidate::NotExecutable,
    }
}

impl Scanner<'_> {
    /// Resolves a word in command position to the program that would run, with its interpreters.
    pub fn resolve_program(
        &self,
        word: &[u8],
        search: &SearchPath<'_>,
    ) -> Result<Program, ProgramError> {
        let path = search.find(word)?;
        self.program(word.to_vec(), path, search)
    }

    fn program(
        &self,
        word: Vec<u8>,
        path: PathBuf,
        search: &SearchPath<'_>,
    ) -> Result<Program, ProgramError> {
        let mut links: Vec<(Vec<u8>, PathBuf, FileDigest)> = Vec::new();
        let mut next = Some((word, path));
        // What `env` starts once it runs itself.
        let mut behind_env = None;
        while let Some((word, path)) = next.take() {
            if links.len() > MAX_INTERPRETERS {
                return Err(ProgramError::TooManyInterpreters { path });
            }
            let real = walk::real_path(&path).map_err(ScanError::from)?;
            let file = self.file_digest(&real)?;
            let start = walk::read_start(&real, FIRST_LINE).map_err(ScanError::from)?;
            links.push((word, path, file));
            let runner = match (first_line(&start), behind_env.take()) {
                (Some((program, argument)), _) => {
                    if program.ends_with(b"/env") {
                        behind_env = env_target(argument);
                    }
                    Some(program.to_vec())
                }
                (None, started_by_env) => started_by_env,
            };
            if let Some(word) = runner {
                let found = search.find(&word).map_err(|source| {
                    let (_, script, _) = links.last().expect("one was just pushed");
                    ProgramError::Interpreter {
                        path: script.clone(),
                        source: Box::new(source),
                    }
                })?;
                next = Some((word, found));
            }
        }
        let chain = links
            .into_iter()
            .rev()
            .fold(None, |interpreter, (word, path, file)| {
                Some(Box::new(Program {
                    word,
                    path,
                    file,
                    interpreter,
                }))
            });
        Ok(*chain.expect("the word itself is the first link"))
    }
}

/// Returns the word of the program that `env` starts with these arguments of a first line.
fn env_target(argument: &[u8]) -> Option<Vec<u8>> {
    argument
        .split(u8::is_ascii_whitespace)
        .map(|word| word.strip_prefix(b"-S").unwrap_or(word))
        .find(|word| !word.is_empty() && !word.starts_with(b"-") && !word.contains(&b'='))
        .map(<[u8]>::to_vec)
}

/// Splits the first line of a script into the interpreter and the rest.
fn first_line(start: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = start.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (program, argument) = line.split_at(end);
    (!program.is_empty()).then(|| (program, argument.trim_ascii()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use super::super::StatCache;
    use super::*;
    use crate::fs::Meter;
    use ibid_testkit::TempDir;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(path: &Path, text: &str, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn words(dir: &TempDir, path_var: &str, word: &str) -> Result<Vec<String>, ProgramError> {
        let (stats, meter) = (StatCache::off(), Meter::new());
        let scanner = Scanner::new(dir.path(), &stats, &meter);
        let search = SearchPath {
            path_var: Some(OsStr::new(path_var)),
            dir: dir.path(),
        };
        let program = scanner.resolve_program(word.as_bytes(), &search)?;
        let words = program
            .chain()
            .map(|link| String::from_utf8(link.word.clone()).unwrap());
        Ok(words.collect())
    }

    #[test]
    fn the_first_executable_file_on_the_path_runs() {
        let dir = TempDir::new();
        script(&dir.join("a/tool"), "x", 0o644);
        script(&dir.join("b/tool"), "x", 0o755);
        std::fs::create_dir_all(dir.join("c/tool")).unwrap();
        let find = |path_var: &str, word: &str| {
            let search = SearchPath {
                path_var: Some(OsStr::new(path_var)),
                dir: dir.path(),
            };
            search.find(word.as_bytes())
        };
        assert_eq!(find("a:c:b", "tool").unwrap(), dir.join("b/tool"));
        assert_eq!(find("", "b/tool").unwrap(), dir.join("b/tool"));
        assert!(matches!(
            find("a:c", "tool"),
            Err(ProgramError::NotExecutable { .. })
        ));
        assert!(matches!(
            find("b", "a/tool"),
            Err(ProgramError::NotExecutable { .. })
        ));
        assert!(matches!(
            find("a:b", "other"),
            Err(ProgramError::NotFound { .. })
        ));
        assert!(matches!(
            find("a:b", ""),
            Err(ProgramError::NotFound { .. })
        ));
    }

    #[test]
    fn interpreters_of_scripts_are_programs_too() {
        let dir = TempDir::new();
        script(&dir.join("b/python3"), "\x7fELF", 0o755);
        script(&dir.join("b/env"), "\x7fELF", 0o755);
        script(
            &dir.join("b/plain"),
            &format!("#! {}/b/python3 -u\n", dir.path().display()),
            0o755,
        );
        let env = format!("{}/b/env", dir.path().display());
        script(
            &dir.join("b/by-env"),
            &format!("#!{env} -S A=1 python3 -u\n"),
            0o755,
        );
        let python = format!("{}/b/python3", dir.path().display());
        assert_eq!(words(&dir, "b", "plain").unwrap(), ["plain", &python]);
        assert_eq!(
            words(&dir, "b", "by-env").unwrap(),
            ["by-env", &env, "python3"]
        );
        script(&dir.join("b/lost"), "#!/nowhere/sh\n", 0o755);
        let lost = words(&dir, "b", "lost");
        assert!(
            matches!(lost, Err(ProgramError::Interpreter { .. })),
            "{lost:?}"
        );
        script(
            &dir.join("b/self"),
            &format!("#!{}/b/self\n", dir.path().display()),
            0o755,
        );
        let endless = words(&dir, "b", "self");
        assert!(matches!(
            endless,
            Err(ProgramError::TooManyInterpreters { .. })
        ));
    }
}
