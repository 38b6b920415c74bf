//! The extension module `ibid._ibid`: conversions between Python and the front door of ibid.
//!
//! Owns the GIL: it is released around everything that a request does, and held while Python is
//! told of it. Knows nothing of keys, stores or steps, which are `ibid::door`'s, and nothing of how
//! things look in Python, which is the package's around it. What has structure crosses as JSON, the
//! same that the command line prints.

mod calls;
mod dirs;
mod forked;
mod hearing;
mod stage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ibid::door::{Answer, Call, Called, Failure, Place, View};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::calls::{
    FunctionCall, PlaceCall, RunStepsCall, SelectCall, StepCall, ToolCall, environ,
};
use crate::hearing::{Commands, attend, recall, recall_tool};

/// Runs a command, or cites its earlier result. Returns how it went, as JSON.
#[pyfunction]
fn execute(place: PlaceCall, step: StepCall, listener: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = listener.py();
    let (step, run, stdin) = step.split();
    let outcome = attend(place.into(), listener, move |door, _| {
        door.exec(step, run, &stdin)
    })?;
    outcome.map(|json| json.to_string()).or_raise(py)
}

/// Returns the key of a command and what it is made of, as JSON and as text.
#[pyfunction]
fn key(
    place: PlaceCall,
    step: StepCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(String, String)> {
    let (step, run, stdin) = step.split();
    let answer = attend(place.into(), listener, move |door, _| {
        door.key(step, run, &stdin)
    })?;
    told(answer, listener.py())
}

/// Returns the names of a project's steps.
#[pyfunction]
fn step_names(place: PlaceCall, listener: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    attend(place.into(), listener, |door, _| door.steps())?.or_raise(listener.py())
}

/// Returns what a run of steps would do, as JSON and as text.
#[pyfunction]
fn plan(
    place: PlaceCall,
    select: SelectCall,
    force: bool,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(String, String)> {
    let select = select.into();
    let answer = attend(place.into(), listener, move |door, _| {
        door.plan(&select, force)
    })?;
    told(answer, listener.py())
}

/// Runs steps, and returns the exit code of the run.
#[pyfunction]
fn run_steps(
    place: PlaceCall,
    select: SelectCall,
    call: RunStepsCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<u8> {
    let select = select.into();
    let (execution, call) = call.split();
    if forked::is_forked() {
        // Each step has a thread of its own there, and each would look for the threads of the pool.
        return Err(PyRuntimeError::new_err(
            "steps cannot be run in a process that was forked after `ibid` had been used: start it \
             by `spawn` or `forkserver`, as `multiprocessing.set_start_method` does",
        ));
    }
    attend(place.into(), listener, move |door, _| {
        door.run(select, execution, call)
    })?
    .or_raise(listener.py())
}

/// Returns why a step ran, as JSON and as text.
#[pyfunction]
#[pyo3(signature = (place, of, listener))]
fn why(
    place: PlaceCall,
    of: Option<String>,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(String, String)> {
    let answer = attend(place.into(), listener, move |door, _| {
        door.why(of.as_deref())
    })?;
    told(answer, listener.py())
}

/// The copy that a result stands in, which nobody takes away before it is released.
#[pyclass(frozen, module = "ibid._ibid")]
struct HeldView(Mutex<Option<View>>);

#[pymethods]
impl HeldView {
    /// Lets others take it away.
    fn release(&self, py: Python<'_>) {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What nobody else is to see is deleted.
        py.detach(move || drop(view));
    }
}

/// Calls a function by `listener.call`, or brings its earlier result back. Returns whether it did
/// what it was to do, where the result stands, and what keeps it there.
#[pyfunction]
fn call(
    place: PlaceCall,
    function: FunctionCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(bool, OsString, HeldView)> {
    let (place, function) = (Place::from(place), Call::from(function));
    let called = match recall(place.clone(), &function, listener)? {
        Some(called) => called,
        None => attend(place, listener, move |door, queue| {
            door.call(&function, queue)
        })?
        .or_raise(listener.py())?,
    };
    let Called {
        succeeded,
        path,
        view,
    } = called;
    let view = HeldView(Mutex::new(Some(view)));
    Ok((succeeded, path.into_os_string(), view))
}

/// Returns the key of a function's call, and where its result stands or would stand.
#[pyfunction]
fn place_of_call(
    place: PlaceCall,
    function: FunctionCall,
    listener: &Bound<'_, PyAny>,
) -> PyResult<(String, PathBuf)> {
    let function = function.into();
    attend(place.into(), listener, move |door, _| {
        door.place_of_call(function)
    })?
    .or_raise(listener.py())
}

/// Has a command run by `listener.execute`, or makes its view lead to its earlier result.
#[pyfunction]
fn run_tool(place: PlaceCall, tool: ToolCall, listener: &Bound<'_, PyAny>) -> PyResult<()> {
    let own = environ();
    let place = place.among(own.clone());
    let (tool, view) = tool.among(own);
    if recall_tool(&place, (&tool, &view), listener)? {
        return Ok(());
    }
    let done = attend(place, listener, move |door, queue| {
        door.run_tool(&tool, &view, &Commands(queue))
    })?;
    done.or_raise(listener.py())
}

/// Makes a folder for views. Returns it, and what keeps it there.
#[pyfunction]
fn make_views(place: PlaceCall, listener: &Bound<'_, PyAny>) -> PyResult<(PathBuf, HeldView)> {
    let made = attend(place.into(), listener, |door, _| door.make_views())?;
    let view = made.or_raise(listener.py())?;
    Ok((view.root().to_owned(), HeldView(Mutex::new(Some(view)))))
}

/// Returns the digest of a file's bytes, or of everything below a folder.
#[pyfunction]
fn digest(place: PlaceCall, path: PathBuf, listener: &Bound<'_, PyAny>) -> PyResult<String> {
    attend(place.into(), listener, move |door, _| door.digest(&path))?.or_raise(listener.py())
}

fn told(answer: Result<Answer, Failure>, py: Python<'_>) -> PyResult<(String, String)> {
    let Answer { json, text } = answer.or_raise(py)?;
    Ok((json.to_string(), text))
}

/// Turns failures into the exceptions of the package.
trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Failure> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|failure| {
            let made = py.import("ibid._errors").and_then(|module| {
                module.call_method1("from_failure", (failure.json().to_string(), failure.text()))
            });
            made.map_or_else(|error| error, PyErr::from_value)
        })
    }
}

/// The extension module.
#[pymodule]
fn _ibid(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<HeldView>()?;
    module.add_function(wrap_pyfunction!(execute, module)?)?;
    module.add_function(wrap_pyfunction!(key, module)?)?;
    module.add_function(wrap_pyfunction!(step_names, module)?)?;
    module.add_function(wrap_pyfunction!(plan, module)?)?;
    module.add_function(wrap_pyfunction!(run_steps, module)?)?;
    module.add_function(wrap_pyfunction!(why, module)?)?;
    module.add_function(wrap_pyfunction!(call, module)?)?;
    module.add_function(wrap_pyfunction!(place_of_call, module)?)?;
    module.add_function(wrap_pyfunction!(run_tool, module)?)?;
    module.add_function(wrap_pyfunction!(make_views, module)?)?;
    module.add_function(wrap_pyfunction!(digest, module)?)?;
    module.add_function(wrap_pyfunction!(dirs::dirs, module)?)?;
    module.add_function(wrap_pyfunction!(dirs::dirs_of, module)?)?;
    module.add_function(wrap_pyfunction!(dirs::make_tmp_dir, module)?)?;
    module.add_class::<stage::PyPreparedStage>()?;
    module.add_function(wrap_pyfunction!(stage::prepare_stage, module)?)?;
    module.add_function(wrap_pyfunction!(stage::stage_on_record, module)?)?;
    module.add_function(wrap_pyfunction!(stage::record_stage, module)?)?;
    module.add_function(wrap_pyfunction!(stage::restore_stage, module)?)?;
    module.add_function(wrap_pyfunction!(stage::invalidate_stage, module)?)?;
    Ok(())
}
