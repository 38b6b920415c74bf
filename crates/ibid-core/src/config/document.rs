//! `Document`: the text of one settings file, and what it may say.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::setting::{Config, Spec};
use crate::dirs::{Layer, Origin};
use crate::mistake::{Excerpt, Mistake, not_toml};

/// A settings file that was read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    layer: Layer,
    path: PathBuf,
    text: String,
}

impl Document {
    /// Takes the bytes of a file; they must be UTF-8.
    pub(super) fn new(layer: Layer, path: &Path, bytes: Vec<u8>) -> Result<Self, Mistake> {
        let path = path.to_owned();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { layer, path, text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let message = "the file is not UTF-8 text".to_owned();
                Err(Mistake::new(&path, &text, &(valid..valid), message))
            }
        }
    }

    pub(super) fn layer(&self) -> Layer {
        self.layer
    }

    pub(super) fn may_set(&self, spec: &Spec) -> bool {
        spec.by_project || self.layer != Layer::Project
    }

    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File {
            layer: self.layer,
            path: self.path.clone(),
            line: Excerpt::of(&self.text, span).line,
        }
    }

    pub(super) fn mistake(&self, span: &Range<usize>, message: String) -> Mistake {
        Mistake::new(&self.path, &self.text, span, message)
    }

    /// Applies the file to `config`: the table `[config]` of a project's file, which holds other
    /// things besides; any other file whole.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), Mistake> {
        let root =
            DeTable::parse(&self.text).map_err(|error| not_toml(&self.path, &self.text, &error))?;
        if self.layer != Layer::Project {
            return config.apply_table(root.get_ref(), self);
        }
        let Some(value) = root.get_ref().get("config") else {
            return Ok(());
        };
        match value.get_ref().as_table() {
            Some(table) => config.apply_table(table, self),
            None => Err(self.mistake(&value.span(), "`config` must be a table".to_owned())),
        }
    }
}
