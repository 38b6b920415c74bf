//! Words that carry a value: params, variables, durations, version tags.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::time::Duration;

use ibid_core::action::{
    DocumentFormat, EnvRequest, document::MAX_DOCUMENT_SIZE, looks_like_secret, parse_duration,
};
use ibid_core::digest::encoding::Value;
use ibid_core::fs;

use super::paths::text;
use crate::error::Failure;
use crate::report::people;

/// Reads `NAME=JSON` words.
pub(crate) fn params(words: &[OsString]) -> Result<BTreeMap<String, Value>, Failure> {
    let mut params = BTreeMap::new();
    for word in words {
        let word = text("--param", word)?;
        let (name, json) = name_and_value("--param", &word, "alpha=0.5")?;
        let value = DocumentFormat::Json
            .parse(json.as_bytes())
            .map_err(|error| {
                Failure::usage(format!("the param `{name}` is not JSON: `{json}`"))
                    .because_of(Some(&error))
                    .hint(format!(
                        "text needs quotes of its own: --param '{name}={}'",
                        serde_json::Value::from(json.trim_matches('"'))
                    ))
            })?;
        if params.insert(name.to_owned(), value).is_some() {
            return Err(Failure::usage(format!("the param `{name}` is given twice")));
        }
    }
    Ok(params)
}

/// Reads a document by its extension.
pub(super) fn spec(path: &Path) -> Result<Value, Failure> {
    let shown = people::path(path);
    let format = path.extension().and_then(DocumentFormat::from_extension);
    let format = format.ok_or_else(|| {
        Failure::usage(format!("the format of the spec `{shown}` is not known"))
            .hint("its name must end in `.json`, `.toml`, `.yaml` or `.yml`")
    })?;
    let bytes = fs::read_small(path, MAX_DOCUMENT_SIZE as u64).map_err(|error| {
        Failure::usage(format!("cannot read the spec `{shown}`"))
            .because_of(std::error::Error::source(&error))
            .hint("`--spec` takes a file; declare other files with `--input`")
    })?;
    format.parse(&bytes).map_err(|error| {
        Failure::usage(format!("the spec `{shown}` cannot be used")).because_of(Some(&error))
    })
}

/// Reads `NAME` and `NAME=VALUE` words; names that look like secrets are refused.
pub(crate) fn env(words: &[OsString]) -> Result<Vec<EnvRequest>, Failure> {
    let mut requests: Vec<EnvRequest> = Vec::new();
    for word in words {
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
            None => (bytes, None),
        };
        let name = variable("--env", OsStr::from_bytes(name))?;
        if looks_like_secret(&name) {
            return Err(Failure::usage(format!(
                "`{name}` looks like a secret, and `--env` is stored"
            ))
            .hint(format!(
                "`--secret-env {name}` shows it to the command and to nobody else"
            )));
        }
        if requests.iter().any(|request| request.name == name) {
            return Err(Failure::usage(format!(
                "the variable `{name}` is given twice"
            )));
        }
        requests.push(EnvRequest { name, value });
    }
    Ok(requests)
}

/// Reads the name of a variable.
pub(super) fn variable(flag: &str, word: &OsStr) -> Result<String, Failure> {
    let name = text(flag, word)?;
    if name.is_empty() || name.contains('=') {
        return Err(Failure::usage(format!(
            "`{name}` of `{flag}` is not the name of a variable"
        ))
        .hint("a value can be given with `--env NAME=VALUE` only"));
    }
    Ok(name)
}

/// Reads `NAME=V` words.
pub(super) fn version_tags(words: &[OsString]) -> Result<BTreeMap<String, String>, Failure> {
    let mut tags = BTreeMap::new();
    for word in words {
        let word = text("--version-tag", word)?;
        let (name, tag) = name_and_value("--version-tag", &word, "model=2")?;
        if tags.insert(name.to_owned(), tag.to_owned()).is_some() {
            return Err(Failure::usage(format!(
                "the version tag `{name}` is given twice"
            )));
        }
    }
    Ok(tags)
}

/// Splits a command line that stands in one word, as a shell does, but for expansions.
pub(super) fn command(word: &OsStr) -> Result<Vec<Vec<u8>>, Failure> {
    let line = text("--versions-from", word)?;
    let words = shell_words::split(&line).map_err(|error| {
        Failure::usage(format!(
            "cannot read the command `{line}` of `--versions-from`"
        ))
        .because_of(Some(&error))
    })?;
    if words.is_empty() {
        return Err(Failure::usage("the command of `--versions-from` is empty")
            .hint("put it in quotes: --versions-from 'cc --version'"));
    }
    Ok(words
        .into_iter()
        .map(|word| OsString::from(word).into_vec())
        .collect())
}

/// Reads a duration.
pub(super) fn duration(
    flag: &'static str,
    word: Option<&OsStr>,
) -> Result<Option<Duration>, Failure> {
    let Some(word) = word else { return Ok(None) };
    let typed = text(flag, word)?;
    let duration = parse_duration(&typed).map_err(|error| {
        Failure::usage(format!("`{flag}` takes a duration"))
            .because_of(Some(&error))
            .hint(format!("`{flag} 90s`, `15m`, `12h`, `30d` or `1h30m`"))
    })?;
    Ok(Some(duration))
}

/// Reads an exit code.
pub(super) fn exit_code(word: &OsStr) -> Result<u8, Failure> {
    let typed = text("--ok-exit", word)?;
    typed.parse().map_err(|_| {
        Failure::usage(format!("`{typed}` of `--ok-exit` is not an exit code"))
            .hint("exit codes are 0 to 255; give the flag once for each")
    })
}

fn name_and_value<'a>(
    flag: &str,
    word: &'a str,
    example: &str,
) -> Result<(&'a str, &'a str), Failure> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(
            Failure::usage(format!("`{word}` of `{flag}` is not a name with a value"))
                .hint(format!("`{flag} {example}`")),
        ),
    }
}
