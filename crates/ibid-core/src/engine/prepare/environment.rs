//! What the command sees of the environment, and which part of it is keyed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::action::{CommandLine, Step};
use crate::engine::context::Context;
use crate::exec::minimal_environment;

/// The resolved environment.
pub(super) struct Environment {
    /// Keyed variables; `None` is unset.
    pub(super) keyed: BTreeMap<String, Option<Vec<u8>>>,
    /// Everything that the command is given.
    pub(super) complete: Vec<(OsString, OsString)>,
}

/// Resolves the environment of a step.
pub(super) fn resolve(step: &Step, cx: &Context<'_>) -> Environment {
    let mut keyed = BTreeMap::new();
    for request in &step.env {
        let from_caller = || {
            cx.env
                .get(&request.name)
                .map(|value| value.as_bytes().to_vec())
        };
        keyed.insert(
            request.name.clone(),
            request.value.clone().or_else(from_caller),
        );
    }
    let complete = match step.command {
        // It is called in this process, and sees what that does.
        CommandLine::Call { .. } => Vec::new(),
        _ => complete(step, &keyed, cx),
    };
    Environment { keyed, complete }
}

/// Returns everything that a command is given.
fn complete(
    step: &Step,
    keyed: &BTreeMap<String, Option<Vec<u8>>>,
    cx: &Context<'_>,
) -> Vec<(OsString, OsString)> {
    let values = keyed
        .iter()
        .map(|(name, value)| (OsStr::new(name), value.as_deref().map(OsStr::from_bytes)));
    let visible = [&step.policy.pass_env, &step.policy.secret_env];
    let visible = visible.into_iter().flatten().map(OsStr::new);
    minimal_environment(step.env_mode, cx.env, values, visible)
}
