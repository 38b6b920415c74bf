//! What `gc` and `prune` share: collecting by a policy, or saying what would go, and the report.
//!
//! A dry run makes the same plan from the same inventory and stops there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ibid_core::action::AccessMode;
use ibid_core::engine::chain;
use ibid_core::fs;
use ibid_core::maintain::{self, Collected, Done, Inventory, LeftoverKind, Plan, Policy};
use ibid_core::output;
use ibid_core::store::Access;
use ibid_core::tree::Escaped;
use serde_json::{Value, json};

use super::known::Known;
use super::named::unreadable;
use crate::context::{now, wall_clock};
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{history, people};

/// So many labels are listed for people.
const LISTED: usize = 20;

/// So much of what is not understood is told.
const TOLD: usize = 5;

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Yes.
    Apply,
    /// No: what would go is told.
    Tell,
}

/// What was done, or would be.
struct Outcome {
    inventory: Inventory,
    plan: Plan,
    /// `None` where it was only told.
    done: Option<Done>,
}

/// Opens the store to collect it, or to look at it only.
pub(super) fn open(context: &crate::context::Context, doing: Doing) -> Result<Known<'_>, Failure> {
    let access = match doing {
        Doing::Apply => Access::ReadWrite,
        Doing::Tell => Access::ReadOnly,
    };
    let known = Known::open(context, access)?;
    if doing == Doing::Apply {
        refuse_unwritable(&known)?;
    }
    Ok(known)
}

/// Refuses to change a store that may only be read.
pub(super) fn refuse_unwritable(known: &Known<'_>) -> Result<(), Failure> {
    let dir = known.store.dir();
    let shown = people::path(dir);
    let mode = known.session.config.mode.value;
    let reason = if matches!(mode, AccessMode::ReadOnly | AccessMode::Off) {
        format!("the cache `{shown}` is used read-only here, by the setting `mode`")
    } else if fs::exists(dir).unwrap_or(true) && !fs::may_write_in(dir) {
        format!("the cache `{shown}` cannot be written")
    } else {
        return Ok(());
    };
    Err(Failure::new(exit::IBID_FAILED, reason)
        .hint("whoever may write there can do it; `--dry-run` of `gc` and `prune` only reads"))
}

/// Collects by this policy, or says what would go, and reports.
pub(super) fn run(known: &Known<'_>, policy: &Policy, doing: Doing) -> Result<Exit, Failure> {
    let is_there = known.store.last_collected().map_err(unreadable)?.is_some();
    known.session.recall_listings(&known.store);
    let outcome = match doing {
        // Nothing is made only to find that it is empty.
        _ if !is_there => Outcome {
            inventory: Inventory::default(),
            plan: Plan::default(),
            done: (doing == Doing::Apply).then(Done::default),
        },
        Doing::Tell => {
            let inventory = maintain::take_settled(&known.store, now()).map_err(unreadable)?;
            let plan = maintain::plan(&inventory, policy);
            Outcome {
                inventory,
                plan,
                done: None,
            }
        }
        Doing::Apply => apply(known, policy)?,
    };
    tell(known, policy, &outcome, is_there)?;
    // The process ends here, and with it goes its memory: taking apart a list of millions would
    // take longer than adding it up.
    std::mem::forget(outcome);
    Ok(Exit::OK)
}

fn apply(known: &Known<'_>, policy: &Policy) -> Result<Outcome, Failure> {
    let failed = |error: maintain::CollectError| Failure::of(exit::IBID_FAILED, &error);
    let goes_on = || true;
    let collected = maintain::collect(&known.store, policy, now(), &goes_on).map_err(failed)?;
    let collected = match collected {
        Some(collected) => collected,
        // Two at once do no harm, and whoever asks by hand wants an answer.
        None => maintain::collect_beside(&known.store, policy, now(), &goes_on).map_err(failed)?,
    };
    output::expire_replaced(&known.session.root, wall_clock());
    for fault in known.store.take_faults() {
        known.context.console.warn(&fault.to_string());
    }
    let Collected {
        inventory,
        plan,
        done,
    } = collected;
    Ok(Outcome {
        inventory,
        plan,
        done: Some(done),
    })
}

