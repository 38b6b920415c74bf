//! `Known`: what commands that look back know of: a store, and the steps of the project.
//!
//! The file of steps is read when a word or a path first needs it, so that a project without one,
//! or with a broken one, still answers by keys and labels.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use ibid_core::action::OutputKind;
use ibid_core::config::Overrides;
use ibid_core::digest::Key;
use ibid_core::engine::chain;
use ibid_core::pipeline::{Pipeline, StepId};
use ibid_core::store::{Access, LocalStore, ProcessMemory};
use ibid_core::tree::RelPath;

use crate::context::{Context, Session, store_failure};
use crate::error::Failure;

/// A store, and the project that is looked at.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) context: &'a Context,
    pub(super) session: Session,
    pub(super) store: LocalStore,
    pipeline: OnceCell<Option<Pipeline>>,
    written: OnceCell<BTreeMap<RelPath, String>>,
}

impl<'a> Known<'a> {
    /// Opens the store of the settings, which need not exist.
    pub(super) fn open(context: &'a Context, access: Access) -> Result<Self, Failure> {
        let session = context.session(None, Overrides::default())?;
        let store = session
            .open_store(access, Arc::new(ProcessMemory::default()))
            .map_err(|error| store_failure(&error))?;
        Ok(Self {
            context,
            session,
            store,
            pipeline: OnceCell::new(),
            written: OnceCell::new(),
        })
    }

    /// Returns the project's pipeline, if it has a sound one; a broken one is told of.
    pub(super) fn pipeline(&self) -> Option<&Pipeline> {
        let load = || {
            self.session.project.as_ref()?;
            let loaded = self.session.pipeline();
            loaded.inspect_err(|failure| self.warn(failure)).ok()
        };
        self.pipeline.get_or_init(load).as_ref()
    }

    fn warn(&self, failure: &Failure) {
        self.context.console.warn(&format!(
            "steps are not known by their names: {}",
            failure.message()
        ));
    }

    /// Returns the steps that a name means: one, or all points of a matrix; none if there is no
    /// step of this name.
    pub(super) fn steps(&self, name: &str) -> Vec<StepId> {
        let Some(pipeline) = self.pipeline() else {
            return Vec::new();
        };
        if let Some(step) = pipeline.find(name) {
            return vec![step];
        }
        let steps = pipeline.steps.iter().enumerate();
        let points = steps.filter(|(_, step)| step.declared == name);
        points.map(|(index, _)| StepId::new(index)).collect()
    }

    /// Returns the step that history calls `label`.
    pub(super) fn step_of(&self, label: &str) -> Option<StepId> {
        let pipeline = self.pipeline()?;
        let mut ids = (0..pipeline.steps.len()).map(StepId::new);
        ids.find(|id| pipeline.label(*id) == label)
    }

    /// Returns what people call the step that history calls `label`.
    pub(super) fn name_of<'b>(&'b self, label: &'b str) -> &'b str {
        let step = self.step_of(label);
        step.and_then(|id| Some(self.pipeline()?.step(id).name.as_str()))
            .unwrap_or(label)
    }

    /// Returns the key that the manifest of a step holds: that of a step which was only ever up
    /// to date here, and of which history knows nothing.
    #[expect(
        clippy::unused_self,
        reason = "manifests are read below the root that is known here"
    )]
    pub(super) fn manifest_key(&self, _step: StepId) -> Option<Key> {
        None
    }

    /// Returns the step that writes a path, itself or a folder above it.
    pub(super) fn writer(&self, path: &RelPath) -> Option<StepId> {
        let pipeline = self.pipeline()?;
        let writes = |id: &StepId| {
            let outputs = &pipeline.step(*id).step.outputs;
            outputs.iter().any(|output| match &output.kind {
                OutputKind::Path(place) | OutputKind::Dir(place) => place
                    .inside()
                    .is_some_and(|output| path.strip_prefix(output).is_some()),
                OutputKind::Glob(_) => false,
            })
        };
        (0..pipeline.steps.len()).map(StepId::new).find(writes)
    }

    /// Returns the label of what writes a path: a step of the project, else whoever wrote it in
    /// the workspace that history calls `root`.
    pub(super) fn writer_label(&self, path: &RelPath, root: &str) -> Option<String> {
        if let Some(step) = self.writer(path) {
            return Some(self.pipeline()?.label(step).to_owned());
        }
        let written = self
            .written
            .get_or_init(|| chain::writers_in_history(&self.store, root));
        let mut place = Some(path.clone());
        while let Some(at) = place.filter(|at| !at.is_root()) {
            if let Some(label) = written.get(&at) {
                return Some(label.clone());
            }
            place = at.parent();
        }
        None
    }
}
