//! Files that a file of steps names: params and the values of axes.
//!
//! A file that cannot be read is a mistake at the place that names it; what is wrong inside is one
//! at its place in that file.

use std::path::PathBuf;

use super::super::declared::Located;
use super::item::Page;
use crate::action::DocumentFormat;
use crate::action::document::Position;
use crate::digest::encoding::Value;
use crate::fs::{PathError, read_small};
use crate::mistake::Mistake;

/// A larger one is a mistake, or somebody's attempt to fill the memory.
const LIMIT: u64 = 16 << 20;

/// A file that was read, for messages.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl NamedFile {
    /// Reads the file that the text at `name` names, seen from the root.
    pub(super) fn read(page: Page<'_>, name: &Located<String>) -> Result<Self, Mistake> {
        let path = page.root.join(&name.value);
        page.sources.note(&path);
        match read_small(&path, LIMIT) {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(error) => Err(unreadable(page, name, &error)),
        }
    }

    /// Returns the file as text.
    pub(super) fn text(&self) -> Result<&str, Mistake> {
        let text = std::str::from_utf8(&self.bytes);
        text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
            .map_err(|error| self.mistake(error.valid_up_to(), "the file is not UTF-8 text"))
    }

    /// Tells what is wrong at a byte of the file.
    pub(super) fn mistake(&self, offset: usize, message: impl Into<String>) -> Mistake {
        let text = String::from_utf8_lossy(&self.bytes);
        Mistake::new(&self.path, &text, &(offset..offset), message.into())
    }

    fn mistake_at(&self, at: Option<Position>, message: String) -> Mistake {
        let text = String::from_utf8_lossy(&self.bytes);
        let offset = at.map_or(0, |at| {
            let lines = text.split_inclusive('\n');
            let start: usize = lines.take(at.line - 1).map(str::len).sum();
            let letters = text[start..].chars().take(at.column - 1);
            start + letters.map(char::len_utf8).sum::<usize>()
        });
        Mistake::new(&self.path, &text, &(offset..offset), message)
    }
}

/// Reads the data of a file.
pub(super) fn document(
    page: Page<'_>,
    name: &Located<String>,
    format: DocumentFormat,
) -> Result<(NamedFile, Value), Mistake> {
    let file = NamedFile::read(page, name)?;
    match format.parse(&file.bytes) {
        Ok(value) => Ok((file, value)),
        Err(error) => Err(file.mistake_at(error.position, error.problem.to_string())),
    }
}

/// Tells of a file that cannot be read, at the place that names it.
pub(super) fn unreadable(page: Page<'_>, name: &Located<String>, error: &PathError) -> Mistake {
    let PathError {
        operation, source, ..
    } = error;
    let message = if error.is_surely_absent() {
        format!("there is no file `{}`", name.value)
    } else {
        format!("cannot {operation} `{}`: {source}", name.value)
    };
    let mut mistake = page.mistake(name.at.span.clone(), message);
    if error.is_surely_absent() {
        let root = crate::tree::Escaped::path(page.root);
        mistake.hint = Some(format!("paths start at the root, `{root}`"));
    }
    mistake
}
