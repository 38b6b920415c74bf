//! What a word that names a step, a run of it, a label, a key or the start of one stands for.
//!
//! Asked in this order: a whole key, a label that history knows, a step of the project, what
//! stands before the last `@` with a run behind it, the start of a key. The name of a matrix point
//! holds an `@` of its own, so the whole word comes before its parts.

use ibid_core::action::KeyRecord;
use ibid_core::digest::{BlobId, Key};
use ibid_core::fs::PathError;
use ibid_core::pipeline::StepId;
use ibid_core::store::{LocalStore, Lookup, RunEntry};
use ibid_core::tree::Escaped;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::known::Known;
use super::runs::{self, Moment};
use crate::context::now;
use crate::error::Failure;
use crate::exit;
use crate::report::{history, people};

/// Fewer digits are more often a slip than a key.
pub(super) const FEWEST_DIGITS: usize = 4;

/// So many runs or points are listed in a message.
const LISTED: usize = 8;

/// A key, and what led to it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) key: Key,
    /// The entry of history, unless the key itself was named.
    pub(super) entry: Option<RunEntry>,
    /// The result of that very run, where a run was asked for and not what stands for its key.
    pub(super) result: Option<BlobId>,
}

impl Named {
    fn key(key: Key) -> Self {
        Self {
            key,
            entry: None,
            result: None,
        }
    }

    fn newest(entry: RunEntry) -> Self {
        Self {
            key: entry.key,
            entry: Some(entry),
            result: None,
        }
    }
}

/// Finds the one run, or key, that `word` names.
pub(super) fn find(known: &Known<'_>, word: &str) -> Result<Named, Failure> {
    if let Ok(key) = word.parse::<Key>() {
        return Ok(Named::key(key));
    }
    let store = &known.store;
    let newest = store.entries_of(word, 1).map_err(unreadable)?;
    if let Some(entry) = newest.into_iter().next() {
        return Ok(Named::newest(entry));
    }
    match known.steps(word).as_slice() {
        [] => {}
        [step] => return of_step(known, *step),
        points => return Err(several(known, word, points)),
    }
    if let Some(found) = at_run(known, word)? {
        return Ok(found);
    }
    let digits = word.strip_prefix("blake3:").unwrap_or(word);
    let is_start = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if digits.len() >= FEWEST_DIGITS && digits.chars().all(is_start) {
        return by_start(store, digits);
    }
    let step = known.suggestion(word).map(|step| {
        unknown(word).hint(format!(
            "did you mean the step `{}`?",
            Escaped(step.as_bytes())
        ))
    });
    Err(step
        .or_else(|| similar(store, word))
        .unwrap_or_else(|| unknown(word)))
}

/// Finds the labels that `word` names: one, or those of all points of a matrix. `None` where it
/// names neither a label nor a step.
pub(super) fn labels(known: &Known<'_>, word: &str) -> Result<Option<Vec<String>>, Failure> {
    if word.parse::<Key>().is_ok() {
        return Ok(None);
    }
    let newest = known.store.entries_of(word, 1).map_err(unreadable)?;
    if !newest.is_empty() {
        return Ok(Some(vec![word.to_owned()]));
    }
    let steps = known.steps(word);
    let labels = known.pipeline().map(|pipeline| {
        let labels = steps.iter().map(|id| pipeline.label(*id).to_owned());
        labels.collect::<Vec<_>>()
    });
    Ok(labels.filter(|labels| !labels.is_empty()))
}

/// Returns the newest run of a step, or the key that its manifest holds.
fn of_step(known: &Known<'_>, step: StepId) -> Result<Named, Failure> {
    let pipeline = known.pipeline().expect("a step of it was found");
    let label = pipeline.label(step);
    let newest = known.store.entries_of(label, 1).map_err(unreadable)?;
    if let Some(entry) = newest.into_iter().next() {
        return Ok(Named::newest(entry));
    }
    let in_manifest = known.manifest_key(step).map(Named::key);
    in_manifest.ok_or_else(|| never_ran(&pipeline.step(step).name))
}

/// History knows nothing of a step.
pub(super) fn never_ran(name: &str) -> Failure {
    Failure::new(
        exit::STEP_FAILED,
        format!(
            "this cache knows of no run of the step `{}`",
            Escaped(name.as_bytes())
        ),
    )
    .hint(format!(
        "`ibid plan {0}` says what would be done, `ibid run {0}` does it",
        Escaped(name.as_bytes())
    ))
}

/// One point of a matrix is meant, and several are named.
fn several(known: &Known<'_>, word: &str, points: &[StepId]) -> Failure {
    let pipeline = known.pipeline().expect("steps of it were found");
    let names = points.iter().map(|id| pipeline.step(*id).name.clone());
    let names: Vec<_> = names.collect();
    let shown = people::some_of(&names, LISTED);
    Failure::usage(format!(
        "`{}` stands for {} steps: {}",
        Escaped(word.as_bytes()),
        points.len(),
        Escaped(shown.as_bytes())
    ))
    .hint(format!("name one of them, such as `{}`", names[0]))
}

