//! `ibid run` again: where the last run of the same words found nothing to do and nothing that it
//! looked at has changed, there is nothing to do, and that is all there is to say.
//!
//! Owns what makes two requests the same before anything is looked at, and where snapshots lie as
//! far as that hangs on the environment alone. What a snapshot holds and when it counts is the
//! library's. Invariant: whatever is out of the ordinary leaves the run as it would be without.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ibid_core::digest::Digest;
use ibid_core::digest::encoding::Encoder;
use ibid_core::dirs::{App, Dirs, Platform, Surroundings, Wishes};
use ibid_core::engine::schedule::{Finished, RunReport};
use ibid_core::engine::snapshot::{self, Told};
use ibid_core::engine::{Clock, Decision};
use ibid_core::environ::EnvSnapshot;
use ibid_core::fs::{self, Accounting, Signature, Timestamp};
use ibid_core::pipeline::Pipeline;

use crate::args::GlobalArgs;
use crate::context::{Context, Session, now, stamp_clock, system_time};
use crate::exit::Exit;
use crate::report::{Console, nothing_to_do, up_to_date_names};
use crate::run::Run;

/// A request whose run may be remembered; every look since it was made is written down.
#[derive(Debug)]
pub(crate) struct Asking {
    digest: Digest,
    local_dir: PathBuf,
    began: Timestamp,
    quiet: bool,
    /// What is looked at from then on.
    account: Option<Accounting>,
}

/// What became of a command line before it was understood.
pub(crate) enum Start {
    /// There is nothing to do, and it was said.
    Over(Exit),
    /// It goes on; this may be remembered.
    Goes(Option<Asking>),
}

/// Answers a command line that asks for a run if the last one still stands for it.
pub(crate) fn start(words: &[OsString]) -> Start {
    let clock = Clock::starting(system_time());
    let Some(quiet) = plain(words) else {
        return Start::Goes(None);
    };
    let Some((asking, env)) = Asking::new(words, quiet) else {
        return Start::Goes(None);
    };
    let path = snapshot::place(&asking.local_dir, &asking.digest);
    let user = rustix::process::geteuid().as_raw();
    let told = snapshot::read(&path, user)
        .and_then(|bytes| snapshot::holds(&bytes, &asking.digest, &env, now()));
    if let Some(told) = told {
        let global = GlobalArgs {
            quiet,
            ..GlobalArgs::default()
        };
        nothing_to_do(&Console::new(&global, &env), &told, clock.elapsed());
        return Start::Over(Exit::OK);
    }
    let account = fs::begin_account();
    Start::Goes(account.is_some().then_some(Asking { account, ..asking }))
}

/// Says whether words ask for a run in a way that can be remembered, and if so whether quietly.
fn plain(words: &[OsString]) -> Option<bool> {
    let (verb, mut rest) = words.split_first()?;
    if verb != "run" {
        return None;
    }
    let mut quiet = false;
    while let Some((word, behind)) = rest.split_first() {
        rest = behind;
        match word.as_bytes() {
            b"-q" | b"--quiet" => quiet = true,
            b"-k" | b"--keep-going" => {}
            b"-j" | b"--parallel" => rest = behind.split_first()?.1,
            [b'-', ..] => return None,
            _ => {}
        }
    }
    Some(quiet)
}

impl Asking {
    /// Returns a request with the environment that it is made in.
    #[expect(
        clippy::disallowed_methods,
        reason = "a front door reads the environment and the current folder"
    )]
    fn new(words: &[OsString], quiet: bool) -> Option<(Self, EnvSnapshot)> {
        let dir = std::env::current_dir().ok()?;
        let env: EnvSnapshot = std::env::vars_os().collect();
        let around = Surroundings {
            platform: Platform::current(),
            env: &env,
            current_dir: &dir,
            user: rustix::process::geteuid().as_raw(),
        };
        let dirs = Dirs::resolve(&App::default(), &around, Wishes::default()).ok()?;
        let local_dir = dirs.local(|_| true)?.path;
        let asking = Self {
            digest: digest(words, &dir)?,
            local_dir,
            began: stamp_clock(),
            quiet,
            account: None,
        };
        Some((asking, env))
    }
}

/// Returns a digest of who asks for what, where, and by which binary in which boot.
fn digest(words: &[OsString], dir: &Path) -> Option<Digest> {
    let binary = Signature::of(Path::new("/proc/self/exe")).ok()?;
    let groups = rustix::process::getgroups().ok()?;
    // What was found stands for one boot, so that has to be known.
    let boot = Some(fs::boot_id()).filter(|boot| !boot.is_empty())?;
    let who = [
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    ];
    let mut all = Encoder::new();
    let mut put = |bytes: &[u8]| {
        all.bytes(bytes);
    };
    put(env!("CARGO_PKG_VERSION").as_bytes());
    put(format!("{binary:?}").as_bytes());
    put(format!("{who:?} {groups:?}").as_bytes());
    put(boot.as_bytes());
    put(dir.as_os_str().as_bytes());
    words
        .iter()
        .map(OsString::as_os_str)
        .map(OsStr::as_bytes)
        .for_each(put);
    Some(Digest::of(&all.finish()))
}

/// Remembers a run that found nothing to do. `generation` is that of the store before it began.
pub(crate) fn remember(
    asking: &Asking,
    (report, pipeline): (&RunReport, &Pipeline),
    (session, context): (&Session, &Context),
    (run, generation): (&Run<'_>, Option<&[u8]>),
) {
    let Some(account) = asking.account.and_then(fs::end_account) else {
        return;
    };
    let is_same = context.console.is_quiet() == asking.quiet
        && session
            .local_dir()
            .is_some_and(|local| *local.path == *asking.local_dir);
    if !is_same || report.interrupted.is_some() {
        return;
    }
    let Some(saved) = saved(report) else { return };
    let told = Told {
        steps: report.finished.len() as u64,
        saved,
        names: up_to_date_names(report, pipeline),
    };
    let seen = run.seen(
        account,
        (&session.root, session),
        (asking.began, generation),
    );
    let sealed =
        seen.and_then(|seen| snapshot::seal(&seen, &told, &asking.digest, &context.place.env));
    if let Some(sealed) = sealed {
        snapshot::keep(&snapshot::place(&asking.local_dir, &asking.digest), &sealed);
    }
}

/// Returns how long the commands of all steps had run, if all are up to date.
fn saved(report: &RunReport) -> Option<std::time::Duration> {
    let of = |finished: &Finished| match finished {
        Finished::Done(outcome) => match outcome.decision {
            Decision::UpToDate { saved } => Some(saved),
            _ => None,
        },
        _ => None,
    };
    report.finished.values().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_are_taken_as_they_stand_are_remembered() {
        let asked = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            plain(&words)
        };
        for (words, quiet) in [
            (&["run"][..], Some(false)),
            (&["run", "fit@*", "-k"], Some(false)),
            (&["run", "-j", "4", "-q"], Some(true)),
            (&["run", "-j"], None),
            (&["run", "--force"], None),
            (&["run", "--json"], None),
            (&["run", "-C", "x"], None),
            (&["plan"], None),
            (&[], None),
        ] {
            assert_eq!(asked(words), quiet, "{words:?}");
        }
    }
}
