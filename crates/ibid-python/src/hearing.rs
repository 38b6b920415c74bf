//! Attending to a request: it runs on a thread of its own, while the thread that asked waits,
//! tells Python what happens, and hears of Ctrl-C.
//!
//! The one that asked is the only one that holds the GIL: so what Python is told, it is told in the
//! thread, the context and the cell of the call, and an exception in there ends the request. What
//! is to be told waits in a short queue; a command that prints faster than Python takes it is slowed down
//! by its full pipe, as by any slow reader. Invariant: nothing of a request outlives its call.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ibid::door::{
    Call, Called, Caller, Door, Failure, Interrupt, Listener, Made, Meter, Place, Stream, Tool,
    Weight,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;

use crate::forked::{is_forked, own_pool};

/// How often signals are asked for, and progress is told, while nothing else happens.
const BEAT: Duration = Duration::from_millis(50);

/// How much waits to be told.
const QUEUE: usize = 64;

/// The signal of Ctrl-C.
const SIGINT: i32 = 2;

/// Something to be told.
enum Heard {
    Event(Value),
    Output(Stream, Vec<u8>),
    Told(Weight, String),
    /// A function is to be called, in this folder; whether it did its work is awaited.
    Call(PathBuf, SyncSender<bool>),
    /// A command is to be run, in this folder; what it prints and what came of it is awaited.
    Run(PathBuf, SyncSender<Heed>),
}

/// What is told of a command that Python runs.
enum Heed {
    Printed(Stream, Vec<u8>),
    Made(Made),
}

/// Queues what a request tells and asks.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Heard>,
    works: Arc<Works>,
    /// Whether anybody asks for events. Each that is told wakes the thread that asked, and has it
    /// take the GIL.
    wants_events: bool,
}

impl Queue {
    fn put(&self, heard: Heard) {
        // Nobody listens any more only where the thread that asked is unwinding.
        let _ = self.sender.send(heard);
    }
}

/// Work that is under way. It is looked at now and then, so that nobody is woken where it begins.
#[derive(Debug, Default)]
struct Works(Mutex<UnderWay>);

#[derive(Debug, Default)]
struct UnderWay {
    meters: Vec<(&'static str, Arc<Meter>)>,
    /// What goes on is to end, and so is what begins from now on.
    is_ending: bool,
}

impl UnderWay {
    fn forget_what_ended(&mut self) {
        // Whoever works on it holds it, too.
        self.meters
            .retain(|(_, meter)| Arc::strong_count(meter) > 1);
    }
}

impl Works {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        // What is in it is whole between two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, verb: &'static str, meter: &Arc<Meter>) {
        let mut works = self.lock();
        if works.is_ending {
            meter.stop();
        }
        works.forget_what_ended();
        works.meters.push((verb, Arc::clone(meter)));
    }

    fn end(&self) {
        let mut works = self.lock();
        works.is_ending = true;
        works.meters.iter().for_each(|(_, meter)| meter.stop());
    }

    /// Returns how far each has come.
    fn progress(&self) -> Vec<(&'static str, u64, u64)> {
        let mut works = self.lock();
        works.forget_what_ended();
        let told =
            |(verb, meter): &(&'static str, Arc<Meter>)| (*verb, meter.done(), meter.total());
        works.meters.iter().map(told).collect()
    }
}

impl Listener for Queue {
    fn event(&self, event: &Value) {
        self.put(Heard::Event(event.clone()));
    }

    fn wants_events(&self) -> bool {
        self.wants_events
    }

    fn output(&self, stream: Stream, bytes: &[u8]) {
        self.put(Heard::Output(stream, bytes.to_vec()));
    }

    fn told(&self, weight: Weight, lines: &str) {
        self.put(Heard::Told(weight, lines.to_owned()));
    }

    fn work(&self, verb: &'static str, meter: &Arc<Meter>) {
        self.works.begin(verb, meter);
    }
}

impl Caller for Queue {
    fn call(&self, root: &Path, _print: &mut dyn FnMut(Stream, &[u8])) -> Made {
        let (answer, answered) = sync_channel(1);
        self.put(Heard::Call(root.to_owned(), answer));
        match answered.recv() {
            Ok(true) => Made::Whole,
            Ok(false) | Err(_) => Made::Nothing,
        }
    }
}

/// Has commands run by Python instead of functions.
#[derive(Debug)]
pub(crate) struct Commands<'a>(pub(crate) &'a Queue);

