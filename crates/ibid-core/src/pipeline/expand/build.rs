//! A draft to a finished step: the same [`Step`] that the command line makes of the same words.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::command::{self, NamedWords, Paths};
use super::draft::{Draft, Settlement};
use super::paths::{self, Named};
use super::reads::{Read, Reads};
use super::scope::Scope;
use super::writers::Writers;
use crate::action::document::MAX_DOCUMENT_SIZE;
use crate::action::{
    CommandLine, DocumentFormat, EnvMode, EnvRequest, Policy, StdinRequest, Step, looks_like_secret,
};
use crate::digest::encoding::Value;
use crate::fs;
use crate::mistake::{Mistake, closest};
use crate::pipeline::PipelineStep;
use crate::pipeline::declared::{At, DeclaredCommand, Located};
use crate::pipeline::load::PipelineError;
use crate::pipeline::step::Gaps;
use crate::tree::{Escaped, Place};

/// What all steps are built with.
pub(super) struct Around<'a> {
    pub(super) root: &'a Path,
    /// The name of the pipeline.
    pub(super) name: &'a str,
    pub(super) env_mode: EnvMode,
    pub(super) writers: &'a Writers<'a>,
    pub(super) drafts: &'a [Draft<'a>],
    /// Documents that were read.
    pub(super) documents: HashMap<Place, Value>,
}

/// Finishes a step, and tells what it reads.
pub(super) fn build<'d>(
    draft: &Draft<'d>,
    scope: &mut Scope<'d>,
    settlement: Settlement<'d>,
    around: &mut Around<'_>,
) -> Result<(PipelineStep, Vec<Read<'d>>), PipelineError> {
    let step = draft.step;
    let outputs: Vec<NamedWords<'d>> = draft.outputs.iter().map(|it| it.words.clone()).collect();
    let paths = Paths {
        inputs: &settlement.words,
        outputs: &outputs,
    };
    let (command, parts) = command::fill(scope, paths)?;
    let mut reads = Reads::new(around.root);
    for (at, request) in &settlement.inputs {
        reads.input(at, request);
    }
    for code in &settlement.code {
        reads.named(code.at, &code.named);
    }
    let mut gaps = Gaps {
        command: parts,
        code: Vec::new(),
        inside: settlement.inside,
    };
    let mut built = Step::new(command);
    built.inputs = settlement
        .inputs
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    built.outputs = draft
        .outputs
        .iter()
        .map(|output| output.spec.clone())
        .collect();
    built.excludes.clone_from(&draft.excludes);
    for code in settlement.code {
        match code.named {
            Named::Place { place, .. } => built.code.push(place),
            Named::Pattern(pattern) => gaps.code.push(pattern),
        }
    }
    surroundings(scope, &mut built, &mut reads)?;
    built.env_mode = step.env_mode.unwrap_or(around.env_mode);
    specs(scope, &mut built, around)?;
    reads.command(&command_at(&step.run, &step.name), &built);
    built.params = params(scope)?;
    built.policy = policy(scope, around.name, &draft.name)?;
    built.policy.manifest = Some(draft.manifest.clone());
    let built = PipelineStep {
        name: draft.name.clone(),
        declared: step.name.value.clone(),
        description: step.description.clone(),
        step: built,
        always: step.always,
        retries: step.retries,
        resources: step.resources.clone(),
        settled: settlement.settled,
        gaps,
    };
    Ok((built, reads.found))
}

/// Where the words of a command stand.
fn command_at<'d>(run: &'d DeclaredCommand, name: &'d Located<String>) -> Vec<&'d At> {
    match run {
        DeclaredCommand::Shell { script, .. } => vec![&script.at],
        DeclaredCommand::Argv(words) if words.is_empty() => vec![&name.at],
        DeclaredCommand::Argv(words) => words.iter().map(|word| &word.at).collect(),
    }
}

