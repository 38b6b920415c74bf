//! The difference of two key records: why two keys are not one.

use std::collections::{BTreeMap, BTreeSet};

use super::component::{ComponentKind, ComponentName, title};
use super::{KeyRecord, Trigger};
use crate::digest::encoding::Value;

/// One component that two records do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: ComponentKind,
    /// Its name.
    pub name: ComponentName,
    /// Its earlier value, or `None` where it was not there.
    pub old: Option<Value>,
    /// Its later value, or `None` where it is gone.
    pub new: Option<Value>,
}

impl Change {
    /// Returns the component's name as messages show it.
    pub fn title(&self) -> String {
        title(self.kind, &self.name)
    }

    /// Returns the rerun trigger that this change is.
    pub fn trigger(&self) -> Trigger {
        self.kind.trigger()
    }
}

/// Returns what differs, sorted by kind and name. Empty if and only if the keys are equal.
pub fn diff(old: &KeyRecord, new: &KeyRecord) -> Vec<Change> {
    let (old, new) = (index(old), index(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let changed = names
        .into_iter()
        .filter(|name| old.get(name) != new.get(name));
    changed
        .map(|name| Change {
            kind: name.0,
            name: name.1.clone(),
            old: old.get(&name).copied().cloned(),
            new: new.get(&name).copied().cloned(),
        })
        .collect()
}

type Index<'a> = BTreeMap<(ComponentKind, &'a ComponentName), &'a Value>;

fn index(record: &KeyRecord) -> Index<'_> {
    let components = record.components().iter();
    components.map(|c| ((c.kind, &c.name), &c.value)).collect()
}
