//! `matrix`: axes, groups of axes, and single points.
//!
//! Every axis that is returned has a name that can stand in a placeholder, and at least one value.
//! How axes, groups and points fit together is looked at where points are made of them.

use std::collections::{BTreeMap, HashSet};

use super::super::declared::{Axis, DeclaredMatrix, Located};
use super::axis_file;
use super::field::{MATRIX_FIELDS, Shape};
use super::fields::Fields;
use super::item::{Item, Key, is_name};
use crate::digest::encoding::Value;
use crate::mistake::Mistake;

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
    if matrix.axes.is_empty() && matrix.zip.is_empty() && matrix.include.is_empty() {
        return Err(item.mistake("`matrix` has no axis"));
    }
    Ok(Some(matrix))
}

fn axis((key, item): &(Key<'_>, Item<'_>)) -> Result<Axis, Mistake> {
    let name = key.name;
    check_name(key, item)?;
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

fn check_name(key: &Key<'_>, item: &Item<'_>) -> Result<(), Mistake> {
    if is_name(key.name) {
        return Ok(());
    }
    let message = format!("axis `{}` cannot be named in a placeholder", key.name);
    let mut mistake = item.page.mistake(key.span.clone(), message);
    let hint = "names of axes are letters, digits, `_` and `-`, and start with a letter";
    mistake.hint = Some(hint.to_owned());
    Err(mistake)
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
    if axes.is_empty() {
        return Err(item.mistake("a group of `zip` has no axis"));
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
    let point = |item: &Item<'_>| {
        let mut values = BTreeMap::new();
        for (key, item) in item.table("a table of values")? {
            check_name(&key, &item)?;
            values.insert(key.name.to_owned(), item.value()?);
        }
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