/// Fills what surrounds the command, beside its policy.
fn surroundings<'d>(
    scope: &mut Scope<'d>,
    built: &mut Step,
    reads: &mut Reads<'d, '_>,
) -> Result<(), Mistake> {
    let step = scope.step;
    for word in &step.ignore_args {
        built.ignore_args.insert(scope.fill(word)?.into_bytes());
    }
    for tool in &step.tools {
        let word = scope.fill(tool)?.into_bytes();
        if word.contains(&b'/') {
            reads.word(&tool.at, &word);
        }
        built.tools.push(word);
    }
    built.env = env(scope)?;
    built.packages = step.packages;
    for (name, tag) in &step.versions {
        built.versions.insert(name.clone(), scope.fill(tag)?);
    }
    for words in &step.versions_from {
        // These words are not located one by one; the step is.
        let fill = |word: &String| {
            let text = Located {
                value: word.clone(),
                at: step.name.at.clone(),
            };
            scope.fill(&text).map(String::into_bytes)
        };
        let words = words.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        for (index, word) in words.iter().enumerate() {
            // A program without a slash is looked for along the path.
            if index > 0 || word.contains(&b'/') {
                reads.word(&step.name.at, word);
            }
        }
        built.versions_from.push(words);
    }
    if let Some(salt) = &step.salt {
        built.salts.insert(String::new(), scope.fill(salt)?);
    }
    if let Some(stdin) = &step.stdin {
        let place = paths::place(scope, stdin, reads.root)?;
        built.stdin = StdinRequest::File(place.on_disk(reads.root));
        reads.place(&stdin.at, &place);
    }
    Ok(())
}

fn env(scope: &mut Scope<'_>) -> Result<Vec<EnvRequest>, Mistake> {
    let mut requests: Vec<EnvRequest> = Vec::new();
    for (located, value) in &scope.step.env {
        let name = variable(scope, located)?;
        if looks_like_secret(&name) {
            let message = format!("`{name}` looks like a secret, and `env` is stored");
            let mut mistake = scope.sources.mistake(&located.at, message);
            mistake.hint = Some(format!(
                "`secret_env = [\"{name}\"]` shows it to the command and to nobody else"
            ));
            return Err(mistake);
        }
        if requests.iter().any(|request| request.name == name) {
            let message = format!("the variable `{name}` is given twice");
            return Err(scope.sources.mistake(&located.at, message));
        }
        let value = match value {
            Some(value) => Some(scope.fill(value)?.into_bytes()),
            None => None,
        };
        requests.push(EnvRequest { name, value });
    }
    Ok(requests)
}

fn variable(scope: &mut Scope<'_>, text: &Located<String>) -> Result<String, Mistake> {
    let name = scope.fill(text)?;
    if name.is_empty() || name.contains(['=', '\0']) {
        let shown = Escaped(name.as_bytes());
        let message = format!("`{shown}` is not the name of a variable");
        return Err(scope.sources.mistake(&text.at, message));
    }
    Ok(name)
}

/// Gathers the params that are keyed: the values of the point, the step's own, those that are
/// named, and those that placeholders used. All others are filled before.
fn params(scope: &mut Scope<'_>) -> Result<BTreeMap<String, Value>, Mistake> {
    for name in &scope.step.named_params {
        if scope.param(&name.value).is_none() {
            let message = format!("there is no param `{}`", name.value);
            let mut mistake = scope.sources.mistake(&name.at, message);
            let known = scope.param_names();
            let meant = closest(&name.value, known.iter().map(String::as_str));
            mistake.suggestion = meant.map(str::to_owned);
            return Err(mistake);
        }
    }
    let mut params = scope.step.own_params.clone();
    params.extend(scope.used.clone());
    for (axis, value) in scope
        .point
        .map(|point| point.values.as_slice())
        .unwrap_or_default()
    {
        if params.insert(axis.clone(), value.clone()).is_some() {
            let at = scope
                .step
                .matrix
                .as_ref()
                .map_or(&scope.step.name.at, |matrix| &matrix.at);
            let message = format!("`{axis}` is an axis of the matrix and a param of the step");
            let mut mistake = scope.sources.mistake(at, message);
            mistake.hint = Some("both would be one part of the key: rename one of them".to_owned());
            return Err(mistake);
        }
    }
    Ok(params)
}

