//! The command's words: programs, scripts, and files that words name without being declared.
//!
//! A program is keyed by the content of the file that runs; a script's interpreter too. The
//! script operand of a known interpreter is code, in the text of a shell as well. Any other word that names a file below the root
//! and is not declared is implied: keyed, and told once. A folder so named is refused, because
//! what in it counts only the user knows (hazard A5).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::gather::Gather;
use super::inputs::code_file;
use super::segments::{ambiguous, mark};
use crate::action::{Command, CommandLine, InputRequest, Word};
use crate::digest::{BlobId, Digest};
use crate::engine::error::Error;
use crate::engine::event::Note;
use crate::engine::memo::{is_lasting, remembered};
use crate::fs::{FileKind, Signature};
use crate::output::Role;
use crate::scan::programs::{
    Existing, Program, ShellWords, Surroundings, behind_shim, existing, implied_words,
    inline_script, resolve_program, resolve_with, script_operand, shell_words, tool_words,
};
use crate::scan::{FileDigest, Pattern, place_of};
use crate::tree::{Content, Escaped, Place};

/// What the command line names, resolved.
pub(super) struct Resolved {
    /// As it is keyed.
    pub(super) keyed: Command,
    /// As it is started.
    pub(super) argv: Vec<Vec<u8>>,
    /// The file that is started.
    pub(super) program: PathBuf,
    /// Every program found, the first the one that is started.
    pub(super) programs: Vec<PathBuf>,
    /// Programs by word.
    pub(super) tools: BTreeMap<Vec<u8>, Digest>,
    /// The script that an interpreter runs.
    pub(super) code: BTreeMap<Vec<u8>, Content>,
    /// Files that words name.
    pub(super) implied: BTreeMap<Vec<u8>, Content>,
    /// What a function consists of.
    pub(super) called: BTreeMap<String, Vec<u8>>,
}

/// Resolves the command of the step in the environment that it gets.
pub(super) fn resolve(
    gather: &mut Gather<'_>,
    around: &Surroundings<'_>,
) -> Result<Resolved, Error> {
    let argv = match &gather.step.command {
        CommandLine::Argv(argv) => argv.clone(),
        CommandLine::Shell {
            interpreter,
            script,
        } => interpreter.iter().chain([script]).cloned().collect(),
        CommandLine::Call { name, code } => return Ok(called(name, code)),
        CommandLine::Delegated(words) => return delegated(gather, words, around),
    };
    let mut programs = Programs::none(around);
    let program = programs
        .add(gather, argv.first().map_or(&[], Vec::as_slice))?
        .path;
    let tools: BTreeSet<usize> = tool_words(&argv).into_iter().collect();
    for index in tools.iter().skip(1) {
        programs.add_if_found(gather, &argv[*index])?;
    }
    for word in &gather.step.tools {
        programs.add(gather, word).map_err(Error::of_tool)?;
    }
    let inline = inline_script(&argv).map(|index| (index, shell_words(&argv[index])));
    let mut code = Code::new();
    let mut skip = tools;
    if let Some(index) = script_operand(&argv)
        && script(gather, &argv[index], &mut code)?
    {
        skip.insert(index);
    }
    if let Some((index, words)) = &inline {
        skip.insert(*index);
        for word in &words.commands {
            programs.add_if_found(gather, word)?;
        }
        for word in &words.scripts {
            script(gather, word, &mut code)?;
        }
        note_pipe(gather, words, &argv);
    }
    let mut words = implied_words(&argv, &skip);
    let mut implied = BTreeMap::new();
    if let Some((_, script)) = &inline {
        words.extend(implied_words(&script.words, &BTreeSet::new()));
        for pattern in &script.patterns {
            implied_pattern(gather, pattern, &mut implied)?;
        }
    }
    implied_files(gather, &words, &mut implied)?;
    Ok(Resolved {
        keyed: keyed(gather)?,
        argv,
        program,
        programs: programs.found,
        tools: programs.tools,
        code,
        implied,
        called: BTreeMap::new(),
    })
}

