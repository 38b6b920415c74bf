//! Params: those of files, merged; those of steps; tables of data.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::declared::Located;
use super::field::Shape;
use super::fields::Fields;
use super::item::{Item, Page};
use super::named_file;
use crate::action::DocumentFormat;
use crate::digest::encoding::Value;
use crate::mistake::Mistake;

/// Values by name.
pub(super) type Params = BTreeMap<String, Value>;

/// Lays `over` over `params`: tables are merged, everything else is replaced.
pub(super) fn merge(params: &mut Params, over: Params) {
    for (name, value) in over {
        match (params.get_mut(&name), value) {
            (Some(Value::Map(below)), Value::Map(above)) => merge(below, above),
            (_, value) => {
                params.insert(name, value);
            }
        }
    }
}

/// Reads a file of params.
pub(super) fn file(page: Page<'_>, name: &Located<String>) -> Result<Params, Mistake> {
    let extension = Path::new(&name.value).extension().unwrap_or_default();
    let Some(format) = DocumentFormat::from_extension(extension) else {
        let message = format!("`{}` is not known to hold data", name.value);
        let mut mistake = page.mistake(name.at.span.clone(), message);
        mistake.hint = Some("its name must end in .toml, .yaml, .yml or .json".to_owned());
        return Err(mistake);
    };
    let (file, value) = named_file::document(page, name, format)?;
    match value {
        Value::Map(params) => Ok(params),
        // An empty YAML file.
        Value::Null => Ok(Params::new()),
        _ => Err(file.mistake(0, "a file of params must hold a table")),
    }
}

/// Reads a table of any values.
pub(super) fn table(item: &Item<'_>, expected: &str) -> Result<Params, Mistake> {
    let entry =
        |(key, value): (super::item::Key<'_>, Item<'_>)| Ok((key.name.to_owned(), value.value()?));
    item.table(expected)?.into_iter().map(entry).collect()
}

/// Reads `params` of a step: own values, or names of the pipeline's.
pub(super) fn of_step(fields: &Fields<'_>) -> Result<(Params, Vec<Located<String>>), Mistake> {
    let Some(item) = fields.get("params") else {
        return Ok((Params::new(), Vec::new()));
    };
    let expected = Shape::Params.expected();
    match item.list() {
        Some(_) => Ok((Params::new(), item.texts(&expected)?)),
        None => Ok((table(item, &expected)?, Vec::new())),
    }
}

/// Reads `versions`.
pub(super) fn versions(fields: &Fields<'_>) -> Result<BTreeMap<String, Located<String>>, Mistake> {
    let Some(item) = fields.get("versions") else {
        return Ok(BTreeMap::new());
    };
    let entries = item.table(&Shape::Versions.expected())?.into_iter();
    entries
        .map(|(key, value)| Ok((key.name.to_owned(), value.text()?)))
        .collect()
}
