//! `Meeting`: what a store holds, and what two processes do with it.
//!
//! Each side has a workspace of its own. Time passes by making older what was there before: all
//! that a store goes by are differences between stamps.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::super::snapshot::Snapshot;
use crate::TestEnv;

/// What is asked for: a file of its own, which is written first, and one that is as any other's.
const SCRIPT: &str = "echo ran >> \"$RUNS\"; mkdir out; echo own > out/a; echo as before > out/z; \
                      echo said";

/// The same bytes by another key.
const OTHER: &str = "mkdir out; echo as before > out/z; echo as before";

const HOUR: Duration = Duration::from_hours(1);

/// Files by whose stamps a store goes.
const STAMPED: [&str; 4] = ["blobs", "keys", "pins", "trash"];

/// What one side does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Ask,
    Refresh,
    Gc,
    Prune,
    Invalidate,
    Pin,
}

/// What the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    /// Blobs of a result that was evicted.
    Unnamed,
    /// The result that is asked for.
    Stored,
    /// The same, and its blobs lie in the trash.
    Trashed,
    /// The same, and other bytes lie there under the name of one of them.
    Spoiled,
    /// Blobs in the trash which nothing names.
    Discarded,
    /// The result that is asked for, and copies of its blobs in the trash.
    Copied,
}

/// Two processes and a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    pub(super) name: &'static str,
    held: Held,
    /// Whether that is an hour old when they begin.
    old: bool,
    /// Whether it is an hour older when the first goes on.
    pauses_long: bool,
    /// How long what was taken stays in the trash.
    grace: &'static str,
    pub(super) first: Act,
    pub(super) second: Act,
}

const fn meeting(name: &'static str, held: Held, (first, second): (Act, Act)) -> Meeting {
    Meeting {
        name,
        held,
        old: true,
        pauses_long: false,
        grace: "0s",
        first,
        second,
    }
}

/// The same with what is held young, until the first pauses.
const fn in_a_long_pause(meeting: Meeting) -> Meeting {
    Meeting {
        old: false,
        pauses_long: true,
        ..meeting
    }
}

/// The same where the trash is not emptied, which would put right what lies there by mistake.
const fn with_grace(meeting: Meeting) -> Meeting {
    Meeting {
        grace: "1d",
        ..meeting
    }
}

/// Their order is part of the numbers of points.
pub(super) const MEETINGS: [Meeting; 31] = [
    in_a_long_pause(meeting(
        "long commit of reused blobs, gc",
        Held::Unnamed,
        (Act::Ask, Act::Gc),
    )),
    meeting(
        "commit of reused blobs, gc",
        Held::Unnamed,
        (Act::Ask, Act::Gc),
    ),
    meeting(
        "gc, commit of reused blobs",
        Held::Unnamed,
        (Act::Gc, Act::Ask),
    ),
    meeting("refresh, prune", Held::Stored, (Act::Refresh, Act::Prune)),
    in_a_long_pause(meeting(
        "long refresh, prune",
        Held::Stored,
        (Act::Refresh, Act::Prune),
    )),
    meeting("prune, refresh", Held::Stored, (Act::Prune, Act::Refresh)),
    meeting(
        "prune, invalidate",
        Held::Stored,
        (Act::Prune, Act::Invalidate),
    ),
    meeting(
        "invalidate, prune",
        Held::Stored,
        (Act::Invalidate, Act::Prune),
    ),
    meeting("prune, restore", Held::Stored, (Act::Prune, Act::Ask)),
    meeting("restore, prune", Held::Stored, (Act::Ask, Act::Prune)),
    in_a_long_pause(meeting(
        "long restore, prune",
        Held::Stored,
        (Act::Ask, Act::Prune),
    )),
    meeting("prune, pin", Held::Stored, (Act::Prune, Act::Pin)),
    meeting("pin, prune", Held::Stored, (Act::Pin, Act::Prune)),
    meeting("prune, prune", Held::Stored, (Act::Prune, Act::Prune)),
    meeting("gc, gc", Held::Trashed, (Act::Gc, Act::Gc)),
    meeting(
        "gc, restore from the trash",
        Held::Trashed,
        (Act::Gc, Act::Ask),
    ),
    meeting(
        "restore from the trash, gc",
        Held::Trashed,
        (Act::Ask, Act::Gc),
    ),
    meeting("commit, commit", Held::Nothing, (Act::Ask, Act::Ask)),
    with_grace(meeting(
        "prune with a grace, refresh",
        Held::Stored,
        (Act::Prune, Act::Refresh),
    )),
    with_grace(meeting(
        "prune with a grace, invalidate",
        Held::Stored,
        (Act::Prune, Act::Invalidate),
    )),
    with_grace(meeting(
        "prune with a grace, pin",
        Held::Stored,
        (Act::Prune, Act::Pin),
    )),
    meeting(
        "gc, gc of what nothing names",
        Held::Unnamed,
        (Act::Gc, Act::Gc),
    ),
    meeting("gc, gc of the trash", Held::Discarded, (Act::Gc, Act::Gc)),
    meeting("prune, gc", Held::Stored, (Act::Prune, Act::Gc)),
    meeting("gc, prune", Held::Trashed, (Act::Gc, Act::Prune)),
    meeting(
        "gc, restore from a spoiled trash",
        Held::Spoiled,
        (Act::Gc, Act::Ask),
    ),
    meeting(
        "restore from a spoiled trash, gc",
        Held::Spoiled,
        (Act::Ask, Act::Gc),
    ),
    meeting("gc, gc of copies", Held::Copied, (Act::Gc, Act::Gc)),
    meeting("prune, gc of copies", Held::Copied, (Act::Prune, Act::Gc)),
    meeting("gc of copies, restore", Held::Copied, (Act::Gc, Act::Ask)),
    meeting(
        "prune of copies, refresh",
        Held::Copied,
        (Act::Prune, Act::Refresh),
    ),
];

