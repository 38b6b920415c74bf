//! `Action`: a step with everything resolved to content.
//!
//! [`Action::record`] takes it apart without a rest pattern: a new field does not compile until
//! it is said there whether it is keyed, and as what (hazard A2).

use std::collections::BTreeMap;
use std::env::consts;

use super::component::{Component, ComponentKind as Kind, ComponentName as Name};
use super::{EnvMode, KeyRecord, Policy};
use crate::digest::encoding::{Encoder, Value};
use crate::digest::{BlobId, Digest};
use crate::tree::{Content, Place, RelPath};

/// What is computed, exactly.
#[derive(Clone, Debug)]
pub struct Action {
    /// What runs.
    pub command: Command,
    /// The folder it runs in, below the root.
    pub dir: RelPath,
    /// Whether it sees the caller's environment.
    pub env_mode: EnvMode,
    /// Programs by the word that names them, with the digest of the file that runs.
    pub tools: BTreeMap<Vec<u8>, Digest>,
    /// The image that the command runs in.
    pub image: Option<String>,
    /// Code files by the name of their place.
    pub code: BTreeMap<Vec<u8>, Content>,
    /// Files that words of the command name without being declared, by the name of their place.
    pub implied: BTreeMap<Vec<u8>, Content>,
    /// Installed packages by ecosystem (`python`).
    pub packages: BTreeMap<String, Value>,
    /// Declared inputs by the name of their place; globs are expanded.
    pub inputs: BTreeMap<Vec<u8>, Content>,
    /// Inputs whose names do not count, in order of declaration.
    pub inputs_by_content: Vec<Content>,
    /// Typed parameters.
    pub params: BTreeMap<String, Value>,
    /// Canonical documents.
    pub specs: Vec<Value>,
    /// Keyed variables; `None` is unset, which differs from empty.
    pub env: BTreeMap<String, Option<Vec<u8>>>,
    /// Version tags.
    pub versions: BTreeMap<String, String>,
    /// Outputs of commands that tell versions, by command line as [`super::command_text`]
    /// writes it.
    pub versions_from: BTreeMap<String, Vec<u8>>,
    /// Values that only change the key.
    pub salts: BTreeMap<String, String>,
    /// The content of standard input; `None` is empty.
    pub stdin: Option<BlobId>,
    /// Where the command can run.
    pub platform: Platform,
    /// Declared outputs.
    pub outputs: Vec<OutputSpec>,
    /// Everything that is not keyed.
    pub policy: Policy,
}

/// What runs, with occurrences of by-content inputs marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments.
    Argv(Vec<Word>),
    /// A script for an interpreter.
    Shell {
        /// The interpreter and its flags.
        interpreter: Vec<Vec<u8>>,
        /// The text.
        script: Word,
    },
    /// A function of the caller's process, by its name.
    Call(String),
    /// A command that the caller runs by its own means.
    Delegated(Vec<Word>),
}

/// One element of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Bytes that count as they are.
    Plain(Vec<u8>),
    /// Bytes in which by-content inputs are named.
    Segments(Vec<Segment>),
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Bytes.
    Text(Vec<u8>),
    /// The path of the by-content input of this index.
    Input(usize),
}

/// Operating system and processor, in the words of the Rust target (`linux`, `x86_64`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
}

/// A declared output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Where it lies, or the pattern of where.
    pub kind: OutputKind,
    /// Whether the command may leave it out.
    pub optional: bool,
    /// Whether the command updates what stands there: it is then left in place before a run,
    /// recognised in place only, and neither stored nor restored.
    pub keep: bool,
}

/// What a declared output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A file or a directory, as the command makes it.
    Path(Place),
    /// A directory: it was declared with a trailing slash.
    Dir(Place),
    /// Whatever matches this pattern of paths relative to the root.
    Glob(String),
}

impl OutputSpec {
    /// Returns the name under which the output is keyed.
    pub fn key_name(&self) -> &[u8] {
        match &self.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => place.key_name(),
            OutputKind::Glob(pattern) => pattern.as_bytes(),
        }
    }
}

impl Action {
    /// Makes the key record: every component of the action, sorted.
    pub fn record(&self) -> KeyRecord {
        // No `..` here, ever: a field must be classified to compile.
        let Self {
            command,
            dir,
            env_mode,
            tools,
            image,
            code,
            implied,
            packages,
            inputs,
            inputs_by_content,
            params,
            specs,
            env,
            versions,
            versions_from,
            salts,
            stdin,
            platform,
            outputs,
            policy: _not_keyed,
        } = self;
        let mut record = RecordBuilder::default();
        record.one(Kind::Command, command.name(), command.value());
        record.one(Kind::Command, "dir", bytes(dir.as_bytes()));
        record.one(Kind::Command, "env_mode", Value::from(env_mode.word()));
        record.one(Kind::Platform, "", platform.value());
        record.each(Kind::Tool, tools, |digest| bytes(digest.as_bytes()));
        if let Some(image) = image {
            let image = vec![Value::from(image.as_str()), platform.value()];
            record.one(Kind::Image, "", Value::Array(image));
        }
        record.each(Kind::Code, code, content_value);
        record.each(Kind::Implied, implied, content_value);
        record.each(Kind::Packages, packages, Value::clone);
        record.each(Kind::Input, inputs, content_value);
        record.list(Kind::Input, inputs_by_content.iter().map(content_value));
        record.each(Kind::Param, params, Value::clone);
        record.list(Kind::Spec, specs.iter().cloned());
        record.each(Kind::Env, env, |value| {
            value.as_deref().map_or(Value::Null, bytes)
        });
        record.each(Kind::Version, versions, |tag| Value::from(tag.as_str()));
        record.each(Kind::VersionsFrom, versions_from, |output| bytes(output));
        record.each(Kind::Salt, salts, |salt| Value::from(salt.as_str()));
        if let Some(blob) = stdin {
            record.one(Kind::Stdin, "", bytes(blob.digest().as_bytes()));
        }
        for (name, demand) in merged(outputs) {
            record.one(Kind::Output, name, demand.value());
        }
        KeyRecord::new(record.0)
    }
}

