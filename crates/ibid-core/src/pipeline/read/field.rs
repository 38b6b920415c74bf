//! The one table of fields: what may stand in a file of steps.
//!
//! The check for unknown fields, the JSON Schema and the page of the reference follow from it. A
//! reader asks for a field by its name and fails in a debug build if the table does not have it;
//! tests make sure that every field of the table is read, and read as its shape says.

use Placeholders::{All, None as Plain, Values};
use Shape as S;

/// A field of a table of `ibid.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// How it is written.
    pub name: &'static str,
    /// What it may be.
    pub(in crate::pipeline) shape: Shape,
    /// What it is for: one sentence.
    pub about: &'static str,
    /// A line of TOML that sets it.
    pub example: &'static str,
    /// Which placeholders its texts may hold.
    pub placeholders: Placeholders,
}

/// Which placeholders are replaced in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholders {
    /// None: braces are literal.
    None,
    /// `{matrix.NAME}` and `{params.NAME}`.
    Values,
    /// Those, and `{inputs}`, `{outputs}` and `{resources.NAME}`.
    All,
}

/// What a field may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Shape {
    /// True or false.
    Flag,
    /// One text.
    Text,
    /// A text that says something.
    SomeText,
    /// A text or a list of texts.
    Texts,
    /// A whole number.
    Whole(u64, u64),
    /// An exit code or a list of them.
    Codes,
    /// A time with its unit.
    Duration,
    /// An amount of memory with its unit.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text for a shell, or a list of words.
    Command,
    /// The name of a shell, or its words.
    Interpreter,
    /// Paths, with or without names.
    Inputs,
    /// Paths, with or without names.
    Outputs,
    /// Which of a step's paths are meant.
    Marks,
    /// Variables with or without values.
    Env,
    /// Names of variables.
    Variables,
    /// Own values, or names of the pipeline's.
    Params,
    /// A table of texts.
    Versions,
    /// A list of commands.
    Commands,
    /// Axes.
    Matrix,
    /// What a step occupies.
    Resources,
    /// How much there is of what is counted.
    Limits,
    /// A table of anything.
    Data,
    /// A list of tables of axes, or one.
    Zip,
    /// A list of tables of values.
    Points,
}

impl Field {
    /// Says in words what it may be: continues "must be …".
    pub fn expected(&self) -> String {
        self.shape.expected()
    }

    /// Says whether `[defaults]` may set it.
    pub fn in_defaults(&self) -> bool {
        !["run", "inputs", "outputs", "matrix", "stdin"].contains(&self.name)
    }
}

impl Shape {
    pub(in crate::pipeline) fn expected(self) -> String {
        let words = match self {
            Self::Flag => "true or false",
            Self::Text | Self::SomeText => "text",
            Self::Texts => "text or a list of texts",
            Self::Whole(least, most) if most < MANY => {
                return format!("a whole number from {least} to {most}");
            }
            Self::Whole(..) => "a whole number",
            Self::Codes => "an exit code or a list of them",
            Self::Duration => "a time such as `90s`, `1h30m` or `30d`",
            Self::Size => "an amount of memory such as `512M` or `4G`",
            Self::Word(words) => return one_of(words),
            Self::Command => "text for a shell, or a list of words",
            Self::Interpreter => "the name of a shell, or a list of words",
            Self::Inputs | Self::Outputs => "a path, a list of paths, or a table of named paths",
            Self::Marks => "true or a list of names or paths of the step",
            Self::Env => "a list of `NAME` and `NAME=VALUE`, or a table",
            Self::Variables => "a name of a variable or a list of them",
            Self::Params => "a table of values, or a list of names of `[params]`",
            Self::Versions => "a table of texts",
            Self::Commands => "a list of commands",
            Self::Matrix => "a table of axes",
            Self::Resources => "a table such as `{ cpus = 2, memory = \"4G\" }`",
            Self::Limits => "a table of whole numbers",
            Self::Data => "a table",
            Self::Zip => "a table of axes, or a list of such tables",
            Self::Points => "a list of tables of values",
        };
        words.to_owned()
    }
}

/// Lists words of which one is right: "`a`, `b` or `c`".
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// From here on a limit is not worth a word.
pub(in crate::pipeline) const MANY: u64 = 1_000_000_000;

