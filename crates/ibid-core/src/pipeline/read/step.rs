//! `[steps.NAME]` and `[defaults]`.

use toml::de::DeTable;

use super::super::declared::{DeclaredCommand, DeclaredPath, DeclaredStep, Located};
use super::command::{self, Run};
use super::field::{STEP_FIELDS, Shape};
use super::fields::Fields;
use super::item::{Item, Key, Page};
use super::paths::{self, Side};
use super::{environment, matrix, params, resources};
use crate::action::{EnvMode, Packages, Storing};
use crate::mistake::Mistake;

/// Manifests are files that are called after their steps.
const LONGEST_NAME: usize = 200;

/// What a step runs, reads and writes.
struct Core {
    run: DeclaredCommand,
    inputs: Vec<DeclaredPath>,
    outputs: Vec<DeclaredPath>,
}

/// Reads the defaults of a file; they are looked at even if no step uses them.
pub(super) fn defaults<'a>(page: Page<'a>, table: &'a DeTable<'a>) -> Result<Fields<'a>, Mistake> {
    let fields = Fields::new(page, table, STEP_FIELDS, "`[defaults]`")?;
    if let Some(item) = fields.beyond_defaults() {
        let message = format!("{} cannot be a default", item.label);
        let mut mistake = item.mistake(message);
        mistake.hint = Some("each step says that for itself".to_owned());
        return Err(mistake);
    }
    for field in ["optional", "keep", "by_content"] {
        if let Some(item) = fields
            .get(field)
            .filter(|item| item.raw().as_bool().is_none())
        {
            item.texts(&Shape::Marks.expected())?;
        }
    }
    if let Some(shell) = fields.get("shell") {
        command::interpreter(shell)?;
    }
    let name = Located {
        value: String::new(),
        at: page.at(0..0),
    };
    let core = Core {
        run: DeclaredCommand::Argv(Vec::new()),
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    declare(name, core, &fields)?;
    Ok(fields)
}

/// Reads a step.
pub(super) fn read(
    key: &Key<'_>,
    item: &Item<'_>,
    defaults: Option<&Fields<'_>>,
) -> Result<DeclaredStep, Mistake> {
    check_name(key, item)?;
    let Some(table) = item.raw().as_table() else {
        let mut mistake = item.wrong("a table");
        let name = key.name;
        mistake.hint = Some(format!(
            "a step is declared as `[steps.{name}]`, with `run` below it"
        ));
        return Err(mistake);
    };
    let owner = format!("step `{}`", key.name);
    let own = Fields::new(item.page, table, STEP_FIELDS, &owner)?;
    let fields = match defaults {
        Some(defaults) => own.over(defaults),
        None => own,
    };
    let name = Located {
        value: key.name.to_owned(),
        at: item.page.at(key.span.clone()),
    };
    let Run::Command(run) = command::read(&name, &fields)? else {
        return Err(item
            .page
            .mistake(key.span.clone(), format!("{owner} has no `run`")));
    };
    let core = Core {
        run,
        inputs: paths::read(Side::Inputs, &fields)?,
        outputs: paths::read(Side::Outputs, &fields)?,
    };
    declare(name, core, &fields)
}

fn check_name(key: &Key<'_>, item: &Item<'_>) -> Result<(), Mistake> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if key.name.len() > LONGEST_NAME {
        let message = format!("a step's name may have {LONGEST_NAME} characters");
        return Err(item.page.mistake(key.span.clone(), message));
    }
    if !key.name.is_empty() && key.name.chars().all(fits) {
        return Ok(());
    }
    let message = format!("`{}` is not a name of a step", key.name);
    let mut mistake = item.page.mistake(key.span.clone(), message);
    let fitting = |c: char| if fits(c) { c } else { '_' };
    let other: String = key.name.trim().chars().map(fitting).collect();
    mistake.suggestion = Some(other).filter(|name| !name.is_empty());
    mistake.hint = Some("names are letters, digits, `_`, `.` and `-`".to_owned());
    Err(mistake)
}

/// Reads all other fields.
fn declare(
    name: Located<String>,
    core: Core,
    fields: &Fields<'_>,
) -> Result<DeclaredStep, Mistake> {
    let (own_params, named_params) = params::of_step(fields)?;
    Ok(DeclaredStep {
        name,
        run: core.run,
        inputs: core.inputs,
        outputs: core.outputs,
        exclude: fields.texts("exclude")?,
        code: fields.texts("code")?,
        ignore_args: fields.texts("ignore_args")?,
        tools: fields.texts("tools")?,
        own_params,
        named_params,
        specs: fields.texts("specs")?,
        env: environment::env(fields)?,
        pass_env: environment::names(fields, "pass_env")?,
        secret_env: environment::names(fields, "secret_env")?,
        env_mode: env_mode(fields)?,
        packages: packages(fields)?,
        versions: params::versions(fields)?,
        versions_from: command::versions_from(fields)?,
        salt: fields.text("salt")?,
        stdin: fields.some_text("stdin")?,
        matrix: matrix::read(fields)?,
        ttl: fields.duration("ttl")?,
        timeout: fields.duration("timeout")?,
        ok_exit: ok_exit(fields)?,
        cache_failures: fields.flag("cache_failures")?,
        storing: storing(fields)?,
        always: fields.flag("always")?,
        retries: retries(fields)?,
        resources: resources::step(fields)?,
        after: fields.texts("after")?,
        metadata: match fields.get("metadata") {
            Some(item) => params::table(item, &Shape::Data.expected())?,
            None => params::Params::new(),
        },
        description: fields.text("description")?.map(|text| text.value),
    })
}

fn env_mode(fields: &Fields<'_>) -> Result<Option<EnvMode>, Mistake> {
    let words = [("strict", EnvMode::Strict), ("loose", EnvMode::Loose)];
    fields.word("env_mode", &words)
}

fn packages(fields: &Fields<'_>) -> Result<Packages, Mistake> {
    let words = [
        ("auto", Packages::Auto),
        ("python", Packages::Python),
        ("none", Packages::None),
    ];
    Ok(fields.word("packages", &words)?.unwrap_or_default())
}

fn storing(fields: &Fields<'_>) -> Result<Storing, Mistake> {
    let words = [("content", Storing::Content), ("digest", Storing::Digest)];
    Ok(fields.word("store", &words)?.unwrap_or_default())
}

fn retries(fields: &Fields<'_>) -> Result<u32, Mistake> {
    let retries = fields.whole("retries")?.unwrap_or_default();
    Ok(u32::try_from(retries).unwrap_or(u32::MAX))
}

fn ok_exit(fields: &Fields<'_>) -> Result<Vec<u8>, Mistake> {
    let Some(item) = fields.get("ok_exit") else {
        return Ok(Vec::new());
    };
    let code = |item: &Item<'_>| {
        let code = item.whole(0, u8::MAX.into())?;
        Ok(u8::try_from(code).unwrap_or(u8::MAX))
    };
    match item.list() {
        Some(codes) => codes.iter().map(code).collect(),
        None if item.raw().as_integer().is_none() => Err(item.wrong(&Shape::Codes.expected())),
        None => Ok(vec![code(item)?]),
    }
}
