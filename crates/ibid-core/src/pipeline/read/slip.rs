//! What was probably meant: fields that are called otherwise elsewhere, and names that are nearly
//! right.

use toml::de::DeValue;

use super::field::Field;
use super::item::{Item, Key};
use crate::mistake::{Mistake, closest};

/// What other tools call a field, what it is called here, and what else to know.
const ALIASES: &[(&str, &str, &str)] = &[
    ("cmd", "run", ""),
    ("cmds", "run", ""),
    ("command", "run", ""),
    ("exec", "run", ""),
    ("script", "run", ""),
    ("deps", "inputs", READS),
    ("dependencies", "inputs", READS),
    ("depends", "inputs", READS),
    ("depends_on", "inputs", READS),
    ("needs", "inputs", READS),
    ("requires", "inputs", READS),
    ("sources", "inputs", ""),
    ("in", "inputs", ""),
    ("outs", "outputs", ""),
    ("out", "outputs", ""),
    ("produces", "outputs", ""),
    ("targets", "outputs", ""),
    ("generates", "outputs", ""),
    ("environment", "env", ""),
    ("env_vars", "env", ""),
    ("secrets", "secret_env", ""),
    ("parameters", "params", ""),
    ("vars", "params", ""),
    ("foreach", "matrix", ""),
    ("sweep", "matrix", ""),
    ("desc", "description", ""),
    ("doc", "description", ""),
    ("help", "description", ""),
    ("retry", "retries", ""),
    ("max_age", "ttl", ""),
    ("expires", "ttl", ""),
    ("time_limit", "timeout", ""),
    ("force", "always", ""),
    ("input_stream", "stdin", ""),
    ("cpu", "cpus", ""),
    ("cores", "cpus", ""),
    ("threads", "cpus", ""),
    ("mem", "memory", ""),
    ("ram", "memory", ""),
    ("walltime", "time", ""),
    ("runtime", "time", ""),
    ("param_files", "params_files", ""),
    ("includes", "include", ""),
];

const READS: &str = "a step waits for the steps that write its `inputs`; `after` sets an order \
                     without data";

/// What cannot be set, and why.
const REFUSED: &[(&str, &str)] = &[
    ("image", "this version runs commands on this machine only"),
    ("runner", "this version runs commands on this machine only"),
    ("isolate", "this version runs commands on this machine only"),
    (
        "cwd",
        "every step runs in the root: put `cd` into the text of `run`",
    ),
    (
        "dir",
        "every step runs in the root: put `cd` into the text of `run`",
    ),
    (
        "wdir",
        "every step runs in the root: put `cd` into the text of `run`",
    ),
    (
        "workdir",
        "every step runs in the root: put `cd` into the text of `run`",
    ),
];

/// Tells of a field that there is not.
pub(super) fn unknown(
    key: &Key<'_>,
    item: &Item<'_>,
    known: &'static [Field],
    owner: &str,
) -> Mistake {
    let name = key.name;
    let is_step = known.iter().any(|field| field.name == "run");
    let refused = REFUSED
        .iter()
        .find(|(refused, _)| is_step && *refused == name);
    if let Some((_, why)) = refused {
        let message = format!("`{name}` of {owner} cannot be set");
        let mut mistake = item.page.mistake(key.span.clone(), message);
        mistake.hint = Some((*why).to_owned());
        return mistake;
    }
    let names = || known.iter().map(|field| field.name);
    let mut mistake = unknown_name(
        key,
        item,
        &format!("unknown field `{name}` of {owner}"),
        names,
    );
    if is_step && holds(item, "run") {
        mistake.suggestion = None;
        let step = owner.split('`').nth(1).unwrap_or("NAME");
        mistake.hint = Some(format!(
            "a name with a dot stands in quotes: `[steps.\"{step}.{name}\"]`"
        ));
    }
    mistake
}

/// Tells of a name that there is not: with the one that was meant, or with all of them.
pub(super) fn unknown_name<I: Iterator<Item = &'static str>>(
    key: &Key<'_>,
    item: &Item<'_>,
    message: &str,
    names: impl Fn() -> I,
) -> Mistake {
    let mut mistake = item.page.mistake(key.span.clone(), message);
    let lower = key.name.to_lowercase().replace('-', "_");
    let alias = ALIASES
        .iter()
        .find(|(typed, meant, _)| *typed == lower && names().any(|name| name == *meant));
    match (alias, closest(key.name, names())) {
        (Some((_, meant, hint)), _) => {
            mistake.suggestion = Some((*meant).to_owned());
            mistake.hint = (!hint.is_empty()).then(|| (*hint).to_owned());
        }
        (None, Some(name)) => mistake.suggestion = Some(name.to_owned()),
        (None, None) => {
            let known: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            mistake.hint = Some(format!("known are {}", known.join(", ")));
        }
    }
    mistake
}

/// Returns the known name that another tool's word for it stands for.
pub(super) fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let alias = ALIASES.iter().find(|(typed, _, _)| *typed == lower)?;
    known.iter().find(|name| **name == alias.1).copied()
}

/// Says whether an item is a table with this entry.
pub(super) fn holds(item: &Item<'_>, name: &str) -> bool {
    matches!(item.raw(), DeValue::Table(table) if table.contains_key(name))
}
