//! The process environment as a front door saw it when it started.
//!
//! Owns nothing but the copy, and where a front door wants to know, which names were asked for. It
//! must not read the environment itself: only a front door may, and it passes this snapshot
//! inwards, so that a library call cannot depend on hidden state.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, PoisonError};

/// Names and values of a process environment at one moment. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct EnvSnapshot {
    values: Arc<BTreeMap<OsString, OsString>>,
    asked: Option<Arc<Mutex<Asked>>>,
}

/// Which variables were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By name, set or not.
    pub names: BTreeSet<OsString>,
    /// Whether all of them were, whatever their names are.
    pub all: bool,
}

impl PartialEq for EnvSnapshot {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values) || self.values == other.values
    }
}

impl Eq for EnvSnapshot {}

impl EnvSnapshot {
    /// Writes down from here on what it is asked for; clones share the account.
    #[must_use]
    pub fn watched(self) -> Self {
        Self {
            asked: Some(Arc::default()),
            ..self
        }
    }

    /// Returns what was asked for, if that was written down.
    pub fn asked(&self) -> Option<Asked> {
        let asked = self.asked.as_ref()?;
        Some(asked.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Returns the value of `name`; a variable that is set and empty is `Some("")`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        self.note(|asked| {
            if !asked.names.contains(name) {
                asked.names.insert(name.to_owned());
            }
        });
        self.values.get(name).map(OsString::as_os_str)
    }

    /// Returns the value of `name` unless it is unset or empty, which means "unset" for most
    /// settings.
    pub fn non_empty(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Iterates over all variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.note(|asked| asked.all = true);
        self.values
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    fn note(&self, change: impl FnOnce(&mut Asked)) {
        if let Some(asked) = &self.asked {
            // Every change is whole, so a panic elsewhere does not spoil it.
            change(&mut asked.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for EnvSnapshot {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            values: Arc::new(values),
            asked: None,
        }
    }
}
