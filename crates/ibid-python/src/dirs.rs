//! `ibid.dirs` in Rust: where folders lie, and why there.
//!
//! Owns how a folder crosses the border: as its path, which may be any bytes, and a text that says
//! where it came from. Everything else is `ibid::door`'s.

use std::path::PathBuf;

use ibid::door::{Choice, Folders};
use pyo3::prelude::*;

use crate::OrRaise;
use crate::calls::{PlaceCall, ProgramCall};
use crate::hearing::attend;

/// A folder, and where it came from.
type Folder = (PathBuf, String);

/// Returns the folder of the cache and that of temporary files.
#[pyfunction]
pub(crate) fn dirs(place: PlaceCall, listener: &Bound<'_, PyAny>) -> PyResult<(Folder, Folder)> {
    let found = attend(place.into(), listener, |door, _| door.folders())?;
    found.map(told).or_raise(listener.py())
}

/// The same for another program.
#[pyfunction]
pub(crate) fn dirs_of(
    place: PlaceCall,
    program: ProgramCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(Folder, Folder)> {
    let program = program.into();
    let found = attend(place.into(), listener, move |door, _| {
        door.folders_of(program)
    })?;
    found.map(told).or_raise(listener.py())
}

/// Makes the folder for temporary files, and returns it.
#[pyfunction]
pub(crate) fn make_tmp_dir(place: PlaceCall, listener: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    attend(place.into(), listener, |door, _| door.make_tmp())?.or_raise(listener.py())
}

fn told(Folders { cache, tmp }: Folders) -> (Folder, Folder) {
    let folder = |Choice { path, origin }: Choice| (path, origin.to_string());
    (folder(cache), folder(tmp))
}
