//! The request to execute a command, or to make its key.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use ibid_core::action::{
    AccessMode, CommandLine, EnvMode, InputRequest, OutputSpec, Packages, Policy, StdinRequest,
    Step, shell,
};
use ibid_core::config::{LinkPreference, Overrides};

use super::root::Root;
use super::{paths, words};
use crate::args::{EnvModeArg, ExecutionArgs, LinkArg, ModeArg, PackagesArg, StepArgs};
use crate::context::Session;
use crate::error::Failure;
use crate::report::people;

/// A step with its root, and how to go about it.
#[derive(Debug)]
pub(crate) struct ExecRequest {
    /// The folder that paths are named from.
    pub(crate) root: PathBuf,
    /// The declaration. Where [`Self::stdin`] is set, its `stdin` is still empty.
    pub(crate) step: Step,
    /// Whether standard input is to be spooled.
    pub(crate) stdin: bool,
    /// Whether to run although a result is known.
    pub(crate) force: bool,
    /// Whether to say all that changed.
    pub(crate) explain: bool,
}

/// Returns what the flags say about settings.
pub(crate) fn overrides(args: &StepArgs, run: &ExecutionArgs) -> Overrides {
    Overrides {
        env_mode: args.needs.env_mode.map(|mode| match mode {
            EnvModeArg::Strict => EnvMode::Strict,
            EnvModeArg::Loose => EnvMode::Loose,
        }),
        ..execution_overrides(run)
    }
}

/// Returns what the flags about an execution say about settings.
pub(crate) fn execution_overrides(run: &ExecutionArgs) -> Overrides {
    Overrides {
        mode: run.mode.map(|mode| match mode {
            ModeArg::ReadWrite => AccessMode::ReadWrite,
            ModeArg::ReadOnly => AccessMode::ReadOnly,
            ModeArg::WriteOnly => AccessMode::WriteOnly,
            ModeArg::Off => AccessMode::Off,
        }),
        link: run.link.map(|link| match link {
            LinkArg::Auto => LinkPreference::Auto,
            LinkArg::Copy => LinkPreference::Copy,
            LinkArg::Hardlink => LinkPreference::Hardlink,
        }),
        strict: run.strict.then_some(true),
        ..Overrides::default()
    }
}

/// Checks the words of `exec` or `key`, typed in the folder `dir`.
pub(crate) fn exec(
    args: StepArgs,
    run: &ExecutionArgs,
    dir: &Path,
    session: &Session,
) -> Result<ExecRequest, Failure> {
    refuse_without_dependence(&args)?;
    let root = Root::above(&session.root, dir);
    let stdin = args.needs.stdin;
    let step = step(args, &root, session.config.env_mode.value)?;
    Ok(ExecRequest {
        root: root.path,
        step,
        stdin,
        force: run.force,
        explain: run.explain,
    })
}

/// Caching something that is said to depend on nothing is how stale results are born.
fn refuse_without_dependence(args: &StepArgs) -> Result<(), Failure> {
    let needs = &args.needs;
    let reads = !needs.input.is_empty()
        || !needs.input_by_content.is_empty()
        || !needs.code.is_empty()
        || needs.stdin;
    if needs.no_input && reads {
        return Err(Failure::usage(
            "`--no-input` says that the command reads nothing, and other flags name what it reads",
        )
        .hint("leave out `--no-input`"));
    }
    if reads || needs.no_input || args.makes.ttl.is_some() {
        return Ok(());
    }
    Err(
        Failure::usage("nothing is declared that the result depends on").hint(
            "add `--input PATH` for each file or folder that the command reads, `--stdin` if it \
             reads standard input, `--no-input` if it reads nothing, or `--ttl 1h` if its result \
             may be that old",
        ),
    )
}

fn step(args: StepArgs, root: &Root, env_mode: EnvMode) -> Result<Step, Failure> {
    let StepArgs {
        needs,
        makes,
        shell,
        command,
    } = args;
    if command.first().is_none_or(|word| word.is_empty()) {
        return Err(Failure::usage("the command is empty").hint("`ibid exec [FLAGS] -- CMD ARG…`"));
    }
    let command = command_line(command, shell.as_deref())?;
    let mut outputs = root.outputs(&makes.output, "--output", false)?;
    outputs.extend(root.outputs(&makes.optional_output, "--optional-output", true)?);
    let label = match &makes.label {
        Some(label) => paths::text("--label", label)?,
        None => default_label(root, &outputs, &command),
    };
    let place = |word: &OsString| root.place("--code", word);
    let exclude = |word: &OsString| root.exclude(word);
    Ok(Step {
        dir: root.dir.clone(),
        inputs: inputs(&needs.input, &needs.input_by_content, root)?,
        excludes: each(&needs.exclude, exclude)?,
        code: each(&needs.code, place)?,
        ignore_args: needs
            .ignore_arg
            .into_iter()
            .map(OsString::into_vec)
            .collect(),
        params: words::params(&needs.param)?,
        specs: each(&needs.spec, |file| words::spec(file))?,
        env: words::env(&needs.env)?,
        env_mode,
        tools: needs.tool.into_iter().map(OsString::into_vec).collect(),
        image: None,
        packages: match needs.packages {
            None => Packages::Auto,
            Some(PackagesArg::Python) => Packages::Python,
            Some(PackagesArg::None) => Packages::None,
        },
        versions: words::version_tags(&needs.version_tag)?,
        versions_from: each(&needs.versions_from, |line| words::command(line))?,
        salts: salts(&needs.salt)?,
        stdin: StdinRequest::Empty,
        policy: Policy {
            label,
            ttl: words::duration("--ttl", makes.ttl.as_deref())?,
            timeout: words::duration("--timeout", makes.timeout.as_deref())?,
            ok_exit: each(&makes.ok_exit, |code| words::exit_code(code))?,
            cache_failures: makes.cache_failures,
            pass_env: each(&needs.pass_env, |name| words::variable("--pass-env", name))?,
            secret_env: each(&needs.secret_env, |name| {
                words::variable("--secret-env", name)
            })?,
            ..Policy::default()
        },
        command,
        outputs,
    })
}

