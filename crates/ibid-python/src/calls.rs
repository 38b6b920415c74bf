//! Arguments as Python hands them in: dictionaries, each entry a flag of the command line.
//!
//! Owns the names and types at the border. Nothing is validated here: a request is read by the
//! same code as that of the command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Mutex;

use ibid::door::{
    Call, EnvModeArg, EnvSnapshot, ExecutionArgs, LinkArg, MakeArgs, ModeArg, NeedArgs,
    PackagesArg, Place, Program, RunCall, Segment, SelectArgs, ShowOutputArg, StepArgs, Tool,
    Word as ToolWord,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where a request is made.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct PlaceCall {
    dir: PathBuf,
    /// Variables that differ from those of the process.
    env: Vec<(OsString, OsString)>,
    cache_dir: Option<PathBuf>,
    tmp_dir: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl From<PlaceCall> for Place {
    fn from(call: PlaceCall) -> Self {
        call.among(environ())
    }
}

impl PlaceCall {
    /// Returns the place in a process with these variables.
    pub(crate) fn among(self, own: EnvSnapshot) -> Place {
        let changed = |name: &OsStr| self.env.iter().any(|(other, _)| other == name);
        let given = self.env.iter().map(|(name, value)| (&**name, &**value));
        Place {
            dir: self.dir,
            env: if self.env.is_empty() {
                own
            } else {
                let kept = own.iter().filter(|(name, _)| !changed(name));
                kept.chain(given).collect()
            },
            cache_dir: self.cache_dir,
            tmp_dir: self.tmp_dir,
            config: self.config,
        }
    }
}

/// Returns the environment of the process: the snapshot of the last call if it is the same still,
/// since one is asked for at each call, and making one takes longer than telling.
#[expect(
    clippy::disallowed_methods,
    reason = "a front door reads the environment; whoever calls it holds the GIL, so that Python \
              changes nothing meanwhile"
)]
pub(crate) fn environ() -> EnvSnapshot {
    type Variables = Vec<(OsString, OsString)>;
    static LAST: Mutex<Option<(Variables, EnvSnapshot)>> = Mutex::new(None);
    let variables: Variables = std::env::vars_os().collect();
    // A fork may have copied the lock while it was held.
    let Ok(mut last) = LAST.try_lock() else {
        return variables.into_iter().collect();
    };
    match &*last {
        Some((same, snapshot)) if *same == variables => snapshot.clone(),
        _ => {
            let snapshot: EnvSnapshot = variables.iter().cloned().collect();
            *last = Some((variables, snapshot.clone()));
            snapshot
        }
    }
}

/// A command, what it depends on and what it makes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct StepCall {
    command: Vec<OsString>,
    shell: Option<String>,
    inputs: Vec<OsString>,
    inputs_by_content: Vec<OsString>,
    exclude: Vec<OsString>,
    outputs: Vec<OsString>,
    optional_outputs: Vec<OsString>,
    params: Vec<OsString>,
    specs: Vec<PathBuf>,
    env: Vec<OsString>,
    pass_env: Vec<OsString>,
    secret_env: Vec<OsString>,
    env_mode: Option<Word<EnvModeArg>>,
    tools: Vec<OsString>,
    code: Vec<OsString>,
    packages: Option<Word<PackagesArg>>,
    versions: Vec<OsString>,
    versions_from: Vec<OsString>,
    ignore_args: Vec<OsString>,
    salts: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    no_input: bool,
    label: Option<OsString>,
    ttl: Option<OsString>,
    timeout: Option<OsString>,
    ok_exit: Vec<OsString>,
    cache_failures: bool,
    root: Option<PathBuf>,
    execution: ExecutionCall,
}

impl StepCall {
    /// Returns the flags of the step, those of its execution, and its standard input.
    pub(crate) fn split(self) -> (StepArgs, ExecutionArgs, Vec<u8>) {
        let needs = NeedArgs {
            input: self.inputs,
            input_by_content: self.inputs_by_content,
            exclude: self.exclude,
            env: self.env,
            pass_env: self.pass_env,
            secret_env: self.secret_env,
            env_mode: self.env_mode.map(|word| word.0),
            tool: self.tools,
            packages: self.packages.map(|word| word.0),
            versions_from: self.versions_from,
            param: self.params,
            spec: self.specs,
            code: self.code,
            ignore_arg: self.ignore_args,
            version_tag: self.versions,
            salt: self.salts,
            stdin: self.stdin.is_some(),
            no_input: self.no_input,
        };
        let makes = MakeArgs {
            output: self.outputs,
            optional_output: self.optional_outputs,
            label: self.label,
            ttl: self.ttl,
            timeout: self.timeout,
            ok_exit: self.ok_exit,
            cache_failures: self.cache_failures,
            root: self.root,
        };
        let step = StepArgs {
            needs,
            makes,
            shell: self.shell,
            command: self.command,
        };
        (step, self.execution.into(), self.stdin.unwrap_or_default())
    }
}

/// How an execution goes about it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ExecutionCall {
    force: bool,
    mode: Option<Word<ModeArg>>,
    link: Option<Word<LinkArg>>,
    strict: bool,
}

