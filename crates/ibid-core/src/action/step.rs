//! `Step`: what a user declares, before anything is looked at on disk.
//!
//! The command line, a file of steps and a library call all make this one type, so that the same
//! action has the same key through every door. Paths are as the user wrote them, relative to
//! `dir`; scanning gives them digests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{OutputSpec, Word};
use crate::digest::encoding::Value;
use crate::tree::{Place, RelPath};

/// A declared computation.
#[derive(Clone, Debug)]
pub struct Step {
    /// What runs.
    pub command: CommandLine,
    /// The folder it runs in, below the root.
    pub dir: RelPath,
    /// Declared inputs, in order of declaration.
    pub inputs: Vec<InputRequest>,
    /// Glob patterns (relative to the root) of what inputs leave out, beside the default list.
    pub excludes: Vec<String>,
    /// Files declared as code.
    pub code: Vec<Place>,
    /// Declared outputs.
    pub outputs: Vec<OutputSpec>,
    /// Words of the command that name existing files but are not inputs.
    pub ignore_args: BTreeSet<Vec<u8>>,
    /// Typed parameters.
    pub params: BTreeMap<String, Value>,
    /// Canonical documents, in order of declaration.
    pub specs: Vec<Value>,
    /// Environment variables that are keyed and visible.
    pub env: Vec<EnvRequest>,
    /// Whether the command sees only what is declared.
    pub env_mode: EnvMode,
    /// Programs keyed beside the command's own.
    pub tools: Vec<Vec<u8>>,
    /// What the image that the command runs in is known by, such as the digest of its configuration.
    pub image: Option<String>,
    /// Which installed packages are keyed.
    pub packages: Packages,
    /// Version tags that the user gives by hand.
    pub versions: BTreeMap<String, String>,
    /// Commands whose output is a component.
    pub versions_from: Vec<Vec<Vec<u8>>>,
    /// Values that only serve to change the key, by name.
    pub salts: BTreeMap<String, String>,
    /// What the command reads on standard input.
    pub stdin: StdinRequest,
    /// Everything that is not keyed.
    pub policy: Policy,
}

impl Step {
    /// Returns a step that runs a command in the root and declares nothing.
    pub fn new(command: CommandLine) -> Self {
        Self {
            command,
            dir: RelPath::ROOT,
            inputs: Vec::new(),
            excludes: Vec::new(),
            code: Vec::new(),
            outputs: Vec::new(),
            ignore_args: BTreeSet::new(),
            params: BTreeMap::new(),
            specs: Vec::new(),
            env: Vec::new(),
            env_mode: EnvMode::default(),
            tools: Vec::new(),
            image: None,
            packages: Packages::default(),
            versions: BTreeMap::new(),
            versions_from: Vec::new(),
            salts: BTreeMap::new(),
            stdin: StdinRequest::default(),
            policy: Policy::default(),
        }
    }
}

/// How a step is run and stored; nothing here is part of the key.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What history calls the step.
    pub label: String,
    /// How long a result counts, from its completion.
    pub ttl: Option<Duration>,
    /// How long the command may run.
    pub timeout: Option<Duration>,
    /// Exit codes, beside 0, that count as success.
    pub ok_exit: BTreeSet<u8>,
    /// Whether a failed run (an exit code that is not accepted) is stored and replayed.
    pub cache_failures: bool,
    /// Visible to the command, not keyed.
    pub pass_env: Vec<String>,
    /// Visible to the command, never keyed, stored or printed.
    pub secret_env: Vec<String>,
    /// What of the outputs goes into the store.
    pub storing: Storing,
    /// The name of the manifest that is kept in the workspace, without its extension.
    pub manifest: Option<String>,
    /// What the user wants to stand in the manifest beside what ibid knows.
    pub metadata: BTreeMap<String, Value>,
}

/// What of the outputs goes into the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storing {
    /// Their content: they can be restored.
    #[default]
    Content,
    /// Their digests only: they are recognised in place, and made again where they are not. For
    /// outputs that are too large to keep twice.
    Digest,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// A program and its arguments.
    Argv(Vec<Vec<u8>>),
    /// A script for an interpreter, which gets it as its last argument.
    Shell {
        /// The interpreter and its flags, such as `/bin/sh -eu -c`.
        interpreter: Vec<Vec<u8>>,
        /// The text.
        script: Vec<u8>,
    },
    /// A function of the caller's process.
    Call {
        /// The function's name, such as `minisim.simulate`.
        name: String,
        /// Everything that it consists of, as texts by the names of functions.
        code: BTreeMap<String, Vec<u8>>,
    },
    /// A command that the caller runs by its own means, with occurrences of by-content inputs
    /// marked. Its programs are those that the step names.
    Delegated(Vec<Word>),
}

/// A declared input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputRequest {
    /// A file or directory. With `dir_only`, it was written with a trailing slash.
    Path {
        /// Where it lies.
        place: Place,
        /// Whether only a directory will do.
        dir_only: bool,
        /// The way up to the last `..` of its path, if it has one: where it leads is not to change
        /// while the command runs.
        way: Option<PathBuf>,
    },
    /// A pattern of paths relative to the root.
    Glob {
        /// The pattern.
        pattern: String,
    },
    /// A file or directory whose name does not count.
    ByContent {
        /// Where it lies.
        place: Place,
        /// The words of the command that name it, as the user wrote it.
        spelling: Vec<u8>,
        /// The way up to the last `..` of its path, if it has one.
        way: Option<PathBuf>,
    },
}

impl InputRequest {
    /// Returns the way up to the last `..` of its path, if it has one.
    pub fn way(&self) -> Option<&Path> {
        match self {
            Self::Path { way, .. } | Self::ByContent { way, .. } => way.as_deref(),
            Self::Glob { .. } => None,
        }
    }
}

/// A keyed environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvRequest {
    /// Its name.
    pub name: String,
    /// Its value, or `None` for the value it has in the caller's environment.
    pub value: Option<Vec<u8>>,
}

/// Whether the command sees the caller's environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvMode {
    /// Only what is declared, and a fixed minimal set.
    #[default]
    Strict,
    /// Everything; what it depends on there is not known.
    Loose,
}

/// Which installed packages are keyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Packages {
    /// Those of a Python environment that the command's interpreter lies in.
    #[default]
    Auto,
    /// Those of the command's Python interpreter, wherever it lies.
    Python,
    /// None.
    None,
}

/// What the command reads on standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StdinRequest {
    /// Nothing: the null device.
    #[default]
    Empty,
    /// A file that holds all of it, which the front door spooled.
    File(std::path::PathBuf),
}

/// What a request may do with the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// Look up, and store what was run.
    #[default]
    ReadWrite,
    /// Look up only.
    ReadOnly,
    /// Run and store; do not look up.
    WriteOnly,
    /// Neither.
    Off,
}
