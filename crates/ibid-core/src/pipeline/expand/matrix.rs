//! The points of a matrix: which values a step is declared for, and what each point is called.
//!
//! Invariants: points come in a fixed order (the last axis turns fastest, further points last),
//! no two have the same values, and no two have the same name. Names are for people; manifests are
//! named by the values alone, so that adding a point renames none.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::action::document::JsonText;
use crate::digest::Digest;
use crate::digest::encoding::Value;
use crate::mistake::{Mistake, closest};
use crate::pipeline::declared::{Axis, DeclaredMatrix, Located, Sources};

/// As many steps may a pipeline have, points of matrices counted one by one.
pub(super) const MOST_STEPS: usize = 100_000;

/// The longest value that stands in a name, in characters.
const LONGEST_VALUE: usize = 40;

/// One choice of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// The axes and their values, in order of declaration.
    pub(super) values: Vec<(String, Value)>,
    /// What follows `@` in the name of the step.
    pub(super) name: String,
    /// What follows `@` in the name of the manifest: 16 hexadecimal digits.
    pub(super) manifest: String,
}

/// Returns the points of a matrix.
pub(super) fn points(matrix: &DeclaredMatrix, sources: &Sources) -> Result<Vec<Point>, Mistake> {
    let groups = groups(matrix, sources)?;
    let mut axes: Vec<&str> = groups
        .iter()
        .flat_map(|group| group.iter().map(|axis| axis.name.value.as_str()))
        .collect();
    if axes.is_empty() {
        let Some(first) = matrix.include.first() else {
            return Err(sources.mistake(&matrix.at, "the matrix has no axis"));
        };
        axes = first.value.keys().map(String::as_str).collect();
    }
    bound(&groups, matrix, sources)?;
    for point in &matrix.exclude {
        known_axes(point, &axes, sources)?;
    }
    let excluded = |values: &[Value]| {
        matrix.exclude.iter().any(|point| {
            let agrees = |(axis, value): (&&str, &Value)| {
                point
                    .value
                    .get(*axis)
                    .is_none_or(|excluded| excluded == value)
            };
            axes.iter().zip(values).all(agrees)
        })
    };
    let mut chosen = product(&groups);
    chosen.retain(|values| !excluded(values));
    for point in &matrix.include {
        chosen.push(included(point, &axes, sources)?);
    }
    if chosen.is_empty() {
        return Err(sources.mistake(&matrix.at, "the matrix leaves no point"));
    }
    let points = named(&axes, chosen);
    let mut seen = HashSet::new();
    match points.iter().find(|point| !seen.insert(&point.manifest)) {
        None => Ok(points),
        Some(twice) => {
            let message = format!("the matrix has the point `{}` twice", twice.spelled());
            Err(sources.mistake(&matrix.at, message))
        }
    }
}