impl Act {
    /// Says whether it gives space back.
    pub(super) fn collects(self) -> bool {
        matches!(self, Self::Gc | Self::Prune)
    }
}

impl Meeting {
    /// Makes the workspaces and what the store holds.
    pub(super) fn set_up(&self, env: &TestEnv) {
        for side in ["first", "second", "before", "after"] {
            env.write(format!("{side}/in.txt"), "input\n");
            fs::create_dir(env.home(format!("../tmp/{side}"))).expect("the folder is ours");
        }
        let stored = |script| {
            let ran = env.finish(&mut ask(env, "before", script));
            assert_eq!(ran.code, Some(0), "{}", ran.story());
        };
        match self.held {
            Held::Nothing => {}
            Held::Unnamed => {
                stored(OTHER);
                fs::remove_dir_all(version(env).join("keys")).expect("the store is ours");
            }
            Held::Stored => stored(SCRIPT),
            Held::Copied => {
                stored(SCRIPT);
                copy_to_trash(env);
            }
            Held::Trashed | Held::Spoiled | Held::Discarded => {
                stored(SCRIPT);
                let trash = version(env).join("trash");
                fs::create_dir_all(&trash).expect("the store is ours");
                fs::rename(version(env).join("blobs"), trash.join("blobs"))
                    .expect("the store is ours");
            }
        }
        match self.held {
            Held::Spoiled => spoil(env),
            Held::Discarded => {
                fs::remove_dir_all(version(env).join("keys")).expect("the store is ours");
            }
            Held::Nothing | Held::Unnamed | Held::Stored | Held::Trashed | Held::Copied => {}
        }
        if self.held != Held::Nothing {
            // History has its times within: what it tells of is in use for a minute.
            fs::remove_dir_all(version(env).join("runs")).expect("the store is ours");
        }
        let keys = Snapshot::of(&version(env).join("keys"));
        if let Some(name) = keys.files().find_map(|path| path.file_name()?.to_str()) {
            fs::write(env.home("../tmp/key"), name).expect("the folder is ours");
        }
        // What is older than either process can be told from what they write.
        let mark = env.home("../tmp/mark");
        let before = stamp(&mark);
        while stamp(&mark) == before {}
        File::open(&mark)
            .and_then(|file| file.set_modified(before))
            .expect("the file is ours");
        if self.old {
            make_older(env);
        }
    }

    /// Lets an hour pass for what the first did not write itself.
    pub(super) fn pass_time(&self, env: &TestEnv) {
        if self.pauses_long {
            make_older(env);
        }
    }

    /// Returns what one side runs.
    pub(super) fn command(&self, env: &TestEnv, first: bool) -> Command {
        let (act, side) = if first {
            (self.first, "first")
        } else {
            (self.second, "second")
        };
        let mut command = match act {
            Act::Ask => ask(env, side, SCRIPT),
            Act::Refresh => ask_with(env, (side, &["--force"]), SCRIPT),
            Act::Gc => command(env, side, &["gc", "--json"]),
            // A budget would empty the trash, too.
            Act::Prune if self.grace != "0s" => {
                command(env, side, &["prune", "--json", "--max-age", "30m"])
            }
            Act::Prune => command(env, side, &["prune", "--json", "--max-size", "1K"]),
            Act::Invalidate => about(env, side, "invalidate"),
            Act::Pin => about(env, side, "pin"),
        };
        command.env("IBID_GRACE", self.grace);
        command
    }

    /// Returns the folder for the streams of one side.
    pub(super) fn streams(env: &TestEnv, first: bool) -> PathBuf {
        let side = if first { "first" } else { "second" };
        env.home(format!("../tmp/{side}"))
    }

    /// Says whether one of the sides does this.
    pub(super) fn has(&self, act: Act) -> bool {
        self.first == act || self.second == act
    }

