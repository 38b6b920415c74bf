//! Components of a key for people and for programs: values shortened, or exact.

use ibid_core::action::document::JsonText;
use ibid_core::action::{Change, Component, ComponentKind};
use ibid_core::digest::Digest;
use ibid_core::digest::encoding::Value;
use ibid_core::tree::{Content, Escaped};
use serde_json::json;

use super::people;

/// How many characters of a value are shown.
const MOST: usize = 60;

/// Prints a component in a line: `input/src/a.h  file 3f9c2a81b0dd`.
pub(crate) fn component(component: &Component) -> String {
    let value = short(component.kind, &component.value);
    format!("{}  {value}", component.title())
}

/// Prints what changed in a line: `env/LANG: "C" → unset`.
pub(crate) fn change(change: &Change) -> String {
    let title = change.title();
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            let changed = inner_changes(old, new).unwrap_or_else(|| {
                let (old, new) = (in_words(change.kind, old), in_words(change.kind, new));
                let (old, new) = people::cut_apart(&old, &new, MOST);
                format!("{old} → {new}")
            });
            format!("{title}: {changed}")
        }
        (None, Some(new)) => format!("{title}: new, {}", short(change.kind, new)),
        (Some(old), None) => format!("{title}: gone, was {}", short(change.kind, old)),
        (None, None) => title,
    }
}

/// Returns a component as JSON.
pub(crate) fn component_json(component: &Component) -> serde_json::Value {
    json!({
        "kind": component.kind.word(),
        "name": component.name.to_string(),
        "value": exact(component.kind, &component.value),
    })
}

/// Returns a change as JSON.
pub(crate) fn change_json(change: &Change) -> serde_json::Value {
    let side = |value: &Option<Value>| value.as_ref().map(|value| exact(change.kind, value));
    json!({
        "component": change.title(),
        "trigger": change.trigger().word(),
        "old": side(&change.old),
        "new": side(&change.new),
    })
}

/// Prints a value in a few words.
fn short(kind: ComponentKind, value: &Value) -> String {
    people::cut(&in_words(kind, value), MOST)
}

/// Prints a value as people write it, however long.
fn in_words(kind: ComponentKind, value: &Value) -> String {
    if let Some(content) = kind.content(value) {
        return content_words(&content);
    }
    if let Some(digest) = digest_of(kind, value) {
        return digest.short();
    }
    match (kind, value) {
        (ComponentKind::Env, Value::Null) => "unset".to_owned(),
        (ComponentKind::Command, Value::Array(words)) => command_words(words),
        (ComponentKind::Command, Value::Bytes(dir)) if dir.is_empty() => ".".to_owned(),
        (ComponentKind::Output, Value::Array(parts)) => output_words(parts),
        (_, Value::Bytes(bytes)) => format!("\"{}\"", Escaped(bytes)),
        (_, value) => Escaped(JsonText(value).to_string().as_bytes()).to_string(),
    }
}

/// Returns a value as JSON: digests in full, bytes as text where they are text.
fn exact(kind: ComponentKind, value: &Value) -> serde_json::Value {
    if let Some(content) = kind.content(value) {
        return content_json(&content);
    }
    match digest_of(kind, value) {
        Some(digest) => digest.to_string().into(),
        None => serde_json::from_str(&JsonText(value).to_string())
            .expect("values are printed as valid JSON"),
    }
}

fn digest_of(kind: ComponentKind, value: &Value) -> Option<Digest> {
    match (kind, value) {
        (ComponentKind::Tool | ComponentKind::Stdin, Value::Bytes(bytes)) => {
            Digest::try_from(bytes.as_slice()).ok()
        }
        _ => None,
    }
}

fn content_words(content: &Content) -> String {
    match content {
        Content::File { executable, blob } => {
            let executable = if *executable { "executable " } else { "" };
            format!("{executable}file {}", blob.short())
        }
        Content::Tree(tree) => format!("folder {}", tree.short()),
        Content::Link { texts, target } => {
            let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
            format!("link to {}, {}", texts.join(" to "), content_words(target))
        }
    }
}

/// Returns a content as JSON.
pub(crate) fn content_json(content: &Content) -> serde_json::Value {
    match content {
        Content::File { executable, blob } => {
            json!({"kind": "file", "executable": executable, "digest": blob.to_string()})
        }
        Content::Tree(tree) => json!({"kind": "folder", "digest": tree.to_string()}),
        Content::Link { texts, target } => {
            let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
            json!({"kind": "link", "to": texts, "target": content_json(target)})
        }
    }
}

