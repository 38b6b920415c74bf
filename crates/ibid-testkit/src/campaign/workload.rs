//! `Workload`: something that ibid does, which a campaign kills or disturbs, with what a user
//! wants of it before and after.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::Plan;
use super::case::Got;
use super::random::Random;
use super::snapshot::{Item, Snapshot};
use crate::TestEnv;

mod asks;
mod ways;

pub(super) use asks::Ask;
use asks::{A, B, C, LARGE, PIPELINE, PIPELINE_FOUR, SMALL, TREE};

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// What a user asks for, again and again.
    pub(super) asks: &'static [Ask],
    /// What was done before.
    pub(super) before: Before,
    /// The arguments of the disturbed run.
    pub(super) act: Act,
    /// How it is set up, in words that follow the name.
    way: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

/// The state that a disturbed run begins in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Sources only.
    Fresh,
    /// Everything was asked for once.
    Stored,
    /// That, and the outputs are gone.
    Removed,
    /// That, and the store holds old things that nothing names.
    Littered,
    /// That, and files of the store are damaged, gone, or anybody's to write.
    Damaged,
}

/// What is disturbed.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// The first thing that the user asks for, with further options and settings.
    Ask(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
    ),
    /// Another command.
    Verb(&'static [&'static str]),
}

const COPY: &[(&str, &str)] = &[("IBID_LINK", "copy")];
const AUTO: &[(&str, &str)] = &[("IBID_LINK", "auto")];
const HARD_LINK: &[(&str, &str)] = &[("IBID_LINK", "hardlink")];

const fn workload(name: &'static str, asks: &'static [Ask], before: Before, act: Act) -> Workload {
    Workload {
        name,
        asks,
        before,
        act,
        way: "",
        settings: &[],
    }
}

const THREE: &[Ask] = &[Ask::Exec(A), Ask::Exec(B), Ask::Exec(C)];

/// All of them, in the plain way. Their order is part of the numbers of points.
const ALL: [Workload; 14] = [
    workload(
        "commit",
        &[Ask::Exec(SMALL)],
        Before::Fresh,
        Act::Ask(&[], &[]),
    ),
    workload(
        "commit-tree",
        &[Ask::Exec(TREE)],
        Before::Fresh,
        Act::Ask(&[], &[]),
    ),
    workload(
        "commit-large",
        &[Ask::Exec(LARGE)],
        Before::Fresh,
        Act::Ask(&[], &[]),
    ),
    workload(
        "refresh",
        &[Ask::Exec(SMALL)],
        Before::Stored,
        Act::Ask(&["--force"], &[]),
    ),
    workload(
        "restore-copy",
        &[Ask::Exec(TREE)],
        Before::Removed,
        Act::Ask(&[], COPY),
    ),
    workload(
        "restore-auto",
        &[Ask::Exec(TREE)],
        Before::Removed,
        Act::Ask(&[], AUTO),
    ),
    workload(
        "restore-link",
        &[Ask::Exec(TREE)],
        Before::Removed,
        Act::Ask(&[], HARD_LINK),
    ),
    workload("pipeline", &[PIPELINE], Before::Fresh, Act::Ask(&[], &[])),
    workload(
        "invalidate",
        &[Ask::Exec(SMALL)],
        Before::Stored,
        Act::Verb(&["invalidate", "work/out"]),
    ),
    workload(
        "up-to-date",
        &[Ask::Exec(TREE)],
        Before::Stored,
        Act::Ask(&[], &[]),
    ),
    workload("gc", THREE, Before::Littered, Act::Verb(&["gc"])),
    workload(
        "prune",
        THREE,
        Before::Littered,
        Act::Verb(&["prune", "--max-size", "8K"]),
    ),
    workload(
        "fsck-repair",
        THREE,
        Before::Damaged,
        Act::Verb(&["fsck", "--repair"]),
    ),
    workload(
        "pipeline-4",
        &[PIPELINE_FOUR],
        Before::Fresh,
        Act::Ask(&[], &[]),
    ),
];

impl Workload {
    /// Makes a fresh environment; the seed draws how many more files the commands write, so that
    /// another seed reaches other calls.
    pub(super) fn env(plan: &Plan) -> TestEnv {
        let more = Random::new(plan.seed).below(7);
        let names: Vec<_> = (0..more).map(|name| name.to_string()).collect();
        TestEnv::new(&plan.binary).with("MORE", names.join(" "))
    }

    /// Makes the state that the disturbed run begins in.
    pub(super) fn prepare(&self, env: &TestEnv) {
        self.write_sources(env);
        if self.before == Before::Fresh {
            return;
        }
        for ask in self.asks {
            ask.run(env);
        }
        match self.before {
            Before::Removed => self.asks.iter().for_each(|ask| ask.remove_outputs(env)),
            Before::Littered => litter(env),
            Before::Damaged => damage(env),
            Before::Fresh | Before::Stored => {}
        }
    }

