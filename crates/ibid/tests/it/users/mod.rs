//! Several users and one directory (hazards U1, U2, U3): a group shares all that its members
//! record, and accepts nothing from anybody else.

mod intruder;
mod sharing;
mod upkeep;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ibid_testkit::Ran;
use ibid_testkit::lab::{INTRUDER, LAB_GROUP, Lab, LabUser, files};

const ADA: u32 = 4001;
const BOB: u32 = 4002;
const MEMBERS: [u32; 2] = [ADA, BOB];
const UMASKS: [u32; 4] = [0o000, 0o022, 0o027, 0o077];

fn lab() -> Option<Lab> {
    Lab::new(env!("CARGO_BIN_EXE_ibid"))
}

/// A step whose result is what `$SRC` holds: nothing in its key says what that is.
fn words(point: &str) -> Vec<String> {
    let point = format!("p=\"{point}\"");
    let script = "cat \"$SRC\" > out.txt; cat \"$SRC\"";
    ["exec", "--no-input", "--pass-env", "SRC", "-p", &point]
        .iter()
        .chain(&["-o", "out.txt", "--", "sh", "-c", script])
        .map(ToString::to_string)
        .collect()
}

/// Users of the lab, who agree on the result of the step.
fn members(lab: &Lab) -> [LabUser; 2] {
    MEMBERS.map(|uid| honest(lab.user(uid, &MEMBERS)))
}

/// A user whose step gives what its command gives.
fn honest(mut user: LabUser) -> LabUser {
    user.write("honest", "honest\n");
    user.set("SRC", "honest");
    user
}

/// Runs the step afresh, which has to give what its command gives; returns whether that ran.
fn exec(user: &LabUser, umask: u32, point: &str) -> (bool, Ran) {
    let _ = fs::remove_file(user.env.work("out.txt"));
    let ran = user.run(umask, words(point));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert_eq!(ran.stdout, "honest\n", "{}", ran.story());
    assert_eq!(user.env.read("out.txt"), b"honest\n", "{}", ran.story());
    (ran.stderr.contains("ibid: ran"), ran)
}

#[track_caller]
fn runs(user: &LabUser, point: &str) -> Ran {
    let (executed, ran) = exec(user, 0o022, point);
    assert!(executed, "{}", ran.story());
    ran
}

#[track_caller]
fn hits(user: &LabUser, point: &str) -> Ran {
    let (executed, ran) = exec(user, 0o022, point);
    assert!(!executed, "{}", ran.story());
    assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    ran
}

/// What somebody else's run of the same keys gives, in a store of their own.
fn poison(lab: &Lab, points: &[&str]) -> PathBuf {
    let mut intruder = lab.stranger(INTRUDER);
    intruder.write("evil", "evil\n");
    intruder.set("SRC", "evil");
    for point in points {
        let ran = intruder.run(0o022, words(point));
        assert_eq!(ran.stdout, "evil\n", "{}", ran.story());
    }
    let kept = lab.join("poison");
    let _ = fs::remove_dir_all(&kept);
    fs::rename(intruder.env.cache().join("v1"), &kept).expect("root moves folders");
    kept
}

fn key_files(store: &Path) -> Vec<PathBuf> {
    files(&store.join("keys"))
}

/// Returns the key of the step.
fn key_of(user: &LabUser, point: &str) -> String {
    let words = words(point);
    let key = [&["key".to_owned()], &words[1..]].concat();
    let ran = user.run(0o022, key);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ran.stdout.lines().next().unwrap_or_default().to_owned()
}

/// Makes all that is stored so old that nobody can be using it; whose it is stays.
fn make_older(lab: &Lab) {
    let v1 = lab.store().join("v1");
    let _ = fs::remove_dir_all(v1.join("runs"));
    let old = SystemTime::now() - Duration::from_hours(9 * 24);
    for file in ["keys", "blobs"].iter().flat_map(|it| files(&v1.join(it))) {
        let opened = fs::File::open(&file).expect("root reads all");
        let times = fs::FileTimes::new().set_modified(old);
        opened.set_times(times).expect("root sets times");
    }
}

/// Says what a mode, an owner or a group in the store shuts a member out of.
fn closed_to_the_group(dir: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = fs::symlink_metadata(dir).expect("it is there");
    let needed = if status.is_dir() { 0o2770 } else { 0o040 };
    if status.gid() != LAB_GROUP || status.mode() & needed != needed || status.mode() & 0o007 != 0 {
        let (group, mode) = (status.gid(), status.mode());
        wrong.push(format!("{}: group {group}, {mode:o}", dir.display()));
    }
    if status.is_dir() {
        for entry in fs::read_dir(dir).expect("it can be listed").flatten() {
            wrong.extend(closed_to_the_group(&entry.path()));
        }
    }
    wrong
}
