//! Components and metadata in words, small enough to read and to compare by `git diff`.
//!
//! Nothing is decided by these texts. A value that a secret is likely to be is left out.

use std::collections::BTreeMap;

use crate::action::document::JsonText;
use crate::action::{
    Component, ComponentKind, ComponentName, KeyRecord, command_text, command_words,
    looks_like_secret,
};
use crate::digest::Digest;
use crate::digest::encoding::Value;
use crate::tree::{Content, Escaped};

/// As many characters of a value are written; a longer one ends in the digest of its text.
const MOST: usize = 160;

/// Returns title and value of each component, in the order of the record.
pub(super) fn components(record: &KeyRecord) -> Vec<(String, String)> {
    let components = record.components().iter();
    components.map(|it| (it.title(), value(it))).collect()
}

/// Returns what the user wants to stand in the manifest.
pub(super) fn metadata(metadata: &BTreeMap<String, Value>) -> BTreeMap<String, serde_json::Value> {
    let json = |value| {
        let text = JsonText(value).to_string();
        // What nests too deep for JSON, say, is still there as text.
        serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
    };
    let entries = metadata.iter();
    entries
        .map(|(name, value)| (name.clone(), json(value)))
        .collect()
}

fn value(component: &Component) -> String {
    if is_secret(component) {
        return "set, not shown".to_owned();
    }
    let text = in_words(component.kind, &component.value);
    let Some((end, _)) = text.char_indices().nth(MOST) else {
        return text;
    };
    format!("{}… ({})", &text[..end], Digest::of(text.as_bytes()))
}

fn is_secret(component: &Component) -> bool {
    let Component { kind, name, value } = component;
    *kind == ComponentKind::Env
        && *value != Value::Null
        && matches!(name, ComponentName::Text(name) if looks_like_secret(name))
}

fn in_words(kind: ComponentKind, value: &Value) -> String {
    if let Some(content) = kind.content(value) {
        return content_words(&content);
    }
    match (kind, value) {
        (ComponentKind::Tool | ComponentKind::Stdin, Value::Bytes(bytes)) => {
            match Digest::try_from(bytes.as_slice()) {
                Ok(digest) => digest.to_string(),
                Err(_) => Escaped(bytes).to_string(),
            }
        }
        (ComponentKind::Env, Value::Null) => "unset".to_owned(),
        (ComponentKind::Command, Value::Array(words)) => command_text(&command_words(words)),
        (ComponentKind::Command, Value::Bytes(dir)) if dir.is_empty() => ".".to_owned(),
        (ComponentKind::Output, Value::Array(parts)) => match parts.as_slice() {
            [Value::Text(kind), Value::Bool(true)] => format!("{kind}, optional"),
            [Value::Text(kind), ..] => kind.clone(),
            _ => "unknown".to_owned(),
        },
        (ComponentKind::Packages, Value::Map(packages)) => packages_words(packages),
        (_, Value::Text(text)) => Escaped(text.as_bytes()).to_string(),
        (_, Value::Bytes(bytes)) => Escaped(bytes).to_string(),
        (_, value) => Escaped(JsonText(value).to_string().as_bytes()).to_string(),
    }
}

fn content_words(content: &Content) -> String {
    match content {
        Content::File { executable, blob } => {
            let executable = if *executable { "executable " } else { "" };
            format!("{executable}file {blob}")
        }
        Content::Tree(tree) => format!("folder {tree}"),
        Content::Link { texts, target } => {
            let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
            format!("link to {}, {}", texts.join(" to "), content_words(target))
        }
    }
}

/// Names and versions of packages; the digests of their files stand in the key only.
fn packages_words(packages: &BTreeMap<String, Value>) -> String {
    let texts = packages.iter().map(|(name, value)| match value {
        Value::Array(parts) => match parts.first() {
            Some(Value::Text(version)) => format!("{name} {version}"),
            _ => name.clone(),
        },
        _ => name.clone(),
    });
    let names: Vec<_> = texts.collect();
    Escaped(names.join(", ").as_bytes()).to_string()
}
