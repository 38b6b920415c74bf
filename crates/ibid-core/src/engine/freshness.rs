//! Whether a stored result answers this request: pure rules over a result and a policy.
//!
//! A stored result may be right and still not be acceptable here: an exit code that this request
//! does not take for success, an output that this request declares and the run did not have, or
//! an age beyond the time to live. Each is a miss with a reason.

use std::time::Duration;

use crate::action::{Action, OutputSpec, Policy, Trigger};
use crate::fs::counts_until;
use crate::store::Outcome;

/// Why a key that has a result misses all the same, or has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// What was found, in words.
    pub reason: String,
    /// The trigger, where the look-up itself is the reason; else components tell.
    pub trigger: Option<Trigger>,
}

impl Miss {
    pub(super) fn because(trigger: Trigger, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            trigger: Some(trigger),
        }
    }

    pub(super) fn absent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            trigger: None,
        }
    }
}

/// Says whether an exit code counts as success.
pub(super) fn is_success(code: u8, policy: &Policy) -> bool {
    code == 0 || policy.ok_exit.contains(&code)
}

/// Checks what a run gave against the request; the run `started` then, since 1970, and took that
/// long, in nanoseconds. `now` is the time since 1970.
pub(super) fn acceptable(
    outcome: &Outcome,
    (started, took): (u64, u64),
    action: &Action,
    now: Duration,
) -> Result<(), Miss> {
    let code = outcome.exit_code;
    let success = is_success(code, &action.policy);
    if !success && !action.policy.cache_failures {
        let reason = format!("the stored run ended with exit code {code}, which is not accepted");
        return Err(Miss::because(Trigger::Outputs, reason));
    }
    if success && code != 0 && !action.outputs.is_empty() && outcome.outputs.is_empty() {
        // Perhaps it counted as a failure when it was stored: nothing of a failed run is kept.
        let reason = format!("the stored run ended with exit code {code}, without any output");
        return Err(Miss::because(Trigger::Outputs, reason));
    }
    if success && let Some(missing) = action.outputs.iter().find(|spec| !answers(outcome, spec)) {
        let name = crate::tree::Escaped(missing.key_name());
        let reason = format!("the stored run has no output `{name}`");
        return Err(Miss::because(Trigger::Outputs, reason));
    }
    match action.policy.ttl {
        Some(ttl) => {
            let completed = completion(started, took);
            let end = completed.saturating_add(ttl).as_nanos();
            counts_until(u64::try_from(end).unwrap_or(u64::MAX));
            within(ttl, completed, now)
        }
        None => Ok(()),
    }
}

fn answers(outcome: &Outcome, spec: &OutputSpec) -> bool {
    spec.optional
        || outcome
            .outputs
            .iter()
            .any(|output| output.name == spec.key_name())
}

/// Returns when the stored run was over: its time to live counts from here, never from a file's
/// timestamp.
fn completion(started: u64, took: u64) -> Duration {
    Duration::from_nanos(started.saturating_add(took))
}

fn within(ttl: Duration, completed: Duration, now: Duration) -> Result<(), Miss> {
    let Some(age) = now.checked_sub(completed) else {
        return Err(Miss::because(
            Trigger::Ttl,
            "the stored result is from the future",
        ));
    };
    if age < ttl {
        return Ok(());
    }
    let [age, ttl] = [age, ttl].map(crate::action::HumanDuration);
    Err(Miss::because(
        Trigger::Ttl,
        format!("the stored result is {age} old, its ttl is {ttl}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETED: Duration = Duration::from_secs(1000);

    fn check(ttl: u64, now: u64) -> Option<Trigger> {
        let (ttl, now) = (Duration::from_secs(ttl), Duration::from_secs(now));
        within(ttl, COMPLETED, now)
            .err()
            .and_then(|miss| miss.trigger)
    }

    #[test]
    fn a_result_is_stale_from_exactly_its_ttl_on() {
        assert_eq!(check(10, 1009), None);
        assert_eq!(check(10, 1010), Some(Trigger::Ttl));
        assert_eq!(check(0, 1000), Some(Trigger::Ttl));
    }

    #[test]
    fn a_result_from_the_future_is_stale() {
        assert_eq!(check(10, 999), Some(Trigger::Ttl));
    }
}
