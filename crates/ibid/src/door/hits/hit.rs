//! A hit: what it looked at, and what came of it.
//!
//! Invariant: it says nothing before everything was looked at again.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ibid_core::engine::snapshot::Seen;
use ibid_core::engine::{Clock, Event, Sink as _, StepOutcome};
use ibid_core::store::{View, Views};

use super::printing::Printed;
use crate::context::{Context, now, system_time, wall_clock};
use crate::report::Reporter;

/// The result of a key in a copy that stood.
#[derive(Debug)]
pub(in crate::door) struct Hit {
    pub(super) seen: Seen,
    pub(super) views: Views,
    /// How it went.
    pub(super) outcome: StepOutcome,
    /// The copy that its outputs stood in.
    pub(super) view: PathBuf,
    /// What its run had printed.
    pub(super) printed: Printed,
    /// The last view that was led to the copy.
    pub(super) last_view: Mutex<Option<PathBuf>>,
}

impl Hit {
    pub(super) fn bytes(&self) -> usize {
        let printed = self.printed.iter().map(|(_, piece)| piece.len());
        self.seen.bytes() + printed.sum::<usize>()
    }

    /// Returns the copy that its outputs stand in, where that is the one that counts.
    pub(in crate::door) fn standing(&self) -> Option<View> {
        let view = self.views.standing(&self.outcome.key)?;
        (view.root() == self.view).then_some(view)
    }

    /// Returns the last view that was led to the copy.
    pub(in crate::door) fn last_view(&self) -> Option<PathBuf> {
        self.last_view.try_lock().ok()?.clone()
    }

    /// Notes that a view leads to the copy.
    pub(in crate::door) fn note_view(&self, view: &Path) {
        if let Ok(mut last) = self.last_view.try_lock() {
            *last = Some(view.to_owned());
        }
    }

    /// Tells it as it was told before, if everything is as it was; the copy is held.
    pub(in crate::door) fn again(
        &self,
        label: &str,
        view: &View,
        context: &Context,
    ) -> Option<StepOutcome> {
        let clock = Clock::starting(system_time());
        if !self.seen.holds(now()) {
            return None;
        }
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let key = self.outcome.key;
        reporter.event(&Event::Prepared { label, key });
        for (stream, bytes) in &self.printed {
            let stream = *stream;
            reporter.event(&Event::Output { stream, bytes });
        }
        let outcome = StepOutcome {
            elapsed: clock.elapsed(),
            ..self.outcome.clone()
        };
        reporter.event(&Event::Finished {
            label,
            outcome: &outcome,
        });
        view.note_use(wall_clock());
        Some(outcome)
    }
}
