//! What stands in the files: every field read and typed, defaults applied, nothing resolved yet.
//!
//! Texts still hold their placeholders. Everything that may be found wrong later on knows where it
//! stands.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Resources;
use crate::action::{EnvMode, Packages, Storing};
use crate::digest::encoding::Value;
use crate::mistake::Mistake;

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// The file, as an index of [`Sources`].
    pub(super) file: usize,
    /// The bytes of its text.
    pub(super) span: Range<usize>,
}

/// Something, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// The files that were read, for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    texts: Vec<(PathBuf, String)>,
    /// Files of data that these name, noted as they are read.
    named: RefCell<Vec<PathBuf>>,
}

impl Sources {
    /// Adds a file and returns its index.
    pub(super) fn add(&mut self, path: &Path, text: String) -> usize {
        self.texts.push((path.to_owned(), text));
        self.texts.len() - 1
    }

    /// Returns the text of a file.
    pub(super) fn text(&self, file: usize) -> &str {
        &self.texts[file].1
    }

    /// Notes a file of data that one of the files names.
    pub(super) fn note(&self, path: &Path) {
        self.named.borrow_mut().push(path.to_owned());
    }

    /// Returns every file that was read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let texts = self.texts.iter().map(|(path, _)| path.clone());
        texts.chain(self.named.borrow().iter().cloned()).collect()
    }

    /// Returns the path of a file.
    pub(super) fn path(&self, file: usize) -> &Path {
        &self.texts[file].0
    }

    /// Tells what is wrong at a place.
    pub(super) fn mistake(&self, at: &At, message: impl Into<String>) -> Mistake {
        let (path, text) = &self.texts[at.file];
        Mistake::new(path, text, &at.span, message.into())
    }

    /// Names a place for messages about another one: `ibid.toml:12`.
    pub(super) fn line(&self, at: &At) -> String {
        let mistake = self.mistake(at, "");
        let name = mistake.path.file_name().unwrap_or_default();
        format!("{}:{}", name.to_string_lossy(), mistake.excerpt.line)
    }
}

/// All files together.
#[derive(Clone, Debug)]
pub(super) struct DeclaredPipeline {
    pub(super) name: Option<String>,
    /// Those of params files, later files over earlier ones, below those of `[params]`. Tables
    /// are merged; a dotted name leads into them.
    pub(super) params: BTreeMap<String, Value>,
    pub(super) limits: BTreeMap<String, u64>,
    /// What holds for steps that do not say.
    pub(super) env_mode: EnvMode,
    /// In order of declaration; those of included files come where they are included.
    pub(super) steps: Vec<DeclaredStep>,
}

/// A step as it is declared, with the defaults of its file filled in.
#[derive(Clone, Debug)]
pub(super) struct DeclaredStep {
    pub(super) name: Located<String>,
    pub(super) run: DeclaredCommand,
    pub(super) inputs: Vec<DeclaredPath>,
    pub(super) outputs: Vec<DeclaredPath>,
    pub(super) exclude: Vec<Located<String>>,
    pub(super) code: Vec<Located<String>>,
    pub(super) ignore_args: Vec<Located<String>>,
    pub(super) tools: Vec<Located<String>>,
    /// Params of the step itself, over those of the pipeline.
    pub(super) own_params: BTreeMap<String, Value>,
    /// Names of params of the pipeline that are keyed although the command does not name them.
    pub(super) named_params: Vec<Located<String>>,
    /// Documents whose data counts.
    pub(super) specs: Vec<Located<String>>,
    /// Keyed variables; `None` for the caller's value.
    pub(super) env: Vec<(Located<String>, Option<Located<String>>)>,
    pub(super) pass_env: Vec<Located<String>>,
    pub(super) secret_env: Vec<Located<String>>,
    /// `None` for that of the pipeline.
    pub(super) env_mode: Option<EnvMode>,
    pub(super) packages: Packages,
    pub(super) versions: BTreeMap<String, Located<String>>,
    pub(super) versions_from: Vec<Vec<String>>,
    pub(super) salt: Option<Located<String>>,
    pub(super) stdin: Option<Located<String>>,
    pub(super) matrix: Option<DeclaredMatrix>,
    pub(super) ttl: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) ok_exit: Vec<u8>,
    pub(super) cache_failures: bool,
    pub(super) storing: Storing,
    pub(super) always: bool,
    pub(super) retries: u32,
    pub(super) resources: Resources,
    /// Names or patterns of steps that come before.
    pub(super) after: Vec<Located<String>>,
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) description: Option<String>,
}

/// What runs.
#[derive(Clone, Debug)]
pub(super) enum DeclaredCommand {
    /// Text for a shell: its words and flags, and the script.
    Shell {
        interpreter: Vec<String>,
        script: Located<String>,
    },
    /// A program and its arguments.
    Argv(Vec<Located<String>>),
}

/// An input or output.
#[derive(Clone, Debug)]
pub(super) struct DeclaredPath {
    /// Its name for placeholders; several paths may share one.
    pub(super) name: Option<String>,
    /// The path or pattern as it is written; a trailing slash says that it is a directory.
    pub(super) path: Located<String>,
    /// Of an output: whether the command may leave it out.
    pub(super) optional: bool,
    /// Of an output: whether the command updates it.
    pub(super) keep: bool,
    /// Of an input: whether only its content counts.
    pub(super) by_content: bool,
}

/// The values that a step is declared for.
#[derive(Clone, Debug)]
pub(super) struct DeclaredMatrix {
    /// Where the table stands.
    pub(super) at: At,
    /// Axes that are multiplied, in order of declaration.
    pub(super) axes: Vec<Axis>,
    /// Groups of axes that advance together; each group is multiplied like one axis.
    pub(super) zip: Vec<Vec<Axis>>,
    /// Further points, with a value for every axis.
    pub(super) include: Vec<Located<BTreeMap<String, Value>>>,
    /// Points that agree with all values of one of these are left out.
    pub(super) exclude: Vec<Located<BTreeMap<String, Value>>>,
}

/// One name with its values, in order; values from files are read already.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: Located<String>,
    pub(super) values: Vec<Value>,
}
