//! Events of a run, told to people or to programs.
//!
//! With `--json` each event is one line of JSON on stderr, because stdout belongs to the command:
//! an object with `v` (the version of the format, 1) and `event`. Times are in nanoseconds.

use std::fmt::Write as _;
use std::sync::Arc;

use ibid_core::action::{HumanDuration, Trigger};
use ibid_core::engine::event::{Event, Note, Sink, Warning, Work};
use ibid_core::engine::outcome::{Decision, NotStored, Rerun, StepOutcome};
use ibid_core::exec::{Status, Stream};
use serde_json::{Value, json};

use super::{Console, people, value};

/// How many changed components a line names.
const NAMED: usize = 3;

/// Tells events as the console wants them.
pub(crate) struct Reporter<'a> {
    console: &'a Console,
    explain: bool,
    on_running: &'a (dyn Fn() + Sync),
}

impl<'a> Reporter<'a> {
    /// Makes a reporter; with `explain` all that changed is printed before the command runs.
    /// `on_running` is called just before it does.
    pub(crate) fn new(
        console: &'a Console,
        explain: bool,
        on_running: &'a (dyn Fn() + Sync),
    ) -> Self {
        Self {
            console,
            explain,
            on_running,
        }
    }

    fn json(&self, event: &Event<'_>) {
        if let Some(mut event) = event_json(event) {
            event["v"] = 1.into();
            self.console.event(&event);
        }
    }

    fn people(&self, event: &Event<'_>) {
        let console = self.console;
        match event {
            Event::Running { rerun } if self.explain => console.lines(&explanation(rerun)),
            Event::Waiting { holder, what } => {
                console.say(&format!("waiting for {holder}, which has {what}"));
            }
            Event::Note(note) => console.note(&note.to_string()),
            Event::Warning(warning) => console.warn(&warning.to_string()),
            Event::Finished { outcome, .. } => console.say(&outcome_line(outcome)),
            _ => {}
        }
    }
}

impl Sink for Reporter<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Output { stream, bytes } => {
                return match stream {
                    Stream::Stdout => self.console.pass_out(bytes),
                    Stream::Stderr => self.console.pass_err(bytes),
                };
            }
            Event::WorkBegan { work, meter } => {
                if let Some(progress) = self.console.progress() {
                    let meter = Arc::clone(meter);
                    progress.begin(
                        work_word(*work),
                        Box::new(move || (meter.done(), meter.total())),
                    );
                }
            }
            Event::WorkEnded => {
                if let Some(progress) = self.console.progress() {
                    progress.end();
                }
            }
            Event::Running { .. } => (self.on_running)(),
            _ => {}
        }
        if self.console.is_json() {
            self.json(event);
        } else {
            self.people(event);
        }
    }
}

fn work_word(work: Work) -> &'static str {
    match work {
        Work::Hashing => "hashing",
        Work::Storing => "storing",
        Work::Restoring => "restoring",
    }
}

/// Says in a line how a step went.
fn outcome_line(outcome: &StepOutcome) -> String {
    match &outcome.decision {
        Decision::UpToDate { .. } => format!("up to date ({})", HumanDuration(outcome.elapsed)),
        Decision::Restored {
            outputs,
            bytes,
            saved,
        } => {
            let what = match outputs {
                0 => "cited".to_owned(),
                outputs => format!(
                    "restored {}, {}",
                    people::count(*outputs, "output"),
                    people::size(*bytes)
                ),
            };
            format!("{what} (saved {})", HumanDuration(*saved))
        }
        Decision::Ran {
            rerun,
            took,
            not_stored,
        } => {
            let ended = ending(outcome.status, not_stored.as_ref());
            format!("{ended} {} — {}", HumanDuration(*took), reason(rerun))
        }
    }
}