/// Prints a command with `#n` where a by-content input is named.
pub(crate) fn command_words(words: &[Value]) -> String {
    let words = ibid_core::action::command_words(words);
    people::command_line(words.iter().map(Vec::as_slice))
}

/// Says what kind of output is declared.
fn output_words(parts: &[Value]) -> String {
    let kind = match parts {
        [Value::Text(kind), ..] => kind.as_str(),
        _ => "unknown",
    };
    match parts {
        [_, Value::Bool(true)] => format!("{kind}, optional"),
        _ => kind.to_owned(),
    }
}

/// Names the leaves of two maps that differ: of a thousand packages one changed.
fn inner_changes(old: &Value, new: &Value) -> Option<String> {
    let (Value::Map(old), Value::Map(new)) = (old, new) else {
        return None;
    };
    let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let show = |value: Option<&Value>| match value.map(|value| (value, package(value))) {
        Some((_, Some(version))) => version.to_owned(),
        Some((value, None)) => people::cut(&JsonText(value).to_string(), MOST / 2),
        None => "none".to_owned(),
    };
    let changes: Vec<_> = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let (old, new) = (show(old.get(name)), show(new.get(name)));
            if old == new {
                format!("{name} {old}, its files")
            } else {
                format!("{name} {old} → {new}")
            }
        })
        .collect();
    let text = people::some_of(&changes, 3);
    Some(Escaped(text.as_bytes()).to_string())
}

/// Returns the version of an installed package, if a value is one: behind it stand the digests of
/// what is installed.
fn package(value: &Value) -> Option<&str> {
    let Value::Array(parts) = value else {
        return None;
    };
    match parts.as_slice() {
        [Value::Text(version), digests @ ..] => digests
            .iter()
            .all(|digest| matches!(digest, Value::Bytes(_)))
            .then_some(version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ibid_core::action::ComponentName;
    use ibid_core::digest::BlobId;
    use ibid_core::digest::encoding::Encoder;

    use super::*;

    fn changed(kind: ComponentKind, old: Option<Value>, new: Option<Value>) -> String {
        change(&Change {
            kind,
            name: ComponentName::Text("x".to_owned()),
            old,
            new,
        })
    }

    #[test]
    fn contents_are_named_by_kind_and_the_start_of_their_digest() {
        let blob = BlobId::new(Digest::of(b"abc"));
        let mut encoder = Encoder::new();
        let content = Content::File {
            executable: true,
            blob,
        };
        content.encode(&mut encoder);
        let value = Value::decode(encoder.as_bytes()).unwrap();
        let shown = changed(ComponentKind::Input, None, Some(value));
        let start = blob.short();
        assert_eq!(shown, format!("input/x: new, executable file {start}"));
    }

    #[test]
    fn unset_and_empty_variables_are_told_apart() {
        let empty = Value::Bytes(Vec::new());
        let shown = changed(ComponentKind::Env, Some(Value::Null), Some(empty));
        assert_eq!(shown, "env/x: unset → \"\"");
    }

    #[test]
    fn a_shell_and_its_script_read_as_a_command_line() {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| Value::from(word.as_bytes()))
                .collect()
        };
        let shell = Value::Array(words(&["/bin/sh", "-eu", "-c"]));
        let shell = Value::Array(vec![shell, Value::from(b"sort a".as_slice())]);
        let argv = Value::Array(words(&["sort", "a"]));
        assert_eq!(
            changed(ComponentKind::Command, Some(argv), Some(shell)),
            "command/x: sort a → /bin/sh -eu -c 'sort a'"
        );
    }

    #[test]
    fn of_many_packages_those_that_changed_are_named() {
        let packages = |version: &str, digest: &str| {
            let package = |version, digest: &str| {
                Value::Array(vec![Value::from(version), Value::Bytes(digest.into())])
            };
            Value::Map(BTreeMap::from([
                ("numpy".to_owned(), package(version, digest)),
                ("pip".to_owned(), package("1", "")),
            ]))
        };
        let shown = |old, new| changed(ComponentKind::Packages, Some(old), Some(new));
        assert_eq!(
            shown(packages("1.26", "a"), packages("2.0", "b")),
            "packages/x: numpy 1.26 → 2.0"
        );
        assert_eq!(
            shown(packages("2.0", "a"), packages("2.0", "b")),
            "packages/x: numpy 2.0, its files"
        );
    }

    #[test]
    fn long_values_are_shown_from_where_they_part() {
        let value = |end: &str| Value::from(format!("{}{end}", "same ".repeat(30)).as_str());
        let shown = changed(ComponentKind::Param, Some(value("old")), Some(value("new")));
        assert_eq!(
            shown,
            "param/x: …same same same old\" → …same same same new\""
        );
    }
}