impl From<ExecutionCall> for ExecutionArgs {
    fn from(call: ExecutionCall) -> Self {
        Self {
            force: call.force,
            mode: call.mode.map(|word| word.0),
            link: call.link.map(|word| word.0),
            explain: false,
            strict: call.strict,
        }
    }
}

/// Which steps.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct SelectCall {
    steps: Vec<String>,
    only: bool,
    downstream: bool,
}

impl From<SelectCall> for SelectArgs {
    fn from(call: SelectCall) -> Self {
        Self {
            steps: call.steps,
            only: call.only,
            downstream: call.downstream,
        }
    }
}

/// How a run of many steps goes about it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct RunStepsCall {
    parallel: Option<u64>,
    keep_going: bool,
    show_output: Option<Word<ShowOutputArg>>,
    execution: ExecutionCall,
}

impl RunStepsCall {
    pub(crate) fn split(self) -> (ExecutionArgs, RunCall) {
        let call = RunCall {
            parallel: self.parallel,
            keep_going: self.keep_going,
            show_output: self.show_output.map(|word| word.0),
        };
        (self.execution.into(), call)
    }
}

/// A function of this process, what it is called with, and what it makes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct FunctionCall {
    name: String,
    label: String,
    code: BTreeMap<String, Vec<u8>>,
    spec: String,
    versions: BTreeMap<String, String>,
    output: String,
    ttl: Option<String>,
    execution: ExecutionCall,
}

impl From<FunctionCall> for Call {
    fn from(call: FunctionCall) -> Self {
        Self {
            name: call.name,
            label: call.label,
            code: call.code,
            spec: call.spec,
            versions: call.versions,
            output: call.output,
            ttl: call.ttl,
            execution: call.execution.into(),
        }
    }
}

/// A command that Python runs, what it depends on, and where it works.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ToolCall {
    label: String,
    words: Vec<Vec<Part>>,
    inputs: Vec<PathBuf>,
    /// The variables of the process, if there are no others.
    environ: Option<Vec<(OsString, OsString)>>,
    path: Option<OsString>,
    env: Vec<String>,
    params: String,
    specs: String,
    versions: BTreeMap<String, String>,
    programs: Vec<OsString>,
    image: Option<String>,
    view: PathBuf,
    output: String,
    execution: ExecutionCall,
}

/// A part of a word: the position of an input, or text.
#[derive(FromPyObject)]
enum Part {
    Input(usize),
    Text(OsString),
}

impl ToolCall {
    /// Returns the tool in a process with these variables, and the view that it works in.
    pub(crate) fn among(self, own: EnvSnapshot) -> (Tool, PathBuf) {
        let programs = self.programs.into_iter();
        let tool = Tool {
            label: self.label,
            words: self.words.into_iter().map(word).collect(),
            inputs: self.inputs,
            environ: match self.environ {
                Some(others) => others.into_iter().collect(),
                None => own,
            },
            path: self.path,
            env: self.env,
            params: self.params,
            specs: self.specs,
            versions: self.versions,
            programs: programs.map(OsString::into_encoded_bytes).collect(),
            image: self.image,
            output: self.output,
            execution: self.execution.into(),
        };
        (tool, self.view)
    }
}

/// A program that asks for folders of its own.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ProgramCall {
    name: String,
    env_prefix: String,
    cache_dir: Option<PathBuf>,
    tmp_dir: Option<PathBuf>,
}

impl From<ProgramCall> for Program {
    fn from(call: ProgramCall) -> Self {
        Self {
            name: call.name,
            env_prefix: call.env_prefix,
            cache: call.cache_dir,
            tmp: call.tmp_dir,
        }
    }
}

/// A word in which no input is marked is one text.
fn word(mut parts: Vec<Part>) -> ToolWord {
    if let [Part::Text(text)] = parts.as_mut_slice() {
        return ToolWord::Plain(std::mem::take(text).into_encoded_bytes());
    }
    let segments = parts.into_iter().map(|part| match part {
        Part::Input(index) => Segment::Input(index),
        Part::Text(text) => Segment::Text(text.into_encoded_bytes()),
    });
    ToolWord::Segments(segments.collect())
}

/// One of the words of a flag.
struct Word<T>(T);

impl<T: FromWord> FromPyObject<'_, '_> for Word<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let word: String = object.extract()?;
        T::from_word(&word).map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("`{word}` is none of {}", T::WORDS.join(", ")))
        })
    }
}

/// A flag that takes one of a few words.
trait FromWord: Sized {
    const WORDS: &'static [&'static str];

    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($type:ty { $($word:literal => $value:ident),+ $(,)? }) => {
        impl FromWord for $type {
            const WORDS: &'static [&'static str] = &[$(concat!("`", $word, "`")),+];

            fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    };
}

words!(EnvModeArg { "strict" => Strict, "loose" => Loose });
words!(PackagesArg { "python" => Python, "none" => None });
words!(LinkArg { "auto" => Auto, "copy" => Copy, "hardlink" => Hardlink });
words!(ShowOutputArg { "never" => Never, "failed" => Failed, "all" => All });
words!(ModeArg {
    "read-write" => ReadWrite,
    "read-only" => ReadOnly,
    "write-only" => WriteOnly,
    "off" => Off,
});