impl Caller for Commands<'_> {
    fn call(&self, root: &Path, print: &mut dyn FnMut(Stream, &[u8])) -> Made {
        let (answer, answered) = sync_channel(QUEUE);
        self.0.put(Heard::Run(root.to_owned(), answer));
        for heed in answered {
            match heed {
                Heed::Printed(stream, bytes) => print(stream, &bytes),
                Heed::Made(made) => return made,
            }
        }
        Made::Nothing
    }
}

/// Takes what a command prints, from any thread of Python.
#[pyclass(frozen)]
struct Printer(Mutex<SyncSender<Heed>>);

#[pymethods]
impl Printer {
    fn __call__(&self, py: Python<'_>, is_stderr: bool, bytes: Vec<u8>) {
        let stream = if is_stderr {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        py.detach(|| {
            let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody listens any more once the command has ended.
            let _ = sender.send(Heed::Printed(stream, bytes));
        });
    }
}

/// Brings the earlier result of a function back in the thread that asks, where that takes no longer
/// than starting another. Work in parallel would look for threads that a fork did not copy.
pub(crate) fn recall(
    place: Place,
    function: &Call,
    listener: &Bound<'_, PyAny>,
) -> PyResult<Option<Called>> {
    if function.execution.force || is_forked() {
        return Ok(None);
    }
    let told = Arc::new(Told::default());
    let door = Door::new(place, Arc::<Told>::clone(&told));
    let called = listener.py().detach(|| door.recall(function));
    let lines = std::mem::take(&mut *told.0.lock().unwrap_or_else(PoisonError::into_inner));
    for (weight, lines) in lines {
        tell_lines(listener, weight, &lines)?;
    }
    Ok(called)
}

/// The same for a tool; says whether it was done. What it printed is handed on as it is read.
pub(crate) fn recall_tool(
    place: &Place,
    (tool, view): (&Tool, &Path),
    listener: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    if is_forked() || listener.getattr("wants_events")?.extract()? {
        return Ok(false);
    }
    let directly = Arc::new(Directly {
        listener: listener.clone().unbind(),
        raised: Mutex::default(),
    });
    let door = Door::new(place.clone(), Arc::<Directly>::clone(&directly));
    let recalled = listener.py().detach(|| door.recall_tool(tool, view));
    let raised = directly.raised().take();
    if let Some(error) = raised {
        return Err(error);
    }
    if recalled == Some(true) {
        // That it cannot be collected was told.
        let _ = attend(place.clone(), listener, |door, _| door.collect())?;
    }
    Ok(recalled.is_some())
}

fn tell_lines(listener: &Bound<'_, PyAny>, weight: Weight, lines: &str) -> PyResult<()> {
    let is_heavy = weight == Weight::Heavy;
    listener.call_method1("told", (is_heavy, lines)).map(drop)
}

fn tell_output(listener: &Bound<'_, PyAny>, stream: Stream, bytes: &[u8]) -> PyResult<()> {
    let is_stderr = stream == Stream::Stderr;
    let bytes = PyBytes::new(listener.py(), bytes);
    let told = listener.call_method1("output", (is_stderr, bytes));
    told.map(drop)
}

/// Tells at once, in the thread of the request; after an exception nothing more.
#[derive(Debug)]
struct Directly {
    listener: Py<PyAny>,
    raised: Mutex<Option<PyErr>>,
}

impl Directly {
    fn tell(&self, tell: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) {
        Python::attach(|py| {
            if self.raised().is_some() {
                return;
            }
            // Whoever is told may let others tell meanwhile.
            let told = tell(self.listener.bind(py)).and_then(|()| py.check_signals());
            if let Err(error) = told {
                self.raised().get_or_insert(error);
            }
        });
    }

    fn raised(&self) -> MutexGuard<'_, Option<PyErr>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Directly {
    fn event(&self, _: &Value) {}

    fn wants_events(&self) -> bool {
        false
    }

    fn output(&self, stream: Stream, bytes: &[u8]) {
        self.tell(|listener| tell_output(listener, stream, bytes));
    }

    fn told(&self, weight: Weight, lines: &str) {
        self.tell(|listener| tell_lines(listener, weight, lines));
    }

    fn work(&self, _: &'static str, _: &Arc<Meter>) {}
}

/// Keeps what a short request tells.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(Weight, String)>>);

impl Listener for Told {
    fn event(&self, _: &Value) {}

    fn wants_events(&self) -> bool {
        false
    }

    fn output(&self, _: Stream, _: &[u8]) {}

    fn told(&self, weight: Weight, lines: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((weight, lines.to_owned()));
    }

