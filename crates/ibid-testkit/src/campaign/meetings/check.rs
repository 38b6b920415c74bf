//! What must hold when two processes have met.

use super::super::Report;
use super::super::case::runs;
use super::super::snapshot::{self, Item, Snapshot};
use super::scene::{Act, Meeting, age_blobs, ask_again, command, deletable, remove_trash, trash};
use crate::TestEnv;
use crate::trace::Traced;

/// Both have ended.
pub(super) struct Ends<'a> {
    pub(super) env: &'a TestEnv,
    pub(super) meeting: &'a Meeting,
    /// `None` where it was killed.
    pub(super) first: Option<&'a Traced>,
    pub(super) second: &'a Traced,
    /// How many files a collection might have deleted when they began.
    pub(super) files: usize,
    /// What was done, for messages.
    pub(super) what: &'a str,
}

impl Ends<'_> {
    pub(super) fn check(&self, report: &mut Report) {
        let Meeting { first, second, .. } = *self.meeting;
        if let Some(ran) = self.first {
            self.check_side((first, "first"), ran, report);
        }
        self.check_side((second, "second"), self.second, report);
        if self.meeting.only_collects() {
            self.check_counts(report);
        }
        // A process that was killed may have left what it was about to put back.
        if self.first.is_some() {
            self.check_whole("then", report);
            if self.must_be_hit() {
                // What stands needs nothing from there: whoever makes room deletes it.
                remove_trash(self.env);
            }
        }
        self.check_again(report);
        if first.collects() || second.collects() {
            self.check_trash(report);
        }
        self.check_whole("in the end", report);
    }

    /// Checks that what two collections deleted is counted once.
    fn check_counts(&self, report: &mut Report) {
        let deleted = |ran: &Traced| -> usize {
            let told: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
            let count = told["files_deleted"].as_u64();
            count.and_then(|it| it.try_into().ok()).unwrap_or(0)
        };
        let gone = self.files.saturating_sub(deletable(self.env));
        let told = self.first.map_or(0, deleted) + deleted(self.second);
        // What a process deleted that was killed, nobody tells.
        if told > gone || (self.first.is_some() && told != gone) {
            let what = self.what;
            report.violation(format!("{what}: {gone} files are gone, {told} are told"));
        }
    }

    /// Checks that the next collection empties the trash and leaves no blob that nothing names, and
    /// that nothing is missed then.
    fn check_trash(&self, report: &mut Report) {
        let what = self.what;
        // The first one moves what nothing names by now.
        for _ in 0..2 {
            age_blobs(self.env);
            let mut gc = command(self.env, "after", &["gc"]);
            let ran = self.env.finish(gc.env("IBID_GRACE", "0s"));
            if ran.code != Some(0) {
                report.violation(format!("{what}: `gc` in the end: {}", ran.story()));
            }
        }
        let left = trash(self.env);
        if !left.is_empty() {
            report.violation(format!("{what}: `gc` left {left:?} in the trash"));
        }
        age_blobs(self.env);
        let mut gc = command(self.env, "after", &["gc", "--dry-run", "--json"]);
        let ran = self.env.finish(gc.env("IBID_GRACE", "0s"));
        let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        for what_goes in ["blobs_discarded", "files_deleted"] {
            if told[what_goes] != 0 {
                report.violation(format!("{what}: `gc` left something to do: {told}"));
            }
        }
        // Where the outputs stand, the store is not asked.
        snapshot::remove(&self.env.work("after/out"));
        if self.ask_in("after", report) {
            report.violation(format!(
                "{what}: what stood is no hit when the trash is empty"
            ));
        }
    }

    fn check_side(&self, (act, side): (Act, &str), ran: &Traced, report: &mut Report) {
        let stderr = String::from_utf8_lossy(&ran.stderr);
        let what = self.what;
        if ran.hung {
            report.violation(format!("{what}: the {side} did not end"));
            return;
        }
        // What is to be pinned may just be gone.
        let may_fail = act == Act::Pin && ran.code == Some(1);
        if ran.code != Some(0) && !may_fail {
            let code = ran.code;
            report.violation(format!("{what}: the {side}: {code:?}: {stderr}"));
            return;
        }
        let is_meant = |line: &str| self.meeting.is_spoiled() && line.contains("wrong digest");
        let mut warnings = stderr.lines().filter(|line| line.contains("warning: "));
        if !warnings.all(is_meant) {
            report.violation(format!("{what}: the {side}: {stderr}"));
        }
        if matches!(act, Act::Ask | Act::Refresh) {
            self.check_answer(side, &ran.stdout, report);
        }
    }

    /// Checks what a workspace got.
    fn check_answer(&self, side: &str, stdout: &[u8], report: &mut Report) {
        let what = self.what;
        let out = Snapshot::of(&self.env.work(side).join("out"));
        let content = |name: &str| match out.0.get(std::path::Path::new(name)) {
            Some(Item::File { content, .. }) => content.clone(),
            _ => Vec::new(),
        };
        let is_right =
            out.0.len() == 3 && content("a") == b"own\n" && content("z") == b"as before\n";
        if !is_right {
            report.violation(format!("{what}: the {side} has another output"));
        }
        if stdout != b"said\n" {
            report.violation(format!("{what}: the {side} heard something else"));
        }
    }

    /// Asks twice more: where nothing stands, and then where the answer does.
    fn check_again(&self, report: &mut Report) {
        let what = self.what;
        // Where a manifest from before an invalidation stands, nothing else need tell of it.
        if self.ended_well(Act::Invalidate) && !self.ask_in("before", report) {
            report.violation(format!("{what}: what was invalidated is a hit"));
        }
        if self.ask_in("after", report) && self.must_be_hit() {
            report.violation(format!("{what}: what was stored is no hit"));
        }
        if self.ask_in("after", report) {
            report.violation(format!("{what}: what ran just now is no hit"));
        }
    }

    /// Says whether the result has to be there: it was stored or pinned a moment ago.
    fn must_be_hit(&self) -> bool {
        let stores = self.ended_well(Act::Refresh)
            || (self.ended_well(Act::Ask) && !self.meeting.has(Act::Prune));
        self.first.is_some() && (stores || self.ended_well(Act::Pin) || self.meeting.keeps_result())
    }

    /// Says whether a side that does this has ended well.
    fn ended_well(&self, act: Act) -> bool {
        let Meeting { first, second, .. } = *self.meeting;
        let ended = |ran: Option<&Traced>| ran.is_some_and(|ran| ran.code == Some(0));
        (first == act && ended(self.first)) || (second == act && ended(Some(self.second)))
    }

    /// Asks in a workspace; says whether the command ran.
    fn ask_in(&self, side: &str, report: &mut Report) -> bool {
        let before = runs(self.env).len();
        let ran = self.env.finish(&mut ask_again(self.env, side));
        if ran.code == Some(0) {
            self.check_answer(side, &ran.raw.0, report);
        } else {
            report.violation(format!("{}: asked again: {}", self.what, ran.story()));
        }
        runs(self.env).len() > before
    }

    fn check_whole(&self, when: &str, report: &mut Report) {
        let ran = self.env.finish(&mut command(self.env, "after", &["fsck"]));
        if ran.code != Some(0) {
            let story = ran.story();
            report.violation(format!("{}: `fsck` {when}: {story}", self.what));
        }
    }
}
