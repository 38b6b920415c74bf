//! `ibid.stages` in Rust: keys and records of runs that Python makes itself.
//!
//! Owns the object that stands for a stage as it was before its run; what is in it is
//! `ibid::door`'s.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use ibid::door::{PreparedStage, Stage};
use pyo3::prelude::*;

use crate::OrRaise;
use crate::calls::PlaceCall;
use crate::hearing::attend;

/// A stage, as Python hands it in.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct StageCall {
    root: PathBuf,
    record: String,
    label: String,
    module: String,
    code: BTreeMap<String, Vec<u8>>,
    files: Vec<PathBuf>,
    inputs: Vec<OsString>,
    outputs: Vec<OsString>,
    params: Vec<OsString>,
    env: Vec<OsString>,
    versions: BTreeMap<String, String>,
    ttl: Option<String>,
}

impl From<StageCall> for Stage {
    fn from(call: StageCall) -> Self {
        Self {
            root: call.root,
            record: call.record,
            label: call.label,
            module: call.module,
            code: call.code,
            files: call.files,
            inputs: call.inputs,
            outputs: call.outputs,
            params: call.params,
            env: call.env,
            versions: call.versions,
            ttl: call.ttl,
        }
    }
}

/// A stage with its key, as everything was when that was made.
#[pyclass(frozen, name = "PreparedStage", module = "ibid._ibid")]
#[derive(Debug)]
pub(crate) struct PyPreparedStage(PreparedStage);

#[pymethods]
impl PyPreparedStage {
    /// Returns key and components, as JSON.
    fn json(&self) -> String {
        self.0.json().to_string()
    }
}

/// Makes the key of a stage.
#[pyfunction]
pub(crate) fn prepare_stage(
    place: PlaceCall,
    stage: StageCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<PyPreparedStage> {
    let stage = stage.into();
    let prepared = attend(place.into(), listener, move |door, _| {
        door.prepare_stage(stage)
    })?;
    prepared.map(PyPreparedStage).or_raise(listener.py())
}

/// Says whether a run of a stage is on record, as JSON.
#[pyfunction]
pub(crate) fn stage_on_record(
    place: PlaceCall,
    stage: StageCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let stage = stage.into();
    let answer = attend(place.into(), listener, move |door, _| {
        door.stage_on_record(stage)
    })?;
    answer.map(|json| json.to_string()).or_raise(listener.py())
}

/// Records a run of a stage that is over, and says how that went, as JSON.
#[pyfunction]
pub(crate) fn record_stage(
    place: PlaceCall,
    prepared: &Bound<'_, PyPreparedStage>,
    witnessed: bool,
    listener: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let prepared = &prepared.get().0;
    let answer = attend(place.into(), listener, |door, _| {
        door.record_stage(prepared, witnessed)
    })?;
    answer.map(|json| json.to_string()).or_raise(listener.py())
}

/// Brings the stored outputs of a stage back, and says how that went, as JSON.
#[pyfunction]
pub(crate) fn restore_stage(
    place: PlaceCall,
    stage: StageCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let stage = stage.into();
    let answer = attend(place.into(), listener, move |door, _| {
        door.restore_stage(stage)
    })?;
    answer.map(|json| json.to_string()).or_raise(listener.py())
}

/// Removes the record of a stage, and says whether there was one; `key` is the one that it has.
#[pyfunction]
pub(crate) fn invalidate_stage(
    place: PlaceCall,
    root: PathBuf,
    record: String,
    key: Option<&str>,
    listener: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let key = key.and_then(|key| key.parse().ok());
    attend(place.into(), listener, move |door, _| {
        door.invalidate_stage(&root, &record, key)
    })?
    .or_raise(listener.py())
}
