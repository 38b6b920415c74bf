//! `inputs`, `outputs`, and the fields that mark some of them.

use super::super::declared::{DeclaredPath, Located};
use super::field::{PATH_FIELDS, Shape};
use super::fields::{Fields, Origin};
use super::item::{Item, is_name};
use crate::mistake::{Mistake, closest};

/// Which list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inputs,
    Outputs,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
        }
    }
}

/// Reads the paths of one side, with what the step's own fields and the defaults say of them.
pub(super) fn read(side: Side, fields: &Fields<'_>) -> Result<Vec<DeclaredPath>, Mistake> {
    let mut paths = Vec::new();
    if let Some(item) = fields.get(side.name()) {
        match item.raw().as_table() {
            Some(_) => named(side, item, &mut paths)?,
            None => several(side, None, item, &mut paths)?,
        }
    }
    match side {
        Side::Inputs => mark(side, fields, "by_content", &mut paths, |path| {
            &mut path.by_content
        })?,
        Side::Outputs => {
            mark(side, fields, "optional", &mut paths, |path| {
                &mut path.optional
            })?;
            mark(side, fields, "keep", &mut paths, |path| &mut path.keep)?;
        }
    }
    Ok(paths)
}

fn named(side: Side, item: &Item<'_>, paths: &mut Vec<DeclaredPath>) -> Result<(), Mistake> {
    for (key, value) in item.table(&Shape::Inputs.expected())? {
        if !is_name(key.name) {
            let message = format!("`{}` cannot be named in a placeholder", key.name);
            let mut mistake = item.page.mistake(key.span, message);
            mistake.hint = Some(format!(
                "names of {} are letters, digits, `_` and `-`, and start with a letter",
                side.name()
            ));
            return Err(mistake);
        }
        match value.raw().as_table() {
            Some(_) => one(side, Some(key.name), &value, paths)?,
            None => several(side, Some(key.name), &value, paths)
                .map_err(|mistake| hinted(side, &value, mistake))?,
        }
    }
    Ok(())
}

/// A table in the place of the list gives names, so a mark in it is taken for one.
fn hinted(side: Side, value: &Item<'_>, mut mistake: Mistake) -> Mistake {
    if value.raw().as_bool().is_some() {
        let side = side.name();
        let hint = format!("a path with marks stands in a list: {side} = [{{ path = \"…\", … }}]");
        mistake.hint = Some(hint);
    }
    mistake
}

/// Reads a text, or a list of texts and tables.
fn several(
    side: Side,
    name: Option<&str>,
    item: &Item<'_>,
    paths: &mut Vec<DeclaredPath>,
) -> Result<(), Mistake> {
    match item.list() {
        Some(items) => items
            .iter()
            .try_for_each(|item| one(side, name, item, paths)),
        None if item.raw().as_str().is_some() => one(side, name, item, paths),
        None => Err(item.wrong(&Shape::Inputs.expected())),
    }
}

/// Reads a text or a table.
fn one(
    side: Side,
    name: Option<&str>,
    item: &Item<'_>,
    paths: &mut Vec<DeclaredPath>,
) -> Result<(), Mistake> {
    let path = |path| DeclaredPath {
        name: name.map(str::to_owned),
        path,
        optional: false,
        keep: false,
        by_content: false,
    };
    let Some(table) = item.raw().as_table() else {
        if item.raw().as_str().is_none() {
            return Err(item.wrong("text or a table with `path`"));
        }
        paths.push(path(item.some_text()?));
        return Ok(());
    };
    let fields = Fields::new(item.page, table, PATH_FIELDS, "a path")?;
    let texts = fields.texts("path")?;
    if texts.is_empty() {
        return Err(item.mistake(format!("{} has no `path`", item.label)));
    }
    let (theirs, other) = match side {
        Side::Inputs => (["optional", "keep"].as_slice(), "outputs"),
        Side::Outputs => (["by_content"].as_slice(), "inputs"),
    };
    if let Some(field) = theirs.iter().find_map(|name| fields.get(name)) {
        return Err(field.mistake(format!("{} is for {other}", field.label)));
    }
    let (optional, keep) = (fields.flag("optional")?, fields.flag("keep")?);
    let by_content = fields.flag("by_content")?;
    paths.extend(texts.into_iter().map(|text| DeclaredPath {
        optional,
        keep,
        by_content,
        ..path(text)
    }));
    Ok(())
}

/// Sets a flag of the paths that a field of the step means.
fn mark(
    side: Side,
    fields: &Fields<'_>,
    field: &str,
    paths: &mut [DeclaredPath],
    flag: fn(&mut DeclaredPath) -> &mut bool,
) -> Result<(), Mistake> {
    let Some((item, origin)) = fields.find(field) else {
        return Ok(());
    };
    if let Some(all) = item.raw().as_bool() {
        for path in paths {
            *flag(path) |= all;
        }
        return Ok(());
    }
    for meant in item.texts(&Shape::Marks.expected())? {
        let mut found = false;
        for path in paths.iter_mut().filter(|path| is_meant(path, &meant.value)) {
            *flag(path) = true;
            found = true;
        }
        // A default may name what only some steps have.
        if !found && origin == Origin::Own {
            return Err(unmatched(side, item, &meant, paths));
        }
    }
    Ok(())
}

fn is_meant(path: &DeclaredPath, meant: &str) -> bool {
    path.name.as_deref() == Some(meant) || path.path.value == meant
}

fn unmatched(
    side: Side,
    item: &Item<'_>,
    meant: &Located<String>,
    paths: &[DeclaredPath],
) -> Mistake {
    let message = format!(
        "`{}` is not among the {} of the step",
        meant.value,
        side.name()
    );
    let names = paths.iter().filter_map(|path| path.name.as_deref());
    let names = names.chain(paths.iter().map(|path| path.path.value.as_str()));
    let mut mistake = item.page.mistake(meant.at.span.clone(), message);
    mistake.suggestion = closest(&meant.value, names).map(str::to_owned);
    mistake
}