const fn field(
    name: &'static str,
    shape: Shape,
    placeholders: Placeholders,
    about: &'static str,
    example: &'static str,
) -> Field {
    Field {
        name,
        shape,
        about,
        example,
        placeholders,
    }
}

/// Fields of a step, in the order of the reference.
#[rustfmt::skip]
pub const STEP_FIELDS: &[Field] = &[
    field("run", S::Command, All, "What runs: text is for a shell, a list is a program and its arguments.", r#"run = ["python3", "fit.py", "{inputs}", "{outputs}"]"#),
    field("shell", S::Interpreter, Plain, "What reads a `run` that is text; without it `/bin/sh -eu -c`.", r#"shell = "bash""#),
    field("inputs", S::Inputs, Values, "Files, folders and patterns that the command reads; a slash at the end says that it is a folder.", r#"inputs = { table = "build/clean.csv", notes = "notes/*.md" }"#),
    field("outputs", S::Outputs, Values, "Files, folders and patterns that the command writes.", r#"outputs = { model = "build/fit.json", log = { path = "build/fit.log", optional = true } }"#),
    field("exclude", S::Texts, Values, "Patterns of what inputs leave out, beside what is always left out, such as `.git/`.", r#"exclude = ["*.tmp"]"#),
    field("code", S::Texts, Values, "Files that count as code; the script that the command names does so by itself.", r#"code = ["lib/model.py"]"#),
    field("ignore_args", S::Texts, Values, "Words of the command that name existing files and are not inputs.", r#"ignore_args = ["scratch"]"#),
    field("params", S::Params, Plain, "Values of the step's own, or names of values of `[params]` that count although the command does not name them.", "params = { alpha = 0.5 }"),
    field("specs", S::Texts, Values, "TOML, YAML and JSON files of which the data counts, not the spelling.", r#"specs = ["model.yaml"]"#),
    field("env", S::Env, Values, "Variables that the command sees and that count: a name takes the caller's value.", r#"env = ["OMP_NUM_THREADS", "MODE=fast"]"#),
    field("pass_env", S::Variables, Values, "Variables that the command sees and that do not count.", r#"pass_env = ["DISPLAY"]"#),
    field("secret_env", S::Variables, Values, "Variables that the command sees and that are never counted, stored or printed.", r#"secret_env = ["API_TOKEN"]"#),
    field("env_mode", S::Word(&["strict", "loose"]), Plain, "Whether the command sees only what is declared, or the caller's whole environment; without it, what the setting `env_mode` says.", r#"env_mode = "loose""#),
    field("tools", S::Texts, Values, "Programs that count beside the command's own.", r#"tools = ["gcc"]"#),
    field("packages", S::Word(&["auto", "python", "none"]), Plain, "Whether the packages that the command's Python sees count; `auto` means those of a virtual or conda environment.", r#"packages = "none""#),
    field("versions", S::Versions, Values, "Versions that are told by hand.", r#"versions = { model = "2" }"#),
    field("versions_from", S::Commands, Values, "Commands of which the output counts.", r#"versions_from = [["cc", "--version"]]"#),
    field("salt", S::Text, Values, "A text that only serves to make the result another one.", r#"salt = "2024-05""#),
    field("ttl", S::Duration, Plain, "How long a result counts, from its completion.", r#"ttl = "30d""#),
    field("timeout", S::Duration, Plain, "How long the command may run.", r#"timeout = "2h""#),
    field("ok_exit", S::Codes, Plain, "Exit codes beside 0 that count as success.", "ok_exit = [1]"),
    field("cache_failures", S::Flag, Plain, "Whether a failed run is remembered too.", "cache_failures = true"),
    field("optional", S::Marks, Values, "Outputs that the command may leave out.", r#"optional = ["build/fit.log"]"#),
    field("keep", S::Marks, Values, "Outputs that the command updates: left in place before it runs, and never stored.", r#"keep = ["build/fit.log"]"#),
    field("by_content", S::Marks, Values, "Inputs of which the name does not count.", r#"by_content = ["notes/*.md"]"#),
    field("store", S::Word(&["content", "digest"]), Plain, "Whether outputs can be restored, or are only recognised in place: for outputs that are too large to keep twice.", r#"store = "digest""#),
    field("stdin", S::SomeText, Values, "A file that the command reads on standard input, which is empty without it.", r#"stdin = "query.sql""#),
    field("matrix", S::Matrix, Plain, "Values that the step is run for, once each; several axes are multiplied.", r#"matrix = { species = ["Adelie", "Gentoo"] }"#),
    field("always", S::Flag, Plain, "Whether the command runs even if its result is known.", "always = true"),
    field("retries", S::Whole(0, 100), Plain, "How often a failed command is tried again.", "retries = 2"),
    field("resources", S::Resources, Plain, "What the step occupies while it runs: bounds how many run at once, never counts.", r#"resources = { cpus = 2, memory = "4G", time = "1h", gpus = 1 }"#),
    field("after", S::Texts, Values, "Steps, or patterns of steps, that come before without giving anything.", r#"after = ["migrate"]"#),
    field("metadata", S::Data, Plain, "What is to stand in the manifest beside what ibid knows; never counts.", r#"metadata = { owner = "ada" }"#),
    field("description", S::Text, Plain, "What the step is for, for people.", r#"description = "Fits the model.""#),
];

/// Fields of `[pipeline]`.
#[rustfmt::skip]
pub const PIPELINE_FIELDS: &[Field] = &[
    field("name", S::SomeText, Plain, "What history calls the pipeline; without it the name of the root's folder.", r#"name = "penguins""#),
    field("params_files", S::Texts, Plain, "TOML, YAML and JSON files of params, later ones over earlier ones, all below `[params]`; paths start at the root.", r#"params_files = ["params.yaml"]"#),
    field("include", S::Texts, Plain, "Files of further `[params]`, `[defaults]` (for their own steps) and steps; paths start at the root.", r#"include = ["steps/fit.toml"]"#),
    field("resources", S::Limits, Plain, "How much there is of what steps count beside `cpus` and `memory`.", "resources = { gpus = 2 }"),
];

/// Fields of a path that is written as a table.
#[rustfmt::skip]
pub const PATH_FIELDS: &[Field] = &[
    field("path", S::Texts, Values, "The path or pattern, or a list of them.", r#"path = "build/fit.log""#),
    field("optional", S::Flag, Plain, "Of an output: whether the command may leave it out.", "optional = true"),
    field("keep", S::Flag, Plain, "Of an output: whether the command updates it.", "keep = true"),
    field("by_content", S::Flag, Plain, "Of an input: whether its name does not count.", "by_content = true"),
];

/// Fields of `matrix` that are no axes.
#[rustfmt::skip]
pub const MATRIX_FIELDS: &[Field] = &[
    field("zip", S::Zip, Plain, "Axes that advance together and are multiplied as one; several groups are a list.", r#"zip = { site = ["a", "b"], year = [2023, 2024] }"#),
    field("include", S::Points, Plain, "Further points, with a value for every axis.", r#"include = [{ site = "c", year = 2020 }]"#),
    field("exclude", S::Points, Plain, "Points that are left out: those that agree with all values of one of these.", "exclude = [{ year = 2023 }]"),
];

/// Fields of an axis of which the values stand in a file.
#[rustfmt::skip]
pub const AXIS_FIELDS: &[Field] = &[
    field("file", S::SomeText, Plain, "The file: lines of text (blank ones and those that start with `#` are left out), or `.json`, `.yaml`, `.toml`, `.csv`, `.tsv`.", r#"file = "subjects.txt""#),
    field("key", S::SomeText, Plain, "Of JSON, YAML and TOML: the dotted name of the list.", r#"key = "cohort.subjects""#),
    field("column", S::SomeText, Plain, "Of CSV and TSV: the heading of the column; each value counts once.", r#"column = "participant_id""#),
];

/// Fields of a step's `resources`; any other name is counted, and set to a whole number.
#[rustfmt::skip]
pub const RESOURCE_FIELDS: &[Field] = &[
    field("cpus", S::Whole(1, 1_000_000), Plain, "Processors; 1 without it.", "cpus = 2"),
    field("memory", S::Size, Plain, "Memory; units are `K`, `M`, `G` and `T`, in steps of 1024.", r#"memory = "4G""#),
    field("time", S::Duration, Plain, "How long it is expected to run at most, for batch systems; ends no command.", r#"time = "1h""#),
];