    /// Says whether two collections meet.
    pub(super) fn only_collects(&self) -> bool {
        self.first.collects() && self.second.collects()
    }

    /// Says whether the store held a result that a collection has no reason to take.
    pub(super) fn keeps_result(&self) -> bool {
        matches!(self.held, Held::Trashed | Held::Copied) && !self.has(Act::Prune)
    }

    /// Says whether the store was damaged, which is told by whom it meets first.
    pub(super) fn is_spoiled(&self) -> bool {
        self.held == Held::Spoiled
    }
}

/// Returns the files that a collection may delete, by their paths below the version's folder.
pub(super) fn deletable(env: &TestEnv) -> usize {
    let files = |dir: &str| Snapshot::of(&version(env).join(dir)).files().count();
    ["blobs", "keys", "trash", "runs"].map(files).iter().sum()
}

/// Returns what lies in the trash.
pub(super) fn trash(env: &TestEnv) -> Vec<PathBuf> {
    let trash = Snapshot::of(&version(env).join("trash"));
    trash.files().cloned().collect()
}

/// Removes the trash, as if a collection had needed the room.
pub(super) fn remove_trash(env: &TestEnv) {
    let _ = fs::remove_dir_all(version(env).join("trash"));
}

/// Makes every blob an hour older, also in the trash, so that nobody can be about to need it.
pub(super) fn age_blobs(env: &TestEnv) {
    for dir in ["blobs", "trash"].map(|dir| version(env).join(dir)) {
        for below in Snapshot::of(&dir).files() {
            let path = dir.join(below);
            let was = modified(&path).expect("the store is ours");
            set_modified(&path, was - HOUR);
        }
    }
}

/// Lays a copy of every blob into the trash.
fn copy_to_trash(env: &TestEnv) {
    let (blobs, trash) = (version(env).join("blobs"), version(env).join("trash/blobs"));
    for below in Snapshot::of(&blobs).files() {
        let to = trash.join(below);
        let shard = to.parent().expect("blobs lie in shards");
        fs::create_dir_all(shard).expect("the store is ours");
        fs::copy(blobs.join(below), to).expect("the store is ours");
    }
}

/// Writes other bytes of the same length under the name of an output's blob in the trash.
fn spoil(env: &TestEnv) {
    let hex = blake3::hash(b"own\n").to_hex();
    let path = version(env)
        .join("trash/blobs")
        .join(&hex.as_str()[..2])
        .join(hex.as_str());
    fs::remove_file(&path).expect("the output is stored");
    fs::write(&path, "OWN\n").expect("the store is ours");
}

/// Asks for the result of a script in a workspace.
fn ask(env: &TestEnv, side: &str, script: &str) -> Command {
    ask_with(env, (side, &[]), script)
}

fn ask_with(env: &TestEnv, (side, more): (&str, &[&str]), script: &str) -> Command {
    let words = ["exec", "--pass-env", "RUNS", "-i", "in.txt", "-o", "out/"];
    let mut command = command(env, side, &words);
    command.args(more).args(["--", "sh", "-euc", script]);
    command
}

/// Asks for what is asked for in every meeting.
pub(super) fn ask_again(env: &TestEnv, side: &str) -> Command {
    ask(env, side, SCRIPT)
}

/// Prepares a run in a workspace. A lease would make one wait for the other, who stands still.
pub(super) fn command(env: &TestEnv, side: &str, words: &[&str]) -> Command {
    let mut command = env.command();
    command
        .current_dir(env.work(side))
        .env("IBID_LEASES", "false")
        .env("RUNS", env.home("runs"))
        .args(words);
    command
}

/// Prepares a command about the key that is held, which is named in full. It is not run where the
/// result was made: what an invalidation leaves in a workspace tells nothing to others.
fn about(env: &TestEnv, side: &str, verb: &str) -> Command {
    let key = fs::read_to_string(env.home("../tmp/key")).unwrap_or_default();
    command(env, side, &[verb, &key])
}

fn version(env: &TestEnv) -> PathBuf {
    env.cache().join("v1")
}

/// Writes a file and returns the stamp that it has then.
fn stamp(path: &Path) -> SystemTime {
    fs::write(path, "x").expect("the folder is ours");
    modified(path).expect("the file is there")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

/// Makes everything stamped that is as old as the mark an hour older, once.
fn make_older(env: &TestEnv) {
    let mark = modified(&env.home("../tmp/mark")).expect("the file is there");
    let oldest = mark - HOUR / 2;
    for dir in STAMPED.map(|dir| version(env).join(dir)) {
        for below in Snapshot::of(&dir).files() {
            let path = dir.join(below);
            let Some(was) = modified(&path).filter(|it| (oldest..=mark).contains(it)) else {
                continue;
            };
            set_modified(&path, was - HOUR);
        }
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    let times = FileTimes::new().set_modified(time);
    let changed = File::open(path).and_then(|file| file.set_times(times));
    changed.expect("the store is ours");
}
