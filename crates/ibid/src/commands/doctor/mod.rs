//! `ibid doctor`: what was found, what it means, what to set.
//!
//! One file per group of questions; each asks plain functions of the library and puts the answers
//! into [`Finding`]s. Nothing is made that stays: probes are files without a name, or files in the
//! store's own folder for temporary ones; on what may only be read, nothing is written at all. A
//! file system that does not answer is waited for a few seconds, and told of.
//!
//! The exit code is 0 where results can be had or stored, and 1 where this cache is of no use.

mod abilities;
mod finding;
mod places;
mod store;
mod trust;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use ibid_core::config::Overrides;
use serde_json::json;

use self::finding::{Finding, Group, Mark};
use crate::args::DoctorArgs;
use crate::context::{Context, Session};
use crate::error::Failure;
use crate::exit::{self, Exit};

/// As long a file system may take to answer all questions of a group.
const PATIENCE: Duration = Duration::from_secs(10);

/// Questions of one kind.
type Questions = fn(&Session) -> Vec<Finding>;

const GROUPS: [(&str, Questions); 6] = [
    ("cache", store::state),
    ("file systems", places::all),
    ("what works there", abilities::all),
    ("stat cache", trust::stat_cache),
    ("processes", trust::processes),
    ("budget", store::budget),
];

pub(super) fn run(_args: &DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, Overrides::default())?;
    let groups: Vec<Group> = GROUPS
        .into_iter()
        .map(|(name, questions)| Group {
            name,
            findings: answered(session.clone(), questions),
        })
        .collect();
    let usable = !groups
        .iter()
        .flat_map(|group| &group.findings)
        .any(|finding| finding.mark == Mark::Failure);
    if context.console.is_json() {
        let groups: Vec<_> = groups.iter().map(Group::as_json).collect();
        context
            .console
            .json_data(&json!({"usable": usable, "groups": groups}))?;
    } else {
        let mut text: String = groups
            .iter()
            .map(|group| group.as_text(&context.console))
            .collect();
        text.push_str(&finding::closing(&groups, usable));
        context.console.data(text.as_bytes())?;
    }
    Ok(Exit::Code(if usable {
        exit::OK
    } else {
        exit::STEP_FAILED
    }))
}

/// Asks on a thread of its own, so that a server that is away does not hold up the rest. The thread
/// is left behind where it hangs, and ends with the process.
fn answered(session: Session, questions: Questions) -> Vec<Finding> {
    let (sender, receiver) = mpsc::channel();
    let asking = std::thread::Builder::new().spawn(move || {
        // Where nobody waits any more, nobody reads the answer.
        let _ = sender.send(questions(&session));
    });
    let answer = asking
        .ok()
        .and_then(|_| receiver.recv_timeout(PATIENCE).ok());
    answer.unwrap_or_else(|| {
        let seconds = PATIENCE.as_secs();
        vec![
            Finding::warning("answer", format!("none within {seconds} s"))
                .meaning("a file system does not answer, as one whose server is away")
                .set("`--cache-dir DIR` uses a cache elsewhere, `--mode off` none"),
        ]
    })
}

/// Returns where a path will lie, links resolved, and the part of it that exists already.
fn standing(path: &std::path::Path) -> (PathBuf, Option<PathBuf>) {
    let real = ibid_core::fs::future_path(path);
    let exists = |folder: &&std::path::Path| ibid_core::fs::exists(folder).unwrap_or(false);
    let above = real.ancestors().find(exists).map(ToOwned::to_owned);
    (real, above)
}