/// A function names no program and no file: what it consists of is handed in.
fn called(name: &str, texts: &BTreeMap<String, Vec<u8>>) -> Resolved {
    let content = |text: &Vec<u8>| Content::File {
        executable: false,
        blob: BlobId::of(text),
    };
    let code = texts
        .iter()
        .map(|(name, text)| (name.clone().into_bytes(), content(text)));
    Resolved {
        keyed: Command::Call(name.to_owned()),
        argv: Vec::new(),
        program: PathBuf::new(),
        programs: Vec::new(),
        tools: BTreeMap::new(),
        code: code.collect(),
        implied: BTreeMap::new(),
        called: texts.clone(),
    }
}

/// A command that somebody else runs: whether its program lies here is for the step to say. Its
/// words name no files below the root, where only what it makes will stand.
fn delegated(
    gather: &mut Gather<'_>,
    words: &[Word],
    around: &Surroundings<'_>,
) -> Result<Resolved, Error> {
    let mut programs = Programs::none(around);
    for word in &gather.step.tools {
        programs.add(gather, word)?;
    }
    let plain = |word: &Word| match word {
        Word::Plain(bytes) => bytes.clone(),
        Word::Segments(_) => Vec::new(),
    };
    let argv: Vec<Vec<u8>> = words.iter().map(plain).collect();
    let mut code = Code::new();
    if !programs.found.is_empty()
        && let Some(index) = script_operand(&argv)
    {
        script(gather, &argv[index], &mut code)?;
    }
    Ok(Resolved {
        keyed: Command::Delegated(words.to_vec()),
        argv: Vec::new(),
        program: PathBuf::new(),
        programs: programs.found,
        tools: programs.tools,
        code,
        implied: BTreeMap::new(),
        called: BTreeMap::new(),
    })
}

/// Programs on the way.
struct Programs<'a> {
    around: &'a Surroundings<'a>,
    found: Vec<PathBuf>,
    tools: BTreeMap<Vec<u8>, Digest>,
}

/// A program, and whether it was looked at for this step.
struct Found {
    program: Program,
    chosen: Option<Program>,
    looked: bool,
}

/// What the search for a program saw of its file.
enum Looked {
    /// Its status.
    Found(Signature),
    /// Its digest, too.
    Known(FileDigest),
}