/// Says how a run ended, up to how long it took.
fn ending(status: Status, not_stored: Option<&NotStored>) -> String {
    match (status, not_stored) {
        (_, Some(NotStored::TimedOut)) => "ran out of time after".to_owned(),
        (Status::Signalled { signal }, _) => format!("ended by signal {signal} after"),
        (Status::Exited(code), Some(NotStored::Failed)) => {
            format!("failed with exit code {code} after")
        }
        (Status::Exited(_), None) => "ran in".to_owned(),
        (Status::Exited(_), Some(_)) => "ran, not stored, in".to_owned(),
    }
}

/// Says in a few words why a step ran.
pub(crate) fn reason(rerun: &Rerun) -> String {
    if rerun.changes.is_empty() {
        return match (rerun.reason.as_str(), rerun.triggers.first()) {
            ("", None) => "no stored result".to_owned(),
            ("", Some(trigger)) => trigger.word().to_owned(),
            (reason, _) => reason.to_owned(),
        };
    }
    let of_components: Vec<_> = rerun.changes.iter().map(|c| c.trigger()).collect();
    let mut words: Vec<_> = of_components.iter().map(|trigger| trigger.word()).collect();
    words.sort_unstable();
    words.dedup();
    let titles: Vec<_> = rerun.changes.iter().map(|change| change.title()).collect();
    let mut text = format!(
        "{} changed: {}",
        words.join(", "),
        people::some_of(&titles, NAMED)
    );
    let beyond = |trigger: &&Trigger| !of_components.contains(trigger);
    if rerun.triggers.iter().any(|trigger| beyond(&trigger)) && !rerun.reason.is_empty() {
        let _ = write!(text, "; {}", rerun.reason);
    }
    text
}

/// Prints why a step runs, with every component that changed.
pub(crate) fn explanation(rerun: &Rerun) -> String {
    let triggers: Vec<_> = rerun.triggers.iter().map(|trigger| trigger.word()).collect();
    let mut text = format!("ibid: runs because of: {}", triggers.join(", "));
    if !rerun.reason.is_empty() {
        let _ = write!(text, " ({})", rerun.reason);
    }
    text.push('\n');
    if let Some(key) = &rerun.compared_to {
        let _ = writeln!(text, "  against the run with the key {}:", key.short());
    }
    for change in &rerun.changes {
        let _ = writeln!(text, "  {}", value::change(change));
    }
    text
}

fn event_json(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::WorkBegan { work, .. } => json!({"event": "work", "work": work_word(*work)}),
        Event::Prepared { label, key } => {
            json!({"event": "prepared", "label": label, "key": key.to_string()})
        }
        Event::Running { rerun } => {
            let mut event = rerun_json(rerun);
            event["event"] = "running".into();
            event
        }
        Event::Waiting { holder, what } => {
            json!({"event": "waiting", "holder": holder, "what": what})
        }
        Event::Note(note) => {
            json!({"event": "note", "note": note_word(note), "text": note.to_string()})
        }
        Event::Warning(warning) => json!({
            "event": "warning",
            "warning": warning_word(warning),
            "text": warning.to_string(),
        }),
        Event::Finished { label, outcome } => {
            let mut event = outcome_json(outcome);
            event["event"] = "finished".into();
            event["label"] = (*label).into();
            event
        }
        _ => return None,
    })
}

/// Returns why a step runs as JSON.
pub(crate) fn rerun_json(rerun: &Rerun) -> Value {
    let triggers: Vec<_> = rerun.triggers.iter().map(|trigger| trigger.word()).collect();
    let changes: Vec<_> = rerun.changes.iter().map(value::change_json).collect();
    json!({
        "triggers": triggers,
        "reason": rerun.reason,
        "changes": changes,
        "compared_to": rerun.compared_to.as_ref().map(ToString::to_string),
    })
}

