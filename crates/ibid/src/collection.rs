//! Collecting what may go: by which policy, and whether the end of a run is the time for it.
//!
//! Owns the way from settings to a policy, and the trigger. Invariant: a collection at the end of
//! a run changes neither its exit code nor what it printed to stdout for people, and its failure
//! is one warning.

use ibid_core::engine::chain;
use ibid_core::maintain::{self, Collected, Policy};
use ibid_core::store::{LocalStore, Sharing};
use ibid_core::{action::AccessMode, output};
use serde_json::json;

use crate::context::{Context, Session, now, wall_clock};
use crate::report::people;

/// Returns the policy of the settings.
pub(crate) fn policy(session: &Session) -> Policy {
    let config = &session.config;
    Policy {
        max_size: config.max_size.value.bytes(&session.dirs.cache().path),
        max_age: config.max_age.value.0,
        keep_last: None,
        grace: config.grace.value.0,
    }
}

/// Says whether the end of this run is the time to collect, by what it stored and by chance. An
/// interrupt that came before lets it not be.
pub(crate) fn is_due(store: &LocalStore, session: &Session, context: &Context) -> bool {
    let mode = session.config.mode.value;
    let may_write = matches!(mode, AccessMode::ReadWrite | AccessMode::WriteOnly);
    // Most runs store nothing, and must not even ask the file system how large it is.
    if !may_write || store.added() == (0, 0) || context.interrupt.count() > 0 {
        return false;
    }
    maintain::draws_collection(store, policy(session).max_size, now())
}

/// Collects at the end of a run. An interrupt ends it.
pub(crate) fn after_run(store: &LocalStore, session: &Session, context: &Context) {
    let interrupt = &context.interrupt;
    let policy = policy(session);
    session.recall_listings(store);
    match maintain::collect(store, &policy, now(), &|| interrupt.count() == 0) {
        Ok(None) => {}
        Ok(Some(collected)) => {
            output::expire_replaced(&session.root, wall_clock());
            tell(&collected, &policy, session, context);
        }
        Err(error) => context.console.warn(&format!(
            "the cache could not be collected: {}",
            chain(&error)
        )),
    }
}

fn tell(collected: &Collected, policy: &Policy, session: &Session, context: &Context) {
    let console = &context.console;
    let Collected {
        inventory,
        plan,
        done,
    } = collected;
    if let Some(first) = done.problems.first() {
        console.warn(&format!(
            "the cache was collected in part: {first}; `ibid gc` tells everything"
        ));
    }
    // In a store of a group, others' files are for them to remove.
    if done.denied > 0 && session.sharing() == Sharing::Private {
        let denied = people::count(done.denied, "file");
        console.warn(&format!(
            "the cache was not collected whole: {denied} may not be removed by this user"
        ));
    }
    let is_over = policy.max_size.is_some_and(|most| plan.after > most);
    if let Some(first) = inventory.unknown.first().filter(|_| is_over) {
        console.warn(&format!(
            "the cache takes {}, more than `max_size`, and cannot be collected for what is not \
             understood in it: {first}; `ibid fsck --repair` puts it right",
            people::size(plan.after)
        ));
    }
    if done.evicted + done.discarded + done.deleted == 0 {
        return;
    }
    if console.wants_events() {
        console.event(&json!({
            "event": "collected",
            "evicted": done.evicted,
            "discarded": done.discarded,
            "deleted": done.deleted,
            "freed_bytes": done.freed,
        }));
    }
    let evicted = match done.evicted {
        0 => String::new(),
        count => format!("{} evicted, ", people::count(count, "result")),
    };
    let freed = people::size(done.freed);
    console.say(&format!("the cache was collected: {evicted}{freed} freed"));
}