impl Point {
    /// Writes the values for a message.
    fn spelled(&self) -> String {
        let shown = self
            .values
            .iter()
            .map(|(axis, value)| format!("{axis} = {}", JsonText(value)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// Axes that advance together, one group after the other: each single axis, then each `zip`.
fn groups<'m>(
    matrix: &'m DeclaredMatrix,
    sources: &Sources,
) -> Result<Vec<Vec<&'m Axis>>, Mistake> {
    let single = matrix.axes.iter().map(|axis| vec![axis]);
    let zipped = matrix.zip.iter().map(|group| group.iter().collect());
    let groups: Vec<Vec<&Axis>> = single
        .chain(zipped)
        .filter(|it: &Vec<_>| !it.is_empty())
        .collect();
    let mut seen = HashSet::new();
    for axis in groups.iter().flatten() {
        let name = &axis.name;
        if !seen.insert(name.value.as_str()) {
            let message = format!("the axis `{}` is given twice", name.value);
            return Err(sources.mistake(&name.at, message));
        }
        if axis.values.is_empty() {
            let message = format!("the axis `{}` has no values", name.value);
            return Err(sources.mistake(&name.at, message));
        }
    }
    for group in &groups {
        let first = group[0];
        if let Some(other) = group
            .iter()
            .find(|axis| axis.values.len() != first.values.len())
        {
            let message = format!(
                "zipped axes have values in pairs: `{}` has {}, `{}` has {}",
                first.name.value,
                first.values.len(),
                other.name.value,
                other.values.len()
            );
            return Err(sources.mistake(&other.name.at, message));
        }
    }
    Ok(groups)
}

/// Counts before anything is multiplied.
fn bound(groups: &[Vec<&Axis>], matrix: &DeclaredMatrix, sources: &Sources) -> Result<(), Mistake> {
    let mut sizes = groups.iter().map(|group| group[0].values.len());
    let product = sizes.try_fold(1_usize, usize::checked_mul);
    let count = product.and_then(|product| product.checked_add(matrix.include.len()));
    if count.is_some_and(|count| count <= MOST_STEPS) {
        return Ok(());
    }
    let message = format!("the matrix has more than {MOST_STEPS} points");
    Err(sources.mistake(&matrix.at, message))
}

/// Multiplies the groups; the last turns fastest. No groups give no points.
fn product(groups: &[Vec<&Axis>]) -> Vec<Vec<Value>> {
    if groups.is_empty() {
        return Vec::new();
    }
    let mut points = vec![Vec::new()];
    for group in groups {
        let rows = 0..group[0].values.len();
        let longer = |point: &Vec<Value>| -> Vec<Vec<Value>> {
            let row = |row: usize| {
                let values = group.iter().map(|axis| axis.values[row].clone());
                point.iter().cloned().chain(values).collect()
            };
            rows.clone().map(row).collect()
        };
        points = points.iter().flat_map(longer).collect();
    }
    points
}

type Given = Located<BTreeMap<String, Value>>;

fn known_axes(point: &Given, axes: &[&str], sources: &Sources) -> Result<(), Mistake> {
    let unknown = point
        .value
        .keys()
        .find(|name| !axes.contains(&name.as_str()));
    let Some(name) = unknown else { return Ok(()) };
    let message = format!("the matrix has no axis `{name}`");
    let mut mistake = sources.mistake(&point.at, message);
    mistake.suggestion = closest(name, axes.iter().copied()).map(str::to_owned);
    Err(mistake)
}

fn included(point: &Given, axes: &[&str], sources: &Sources) -> Result<Vec<Value>, Mistake> {
    known_axes(point, axes, sources)?;
    let value = |axis: &&str| {
        point.value.get(*axis).cloned().ok_or_else(|| {
            let message = format!("this point has no value for the axis `{axis}`");
            sources.mistake(&point.at, message)
        })
    };
    axes.iter().map(value).collect()
}

/// Gives each point its name. Where values do not make one, or two points would share it, the
/// digits of the manifest stand in.
fn named(axes: &[&str], chosen: Vec<Vec<Value>>) -> Vec<Point> {
    let readable: Vec<Option<String>> = chosen.iter().map(|values| readable(values)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in readable.iter().flatten() {
        *counts.entry(name).or_default() += 1;
    }
    let named = chosen.into_iter().zip(&readable).map(|(values, readable)| {
        let axes = axes.iter().map(|axis| (*axis).to_owned());
        let values: Vec<(String, Value)> = axes.zip(values).collect();
        let map = Value::Map(values.iter().cloned().collect());
        let mut manifest = Digest::of(&map.encode()).hex();
        manifest.truncate(16);
        let alone = readable.as_ref().filter(|name| counts[name.as_str()] == 1);
        Point {
            name: alone.unwrap_or(&manifest).clone(),
            values,
            manifest,
        }
    });
    named.collect()
}

/// Joins values that can stand in a name.
fn readable(values: &[Value]) -> Option<String> {
    let words: Option<Vec<String>> = values.iter().map(word).collect();
    words.map(|words| words.join(","))
}

fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => text.clone(),
        other => JsonText(other).to_string(),
    };
    let odd = |letter: char| letter.is_control() || "/@*?[]{},".contains(letter);
    let fits = !text.is_empty() && text.chars().count() <= LONGEST_VALUE && !text.contains(odd);
    fits.then_some(text)
}