fn outcome_json(outcome: &StepOutcome) -> Value {
    let nanos = |duration: std::time::Duration| duration.as_nanos().to_string().parse().ok();
    let nanos = |duration| nanos(duration).map_or(Value::Null, Value::Number);
    let mut event = json!({
        "key": outcome.key.to_string(),
        "exit_code": outcome.status.code(),
        "elapsed_ns": nanos(outcome.elapsed),
    });
    if let Status::Signalled { signal } = outcome.status {
        event["signal"] = signal.into();
    }
    match &outcome.decision {
        Decision::UpToDate { saved } => {
            event["decision"] = "up-to-date".into();
            event["saved_ns"] = nanos(*saved);
        }
        Decision::Restored {
            outputs,
            bytes,
            saved,
        } => {
            event["decision"] = "restored".into();
            event["outputs"] = (*outputs).into();
            event["bytes"] = (*bytes).into();
            event["saved_ns"] = nanos(*saved);
        }
        Decision::Ran {
            rerun,
            took,
            not_stored,
        } => {
            event["decision"] = "ran".into();
            event["took_ns"] = nanos(*took);
            event["rerun"] = rerun_json(rerun);
            event["stored"] = not_stored.is_none().into();
            event["not_stored"] = not_stored.as_ref().map(ToString::to_string).into();
        }
    }
    event
}

fn note_word(note: &Note) -> &'static str {
    match note {
        Note::Implied(_) => "implied",
        Note::AbsolutePath(_) => "absolute-path",
        Note::PipeWithoutPipefail(_) => "pipe-without-pipefail",
        Note::Replaced { .. } => "replaced",
        Note::Partial(_) => "partial",
        Note::NotDeterministic(_) => "not-deterministic",
        Note::NoHardLinks(_) => "no-hard-links",
        _ => "other",
    }
}

fn warning_word(warning: &Warning) -> &'static str {
    match warning {
        Warning::NotStored(_) => "not-stored",
        Warning::Uncached(_) => "uncached",
        Warning::Damaged(_) => "damaged",
        Warning::NotRestored(_) => "not-restored",
        Warning::Store(_) => "store",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ibid_core::action::{Change, ComponentKind, ComponentName};
    use ibid_core::digest::{Digest, Key};

    use super::*;

    fn ran(rerun: Rerun, status: Status, not_stored: Option<NotStored>) -> String {
        outcome_line(&StepOutcome {
            key: Key::new(Digest::of(b"")),
            decision: Decision::Ran {
                rerun,
                took: Duration::from_millis(3400),
                not_stored,
            },
            status,
            elapsed: Duration::from_secs(4),
        })
    }

    fn input(name: &str) -> Change {
        Change {
            kind: ComponentKind::Input,
            name: ComponentName::Bytes(name.into()),
            old: None,
            new: None,
        }
    }

    #[test]
    fn a_run_says_which_components_changed() {
        let rerun = Rerun {
            triggers: [Trigger::Inputs].into(),
            changes: ["a.h", "b.h", "c.h", "d.h"].map(input).into(),
            ..Rerun::default()
        };
        assert_eq!(
            ran(rerun, Status::Exited(0), None),
            "ran in 3.4 s — inputs changed: input/a.h, input/b.h, input/c.h and 1 more"
        );
    }

    #[test]
    fn a_run_without_changes_gives_the_reason_of_the_look_up() {
        let rerun = Rerun {
            triggers: [Trigger::Ttl].into(),
            reason: "the result is 3 days old".to_owned(),
            ..Rerun::default()
        };
        let text = ran(rerun, Status::Exited(3), Some(NotStored::Failed));
        assert_eq!(
            text,
            "failed with exit code 3 after 3.4 s — the result is 3 days old"
        );
    }

    #[test]
    fn a_restore_tells_what_came_and_what_was_saved() {
        let line = outcome_line(&StepOutcome {
            key: Key::new(Digest::of(b"")),
            decision: Decision::Restored {
                outputs: 2,
                bytes: 1_234_567,
                saved: Duration::from_millis(3400),
            },
            status: Status::Exited(0),
            elapsed: Duration::from_millis(3),
        });
        assert_eq!(line, "restored 2 outputs, 1.2 MB (saved 3.4 s)");
    }
}