    fn write_sources(&self, env: &TestEnv) {
        env.write("in.txt", "input\n");
        if self.asks.iter().any(|ask| matches!(ask, Ask::Run(_))) {
            asks::write_pipeline(env);
        }
    }

    /// Returns the run that is disturbed.
    pub(super) fn command(&self, env: &TestEnv) -> Command {
        let mut command = match self.act {
            Act::Ask(more, settings) => {
                let mut command = self.asks[0].command(env, more);
                command.envs(settings.iter().copied());
                command
            }
            Act::Verb(words) => {
                let mut command = env.command();
                command.env("RUNS", env.home("runs")).args(words);
                command
            }
        };
        command.envs(self.settings.iter().copied());
        command
    }

    /// Returns its name and how it is set up.
    pub(super) fn title(&self) -> String {
        format!("{}{}", self.name, self.way)
    }

    /// Says whether the user's own command is what is disturbed.
    pub(super) fn is_ask(&self) -> bool {
        matches!(self.act, Act::Ask(..))
    }

    /// Says whether the binary knows the command.
    pub(super) fn is_known(&self, env: &TestEnv) -> bool {
        match self.act {
            Act::Verb(words) => knows(env, words[0]),
            Act::Ask(..) => true,
        }
    }

    /// Returns what every ask gives where nothing disturbs it.
    pub(super) fn expected(&self, env: &TestEnv) -> Vec<Got> {
        self.write_sources(env);
        self.asks.iter().map(|ask| ask.run(env).got).collect()
    }
}

/// Says whether the binary can do what a verb says.
pub(super) fn knows(env: &TestEnv, verb: &str) -> bool {
    let ran = env.run([verb]);
    !(ran.stderr.contains("not yet implemented") || ran.stderr.contains("unrecognized"))
}

/// Plants what crashes of some days ago left behind.
fn litter(env: &TestEnv) {
    let v1 = env.cache().join("v1");
    let old = SystemTime::now() - Duration::from_hours(5 * 24);
    for number in 0..3 {
        let content = format!("nobody names this {number}\n");
        let name = blake3::hash(content.as_bytes()).to_hex();
        let folder = v1.join("blobs").join(&name.as_str()[..2]);
        fs::create_dir_all(&folder).expect("the store is ours");
        let staged = v1.join(format!("tmp/left-{number}"));
        for path in [folder.join(name.as_str()), staged] {
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it is ours");
            fs::write(&path, &content).expect("the store is ours");
            set_mode(&path, 0o444);
            let file = fs::File::open(&path).expect("it was just written");
            file.set_modified(old).expect("it is ours");
        }
    }
}

/// Cuts one blob of the store in four, removes one, opens one to all; and cuts a key's file.
fn damage(env: &TestEnv) {
    let blobs = env.cache().join("v1/blobs");
    let all = Snapshot::of(&blobs);
    for (number, path) in all.files().enumerate() {
        let path = blobs.join(path);
        match number % 4 {
            0 => cut(&path, 0o444),
            1 => set_mode(&path, 0o666),
            2 => fs::remove_file(&path).expect("the store is ours"),
            _ => {}
        }
    }
    let keys = env.cache().join("v1/keys");
    if let Some(path) = Snapshot::of(&keys).files().next() {
        cut(&keys.join(path), 0o644);
    }
}

/// Leaves a few bytes where a file was.
fn cut(path: &Path, mode: u32) {
    fs::remove_file(path).expect("the store is ours");
    fs::write(path, "damaged").expect("the store is ours");
    set_mode(path, mode);
}

fn set_mode(path: &Path, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).expect("the store is ours");
}

/// What of a workspace and a home nobody but the user may change.
pub(super) fn own(env: &TestEnv, asks: &[Ask]) -> Vec<Snapshot> {
    let outputs: Vec<_> = asks.iter().flat_map(Ask::places).collect();
    let mut work = Snapshot::of(&env.work(""));
    work.0.retain(|path, _| {
        let is_staging = path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.starts_with(".ibid")
        });
        !is_staging && !outputs.iter().any(|place| path.starts_with(place))
    });
    // A step makes the folders above its outputs.
    work.0.retain(|path, item| {
        *item != Item::Dir
            || !outputs
                .iter()
                .any(|it| it.starts_with(path.to_string_lossy().as_ref()))
    });
    let mut home = Snapshot::of(&env.home(""));
    home.0.retain(|path, _| {
        !["runs", "restored"]
            .iter()
            .any(|ours| path.starts_with(ours))
    });
    vec![work, home, Snapshot::of(&env.home("../config"))]
}