impl<'a> Programs<'a> {
    fn none(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            found: Vec::new(),
            tools: BTreeMap::new(),
        }
    }

    fn path(&self) -> &OsStr {
        self.around.env.get("PATH").unwrap_or_default()
    }

    /// Keys the program that `word` names, and its interpreters. Where the program only chooses
    /// among installed versions, the chosen one is keyed in its stead.
    fn add(&mut self, gather: &mut Gather<'_>, word: &[u8]) -> Result<Program, Error> {
        self.foreseen(gather, word)?;
        let found = self.find(gather, word)?;
        self.key_found(gather, word, found)
    }

    /// The same for words that may be functions or anything else.
    fn add_if_found(&mut self, gather: &mut Gather<'_>, word: &[u8]) -> Result<(), Error> {
        self.foreseen(gather, word)?;
        match self.find(gather, word) {
            Ok(found) => self.key_found(gather, word, found).map(drop),
            Err(Error::Program(_)) => {
                // A shim that chooses nothing is a program all the same.
                let is_there = resolve_program(word, self.path(), self.around.dir);
                is_there.map_or(Ok(()), |_| self.add(gather, word).map(drop))
            }
            Err(error) => Err(error),
        }
    }

    fn key_found(
        &mut self,
        gather: &mut Gather<'_>,
        word: &[u8],
        Found {
            program,
            chosen,
            looked,
        }: Found,
    ) -> Result<Program, Error> {
        let keyed = chosen.as_ref().unwrap_or(&program);
        // What was remembered is only where it lies: what it is now has to be looked at.
        let looked = looked.then(|| match &keyed.known {
            Some(known) => Looked::Known(known.clone()),
            None => Looked::Found(keyed.signature),
        });
        self.key(gather, word, &keyed.path, looked)?;
        for interpreter in &keyed.interpreters {
            self.key(gather, &interpreter.word, &interpreter.path, None)?;
        }
        Ok(program)
    }

    /// Finds a program, and the one that it starts in its stead.
    fn find(&self, gather: &Gather<'_>, word: &[u8]) -> Result<Found, Error> {
        let (path, dir, root) = (self.path(), self.around.dir, gather.root);
        let mut looked = false;
        let (program, chosen) = remembered(
            gather.memo,
            |state| &mut state.programs,
            || (word.to_owned(), path.to_owned(), dir.to_owned()),
            |(program, chosen)| chosen.is_none() && is_lasting(program, root),
            || {
                looked = true;
                let known =
                    |path: &Path, found: &Signature| gather.scanner.known_no_script(path, found);
                let program = resolve_with(word, path, dir, &known)?;
                let chosen = behind_shim(&program, path, self.around)?;
                Ok((program, chosen))
            },
        )?;
        Ok(Found {
            program,
            chosen,
            looked,
        })
    }

    /// A program that does not stand yet cannot be asked for its interpreter.
    fn foreseen(&self, gather: &Gather<'_>, word: &[u8]) -> Result<(), Error> {
        if !gather.looks_ahead() {
            return Ok(());
        }
        let dirs: Vec<PathBuf> = if word.contains(&b'/') {
            vec![self.around.dir.to_owned()]
        } else {
            let elements = self.path().as_bytes().split(|byte| *byte == b':');
            elements
                .map(|element| self.around.dir.join(OsStr::from_bytes(element)))
                .collect()
        };
        dirs.iter()
            .try_for_each(|dir| gather.foreseen(&dir.join(OsStr::from_bytes(word))))
    }

    fn key(
        &mut self,
        gather: &mut Gather<'_>,
        word: &[u8],
        path: &PathBuf,
        looked: Option<Looked>,
    ) -> Result<(), Error> {
        gather.foreseen(path)?;
        if !self.tools.contains_key(word) {
            let digest = match looked {
                Some(Looked::Known(file)) => gather.see(file),
                Some(Looked::Found(signature)) => gather.digest_at(path, signature)?,
                None => gather.digest(path)?,
            };
            self.tools.insert(word.to_vec(), digest);
        }
        if !self.found.contains(path) {
            self.found.push(path.clone());
        }
        Ok(())
    }
}

/// A failing left side of a pipe goes unseen without `pipefail` (hazard A9).
fn note_pipe(gather: &mut Gather<'_>, words: &ShellWords, argv: &[Vec<u8>]) {
    let sets_pipefail = argv
        .iter()
        .any(|word| word.windows(8).any(|part| part == b"pipefail".as_slice()));
    if words.has_pipe && !sets_pipefail {
        let shell = Escaped(&argv[0]).to_string();
        gather.notes.push(Note::PipeWithoutPipefail(shell));
    }
}

/// Code files by the name of their place.
type Code = BTreeMap<Vec<u8>, Content>;

/// Keys the script that a known interpreter runs, unless it is declared or to be ignored. Says
/// whether it did.
fn script(gather: &mut Gather<'_>, word: &[u8], code: &mut Code) -> Result<bool, Error> {
    let place = place_of(word, &gather.step.dir, gather.root);
    let exists = gather.exists(&place)?;
    let ignored = gather.step.ignore_args.contains(word);
    if ignored || !exists || gather.is_declared(&place) {
        return Ok(false);
    }
    let content = code_file(gather, &place)?;
    code.insert(place.key_name().to_vec(), content);
    Ok(true)
}

