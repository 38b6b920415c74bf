//! Outcomes and reasons in the words of a person.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ibid_core::action::{Change, HumanDuration, Trigger};
use ibid_core::engine::{Decision, NotStored, Rerun, StepOutcome};
use ibid_core::exec::Status;

use super::{people, value};

/// How many changed components a line names.
const NAMED: usize = 3;

/// Says in a line how a step went.
pub(super) fn outcome_line(outcome: &StepOutcome) -> String {
    match &outcome.decision {
        Decision::UpToDate { .. } => {
            let code = exit_code(outcome.status);
            let code = code.trim_end_matches(',');
            format!("up to date{code} ({})", HumanDuration(outcome.elapsed))
        }
        Decision::Restored {
            outputs,
            bytes,
            saved,
        } => {
            if *outputs == 0 {
                let saved = HumanDuration(*saved);
                return format!("cleared the outputs of what is not theirs (saved {saved})");
            }
            let (outputs, bytes) = (people::count(*outputs, "output"), people::size(*bytes));
            format!(
                "restored {outputs}, {bytes} (saved {})",
                HumanDuration(*saved)
            )
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

/// Returns why a result was not stored, where neither the command nor the request says so.
pub(super) fn surprise(outcome: &StepOutcome) -> Option<&NotStored> {
    let Decision::Ran { not_stored, .. } = &outcome.decision else {
        return None;
    };
    not_stored.as_ref().filter(|reason| {
        !matches!(
            reason,
            NotStored::Failed | NotStored::Signalled(_) | NotStored::TimedOut | NotStored::Mode
        )
    })
}

/// Says how a run ended, up to how long it took.
fn ending(status: Status, not_stored: Option<&NotStored>) -> String {
    match (status, not_stored) {
        (_, Some(NotStored::TimedOut)) => "ran out of time after".to_owned(),
        (Status::Signalled { signal }, _) => format!("ended by signal {signal} after"),
        (Status::Exited(code), Some(NotStored::Failed)) => {
            format!("failed with exit code {code} after")
        }
        (_, None) => format!("ran{} in", exit_code(status)),
        (_, Some(_)) => format!("ran{}, not stored, in", exit_code(status)),
    }
}

/// Names an exit code that is not the usual one.
fn exit_code(status: Status) -> String {
    match status {
        Status::Exited(code) if code != 0 => format!(", exit code {code},"),
        _ => String::new(),
    }
}

/// Says in a few words why a step ran.
pub(super) fn reason(rerun: &Rerun) -> String {
    if rerun.triggers == BTreeSet::from([Trigger::New]) {
        return "no earlier run".to_owned();
    }
    if rerun.changes.is_empty() {
        return match (rerun.reason.as_str(), rerun.triggers.first()) {
            ("", None) => "no stored result".to_owned(),
            ("", Some(trigger)) => trigger.word().to_owned(),
            (reason, _) => reason.to_owned(),
        };
    }
    let of_components: Vec<_> = rerun.changes.iter().map(Change::trigger).collect();
    let mut words: Vec<_> = of_components.iter().map(|trigger| trigger.word()).collect();
    words.sort_unstable();
    words.dedup();
    let titles: Vec<_> = rerun.changes.iter().map(Change::title).collect();
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

/// Prints why a step runs, with every component that changed; `who` is what lines about it begin
/// with.
pub(super) fn explanation(who: &str, rerun: &Rerun) -> String {
    let triggers: Vec<_> = rerun
        .triggers
        .iter()
        .map(|trigger| trigger.word())
        .collect();
    let mut text = format!("{who}: runs because of: {}", triggers.join(", "));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ibid_core::action::{ComponentKind, ComponentName};
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