fn policy(scope: &mut Scope<'_>, pipeline: &str, name: &str) -> Result<Policy, Mistake> {
    let step = scope.step;
    let pass_env = step.pass_env.iter();
    let pass_env = pass_env
        .map(|name| variable(scope, name))
        .collect::<Result<_, _>>()?;
    let secret_env = step.secret_env.iter();
    let secret_env = secret_env
        .map(|name| variable(scope, name))
        .collect::<Result<_, _>>()?;
    Ok(Policy {
        label: format!("{pipeline}/{name}"),
        ttl: step.ttl,
        timeout: step.timeout,
        ok_exit: step.ok_exit.iter().copied().collect(),
        cache_failures: step.cache_failures,
        pass_env,
        secret_env,
        storing: step.storing,
        manifest: None,
        metadata: step.metadata.clone(),
    })
}

/// Reads the documents whose data counts. They are read with the file of steps, so none of them
/// can be something that a step has yet to write.
fn specs(
    scope: &mut Scope<'_>,
    built: &mut Step,
    around: &mut Around<'_>,
) -> Result<(), PipelineError> {
    for text in &scope.step.specs {
        let place = paths::place(scope, text, around.root)?;
        if let Some(path) = place.inside()
            && let Some(writer) = around.writers.at_path(path).first()
        {
            let owner = &around.drafts[writer.step].name;
            let message = format!("the spec `{place}` is an output of `{owner}`");
            let mut mistake = scope.sources.mistake(&text.at, message);
            mistake.hint = Some(
                "specs are read before anything runs: declare it as an input instead".to_owned(),
            );
            return Err(mistake.into());
        }
        let value = if let Some(value) = around.documents.get(&place) {
            value.clone()
        } else {
            let value = document(scope, text, &place.on_disk(around.root))?;
            around.documents.insert(place, value.clone());
            value
        };
        built.specs.push(value);
    }
    Ok(())
}

fn document(
    scope: &Scope<'_>,
    text: &Located<String>,
    path: &Path,
) -> Result<Value, PipelineError> {
    let shown = Escaped(text.value.as_bytes());
    let mistake = |message: String, hint: &str| {
        let mut mistake = scope.sources.mistake(&text.at, message);
        mistake.hint = Some(hint.to_owned());
        PipelineError::Mistake(mistake)
    };
    let format = path.extension().and_then(DocumentFormat::from_extension);
    let format = format.ok_or_else(|| {
        let hint = "its name must end in `.json`, `.toml`, `.yaml` or `.yml`";
        mistake(
            format!("the format of the spec `{shown}` is not known"),
            hint,
        )
    })?;
    let bytes = fs::read_small(path, MAX_DOCUMENT_SIZE as u64).map_err(|error| {
        let hint = "`specs` takes files; declare other files as inputs";
        mistake(
            format!("the spec `{shown}` cannot be read: {}", error.source),
            hint,
        )
    })?;
    format.parse(&bytes).map_err(|error| {
        let hint = "a spec is one document of data, as JSON, TOML or YAML";
        mistake(format!("the spec `{shown}` cannot be used: {error}"), hint)
    })
}

/// Says what a finished command line runs, for the words that it names.
pub(super) fn argv_of(command: &CommandLine) -> Vec<Vec<u8>> {
    match command {
        CommandLine::Argv(argv) => argv.clone(),
        CommandLine::Shell {
            interpreter,
            script,
        } => interpreter.iter().chain([script]).cloned().collect(),
        CommandLine::Call { .. } | CommandLine::Delegated(_) => Vec::new(),
    }
}