/// Keys the files that words name without being declared.
fn implied_files(
    gather: &mut Gather<'_>,
    texts: &[&[u8]],
    implied: &mut BTreeMap<Vec<u8>, Content>,
) -> Result<(), Error> {
    let counts_already = |place: &Place| gather.is_declared(place) || gather.meets_output(place);
    let kind = |path: &Path| gather.scanner.kind(path);
    let (dir, root) = (&gather.step.dir, gather.root);
    let found = existing(texts, dir, root, &counts_already, &kind)?;
    if found.left_out > 0 {
        gather.notes.push(Note::WordsLeftOut(found.left_out));
    }
    for Existing { word, place, .. } in found.existing {
        if !gather.step.ignore_args.contains(&word) {
            implied_place(gather, place, implied)?;
        }
    }
    note_implied(gather, implied);
    Ok(())
}

/// Keys the files that a pattern in a shell text would name; that these are all counts, too.
fn implied_pattern(
    gather: &mut Gather<'_>,
    text: &[u8],
    implied: &mut BTreeMap<Vec<u8>, Content>,
) -> Result<(), Error> {
    let place = place_of(text, &gather.step.dir, gather.root);
    let pattern = place
        .inside()
        .and_then(|path| std::str::from_utf8(path.as_bytes()).ok());
    let Some(Ok(pattern)) = pattern.map(Pattern::new) else {
        return Ok(());
    };
    let Ok(matches) = gather.scanner.glob(&pattern, &gather.filter) else {
        return Ok(());
    };
    gather.seen.push(matches.seen);
    for path in matches.paths {
        implied_place(gather, Place::Inside(path), implied)?;
    }
    Ok(())
}

fn implied_place(
    gather: &mut Gather<'_>,
    place: Place,
    implied: &mut BTreeMap<Vec<u8>, Content>,
) -> Result<(), Error> {
    if gather.is_declared(&place) || gather.meets_output(&place) {
        return Ok(());
    }
    match gather.kind(&place)? {
        Some(FileKind::Dir) => return Err(Error::ImpliedFolder(place)),
        // What is neither a file nor a folder is no content: the word counts, and no more.
        Some(FileKind::Special | FileKind::Link) | None => {}
        Some(FileKind::File) => {
            let scanned = gather.content(&place, Role::Implied)?;
            implied.insert(place.key_name().to_vec(), scanned.content);
        }
    }
    Ok(())
}

fn note_implied(gather: &mut Gather<'_>, implied: &BTreeMap<Vec<u8>, Content>) {
    if !implied.is_empty() {
        let names = implied.keys().map(|name| format!("`{}`", Escaped(name)));
        gather.notes.push(Note::Implied(names.collect()));
    }
}

/// The command as it is keyed: by-content inputs are named by position.
fn keyed(gather: &Gather<'_>) -> Result<Command, Error> {
    let names: Vec<&[u8]> = gather
        .step
        .inputs
        .iter()
        .filter_map(|input| match input {
            InputRequest::ByContent { spelling, .. } => Some(spelling.as_slice()),
            InputRequest::Path { .. } | InputRequest::Glob { .. } => None,
        })
        .collect();
    let keyed = match &gather.step.command {
        CommandLine::Argv(argv) => {
            Command::Argv(argv.iter().map(|word| mark(word, &names)).collect())
        }
        CommandLine::Shell {
            interpreter,
            script,
        } => Command::Shell {
            interpreter: interpreter.clone(),
            script: mark(script, &names),
        },
        CommandLine::Call { name, .. } => Command::Call(name.clone()),
        CommandLine::Delegated(words) => Command::Delegated(words.clone()),
    };
    let words = match &keyed {
        Command::Argv(words) => words.as_slice(),
        Command::Shell { script, .. } => std::slice::from_ref(script),
        Command::Call(_) | Command::Delegated(_) => &[],
    };
    match ambiguous(words, &names) {
        Some(name) => Err(Error::AmbiguousName(Escaped(name).to_string())),
        None => Ok(keyed),
    }
}