/// What of one label goes.
#[derive(Default)]
struct OfLabel {
    results: usize,
    /// Bytes of disk of what goes with them, each counted for one label.
    bytes: u64,
}

impl Outcome {
    fn labels(&self) -> Vec<(&str, OfLabel)> {
        let mut left: BTreeSet<u32> = self.plan.discard.iter().copied().collect();
        let mut labels: BTreeMap<&str, OfLabel> = BTreeMap::new();
        for at in &self.plan.evict {
            let entry = &self.inventory.entries[*at];
            let of_label = labels.entry(&entry.label).or_default();
            of_label.results += 1;
            for blob in entry.blobs.iter().filter(|blob| left.remove(blob)) {
                of_label.bytes += self.inventory.blobs[*blob as usize].disk;
            }
        }
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort_by_key(|(label, of_label)| (std::cmp::Reverse(of_label.bytes), *label));
        labels
    }

    /// Returns the bytes of disk that lie in the trash afterwards.
    fn trash(&self) -> u64 {
        let Self {
            inventory, plan, ..
        } = self;
        let leftovers = inventory.leftovers.iter().enumerate();
        let trash = leftovers.filter(|(at, leftover)| {
            let stays = |plan: &[usize]| plan.binary_search(at).is_err();
            leftover.kind == LeftoverKind::Trash && stays(&plan.delete) && stays(&plan.take_back)
        });
        let purged: BTreeSet<&u32> = plan.purge.iter().collect();
        let moved = plan.discard.iter().filter(|at| !purged.contains(at));
        let moved = moved.map(|at| inventory.blobs[*at as usize].disk);
        trash.map(|(_, leftover)| leftover.disk).chain(moved).sum()
    }

    fn freed(&self) -> u64 {
        let planned = self.plan.before.saturating_sub(self.plan.after);
        self.done.as_ref().map_or(planned, |done| done.freed)
    }

    fn as_text(&self, policy: &Policy) -> String {
        let labels = self.labels();
        let mut text = String::new();
        for (label, OfLabel { results, bytes }) in labels.iter().take(LISTED) {
            let (count, size) = (people::count(*results, "result"), people::size(*bytes));
            let label = Escaped(label.as_bytes());
            let _ = writeln!(text, "{size:>10}  {count:<12} {label}");
        }
        if labels.len() > LISTED {
            let _ = writeln!(text, "and {} more labels", labels.len() - LISTED);
        }
        let _ = writeln!(text, "{}", self.counts_text());
        text.push_str(if self.done.is_some() {
            "the cache takes "
        } else {
            "the cache would take "
        });
        text.push_str(&people::size(self.plan.after));
        let trash = self.trash();
        if trash > 0 {
            let until = self.inventory.now.saturating_add(nanos(policy));
            let _ = write!(
                text,
                ", {} of it in the trash until {} or until room is needed",
                people::size(trash),
                history::local_time(until)
            );
        }
        if let Some(most) = policy.max_size {
            let _ = write!(text, "; the limit is {}", people::size(most));
        }
        text.push('\n');
        text
    }

    /// Returns how many results are evicted, and how many files go to the trash and for good.
    fn counts(&self) -> [usize; 3] {
        let Self { plan, done, .. } = self;
        match done {
            Some(done) => [done.evicted, done.discarded, done.deleted],
            None => [
                plan.evict.len(),
                plan.discard.len(),
                plan.deletions(&self.inventory),
            ],
        }
    }

    /// Says what was done, or would be, in a line; what is none of is left out.
    fn counts_text(&self) -> String {
        let would = if self.done.is_some() { "" } else { "would be " };
        let parts = self.counts().into_iter().zip([
            ("result", "evicted"),
            ("file", "moved to the trash"),
            ("file", "deleted"),
        ]);
        let mut parts: Vec<_> = parts
            .filter(|(count, _)| *count > 0)
            .map(|(count, (noun, what))| format!("{} {would}{what}", people::count(count, noun)))
            .collect();
        if parts.is_empty() {
            return "nothing to evict or to delete".to_owned();
        }
        if self.freed() > 0 {
            parts.push(format!("{} {would}freed", people::size(self.freed())));
        }
        parts.join(", ")
    }

