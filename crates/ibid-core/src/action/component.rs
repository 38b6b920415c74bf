//! `Component`: one named leaf of an action.

use std::fmt;

use super::Trigger;
use crate::digest::encoding::{Decoder, Encoder, Value};
use crate::tree::{Content, Escaped};

/// What a component is about. The text form stands in the record and in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is described in the key format")]
pub enum ComponentKind {
    Code,
    Command,
    Env,
    Image,
    Implied,
    Input,
    Output,
    Packages,
    Param,
    Platform,
    Salt,
    Spec,
    Stdin,
    Tool,
    Version,
    VersionsFrom,
}

impl ComponentKind {
    /// Every kind, in the order of the text forms.
    pub const ALL: [Self; 16] = [
        Self::Code,
        Self::Command,
        Self::Env,
        Self::Image,
        Self::Implied,
        Self::Input,
        Self::Output,
        Self::Packages,
        Self::Param,
        Self::Platform,
        Self::Salt,
        Self::Spec,
        Self::Stdin,
        Self::Tool,
        Self::Version,
        Self::VersionsFrom,
    ];

    /// Returns the text form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Command => "command",
            Self::Env => "env",
            Self::Image => "image",
            Self::Implied => "implied",
            Self::Input => "input",
            Self::Output => "output",
            Self::Packages => "packages",
            Self::Param => "param",
            Self::Platform => "platform",
            Self::Salt => "salt",
            Self::Spec => "spec",
            Self::Stdin => "stdin",
            Self::Tool => "tool",
            Self::Version => "version",
            Self::VersionsFrom => "versions_from",
        }
    }

    /// Returns the kind of this text form.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns why a step re-runs when a component of this kind changed.
    pub const fn trigger(self) -> Trigger {
        match self {
            Self::Code | Self::Command => Trigger::Code,
            Self::Env | Self::Platform => Trigger::Env,
            Self::Image => Trigger::Image,
            Self::Implied | Self::Input | Self::Stdin => Trigger::Inputs,
            Self::Output => Trigger::Outputs,
            Self::Param | Self::Spec => Trigger::Params,
            Self::Tool => Trigger::Tool,
            Self::Packages | Self::Salt | Self::Version | Self::VersionsFrom => Trigger::Versions,
        }
    }
}

impl ComponentKind {
    /// Returns the content that a component of this kind holds in `value`, if it is of a kind
    /// that does.
    pub fn content(self, value: &Value) -> Option<Content> {
        if !matches!(self, Self::Code | Self::Implied | Self::Input) {
            return None;
        }
        let mut encoder = Encoder::new();
        encoder.value(value);
        let bytes = encoder.finish();
        Content::decode(&mut Decoder::new(&bytes)).ok()
    }
}

/// What a component is called among those of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComponentName {
    /// A position, for things whose names do not count.
    Index(u64),
    /// A path or a word of the command.
    Bytes(Vec<u8>),
    /// A name that the user or ibid chose; empty where a kind has one component.
    Text(String),
}

impl From<&[u8]> for ComponentName {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&str> for ComponentName {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Vec<u8>> for ComponentName {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::Bytes(bytes.clone())
    }
}

impl From<&String> for ComponentName {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "#{index}"),
            Self::Bytes(bytes) if bytes.is_empty() => f.write_str("."),
            Self::Bytes(bytes) => Escaped(bytes).fmt(f),
            Self::Text(text) => Escaped(text.as_bytes()).fmt(f),
        }
    }
}

/// One named leaf of an action, such as `input/raw/a.csv` or `param/alpha`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is about.
    pub kind: ComponentKind,
    /// Its name among those of its kind.
    pub name: ComponentName,
    /// Its value, in full.
    pub value: Value,
}

impl Component {
    /// Returns the name as messages show it: `input/raw/a.csv`, or the kind alone.
    pub fn title(&self) -> String {
        title(self.kind, &self.name)
    }
}

/// Joins a kind and a name for messages.
pub(super) fn title(kind: ComponentKind, name: &ComponentName) -> String {
    match name {
        ComponentName::Text(text) if text.is_empty() => kind.word().to_owned(),
        name => format!("{}/{name}", kind.word()),
    }
}
