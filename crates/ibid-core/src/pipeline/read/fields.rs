//! `Fields`: the entries of a table of which the names are known, and typed readers for them.
//!
//! Every name was checked against the table of fields when this was made.

use std::time::Duration;

use toml::de::DeTable;

use super::super::declared::Located;
use super::field::{Field, Shape};
use super::item::{Item, Key, Page};
use super::slip;
use crate::mistake::Mistake;

/// The entries of a table with known fields.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    known: &'static [Field],
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, Debug)]
struct Entry<'a> {
    name: &'a str,
    item: Item<'a>,
    origin: Origin,
}

/// Who set a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The table itself.
    Own,
    /// The defaults of its file.
    Default,
}

impl<'a> Fields<'a> {
    /// Takes a table; `owner` is what messages call it, such as "step `fit`".
    pub(super) fn new(
        page: Page<'a>,
        table: &'a DeTable<'a>,
        known: &'static [Field],
        owner: &str,
    ) -> Result<Self, Mistake> {
        let entries = page.entries(table);
        for (key, item) in &entries {
            if known.iter().all(|field| field.name != key.name) {
                return Err(slip::unknown(key, item, known, owner));
            }
        }
        Ok(Self::known(known, entries))
    }

    /// Takes entries that were checked already.
    pub(super) fn known(known: &'static [Field], entries: Vec<(Key<'a>, Item<'a>)>) -> Self {
        let entry = |(key, item): (Key<'a>, Item<'a>)| Entry {
            name: key.name,
            item,
            origin: Origin::Own,
        };
        let entries = entries.into_iter().map(entry).collect();
        Self { known, entries }
    }

    /// Fills in what only `defaults` set; a field of this table replaces the default's whole.
    pub(super) fn over(mut self, defaults: &Self) -> Self {
        for default in &defaults.entries {
            if self.entries.iter().all(|own| own.name != default.name) {
                self.entries.push(Entry {
                    origin: Origin::Default,
                    ..default.clone()
                });
            }
        }
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&Item<'a>> {
        self.find(name).map(|(item, _)| item)
    }

    /// Returns a field and who set it.
    pub(super) fn find(&self, name: &str) -> Option<(&Item<'a>, Origin)> {
        debug_assert!(self.known.iter().any(|field| field.name == name), "{name}");
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some((&entry.item, entry.origin))
    }

    /// Returns the first field that may not stand in `[defaults]`.
    pub(super) fn beyond_defaults(&self) -> Option<&Item<'a>> {
        let misplaced = |entry: &&Entry<'a>| {
            let field = self.known.iter().find(|field| field.name == entry.name);
            field.is_some_and(|field| !field.in_defaults())
        };
        self.entries.iter().find(misplaced).map(|entry| &entry.item)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Mistake> {
        self.get(name).map_or(Ok(false), Item::flag)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<Located<String>>, Mistake> {
        self.get(name).map(Item::text).transpose()
    }

    pub(super) fn some_text(&self, name: &str) -> Result<Option<Located<String>>, Mistake> {
        self.get(name).map(Item::some_text).transpose()
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<Located<String>>, Mistake> {
        let expected = Shape::Texts.expected();
        self.get(name)
            .map_or_else(|| Ok(Vec::new()), |item| item.texts(&expected))
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Mistake> {
        self.get(name).map(Item::duration).transpose()
    }

    /// Reads a whole number within the limits that the table of fields gives.
    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, Mistake> {
        let field = self.known.iter().find(|field| field.name == name);
        let (least, most) = match field.map(|field| field.shape) {
            Some(Shape::Whole(least, most)) => (least, most),
            _ => (0, u64::MAX),
        };
        self.get(name)
            .map(|item| item.whole(least, most))
            .transpose()
    }

    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Mistake> {
        self.get(name).map(|item| item.word(words)).transpose()
    }
}