    fn work(&self, _: &'static str, _: &Arc<Meter>) {}
}

/// Makes a request in `place`; `listener` has the methods `event`, `output`, `told`, `progress`, and
/// `call` where functions are called, and says whether it `wants_events`.
pub(crate) fn attend<T: Send>(
    place: Place,
    listener: &Bound<'_, PyAny>,
    ask: impl FnOnce(&Door, &Queue) -> Result<T, Failure> + Send,
) -> PyResult<Result<T, Failure>> {
    let (sender, mut receiver) = sync_channel(QUEUE);
    let works = Arc::new(Works::default());
    let queue = Arc::new(Queue {
        sender,
        works: Arc::clone(&works),
        wants_events: listener.getattr("wants_events")?.extract()?,
    });
    let door = Door::new(place, Arc::<Queue>::clone(&queue));
    let mut hearing = Hearing {
        listener,
        interrupt: door.interrupt(),
        works,
        raised: None,
    };
    let done = thread::scope(|scope| {
        let pool = own_pool()?;
        // The queue ends when its owners are gone, which move into the thread.
        let asking = move || match pool {
            Some(pool) => pool.install(|| ask(&door, &queue)),
            None => ask(&door, &queue),
        };
        let asking = thread::Builder::new().spawn_scoped(scope, asking)?;
        hearing.until_end(&mut receiver);
        let py = listener.py();
        io::Result::Ok(py.detach(move || asking.join()))
    });
    let done = match done {
        Ok(done) => done,
        Err(error) => return Ok(Err(Failure::no_thread(&error))),
    };
    match (hearing.raised, done) {
        (Some(error), _) => Err(error),
        (None, Ok(done)) => Ok(done),
        (None, Err(panic)) => std::panic::resume_unwind(panic),
    }
}

/// What the thread that asked does while it waits.
struct Hearing<'a, 'py> {
    listener: &'a Bound<'py, PyAny>,
    interrupt: Interrupt,
    works: Arc<Works>,
    /// The exception that ends the request.
    raised: Option<PyErr>,
}

impl Hearing<'_, '_> {
    fn until_end(&mut self, receiver: &mut Receiver<Heard>) {
        let py = self.listener.py();
        loop {
            // Lent out for good, since two threads may not wait at one end.
            let receiver = &mut *receiver;
            let told = match py.detach(move || receiver.recv_timeout(BEAT)) {
                Ok(heard) => self.tell(heard),
                Err(RecvTimeoutError::Timeout) => self.tell_progress(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = told.and_then(|()| py.check_signals()) {
                self.end(error);
            }
        }
    }

    /// Ends what runs: politely at first, and at once where the user insists.
    fn end(&mut self, error: PyErr) {
        self.raised.get_or_insert(error);
        self.interrupt.raise(SIGINT);
        self.works.end();
    }

    fn tell(&mut self, heard: Heard) -> PyResult<()> {
        if self.raised.is_some() {
            // What goes on is to end; nobody is told. Who asks for a call gets no answer.
            return Ok(());
        }
        let listener = self.listener;
        match heard {
            Heard::Event(event) => listener
                .call_method1("event", (event.to_string(),))
                .map(drop),
            Heard::Output(stream, bytes) => tell_output(listener, stream, &bytes),
            Heard::Told(weight, lines) => tell_lines(listener, weight, &lines),
            Heard::Call(root, answer) => {
                let done = listener.call_method1("call", (root,))?.extract()?;
                // Whoever asked waits for it.
                let _ = answer.send(done);
                Ok(())
            }
            Heard::Run(root, answer) => self.run(root, &answer),
        }
    }

    /// Has a command run, while what it prints is taken.
    fn run(&self, root: PathBuf, answer: &SyncSender<Heed>) -> PyResult<()> {
        let printer = Printer(Mutex::new(answer.clone()));
        let made = self.listener.call_method1("execute", (root, printer));
        let made = made.and_then(|made| made.extract::<Option<Vec<String>>>());
        let (made, raised) = match made {
            Ok(Some(unfit)) if unfit.is_empty() => (Made::Whole, None),
            Ok(Some(unfit)) => (Made::Unfit(unfit), None),
            Ok(None) => (Made::Nothing, None),
            Err(error) => (Made::Nothing, Some(error)),
        };
        // Whoever asked takes all that was printed first, and waits for this: a thread of Python may
        // hold the printer for longer.
        self.listener.py().detach(|| {
            let _ = answer.send(Heed::Made(made));
        });
        raised.map_or(Ok(()), Err)
    }

    fn tell_progress(&mut self) -> PyResult<()> {
        if self.raised.is_some() {
            return Ok(());
        }
        for bytes in self.works.progress() {
            self.listener.call_method1("progress", bytes)?;
        }
        Ok(())
    }
}