/// Reads `STEP@RUN`; `None` where there is no `@`, or no step or label before it.
fn at_run(known: &Known<'_>, word: &str) -> Result<Option<Named>, Failure> {
    let Some((base, behind)) = word.rsplit_once('@') else {
        return Ok(None);
    };
    let label = match labels(known, base)? {
        None => return Ok(None),
        Some(labels) => match labels.as_slice() {
            [label] => label.clone(),
            _ => return Err(several(known, base, &known.steps(base))),
        },
    };
    let entries = known.store.entries_of(&label, usize::MAX);
    let entries = entries.map_err(unreadable)?;
    if entries.is_empty() {
        return Err(never_ran(base));
    }
    let now = Timestamp::from_nanosecond(i128::from(now())).unwrap_or_default();
    let moment = runs::parse(behind, &now.to_zoned(TimeZone::system()));
    let Some(moment) = moment else {
        return Err(no_such_run(base, behind, &entries).hint(
            "behind the `@` stands the start of a key, a count such as `-1`, or a time such as \
             `2026-11-20`, `2026-11-20T10:30`, `yesterday` or `2h ago`",
        ));
    };
    let Some(entry) = runs::choose(&entries, &moment) else {
        return Err(no_such_run(base, behind, &entries).hint(match moment {
            Moment::Key(_) => "the first column is a time, the second the start of the key",
            Moment::Back(_) => {
                "runs that gave a result are counted, from the newest, which is `-0`"
            }
            Moment::Until(_) => {
                "the newest run at or before the time is meant, if it gave a result"
            }
        }));
    };
    Ok(Some(Named {
        key: entry.key,
        result: entry.result,
        entry: Some(entry.clone()),
    }))
}

/// Nothing is meant by what stands behind the `@`; says what could be.
fn no_such_run(base: &str, behind: &str, entries: &[RunEntry]) -> Failure {
    let given = runs::with_results(entries);
    let runs = given.iter().take(LISTED).map(|entry| {
        let (time, key) = (history::local_time(entry.time), entry.key.short());
        format!("{time}  {key}  {}", entry.outcome.word())
    });
    let mut listed: Vec<_> = runs.collect();
    if given.len() > LISTED {
        listed.push(format!("and {} more", given.len() - LISTED));
    }
    if listed.is_empty() {
        listed.push("none of its runs gave a result".to_owned());
    }
    Failure::new(
        exit::STEP_FAILED,
        format!(
            "no run of `{}` is meant by `{}`",
            Escaped(base.as_bytes()),
            Escaped(behind.as_bytes())
        ),
    )
    .excerpt(listed.join("\n"))
}

/// A label begins with the name of its root, which is easily left out.
fn similar(store: &LocalStore, word: &str) -> Option<Failure> {
    let step = format!("/{}", word.trim_end_matches('/'));
    let entries = store.entries(usize::MAX).ok()?;
    let meant = entries.iter().find(|entry| entry.label.ends_with(&step))?;
    Some(
        Failure::new(exit::STEP_FAILED, nothing_known(word)).hint(format!(
            "did you mean the label `{}`?",
            Escaped(meant.label.as_bytes())
        )),
    )
}

fn nothing_known(word: &str) -> String {
    format!(
        "nothing is known of `{}` in this cache",
        Escaped(word.as_bytes())
    )
}

fn by_start(store: &LocalStore, digits: &str) -> Result<Named, Failure> {
    let stored = store.keys().map_err(unreadable)?;
    let ran = store.entries(usize::MAX).map_err(unreadable)?;
    let mut keys: Vec<_> = ran.iter().map(|entry| entry.key).collect();
    keys.extend(stored);
    keys.retain(|key| key.hex().starts_with(digits));
    keys.sort();
    keys.dedup();
    match keys.as_slice() {
        [] => Err(unknown(digits)),
        [key] => Ok(Named::key(*key)),
        several => {
            let starts: Vec<_> = several.iter().map(Key::short).collect();
            let starts = people::some_of(&starts, 5);
            Err(Failure::usage(format!(
                "{} keys start with `{digits}`: {starts}",
                several.len()
            ))
            .hint("give more digits"))
        }
    }
}

/// Returns the key record of `key`, from its result or from history.
pub(super) fn record(store: &LocalStore, key: &Key) -> Result<KeyRecord, Failure> {
    let of_result = match store.look_up(key) {
        Lookup::Found(result) => store.key_record(key, &result.run.record),
        Lookup::Tombstone(_) | Lookup::Absent(_) => None,
    };
    if let Some(record) = of_result {
        return Ok(record);
    }
    let entries = store.entries_of_key(key, usize::MAX).map_err(unreadable)?;
    entries
        .iter()
        .find_map(|entry| store.key_record(key, &entry.record))
        .ok_or_else(|| unknown(&key.short()))
}

/// Nothing of this name is stored.
pub(super) fn unknown(word: &str) -> Failure {
    Failure::new(exit::STEP_FAILED, nothing_known(word)).hint("`ibid log` lists keys and labels")
}

/// History cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unreadable(error: PathError) -> Failure {
    Failure::of(exit::IBID_FAILED, &error)
}