/// Gathers components; [`KeyRecord::new`] sorts them.
#[derive(Default)]
struct RecordBuilder(Vec<Component>);

impl RecordBuilder {
    fn one(&mut self, kind: Kind, name: impl Into<Name>, value: Value) {
        self.0.push(Component {
            kind,
            name: name.into(),
            value,
        });
    }

    fn each<N, T>(&mut self, kind: Kind, map: &BTreeMap<N, T>, value: impl Fn(&T) -> Value)
    where
        for<'a> &'a N: Into<Name>,
    {
        for (name, leaf) in map {
            self.one(kind, name, value(leaf));
        }
    }

    fn list(&mut self, kind: Kind, values: impl Iterator<Item = Value>) {
        for (index, value) in (0..).zip(values) {
            self.one(kind, Name::Index(index), value);
        }
    }
}

/// A byte string as a value.
fn bytes(bytes: &[u8]) -> Value {
    Value::from(bytes)
}

/// A content's encoding as a value.
fn content_value(content: &Content) -> Value {
    let mut encoder = Encoder::new();
    content.encode(&mut encoder);
    Value::decode(encoder.as_bytes()).expect("a content's encoding is canonical")
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Argv(_) | Self::Delegated(_) => "argv",
            Self::Shell { .. } => "shell",
            Self::Call(_) => "call",
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Argv(words) | Self::Delegated(words) => {
                Value::Array(words.iter().map(Word::value).collect())
            }
            Self::Shell {
                interpreter,
                script,
            } => {
                let interpreter = interpreter.iter().map(|word| Value::from(word.as_slice()));
                Value::Array(vec![Value::Array(interpreter.collect()), script.value()])
            }
            Self::Call(name) => Value::from(name.as_str()),
        }
    }
}

impl Word {
    fn value(&self) -> Value {
        match self {
            Self::Plain(bytes) => Value::from(bytes.as_slice()),
            Self::Segments(segments) => segments_value(segments),
        }
    }
}

/// Joins neighbouring texts and drops empty ones, so that a word has one form however it was cut;
/// without an input in it, it is plain bytes.
fn segments_value(segments: &[Segment]) -> Value {
    let mut joined: Vec<Value> = Vec::new();
    for segment in segments {
        match (segment, joined.last_mut()) {
            (Segment::Text(text), Some(Value::Bytes(before))) => before.extend_from_slice(text),
            (Segment::Text(text), _) if text.is_empty() => {}
            (Segment::Text(text), _) => joined.push(Value::from(text.as_slice())),
            (Segment::Input(index), _) => joined.push(Value::from(*index as u64)),
        }
    }
    match joined.as_slice() {
        [] => Value::Bytes(Vec::new()),
        [Value::Bytes(_)] => joined.remove(0),
        _ => Value::Array(joined),
    }
}

impl Platform {
    /// Returns the platform that this library was built for.
    pub fn this() -> Self {
        Self {
            os: consts::OS.to_owned(),
            arch: consts::ARCH.to_owned(),
        }
    }

    fn value(&self) -> Value {
        Value::Array(vec![
            Value::from(self.os.as_str()),
            Value::from(self.arch.as_str()),
        ])
    }
}

/// What is asked of the outputs of one name.
#[derive(Clone, Copy)]
struct Demand {
    kind: &'static str,
    optional: bool,
    keep: bool,
}

impl Demand {
    /// The third element stands only where it says something, so that keys without it are the same
    /// in all versions.
    fn value(self) -> Value {
        let mut value = vec![Value::from(self.kind), Value::from(self.optional)];
        value.extend(self.keep.then_some(Value::from(true)));
        Value::Array(value)
    }
}

/// Groups declared outputs by name. An output declared twice must meet both declarations: so the
/// order and number of declarations do not count. Places are named by bytes and patterns by text,
/// so that a file called `*` is not the pattern.
fn merged(outputs: &[OutputSpec]) -> BTreeMap<Name, Demand> {
    let mut merged: BTreeMap<Name, Demand> = BTreeMap::new();
    for output in outputs {
        let (name, kind) = match &output.kind {
            OutputKind::Path(place) => (Name::from(place.key_name()), "path"),
            OutputKind::Dir(place) => (Name::from(place.key_name()), "dir"),
            OutputKind::Glob(pattern) => (Name::from(pattern), "glob"),
        };
        let OutputSpec { optional, keep, .. } = *output;
        let demand = merged.entry(name).or_insert(Demand {
            kind,
            optional,
            keep,
        });
        demand.optional &= optional;
        demand.keep |= keep;
        if kind == "dir" {
            demand.kind = kind;
        }
    }
    merged
}

impl EnvMode {
    fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Loose => "loose",
        }
    }
}
