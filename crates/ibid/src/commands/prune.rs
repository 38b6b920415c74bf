//! `ibid prune`: results go by policy.

use ibid_core::config::AgeLimit;
use ibid_core::maintain::Policy;
use ibid_core::store::Budget;
use ibid_core::tree::Escaped;

use super::collecting::{self, Doing};
use crate::args::PruneArgs;
use crate::collection;
use crate::context::{Context, Session};
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(args: &PruneArgs, context: &Context) -> Result<Exit, Failure> {
    let doing = if args.dry_run {
        Doing::Tell
    } else {
        Doing::Apply
    };
    let known = collecting::open(context, doing)?;
    let policy = policy(args, &known.session)?;
    collecting::run(&known, &policy, doing)
}

/// Returns what flags say, and where they say nothing the settings.
fn policy(args: &PruneArgs, session: &Session) -> Result<Policy, Failure> {
    let mut policy = collection::policy(session);
    if let Some(text) = &args.max_size {
        let budget = Budget::parse(text);
        let budget = budget.ok_or_else(|| wrong("--max-size", text, Budget::EXPECTED))?;
        policy.max_size = budget.bytes(&session.dirs.cache().path);
    }
    if let Some(text) = &args.max_age {
        let limit = AgeLimit::parse(text);
        let limit = limit.ok_or_else(|| wrong("--max-age", text, AgeLimit::EXPECTED))?;
        policy.max_age = limit.0;
    }
    policy.keep_last = args.keep_last;
    Ok(policy)
}

fn wrong(flag: &str, text: &str, expected: &str) -> Failure {
    let text = Escaped(text.as_bytes());
    Failure::usage(format!("`{flag}` cannot be `{text}`: expected {expected}"))
        .hint("`ibid prune --help` has an example")
}
