//! `Aftermath`: what must hold after a run was killed or disturbed, wherever that was.

use super::Report;
use super::case::{Got, runs};
use super::leftovers::{false_blobs, keys, strays};
use super::snapshot::{Snapshot, remove};
use super::workload::Ask;
use crate::TestEnv;

/// So many keys are restored one by one; the others are when their steps are asked for.
const RESTORED: usize = 3;

/// A workspace and a store in which a run was killed or disturbed.
pub(super) struct Aftermath<'a> {
    pub(super) env: &'a TestEnv,
    /// What the user wants next, and what each gives.
    pub(super) asks: &'a [Ask],
    pub(super) expected: &'a [Got],
    /// Whether a key's file may name what cannot be restored, if that is said in one line:
    /// a tombstone, damage that was planted.
    pub(super) has_gaps: bool,
    /// Whether damage was planted that nobody need have found yet.
    pub(super) is_damaged: bool,
    /// What was done, for messages.
    pub(super) what: &'a str,
}

impl Aftermath<'_> {
    /// Checks that blobs are what they say and that every key restores exactly; says how many
    /// keys there are.
    pub(super) fn check_store(&self, report: &mut Report) -> usize {
        let Self { env, what, .. } = self;
        // A planted one is found when somebody reads it.
        for blob in false_blobs(env).iter().filter(|_| !self.has_gaps) {
            report.violation(format!("{what}: the blob {blob} is not what its name says"));
        }
        let keys = keys(env);
        let restored = keys.iter().take(RESTORED);
        let good = restored.filter(|key| self.check_key(key, report)).count();
        good + keys.len().saturating_sub(RESTORED)
    }

    /// Says whether there is a result.
    fn check_key(&self, key: &str, report: &mut Report) -> bool {
        let Self { env, what, .. } = self;
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
            let is_told = ran.code == Some(125) || ran.code == Some(2) || ran.code == Some(1);
            if !(self.has_gaps && is_told && ran.stderr.contains("error: ")) {
                report.violation(format!("{what}: a false entry: {}", ran.story()));
            }
            return false;
        }
        let mut seen = 0;
        for place in self.expected.iter().flat_map(|got| got.outputs().keys()) {
            let restored = Snapshot::of(&to.join(place));
            if restored.0.is_empty() {
                continue;
            }
            seen += 1;
            let differences = self.expected.iter();
            let differences = differences.filter_map(|got| got.output_differs(place, &restored));
            for difference in differences {
                report.violation(format!("{what}: a false entry: {difference}"));
            }
        }
        if seen == 0 {
            report.violation(format!("{what}: {key} restored nothing"));
        }
        true
    }

    /// Checks that the next runs are right (hits, where a key was `found`), that those after
    /// them are hits, those after that too, and that no staging name is left.
    pub(super) fn check_next_runs(&self, found: usize, report: &mut Report) {
        let steps: usize = self.asks.iter().map(Ask::steps).sum();
        // A step that is up to date reads nothing of the store, and so finds no damage there.
        if self.is_damaged {
            self.remove_outputs();
        }
        self.check_run("next", steps.saturating_sub(found), report);
        self.remove_outputs();
        self.check_run("second", 0, report);
        self.check_run("third", 0, report);
        // In its own folder they go when something is next written there; hits write nothing.
        let strays = strays(self.env).into_iter();
        for stray in strays.filter(|path| !path.starts_with(".ibid")) {
            let stray = stray.display();
            report.violation(format!("{}: left `{stray}` in the workspace", self.what));
        }
    }

    fn remove_outputs(&self) {
        for ask in self.asks {
            ask.remove_outputs(self.env);
        }
    }

    /// Asks for everything; at most so many commands may run.
    fn check_run(&self, which: &str, most: usize, report: &mut Report) {
        let what = self.what;
        let before = runs(self.env).len();
        let mut said = Vec::new();
        for (ask, expected) in self.asks.iter().zip(self.expected) {
            let run = ask.run(self.env);
            if let Some(difference) = run.got.difference(expected) {
                report.violation(format!(
                    "{what}: the {which} run is wrong: {difference}; {:?} {:?}",
                    run.warnings, run.said
                ));
            }
            // Damage that was planted is told by whom it meets first.
            let may_warn = self.has_gaps && which == "next";
            if !run.warnings.is_empty() && !may_warn {
                report.violation(format!("{what}: the {which} run: {:?}", run.warnings));
            }
            said.extend(run.said);
        }
        let ran = runs(self.env).len() - before;
        if ran > most {
            report.violation(format!(
                "{what}: {ran} commands ran in the {which} run, at most {most} had to: {said:?}"
            ));
        }
    }

    /// Checks that the whole store is sound, or can be made so where damage was planted.
    pub(super) fn check_whole(&self, report: &mut Report) {
        if self.is_damaged {
            let ran = self.env.run(["fsck", "--repair"]);
            if ran.code != Some(0) {
                let story = ran.story();
                report.violation(format!("{}: `fsck --repair`: {story}", self.what));
            }
        }
        let ran = self.env.run(["fsck"]);
        if ran.code != Some(0) {
            report.violation(format!("{}: `fsck`: {}", self.what, ran.story()));
        }
    }
}