/// Takes the words as they are, or the only one as a text for a shell: no name is the usual one.
fn command_line(words: Vec<OsString>, shell: Option<&str>) -> Result<CommandLine, Failure> {
    let mut words: Vec<Vec<u8>> = words.into_iter().map(OsString::into_vec).collect();
    let Some(name) = shell else {
        return Ok(CommandLine::Argv(words));
    };
    let interpreter = match name {
        "" => Some(shell::default()),
        name => shell::named(name),
    };
    let Some(interpreter) = interpreter else {
        let known: Vec<_> = shell::names().collect();
        return Err(Failure::usage(format!(
            "`{}` of `--shell` is not a shell that is known by its name",
            people::os(name.as_ref())
        ))
        .hint(format!(
            "known are {}; any other can be typed: `-- fish -c 'TEXT'`",
            known.join(", ")
        )));
    };
    if words.len() > 1 {
        return Err(Failure::usage(
            "`--shell` takes the command as one text, not as several words",
        )
        .hint("put it in quotes: --shell -- 'sort in.txt | uniq > out.txt'"));
    }
    Ok(CommandLine::Shell {
        interpreter: interpreter.into_iter().map(String::into_bytes).collect(),
        script: words.swap_remove(0),
    })
}

fn inputs(
    named: &[OsString],
    by_content: &[OsString],
    root: &Root,
) -> Result<Vec<InputRequest>, Failure> {
    let named = named.iter().map(|word| root.input(word));
    let by_content = by_content.iter().map(|word| root.input_by_content(word));
    named.chain(by_content).collect()
}

/// Applies a check to every word of a flag.
fn each<W, T, C: FromIterator<T>>(
    words: &[W],
    check: impl FnMut(&W) -> Result<T, Failure>,
) -> Result<C, Failure> {
    words.iter().map(check).collect()
}

/// Names salts by their position; the first has no name.
fn salts(words: &[OsString]) -> Result<BTreeMap<String, String>, Failure> {
    let named = words.iter().enumerate().map(|(index, word)| {
        let name = match index {
            0 => String::new(),
            index => (index + 1).to_string(),
        };
        Ok((name, paths::text("--salt", word)?))
    });
    named.collect()
}

/// Names the step after its root and its first output, else its command.
fn default_label(root: &Root, outputs: &[OutputSpec], command: &CommandLine) -> String {
    let folder = root.path.file_name().unwrap_or_default();
    let program = match command {
        CommandLine::Argv(words)
        | CommandLine::Shell {
            interpreter: words, ..
        } => words[0].as_slice(),
        CommandLine::Call { name, .. } => name.as_bytes(),
        CommandLine::Delegated(_) => b"command",
    };
    let program = Path::new(OsStr::from_bytes(program));
    let program = program.file_name().unwrap_or(program.as_os_str());
    let output = outputs.first().map(OutputSpec::key_name);
    let step = output.unwrap_or(program.as_bytes());
    let step = ibid_core::tree::Escaped(step);
    format!("{}/{step}", people::os(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(command: &[&str], outputs: &[&str]) -> String {
        let root = Root {
            path: "/home/me/penguins".into(),
            dir: ibid_core::tree::RelPath::ROOT,
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let outputs = root.outputs(&words(outputs), "-o", false).unwrap();
        let command = command_line(words(command), None).unwrap();
        default_label(&root, &outputs, &command)
    }

    #[test]
    fn a_step_is_called_after_its_first_output_or_its_command() {
        assert_eq!(label(&["cc"], &["build/a.o", "b"]), "penguins/build/a.o");
        assert_eq!(label(&["/usr/bin/sort", "x"], &[]), "penguins/sort");
    }

    #[test]
    fn only_the_first_salt_has_no_name() {
        let salts = salts(&["a".into(), "b".into()]).unwrap();
        assert_eq!(
            salts,
            BTreeMap::from([(String::new(), "a".into()), ("2".into(), "b".into())])
        );
    }
}
