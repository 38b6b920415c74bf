//! `Aftermath`: what must hold after a run was killed, wherever that was.

use super::Report;
use super::case::{Got, Step, runs};
use super::leftovers::{false_blobs, keys, strays};
use super::snapshot::{Snapshot, remove};
use crate::TestEnv;

/// A workspace and a store in which a run was killed.
pub(super) struct Aftermath<'a> {
    pub(super) env: &'a TestEnv,
    pub(super) step: &'a Step,
    pub(super) expected: &'a Got,
    /// What was done, for messages.
    pub(super) what: &'a str,
}

impl Aftermath<'_> {
    /// Checks that blobs are what they say and that every key restores exactly; says whether
    /// there is a key.
    pub(super) fn check_store(&self, report: &mut Report) -> bool {
        let Self { env, what, .. } = self;
        for blob in false_blobs(env) {
            report.violation(format!("{what}: the blob {blob} is not what its name says"));
        }
        let keys = keys(env);
        for key in &keys {
            let to = env.home("restored");
            remove(&to);
            let words = [
                "restore".as_ref(),
                key.as_ref(),
                "--to".as_ref(),
                to.as_os_str(),
            ];
            let ran = env.run(words);
            if ran.code != Some(0) {
                report.violation(format!("{what}: a false entry: {}", ran.story()));
                continue;
            }
            for place in self.step.places {
                let restored = Snapshot::of(&to.join(place));
                if let Some(difference) = self.expected.output_differs(place, &restored) {
                    report.violation(format!("{what}: a false entry: {difference}"));
                }
            }
        }
        !keys.is_empty()
    }

    /// Checks that the next run is right (a hit, where the key was `found`), and that the one
    /// after it is a hit and leaves no staging name.
    pub(super) fn check_next_runs(&self, found: bool, report: &mut Report) {
        self.check_run(found, report);
        self.step.remove_outputs(self.env);
        self.check_run(true, report);
        for stray in strays(self.env) {
            let stray = stray.display();
            report.violation(format!("{}: left `{stray}` in the workspace", self.what));
        }
    }

    fn check_run(&self, must_hit: bool, report: &mut Report) {
        let what = self.what;
        let before = runs(self.env).len();
        let run = self.step.run(self.env);
        if let Some(difference) = run.got.difference(self.expected) {
            report.violation(format!("{what}: the next run is wrong: {difference}"));
        }
        if must_hit && runs(self.env).len() > before {
            report.violation(format!("{what}: ran again: {:?}", run.said));
        }
        if !run.warnings.is_empty() {
            report.violation(format!("{what}: {:?}", run.warnings));
        }
    }
}
