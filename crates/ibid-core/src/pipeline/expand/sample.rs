//! Declared pipelines for tests, without a file: each text stands on a line of its own.

use std::collections::BTreeMap;
use std::path::Path;

use super::expand;
use crate::action::{EnvMode, Packages, Storing};
use crate::digest::encoding::Value;
use crate::mistake::Mistake;
use crate::pipeline::declared::{
    At, Axis, DeclaredCommand, DeclaredMatrix, DeclaredPath, DeclaredPipeline, DeclaredStep,
    Located, Sources,
};
use crate::pipeline::load::PipelineError;
use crate::pipeline::{Pipeline, PipelineStep, Resources};

/// A pipeline that is being declared.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) text: String,
    pub(super) params: BTreeMap<String, Value>,
    steps: Vec<DeclaredStep>,
}

/// A step that is being declared.
pub(super) struct StepSample<'s> {
    text: &'s mut String,
    pub(super) step: DeclaredStep,
}

impl Sample {
    /// Declares a step that runs `true`, and what `declare` adds to it.
    pub(super) fn step(mut self, name: &str, declare: impl FnOnce(&mut StepSample<'_>)) -> Self {
        let name = located(&mut self.text, name);
        let mut sample = StepSample {
            step: empty(name),
            text: &mut self.text,
        };
        sample.argv(&["true"]);
        declare(&mut sample);
        let step = sample.step;
        self.steps.push(step);
        self
    }

    pub(super) fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        sources.add(Path::new("ibid.toml"), self.text.clone());
        sources
    }

    pub(super) fn declared(self) -> DeclaredPipeline {
        DeclaredPipeline {
            name: Some("sample".to_owned()),
            params: self.params,
            limits: BTreeMap::new(),
            env_mode: EnvMode::default(),
            steps: self.steps,
        }
    }

    pub(super) fn expand_in(self, root: &Path) -> Result<Pipeline, PipelineError> {
        let sources = self.sources();
        expand(self.declared(), &sources, root)
    }

    pub(super) fn expand(self) -> Pipeline {
        match self.expand_in(Path::new("/no/such/root")) {
            Ok(pipeline) => pipeline,
            Err(error) => panic!("{error}"),
        }
    }

    /// Expands what holds one step, without a matrix.
    pub(super) fn only(self) -> PipelineStep {
        self.expand().steps.remove(0)
    }

    /// Expands what holds a mistake.
    pub(super) fn mistake(self) -> Mistake {
        match self.expand_in(Path::new("/no/such/root")) {
            Err(PipelineError::Mistake(mistake)) => mistake,
            other => panic!("{other:?}"),
        }
    }
}

impl StepSample<'_> {
    pub(super) fn located(&mut self, value: &str) -> Located<String> {
        located(self.text, value)
    }

    fn at(&mut self, value: &str) -> At {
        self.located(value).at
    }

    /// Ends a chain.
    #[expect(clippy::unused_self, reason = "a chain of calls ends with it")]
    pub(super) fn done(&self) {}

    pub(super) fn argv(&mut self, words: &[&str]) -> &mut Self {
        let words = words.iter().map(|word| located(self.text, word));
        self.step.run = DeclaredCommand::Argv(words.collect());
        self
    }

    pub(super) fn shell(&mut self, script: &str) -> &mut Self {
        self.text_for(&["/bin/sh", "-eu", "-c"], script)
    }

    pub(super) fn text_for(&mut self, interpreter: &[&str], script: &str) -> &mut Self {
        self.step.run = DeclaredCommand::Shell {
            interpreter: interpreter.iter().map(|word| (*word).to_owned()).collect(),
            script: self.located(script),
        };
        self
    }

    fn path(&mut self, name: &str, path: &str) -> DeclaredPath {
        DeclaredPath {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            path: self.located(path),
            optional: false,
            keep: false,
            by_content: false,
        }
    }

    /// Declares an input; an empty name is none.
    pub(super) fn input(&mut self, name: &str, path: &str) -> &mut Self {
        let path = self.path(name, path);
        self.step.inputs.push(path);
        self
    }

    pub(super) fn output(&mut self, name: &str, path: &str) -> &mut Self {
        let path = self.path(name, path);
        self.step.outputs.push(path);
        self
    }

    pub(super) fn after(&mut self, name: &str) -> &mut Self {
        let name = self.located(name);
        self.step.after.push(name);
        self
    }

    pub(super) fn own_param(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.step.own_params.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn matrix(&mut self) -> &mut DeclaredMatrix {
        if self.step.matrix.is_none() {
            let at = self.at("matrix");
            self.step.matrix = Some(DeclaredMatrix {
                at,
                axes: Vec::new(),
                zip: Vec::new(),
                include: Vec::new(),
                exclude: Vec::new(),
            });
        }
        self.step.matrix.as_mut().expect("it was just made")
    }

    pub(super) fn an_axis(&mut self, name: &str, values: &[Value]) -> Axis {
        Axis {
            name: self.located(name),
            values: values.to_vec(),
        }
    }

    /// Declares an axis of texts.
    pub(super) fn axis(&mut self, name: &str, values: &[&str]) -> &mut Self {
        let values: Vec<Value> = values.iter().map(|value| Value::from(*value)).collect();
        let axis = self.an_axis(name, &values);
        self.matrix().axes.push(axis);
        self
    }

    pub(super) fn point(&mut self, values: &[(&str, Value)]) -> Located<BTreeMap<String, Value>> {
        let map = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Located {
            value: map.collect(),
            at: self.at("point"),
        }
    }
}

fn located(text: &mut String, value: &str) -> Located<String> {
    let start = text.len();
    text.push('"');
    text.push_str(value);
    text.push('"');
    let span = start..text.len();
    text.push('\n');
    Located {
        value: value.to_owned(),
        at: At { file: 0, span },
    }
}

fn empty(name: Located<String>) -> DeclaredStep {
    DeclaredStep {
        name,
        run: DeclaredCommand::Argv(Vec::new()),
        inputs: Vec::new(),
        outputs: Vec::new(),
        exclude: Vec::new(),
        code: Vec::new(),
        ignore_args: Vec::new(),
        tools: Vec::new(),
        own_params: BTreeMap::new(),
        named_params: Vec::new(),
        specs: Vec::new(),
        env: Vec::new(),
        pass_env: Vec::new(),
        secret_env: Vec::new(),
        env_mode: None,
        packages: Packages::default(),
        versions: BTreeMap::new(),
        versions_from: Vec::new(),
        salt: None,
        stdin: None,
        matrix: None,
        ttl: None,
        timeout: None,
        ok_exit: Vec::new(),
        cache_failures: false,
        storing: Storing::default(),
        always: false,
        retries: 0,
        resources: Resources::default(),
        after: Vec::new(),
        metadata: BTreeMap::new(),
        description: None,
    }
}
