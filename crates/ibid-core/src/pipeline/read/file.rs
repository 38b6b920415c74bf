//! One file: its tables, each read whole; what it includes is only named.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::super::declared::{DeclaredStep, Located};
use super::field::PIPELINE_FIELDS;
use super::fields::Fields;
use super::item::{Item, Key, Page};
use super::params::{self, Params};
use super::{resources, slip, step};
use crate::mistake::{Mistake, not_toml};

/// The tables of a file, and what they are for.
pub(in crate::pipeline) const TABLES: &[(&str, &str)] = &[
    ("pipeline", "The pipeline as a whole."),
    (
        "params",
        "Values for placeholders and keys, by name; tables give dotted names.",
    ),
    (
        "defaults",
        "Fields that steps of this file have unless they set them.",
    ),
    ("steps", "The steps, by name."),
    ("config", "Settings of the project."),
];

/// What a file declares.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) name: Option<String>,
    pub(super) limits: BTreeMap<String, u64>,
    pub(super) include: Vec<Located<String>>,
    /// Those of params files.
    pub(super) file_params: Params,
    /// Those of `[params]`.
    pub(super) params: Params,
    pub(super) steps: Vec<DeclaredStep>,
    /// How many steps come before `include`, whose steps come there.
    pub(super) steps_before_include: usize,
}

/// Reads a file; one that is included may not speak for the whole pipeline.
pub(super) fn read(page: Page<'_>, is_main: bool) -> Result<Parts, Mistake> {
    let text = page.sources.text(page.file);
    let path = page.sources.path(page.file);
    let root = DeTable::parse(text).map_err(|error| not_toml(path, text, &error))?;
    let root: &DeTable<'_> = root.get_ref();
    let tables = page.entries(root);
    for (key, item) in &tables {
        check_table(key, item, is_main)?;
    }
    let find = |name: &str| tables.iter().find(|(key, _)| key.name == name);
    let mut parts = Parts::default();
    if let Some((_, item)) = find("pipeline") {
        pipeline(item, is_main, &mut parts)?;
    }
    if let Some((_, item)) = find("params") {
        parts.params = params::table(item, "a table")?;
    }
    let defaults = match find("defaults") {
        Some((_, item)) => match item.raw().as_table() {
            Some(table) => Some(step::defaults(page, table)?),
            None => return Err(item.wrong("a table")),
        },
        None => None,
    };
    if let Some((_, item)) = find("steps") {
        let steps = item.table("a table").map_err(|mut mistake| {
            mistake.hint = Some("a step is declared as `[steps.NAME]`".to_owned());
            mistake
        })?;
        for (key, item) in &steps {
            parts.steps.push(step::read(key, item, defaults.as_ref())?);
        }
    }
    let include = parts.include.first().map_or(0, |name| name.at.span.start);
    let before = |step: &DeclaredStep| step.name.at.span.start < include;
    parts.steps_before_include = parts.steps.partition_point(before);
    Ok(parts)
}

fn check_table(key: &Key<'_>, item: &Item<'_>, is_main: bool) -> Result<(), Mistake> {
    let name = key.name;
    if !is_main && name == "config" {
        let message = "settings stand in the project's own file";
        return Err(item.page.mistake(key.span.clone(), message));
    }
    let names = || TABLES.iter().map(|(name, _)| *name);
    if names().any(|known| known == name) {
        return Ok(());
    }
    let kind = if item.raw().as_table().is_some() {
        "table"
    } else {
        "field"
    };
    let message = format!("unknown {kind} `{name}`");
    let mut mistake = slip::unknown_name(key, item, &message, names);
    if slip::holds(item, "run") {
        mistake.suggestion = Some(format!("steps.{name}"));
        mistake.hint = Some(format!("a step is declared as `[steps.{name}]`"));
    }
    Err(mistake)
}

/// Reads `[pipeline]`.
fn pipeline(item: &Item<'_>, is_main: bool, parts: &mut Parts) -> Result<(), Mistake> {
    let Some(table) = item.raw().as_table() else {
        return Err(item.wrong("a table"));
    };
    let fields = Fields::new(item.page, table, PIPELINE_FIELDS, "`[pipeline]`")?;
    parts.include = fields.texts("include")?;
    if !is_main {
        let others = ["name", "params_files", "resources"];
        if let Some(field) = others.iter().find_map(|name| fields.get(name)) {
            let message = format!("{} is told by the project's own file", field.label);
            return Err(field.mistake(message));
        }
    }
    if let Some(name) = fields.some_text("name")? {
        if name.value.contains(|c: char| c == '/' || c.is_control()) {
            let message = "the pipeline's name may not hold `/` or control characters";
            return Err(item.page.mistake(name.at.span, message));
        }
        parts.name = Some(name.value);
    }
    if let Some(item) = fields.get("resources") {
        parts.limits = resources::limits(item)?;
    }
    for name in fields.texts("params_files")? {
        params::merge(&mut parts.file_params, params::file(item.page, &name)?);
    }
    Ok(())
}