    fn as_json(&self, policy: &Policy) -> Value {
        let Self {
            inventory,
            plan,
            done,
        } = self;
        let evicted = plan.evict.iter().map(|at| &inventory.entries[*at]);
        let evicted = evicted.map(|entry| {
            json!({
                "label": &*entry.label,
                "key": entry.key.to_string(),
                "result": entry.result.to_string(),
                "stands": entry.stands,
                "last_use": history::utc_time(entry.last_use),
            })
        });
        let labels = self
            .labels()
            .into_iter()
            .map(|(label, it)| json!({ "label": label, "results": it.results, "bytes": it.bytes }));
        let [_, discarded, deleted] = self.counts();
        let trash = self.trash();
        let until = inventory.now.saturating_add(nanos(policy));
        json!({
            "dry_run": done.is_none(),
            "evicted": evicted.collect::<Vec<_>>(),
            "labels": labels.collect::<Vec<_>>(),
            "blobs_discarded": discarded,
            "files_deleted": deleted,
            "freed_bytes": self.freed(),
            "before_bytes": plan.before,
            "after_bytes": plan.after,
            "max_size_bytes": policy.max_size,
            "young": plan.young,
            "trash_bytes": trash,
            "trash_until": (trash > 0).then(|| history::utc_time(until)),
            "spared": done.as_ref().map_or(0, |done| done.spared),
            "denied": done.as_ref().map_or(0, |done| done.denied),
            "problems": done.as_ref().map_or(&[][..], |done| &done.problems),
            "unknown": inventory.unknown,
        })
    }
}

fn tell(
    known: &Known<'_>,
    policy: &Policy,
    outcome: &Outcome,
    is_there: bool,
) -> Result<(), Failure> {
    let console = &known.context.console;
    if console.is_json() {
        return console.json_data(&outcome.as_json(policy));
    }
    if !is_there {
        known.say_no_cache();
        return Ok(());
    }
    console.data(outcome.as_text(policy).as_bytes())?;
    let unknown = &outcome.inventory.unknown;
    for reason in unknown.iter().take(TOLD) {
        console.warn(&format!("not understood: {reason}"));
    }
    if !unknown.is_empty() {
        console.warn(
            "until that is put right, files that no result seems to need stay: `ibid fsck --repair`",
        );
    }
    let young = outcome.plan.young;
    if young > 0 {
        let results = people::count(young, "result");
        console.note(&format!(
            "{results} of little worth stayed for having been stored or used within the last \
             minute: the next collection may take them"
        ));
    }
    if policy
        .max_size
        .is_some_and(|most| outcome.plan.after > most)
    {
        console.note(
            "it stays larger than that: what is pinned, was used within the last minute, or keeps \
             the books is not evicted",
        );
    }
    let Some(done) = &outcome.done else {
        return Ok(());
    };
    for problem in &done.problems {
        console.warn(problem);
    }
    if done.denied > 0 {
        let denied = people::count(done.denied, "file");
        console.say(&format!(
            "{denied} stayed, being others': only they may remove them here"
        ));
    }
    if done.spared > 0 {
        let spared = people::count(done.spared, "file");
        console.say(&format!("{spared} stayed, being used meanwhile"));
    }
    Ok(())
}

fn nanos(policy: &Policy) -> u64 {
    u64::try_from(policy.grace.as_nanos()).unwrap_or(u64::MAX)
}

/// Tells a failure of the store with its causes.
pub(super) fn store_failed(error: &ibid_core::store::StoreError) -> Failure {
    Failure::new(exit::IBID_FAILED, chain(error)).hint("`ibid dirs` says where the cache lies")
}
