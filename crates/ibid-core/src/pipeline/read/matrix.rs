//! `matrix`: axes, groups of axes, and single points.
//!
//! What is returned is consistent: every axis has a name of its own and at least one value, axes
//! of a group are equally long, and single points know all axes. How many points there are is not
//! looked at.

use std::collections::{BTreeMap, HashSet};

use super::super::declared::{Axis, DeclaredMatrix, Located};
use super::axis_file;
use super::field::{MATRIX_FIELDS, Shape};
use super::fields::Fields;
use super::item::{Item, Key, is_name};
use crate::digest::encoding::Value;
use crate::mistake::{Mistake, closest};

type Point = Located<BTreeMap<String, Value>>;

/// Reads the matrix of a step.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<DeclaredMatrix>, Mistake> {
    let Some(item) = fields.get("matrix") else {
        return Ok(None);
    };
    let entries = item.table(&Shape::Matrix.expected())?;
    let is_field =
        |(key, _): &(Key<'_>, Item<'_>)| MATRIX_FIELDS.iter().any(|field| field.name == key.name);
    let (known, axes): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_field);
    let known = Fields::known(MATRIX_FIELDS, known);
    let matrix = DeclaredMatrix {
        at: item.at(),
        axes: axes.iter().map(axis).collect::<Result<_, _>>()?,
        zip: groups(&known)?,
        include: points(&known, "include")?,
        exclude: points(&known, "exclude")?,
    };
    check(item, &matrix)?;
    Ok(Some(matrix))
}

fn axis((key, item): &(Key<'_>, Item<'_>)) -> Result<Axis, Mistake> {
    let name = key.name;
    if !is_name(name) {
        let message = format!("axis `{name}` cannot be named in a placeholder");
        let mut mistake = item.page.mistake(key.span.clone(), message);
        let hint = "names of axes are letters, digits, `_` and `-`, and start with a letter";
        mistake.hint = Some(hint.to_owned());
        return Err(mistake);
    }
    let values = match item.list() {
        Some(items) => inline(name, item, &items)?,
        None => axis_file::read(item, name)?,
    };
    Ok(Axis {
        name: Located {
            value: name.to_owned(),
            at: item.page.at(key.span.clone()),
        },
        values,
    })
}

fn inline(name: &str, item: &Item<'_>, items: &[Item<'_>]) -> Result<Vec<Value>, Mistake> {
    if items.is_empty() {
        return Err(item.mistake(format!("axis `{name}` has no values")));
    }
    let mut seen = HashSet::new();
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let value = item.value()?;
        if !seen.insert(axis_file::encoded(&value)) {
            return Err(item.mistake(format!("axis `{name}` has this value twice")));
        }
        values.push(value);
    }
    Ok(values)
}

/// Reads `zip`: one table of axes, or a list of such tables.
fn groups(known: &Fields<'_>) -> Result<Vec<Vec<Axis>>, Mistake> {
    let Some(item) = known.get("zip") else {
        return Ok(Vec::new());
    };
    let tables = item.list().unwrap_or_else(|| vec![item.clone()]);
    tables.iter().map(group).collect()
}

fn group(item: &Item<'_>) -> Result<Vec<Axis>, Mistake> {
    let entries = item.table(&Shape::Zip.expected())?;
    let axes: Vec<Axis> = entries.iter().map(axis).collect::<Result<_, _>>()?;
    let Some((first, rest)) = axes.split_first() else {
        return Err(item.mistake("a group of `zip` has no axis"));
    };
    let count = first.values.len();
    if let Some(other) = rest.iter().find(|axis| axis.values.len() != count) {
        let message = format!(
            "axis `{}` of `zip` has {} values, and `{}` has {count}",
            other.name.value,
            other.values.len(),
            first.name.value
        );
        return Err(item.page.mistake(other.name.at.span.clone(), message));
    }
    Ok(axes)
}

/// Reads a list of tables of values.
fn points(known: &Fields<'_>, field: &str) -> Result<Vec<Point>, Mistake> {
    let Some(item) = known.get(field) else {
        return Ok(Vec::new());
    };
    let Some(tables) = item.list() else {
        return Err(item.wrong(&Shape::Points.expected()));
    };
    let expected = "a table of values";
    let point = |item: &Item<'_>| {
        let values = super::params::table(item, expected)?;
        if values.is_empty() {
            return Err(item.mistake(format!("a point of `{field}` has no values")));
        }
        Ok(Located {
            value: values,
            at: item.at(),
        })
    };
    tables.iter().map(point).collect()
}

/// Looks at what only the whole shows.
fn check(item: &Item<'_>, matrix: &DeclaredMatrix) -> Result<(), Mistake> {
    let axes = || matrix.axes.iter().chain(matrix.zip.iter().flatten());
    let mut names: Vec<&str> = Vec::new();
    for axis in axes() {
        let name = axis.name.value.as_str();
        if names.contains(&name) {
            let message = format!("axis `{name}` stands twice");
            return Err(item.page.mistake(axis.name.at.span.clone(), message));
        }
        names.push(name);
    }
    // Where there are points alone, the first one says which axes there are.
    if let (true, Some(first)) = (names.is_empty(), matrix.include.first()) {
        names = first.value.keys().map(String::as_str).collect();
        if let Some(odd) = names.iter().find(|name| !is_name(name)) {
            let message = format!("axis `{odd}` cannot be named in a placeholder");
            return Err(item.page.mistake(first.at.span.clone(), message));
        }
    }
    if names.is_empty() {
        return Err(item.mistake("`matrix` has no axis"));
    }
    for point in matrix.include.iter().chain(&matrix.exclude) {
        let unknown = point
            .value
            .keys()
            .find(|name| !names.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            let message = format!("`{unknown}` is not an axis of this matrix");
            let mut mistake = item.page.mistake(point.at.span.clone(), message);
            mistake.suggestion = closest(unknown, names.iter().copied()).map(str::to_owned);
            return Err(mistake);
        }
    }
    for point in &matrix.include {
        if let Some(name) = names.iter().find(|name| !point.value.contains_key(**name)) {
            let message = format!("this point has no value for axis `{name}`");
            return Err(item.page.mistake(point.at.span.clone(), message));
        }
    }
    Ok(())
}
