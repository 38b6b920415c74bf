//! `resources`, of a step and of the pipeline.

use std::collections::BTreeMap;

use super::super::Resources;
use super::field::{MANY, RESOURCE_FIELDS, Shape};
use super::fields::Fields;
use super::item::{Item, Key, is_name};
use super::slip;
use crate::mistake::{Mistake, closest};

/// Reads what a step occupies.
pub(super) fn step(fields: &Fields<'_>) -> Result<Resources, Mistake> {
    let Some(item) = fields.get("resources") else {
        return Ok(Resources::default());
    };
    let entries = item.table(&Shape::Resources.expected())?;
    let is_known =
        |(key, _): &(Key<'_>, Item<'_>)| RESOURCE_FIELDS.iter().any(|field| field.name == key.name);
    let (known, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_known);
    let known = Fields::known(RESOURCE_FIELDS, known);
    Ok(Resources {
        cpus: known.whole("cpus")?.unwrap_or(1),
        memory: known.get("memory").map(Item::size).transpose()?,
        time: known.duration("time")?,
        others: counts(&others)?,
    })
}

/// Reads how much there is of what steps count.
pub(super) fn limits(item: &Item<'_>) -> Result<BTreeMap<String, u64>, Mistake> {
    let entries = item.table(&Shape::Limits.expected())?;
    for (key, value) in &entries {
        if RESOURCE_FIELDS.iter().any(|field| field.name == key.name) {
            let message = format!("`{}` is not limited here", key.name);
            let mut mistake = value.page.mistake(key.span.clone(), message);
            let hint = "`ibid run -j N` says how many processors are used";
            mistake.hint = Some(hint.to_owned());
            return Err(mistake);
        }
    }
    counts(&entries)
}

/// Reads what is only counted; a name that is nearly that of something else is a slip.
fn counts(entries: &[(Key<'_>, Item<'_>)]) -> Result<BTreeMap<String, u64>, Mistake> {
    let names: Vec<_> = RESOURCE_FIELDS.iter().map(|field| field.name).collect();
    let mut counts = BTreeMap::new();
    for (key, item) in entries {
        // `gpus` and `tpus` are one letter from `cpus` and mean what they say.
        let nearly = closest(key.name, names.iter().copied())
            .filter(|name| name.as_bytes().first() == key.name.as_bytes().first());
        let meant = slip::meant(key.name, &names).or(nearly);
        if !is_name(key.name) || meant.is_some() {
            let message = format!("unknown resource `{}`", key.name);
            let mut mistake = item.page.mistake(key.span.clone(), message);
            mistake.suggestion = meant.map(str::to_owned);
            return Err(mistake);
        }
        counts.insert(key.name.to_owned(), item.whole(0, MANY)?);
    }
    Ok(counts)
}
