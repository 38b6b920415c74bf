//! `Known`: what commands that look back know of: a store, and the steps of the project.
//!
//! The file of steps is read when a word or a path first needs it, so that a project without one,
//! or with a broken one, still answers by keys and labels.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use ibid_core::config::Overrides;
use ibid_core::digest::Key;
use ibid_core::engine::{chain, manifest};
use ibid_core::fs::PathError;
use ibid_core::pipeline::{Pipeline, StepId};
use ibid_core::store::{Access, LocalStore, OpenError, ProcessMemory};
use ibid_core::tree::{Escaped, RelPath};

use crate::context::{Context, Session, store_failure};
use crate::error::Failure;
use crate::report::people;

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
        Self::opened(context, |session| {
            session.open_store(access, Arc::new(ProcessMemory::default()))
        })
    }

    /// The same for whoever tells what is wrong with it: that others may write it is no reason
    /// not to look.
    pub(super) fn open_doubtful(context: &'a Context, access: Access) -> Result<Self, Failure> {
        Self::opened(context, |session| session.open_doubtful_store(access))
    }

    fn opened(
        context: &'a Context,
        open: impl FnOnce(&Session) -> Result<LocalStore, OpenError>,
    ) -> Result<Self, Failure> {
        let session = context.session(None, Overrides::default())?;
        let store = open(&session).map_err(|error| store_failure(&error))?;
        Ok(Self {
            context,
            session,
            store,
            pipeline: OnceCell::new(),
            written: OnceCell::new(),
        })
    }

    /// Says that there is nothing to look at yet.
    pub(super) fn say_no_cache(&self) {
        let dir = people::path(self.store.dir());
        let console = &self.context.console;
        console.say(&format!(
            "there is no cache at `{dir}` yet: the first result that is stored makes it"
        ));
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
            Escaped(failure.message().as_bytes())
        ));
    }

    /// Returns the steps that a name means: one, all points of a matrix, or those that match a
    /// pattern; none if there is no step of this name.
    pub(super) fn steps(&self, name: &str) -> Vec<StepId> {
        let named = self.pipeline().map(|pipeline| pipeline.named(name));
        match named {
            Some(Ok(steps)) => steps.into_iter().collect(),
            Some(Err(_)) | None => Vec::new(),
        }
    }

    /// Returns the step that was probably meant by a name that is none.
    pub(super) fn suggestion(&self, name: &str) -> Option<String> {
        self.pipeline()?.named(name).err()?.suggestion
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

    /// Returns what the step that history calls `label` is for, if its file says so and had to be
    /// read anyway.
    pub(super) fn description(&self, label: &str) -> Option<&str> {
        self.pipeline.get()?.as_ref()?;
        let step = self.pipeline()?.step(self.step_of(label)?);
        step.description.as_deref()
    }

    /// Returns the key that the manifest of a step holds: that of a step which was only ever up
    /// to date here, and of which history knows nothing.
    pub(super) fn manifest_key(&self, step: StepId) -> Option<Key> {
        let step = &self.pipeline()?.step(step).step;
        let name = step.policy.manifest.as_deref()?;
        Some(manifest::read(&self.session.root, name)?.key)
    }

    /// Removes the manifest of a step, so that its outputs are not taken for a result's where the
    /// store has lost that it counts no longer.
    pub(super) fn forget_manifest(&self, step: StepId) -> Result<(), PathError> {
        let step = self.pipeline().map(|pipeline| pipeline.step(step));
        let name = step.and_then(|step| step.step.policy.manifest.as_deref());
        name.map_or(Ok(()), |name| {
            manifest::remove(&self.session.root, name).map(drop)
        })
    }

    /// Returns the step that writes a path, itself or a folder above it.
    pub(super) fn writer(&self, path: &RelPath) -> Option<StepId> {
        self.pipeline()?.producer(path)
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
