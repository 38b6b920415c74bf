//! The difference of two key records: why two keys are not one.

use std::collections::BTreeMap;

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
    let index = |record: &KeyRecord| -> BTreeMap<_, _> {
        let components = record.components().iter();
        components
            .map(|c| ((c.kind, c.name.clone()), c.value.clone()))
            .collect()
    };
    let (mut old, new) = (index(old), index(new));
    let mut changes = Vec::new();
    for ((kind, name), value) in new {
        let before = old.remove(&(kind, name.clone()));
        if before.as_ref() != Some(&value) {
            changes.push(Change {
                kind,
                name,
                old: before,
                new: Some(value),
            });
        }
    }
    let gone = old.into_iter().map(|((kind, name), value)| Change {
        kind,
        name,
        old: Some(value),
        new: None,
    });
    changes.extend(gone);
    changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    changes
}
