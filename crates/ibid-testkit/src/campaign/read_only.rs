//! A store that may only be read serves hits without one call that would change it, whether its
//! modes forbid it to the user or the mount forbids it to everybody.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::case::{Got, Run, Step};
use super::snapshot::Snapshot;
use super::trace::{Trace, traced};
use super::{Plan, Report};
use crate::{TestEnv, until_settled};

/// Nobody in particular.
const STRANGER: u32 = 65534;

const STEP: Step = Step {
    name: "folder",
    options: &["-i", "in.txt", "-o", "out"],
    script: "mkdir out; for i in 1 2 3; do echo $i > out/$i; done; echo done; echo warned >&2",
    places: &["out"],
};

/// How the store is kept from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// A read-only bind mount in a namespace of its own; needs root.
    Mount,
    /// Modes, and a user whose store it is not; needs root to become that user.
    Modes,
    /// The user asks for it: `--mode read-only`.
    Asked,
}

/// Traces a hit with a restore and an up-to-date run; `strace` is where that program lies.
pub fn read_only(plan: &Plan, strace: &Path) -> Report {
    let mut report = Report::new(plan);
    for guard in [Guard::Mount, Guard::Modes, Guard::Asked] {
        let Some(scene) = Scene::new(plan, strace, guard) else {
            report.say(format!(
                "{guard:?}: left out, this user may not set that up"
            ));
            continue;
        };
        scene.play(&mut report);
    }
    list_up_to_date(plan, strace, &mut report);
    report
}

/// A store that is not written to, and a workspace without outputs.
struct Scene<'a> {
    env: TestEnv,
    strace: &'a Path,
    guard: Guard,
    expected: Got,
    store: Snapshot,
}

impl<'a> Scene<'a> {
    fn new(plan: &Plan, strace: &'a Path, guard: Guard) -> Option<Self> {
        let env = TestEnv::new(&plan.binary);
        env.write("in.txt", "input\n");
        let expected = STEP.run(&env).got;
        STEP.remove_outputs(&env);
        if guard == Guard::Modes {
            own(&env.home(".."), STRANGER);
            own(&env.cache(), 0);
        }
        if guard != Guard::Asked {
            forbid(&env.cache());
        }
        let scene = Self {
            store: Snapshot::of(&env.cache().join("v1")),
            env,
            strace,
            guard,
            expected,
        };
        let possible = scene.wrap(&["true".into()]).stderr(Stdio::null()).status();
        possible
            .is_ok_and(|status| status.success())
            .then_some(scene)
    }

    fn play(&self, report: &mut Report) {
        for what in ["a hit with a restore", "an up-to-date run"] {
            let (run, trace) = self.trace();
            // Where the user only asks for it, the cache may keep what it knows of this host.
            let below = match self.guard {
                Guard::Asked => self.env.cache().join("v1"),
                Guard::Mount | Guard::Modes => self.env.cache(),
            };
            let (guard, changes) = (self.guard, trace.changes_below(&below));
            report.say(format!(
                "{guard:?}: {what}: {} calls below the store would change it; {}",
                changes.len(),
                run.said.join("; ")
            ));
            if run.executed {
                report.violation(format!(
                    "{guard:?}: {what}: the command ran: {:?}",
                    run.said
                ));
            }
            if let Some(difference) = run.got.difference(&self.expected) {
                report.violation(format!("{guard:?}: {what}: {difference}"));
            }
            for change in changes {
                report.violation(format!("{guard:?}: {what}: {change}"));
            }
            for warning in run.warnings {
                report.violation(format!("{guard:?}: {what}: {warning}"));
            }
        }
        let store = Snapshot::of(&self.env.cache().join("v1"));
        if let Some(difference) = store.difference(&self.store) {
            report.violation(format!("{:?}: the store changed: {difference}", self.guard));
        }
    }

    /// Runs the step under the guard and traces it.
    fn trace(&self) -> (Run, Trace) {
        let more: &[&str] = if self.guard == Guard::Asked {
            &["--mode", "read-only"]
        } else {
            &[]
        };
        let plain = STEP.command(&self.env, more);
        let to = self.env.work("trace");
        let mut words = vec![plain.get_program().to_owned()];
        words.extend(plain.get_args().map(ToOwned::to_owned));
        let tracing = traced(self.strace, &to, &words);
        let mut words: Vec<_> = vec![tracing.get_program().to_owned()];
        words.extend(tracing.get_args().map(ToOwned::to_owned));
        let mut command = self.wrap(&words);
        command.env_clear().envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        (STEP.finish(&self.env, &mut command), Trace::read(&to))
    }

    /// Prepares a script in a mount namespace of its own, where `/var/tmp` is a folder of this
    /// scene: host-local state goes there when the cache cannot be written.
    fn unshared(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        let script = format!("mount --bind \"$1\" /var/tmp && shift && {script}");
        command
            .args(["--mount", "sh", "-c", &script])
            .arg(self.env.cache())
            .arg(self.env.home(""));
        command
    }

    /// Prepares words to run under the guard.
    fn wrap(&self, words: &[std::ffi::OsString]) -> Command {
        let mut command = match self.guard {
            Guard::Asked => Command::new("env"),
            Guard::Modes => self.unshared(&format!(
                "exec setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups \"$@\""
            )),
            Guard::Mount => self.unshared(
                "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"",
            ),
        };
        command
            .args(words)
            .current_dir(self.env.work(""))
            .stdin(Stdio::null());
        command
    }
}

/// Lists every call of an up-to-date run on a store that may be written.
fn list_up_to_date(plan: &Plan, strace: &Path, report: &mut Report) {
    let env = TestEnv::new(&plan.binary);
    env.write("in.txt", "input\n");
    let bare = STEP.command(&env, &[]);
    STEP.run(&env);
    // What is on the disk can be trusted after two seconds; else it takes two minutes.
    for file in ["in.txt", "out/1", "out/2", "out/3"] {
        let synced = fs::File::open(env.work(file)).and_then(|file| file.sync_all());
        synced.expect("the file is there");
    }
    until_settled();
    for _ in 0..3 {
        STEP.run(&env);
    }
    let to = env.home("trace");
    let mut words: Vec<PathBuf> = vec![bare.get_program().into()];
    words.extend(bare.get_args().map(PathBuf::from));
    let mut command = traced(strace, &to, &words);
    command.current_dir(env.work("")).env_clear().envs(
        bare.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let run = STEP.finish(&env, &mut command);
    let trace = Trace::read(&to);
    for change in trace.changes() {
        report.violation(format!("an up-to-date run changes something: {change}"));
    }
    let counts = trace.counts();
    let all: usize = counts.values().sum();
    report.say(format!(
        "calls of an up-to-date run ({}): {all}",
        run.said.join("; ")
    ));
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    report.say(format!("  {}", counts.join(", ")));
    let root = env.home("..");
    let root = root.canonicalize().unwrap_or(root);
    for call in trace.on_files() {
        let call = call.replace(&*root.to_string_lossy(), "…");
        report.say(format!("  {}", call.chars().take(180).collect::<String>()));
    }
}

/// Takes the right to write from everybody.
fn forbid(dir: &Path) {
    each(dir, &|path| {
        let mode = fs::metadata(path).map(|it| it.permissions().mode());
        let mode = mode.expect("the file is there") & 0o555 | 0o444;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    });
}

/// Gives everything to a user.
fn own(dir: &Path, user: u32) {
    each(dir, &|path| drop(chown(path, Some(user), Some(user))));
}

fn each(path: &Path, act: &dyn Fn(&Path)) {
    act(path);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            each(&entry.path(), act);
        }
    }
}
