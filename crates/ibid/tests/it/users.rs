//! Several users and one directory (hazards U1, U2, U3): a group shares all that its members
//! record, and accepts nothing from anybody else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use ibid_testkit::lab::{INTRUDER, LAB_GROUP, Lab, LabUser, files, give, plant};
use ibid_testkit::{Ran, component};

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
    MEMBERS.map(|uid| {
        let mut user = lab.user(uid, &MEMBERS);
        user.write("honest", "honest\n");
        user.set("SRC", "honest");
        user
    })
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

/// Returns where a key's file of one store lies in another.
fn same_name(file: &Path, store: &Path) -> PathBuf {
    let name = file.file_name().expect("a file has a name").to_owned();
    let shard = file.parent().and_then(Path::file_name).expect("a shard");
    store.join("v1/keys").join(shard).join(name)
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

#[test]
fn members_share_all_results_whatever_their_umasks() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    for umask in UMASKS {
        for other in UMASKS {
            let point = format!("{umask:o}-{other:o}");
            for (first, second) in [(&ada, &bob), (&bob, &ada)] {
                let (executed, ran) = exec(first, umask, &point);
                assert!(executed, "{}", ran.story());
                assert!(!ran.stderr.contains("warning"), "{}", ran.story());
                let (executed, ran) = exec(second, other, &point);
                assert!(!executed, "{}", ran.story());
                assert!(!ran.stderr.contains("warning"), "{}", ran.story());
                let key = key_of(second, &point);
                let gone = second.run(other, ["invalidate", &key]);
                assert_eq!(gone.code, Some(0), "{}", gone.story());
            }
        }
    }
    let wrong = closed_to_the_group(&lab.store());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the key of the step.
fn key_of(user: &LabUser, point: &str) -> String {
    let words = words(point);
    let key = [&["key".to_owned()], &words[1..]].concat();
    let ran = user.run(0o022, key);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ran.stdout.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn members_share_pipelines_history_and_restores() {
    let Some(lab) = lab() else { return };
    lab.make_store();
    let [ada, bob] = members(&lab);
    for user in [&ada, &bob] {
        user.write(
            "ibid.toml",
            "[steps.count]\nrun = \"wc -c < honest > count\"\ninputs = [\"honest\"]\noutputs = [\"count\"]\n",
        );
    }
    let first = ada.run(0o077, ["run"]);
    assert_eq!(first.code, Some(0), "{}", first.story());
    let second = bob.run(0o027, ["run"]);
    assert_eq!(second.code, Some(0), "{}", second.story());
    assert_eq!(bob.env.read("count"), b"7\n");
    for words in [
        &["restore", "count", "--to", "back"][..],
        &["log"],
        &["why", "count"],
        &["show", "count"],
        &["invalidate", "count"],
    ] {
        let ran = bob.run(0o077, words);
        assert_eq!(ran.code, Some(0), "{words:?} {}", ran.story());
        assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    }
    let again = ada.run(0o077, ["run"]);
    assert_eq!(again.code, Some(0), "{}", again.story());
    assert!(!again.stderr.contains("warning"), "{}", again.story());
    let wrong = closed_to_the_group(&lab.store());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_member_makes_the_store_of_a_group_and_a_user_a_private_one() {
    let Some(lab) = lab() else { return };
    fs::remove_dir(lab.store()).expect("it is empty");
    let above = lab.join("above");
    fs::create_dir(&above).expect("root makes folders");
    give(&above, (0, LAB_GROUP), 0o2775);
    let [mut ada, mut bob] = members(&lab);
    let store = above.join("deep/store");
    for user in [&mut ada, &mut bob] {
        user.set("IBID_CACHE_DIR", &store.to_string_lossy());
    }
    fs::create_dir(above.join("deep")).expect("root makes folders");
    give(&above.join("deep"), (0, LAB_GROUP), 0o2775);
    let (executed, ran) = exec(&ada, 0o077, "1");
    assert!(
        executed && !ran.stderr.contains("warning"),
        "{}",
        ran.story()
    );
    let wrong = closed_to_the_group(&store);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hits(&bob, "1");

    let mut alone = lab.stranger(ADA);
    alone.write("honest", "honest\n");
    alone.set("SRC", "honest");
    let (_, ran) = exec(&alone, 0o000, "1");
    assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    for file in files(&alone.env.cache()) {
        for path in [&*file, file.parent().expect("a folder")] {
            let mode = fs::symlink_metadata(path).expect("it is there").mode();
            assert_eq!(mode & 0o022, 0, "{} {mode:o}", path.display());
        }
    }
}

#[test]
fn a_planted_result_is_not_accepted_and_is_replaced() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "0");
    plant(&poison(&lab, &["1"]), &lab.store().join("v1"));
    let ran = runs(&ada, "1");
    assert!(ran.stderr.contains("not trusted"), "{}", ran.story());
    assert!(ran.stderr.contains("4666"), "{}", ran.story());
    hits(&ada, "1");
    hits(&bob, "1");
    let log = ada.run(0o022, ["log"]);
    assert_eq!(log.code, Some(0), "{}", log.story());
    let lines = log
        .stdout
        .lines()
        .filter(|line| line.contains("ran"))
        .count();
    assert_eq!(
        lines,
        2,
        "a stranger's history is left out: {}",
        log.story()
    );
}

#[test]
fn a_stored_output_under_a_keys_name_is_no_keys_file() {
    let Some(lab) = lab() else { return };
    let [mut ada, bob] = members(&lab);
    let poison = poison(&lab, &["1"]);
    let evil = key_files(&poison).pop().expect("there is one");
    // The blobs are harmless, and a member is talked into storing the bytes of the key's file.
    runs(&ada, "0");
    plant(&poison.join("blobs"), &lab.store().join("v1/blobs"));
    ada.write("bytes", fs::read(&evil).expect("it can be read"));
    ada.set("SRC", "bytes");
    let ran = ada.run(0o022, words("2"));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ada.set("SRC", "honest");
    let bytes = fs::read(&evil).expect("it can be read");
    let is_it = |path: &PathBuf| fs::read(path).is_ok_and(|it| it == bytes);
    let moved = files(&lab.store().join("v1/blobs")).into_iter().find(is_it);
    let moved = moved.expect("its output is stored");
    let owner = fs::metadata(&moved).expect("it is there").uid();
    assert_eq!(owner, ADA);
    let target = same_name(&evil, &lab.store());
    fs::create_dir_all(target.parent().expect("a shard")).expect("root makes folders");
    give(target.parent().expect("a shard"), (ADA, LAB_GROUP), 0o2770);
    fs::rename(moved, &target).expect("a member may move it");
    for user in [&ada, &bob] {
        let (_, ran) = exec(user, 0o022, "1");
        assert_eq!(
            user.uid == ADA,
            ran.stderr.contains("moved there"),
            "{}",
            ran.story()
        );
    }
}

#[test]
fn what_an_intruder_replaces_or_swaps_is_a_miss() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    let v1 = lab.store().join("v1");
    runs(&ada, "1");
    runs(&ada, "2");
    // Each blob has other bytes of the same length.
    for blob in files(&v1.join("blobs")) {
        let bytes = fs::read(&blob).expect("it can be read");
        let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
        fs::remove_file(&blob).expect("root removes");
        fs::write(&blob, other).expect("root writes");
        give(&blob, (INTRUDER, LAB_GROUP), 0o440);
    }
    let ran = runs(&bob, "1");
    assert!(ran.stderr.contains("wrong digest"), "{}", ran.story());
    hits(&ada, "1");
    runs(&ada, "2");
    // Two keys' files change places, both of a trusted owner.
    let keys = key_files(&v1);
    let aside = v1.join("aside");
    fs::rename(&keys[0], &aside).expect("root moves");
    fs::rename(&keys[1], &keys[0]).expect("root moves");
    fs::rename(&aside, &keys[1]).expect("root moves");
    for point in ["1", "2"] {
        let ran = runs(&bob, point);
        assert!(ran.stderr.contains("another key"), "{}", ran.story());
        hits(&ada, point);
    }
    // The folders of two keys change places.
    let shards = keys.iter().map(|key| key.parent().expect("a shard"));
    let shards: Vec<&Path> = shards.collect();
    if shards[0] != shards[1] {
        fs::rename(shards[0], &aside).expect("root moves");
        fs::rename(shards[1], shards[0]).expect("root moves");
        fs::rename(&aside, shards[1]).expect("root moves");
    }
    for point in ["1", "2"] {
        exec(&bob, 0o022, point);
        hits(&ada, point);
    }
}

#[test]
fn links_pipes_tombstones_and_leases_of_an_intruder_stop_nobody() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    let v1 = lab.store().join("v1");
    runs(&ada, "1");
    let [key] = &key_files(&v1)[..] else {
        panic!("one step has one key");
    };
    let poison = poison(&lab, &["1"]);
    let evil = key_files(&poison).pop().expect("there is one");
    let lease = v1.join("leases").join(key.file_name().expect("a name"));
    let fifo = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo is there").success());
    };
    let put = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).expect("root writes");
        give(path, (INTRUDER, LAB_GROUP), 0o640);
    };
    let tombstone = b"\x84\x69tombstone\x01\x00\x61x";
    let attacks: [(&str, &dyn Fn()); 5] = [
        ("a tombstone", &|| put(key, tombstone)),
        ("a link", &|| {
            symlink(&evil, key).expect("a link can be made");
        }),
        ("a pipe", &|| fifo(key)),
        ("a lease", &|| put(&lease, b"00000000000000000000?")),
        ("a pipe as a lease", &|| fifo(&lease)),
    ];
    for (what, attack) in attacks {
        fs::remove_file(key).unwrap_or_else(|error| panic!("{what}: {error}"));
        attack();
        let ran = runs(&bob, "1");
        let told = what != "a tombstone" || ran.stderr.contains("not trusted");
        assert!(told, "{what}: {}", ran.story());
        hits(&ada, "1");
        let _ = fs::remove_file(&lease);
    }
}

#[test]
fn a_folder_of_an_intruder_in_the_store_is_told_and_not_used() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "1");
    for folder in ["v1/keys", ""] {
        let path = lab.store().join(folder);
        let status = fs::metadata(&path).expect("it is there");
        give(&path, (INTRUDER, LAB_GROUP), 0o2770);
        let ran = runs(&bob, "1");
        assert!(
            ran.stderr.contains("belongs to user 4666"),
            "{}",
            ran.story()
        );
        give(&path, (status.uid(), LAB_GROUP), 0o2770);
    }
    hits(&bob, "1");
}

#[test]
fn where_members_may_not_replace_each_others_files_a_run_goes_on() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    give(&lab.store(), (0, LAB_GROUP), 0o3770);
    runs(&ada, "1");
    for blob in files(&lab.store().join("v1/blobs")) {
        fs::write(&blob, "damaged").expect("root writes");
    }
    let ran = runs(&bob, "1");
    let warned = ran.stderr.matches("was not stored").count();
    assert_eq!(warned, 1, "{}", ran.story());
    let ran = runs(&ada, "1");
    assert!(ran.stderr.contains("wrong digest"), "{}", ran.story());
    hits(&bob, "1");
}

#[test]
fn without_a_list_the_members_of_the_group_are_trusted() {
    let Some(lab) = lab() else { return };
    let Some(unshare) = component("unshare") else {
        return;
    };
    let [mut ada, mut bob] = members(&lab);
    let account = |name: &str, uid: u32, gid: u32| format!("{name}:x:{uid}:{gid}::/:/bin/sh\n");
    let accounts = [
        account("root", 0, 0),
        account("ada", ADA, ADA),
        account("bob", BOB, LAB_GROUP),
        account("former", INTRUDER, INTRUDER),
    ];
    let (passwd, group) = (lab.join("passwd"), lab.join("group"));
    fs::write(&passwd, accounts.concat()).expect("root writes");
    fs::write(&group, format!("root:x:0:\nlab:x:{LAB_GROUP}:ada\n")).expect("root writes");
    for user in [&mut ada, &mut bob] {
        user.set("IBID_TRUSTED_OWNERS", "");
    }
    let run = |user: &LabUser, point: &str| {
        let _ = fs::remove_file(user.env.work("out.txt"));
        let inner = user.command(0o022, words(point));
        let mut command = Command::new(&unshare);
        let script = "mount --bind \"$0\" /etc/passwd && mount --bind \"$1\" /etc/group && \
            shift && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]);
        command.args([&passwd, &group]).arg(inner.get_program());
        command.args(inner.get_args()).env_clear();
        let set = inner.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        let ran = user.env.finish(command.current_dir(user.env.work("")));
        assert_eq!(ran.stdout, "honest\n", "{}", ran.story());
        (ran.stderr.contains("ibid: ran"), ran)
    };
    for (point, first, second) in [("1", &ada, &bob), ("2", &bob, &ada)] {
        let (executed, ran) = run(first, point);
        assert!(executed, "{}", ran.story());
        let (executed, ran) = run(second, point);
        assert!(!executed, "{}", ran.story());
    }
    plant(&poison(&lab, &["3"]), &lab.store().join("v1"));
    let (executed, ran) = run(&ada, "3");
    assert!(executed && ran.stderr.contains("4666"), "{}", ran.story());
    let (executed, ran) = run(&bob, "3");
    assert!(!executed, "{}", ran.story());
}

#[test]
fn a_private_store_that_others_may_write_is_refused_with_a_hint() {
    let Some(lab) = lab() else { return };
    let mut ada = lab.stranger(ADA);
    ada.write("honest", "honest\n");
    ada.set("SRC", "honest");
    runs(&ada, "1");
    let cache = ada.env.cache();
    for (owner, group, mode, hint) in [
        (ADA, ADA, 0o757, "chmod o-w"),
        (ADA, LAB_GROUP, 0o775, "IBID_SHARED=group"),
        (BOB, BOB, 0o755, "IBID_TRUST="),
    ] {
        give(&cache, (owner, group), mode);
        let ran = runs(&ada, "1");
        assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.story());
        assert!(ran.stderr.contains(hint), "{}", ran.story());
        let strict = ada.run(
            0o022,
            [
                &["exec".to_owned(), "--strict".to_owned()],
                &words("1")[1..],
            ]
            .concat(),
        );
        let log = ada.run(0o022, ["log".to_owned()]);
        for failed in [log, strict] {
            assert_eq!(failed.code, Some(125), "{}", failed.story());
            assert!(failed.stderr.contains(hint), "{}", failed.story());
        }
        let mut trusting = lab.stranger(ADA);
        trusting.set("IBID_CACHE_DIR", &cache.to_string_lossy());
        trusting.set("IBID_TRUST", &cache.to_string_lossy());
        trusting.write("honest", "honest\n");
        trusting.set("SRC", "honest");
        hits(&trusting, "1");
    }
    for (group, mode) in [(ADA, 0o775), (ADA, 0o1777)] {
        give(&cache, (ADA, group), mode);
        hits(&ada, "1");
    }
}

#[test]
fn root_does_not_use_a_users_store_unless_told() {
    let Some(lab) = lab() else { return };
    let mut ada = lab.stranger(ADA);
    ada.write("honest", "honest\n");
    ada.set("SRC", "honest");
    runs(&ada, "1");
    let before = files(&ada.env.cache());
    let mut root = lab.stranger(0);
    let cache = ada.env.cache();
    root.set("IBID_CACHE_DIR", &cache.to_string_lossy());
    root.write("honest", "honest\n");
    root.set("SRC", "honest");
    let ran = runs(&root, "1");
    assert!(ran.stderr.contains("this is root"), "{}", ran.story());
    assert!(ran.stderr.contains("IBID_TRUST="), "{}", ran.story());
    assert_eq!(files(&cache), before);
    root.set("IBID_TRUST", &cache.to_string_lossy());
    hits(&root, "1");
    // What root recorded there is its owner's to use.
    runs(&root, "2");
    hits(&ada, "2");
}

#[test]
fn what_is_believed_of_files_does_not_lie_in_a_store_of_a_group() {
    let Some(lab) = lab() else { return };
    let [mut ada, _] = members(&lab);
    ada.set("IBID_LOCAL_DIR", "");
    let dirs = ada.run(0o022, ["dirs"]);
    assert_eq!(dirs.code, Some(0), "{}", dirs.story());
    assert!(!dirs.stdout.contains("store/local"), "{}", dirs.story());
    assert!(
        dirs.stdout.contains("/var/tmp/ibid-4001"),
        "{}",
        dirs.story()
    );
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

#[track_caller]
fn does(user: &LabUser, words: &[&str]) -> Ran {
    let ran = user.run(0o077, words);
    assert_eq!(ran.code, Some(0), "{words:?} {}", ran.story());
    assert!(!ran.stderr.contains("warning"), "{words:?} {}", ran.story());
    ran
}

#[test]
fn a_member_pins_prunes_and_checks_what_others_recorded() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    for point in ["1", "2"] {
        runs(&ada, point);
    }
    let key = key_of(&bob, "1");
    does(&bob, &["pin", &key]);
    make_older(&lab);
    let pruned = does(&bob, &["prune", "--max-age", "1d"]);
    assert!(
        pruned.stdout.contains("1 result evicted"),
        "{}",
        pruned.story()
    );
    for (member, other) in [(&ada, &bob), (&bob, &ada)] {
        let sound = does(member, &["fsck"]);
        assert!(sound.stderr.contains("checked"), "{}", sound.story());
        does(other, &["verify", &key]);
        does(member, &["gc"]);
        does(member, &["usage"]);
        does(member, &["doctor"]);
    }
    let wrong = closed_to_the_group(&lab.store());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hits(&ada, "1");
    // Its blobs are in the trash, which bob filled, and come back for ada.
    runs(&ada, "2");
    hits(&bob, "2");
    does(&ada, &["unpin", &key]);
    make_older(&lab);
    let pruned = does(&bob, &["prune", "--max-age", "1d"]);
    assert!(
        pruned.stdout.contains("2 results evicted"),
        "{}",
        pruned.story()
    );
    // A result that somebody else made is as young as its commit for whoever makes it again.
    runs(&bob, "1");
    make_older(&lab);
    runs(&ada, "3");
    let young = |file: &PathBuf| {
        let modified = fs::metadata(file).and_then(|it| it.modified());
        let age = modified.expect("it is there").elapsed();
        age.is_ok_and(|age| age < Duration::from_hours(1))
    };
    let honest = |file: &PathBuf| fs::read(file).is_ok_and(|it| it == b"honest\n");
    let blobs = files(&lab.store().join("v1/blobs"));
    let output = blobs
        .iter()
        .find(|file| honest(file))
        .expect("it is stored");
    assert!(
        young(output),
        "a commit needs it, so no collection may take it"
    );
    hits(&bob, "3");
}

#[test]
fn where_each_removes_their_own_files_a_collection_tells_of_the_others_in_one_line() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    give(&lab.store(), (0, LAB_GROUP), 0o3770);
    runs(&bob, "0");
    does(&bob, &["gc"]);
    for point in ["1", "2", "3"] {
        runs(&ada, point);
    }
    make_older(&lab);
    let pruned = does(&bob, &["prune", "--max-age", "1d"]);
    let told = pruned.stderr.matches("being others'").count();
    assert_eq!(told, 1, "{}", pruned.story());
    for point in ["1", "2", "3"] {
        hits(&ada, point);
    }
    // Another member's stamp of the last collection is no reason not to collect.
    does(&ada, &["gc"]);
}

#[test]
fn root_changes_nothing_in_a_users_store_and_checks_it() {
    let Some(lab) = lab() else { return };
    let mut ada = lab.stranger(ADA);
    ada.write("honest", "honest\n");
    ada.set("SRC", "honest");
    runs(&ada, "1");
    let key = key_of(&ada, "1");
    let cache = ada.env.cache();
    let mut root = lab.stranger(0);
    root.set("IBID_CACHE_DIR", &cache.to_string_lossy());
    let stamps = || -> Vec<_> {
        let all = files(&cache).into_iter();
        all.map(|file| {
            let facts = fs::metadata(&file).expect("it is there");
            (file, facts.uid(), facts.mode(), facts.ctime_nsec())
        })
        .collect()
    };
    let before = stamps();
    for words in [
        &["gc"][..],
        &["prune", "--max-size", "1M"],
        &["fsck", "--repair"],
        &["pin", &key],
        &["invalidate", &key],
    ] {
        let ran = root.run(0o022, words);
        assert_eq!(ran.code, Some(125), "{words:?} {}", ran.story());
        assert!(ran.stderr.contains("IBID_TRUST="), "{}", ran.story());
    }
    does(&root, &["fsck"]);
    assert_eq!(stamps(), before);
    root.set("IBID_TRUST", &cache.to_string_lossy());
    for words in [&["gc"][..], &["fsck", "--repair"], &["pin", &key]] {
        does(&root, words);
    }
    hits(&ada, "1");
}

#[test]
fn a_store_that_others_may_write_is_checked_and_closed_by_its_owner() {
    let Some(lab) = lab() else { return };
    let mut ada = lab.stranger(ADA);
    ada.write("honest", "honest\n");
    ada.set("SRC", "honest");
    runs(&ada, "1");
    let cache = ada.env.cache();
    let key = key_of(&ada, "1");
    for (group, mode) in [(ADA, 0o757), (LAB_GROUP, 0o775)] {
        give(&cache, (ADA, group), mode);
        let told = ada.run(0o022, ["fsck"]);
        assert_eq!(told.code, Some(16), "{}", told.story());
        let verified = ada.run(0o022, ["verify", &key]);
        assert_eq!(verified.code, Some(0), "{}", verified.story());
        let doctor = ada.run(0o022, ["doctor"]);
        assert_eq!(doctor.code, Some(1), "{}", doctor.story());
        assert!(doctor.stdout.contains("chmod"), "{}", doctor.story());
        let gc = ada.run(0o022, ["gc"]);
        assert_eq!(gc.code, Some(125), "{}", gc.story());
        let repaired = ada.run(0o022, ["fsck", "--repair"]);
        assert_eq!(repaired.code, Some(0), "{}", repaired.story());
        hits(&ada, "1");
    }
    // What another user owns is for a person to judge, and nothing is written beside it.
    let keys = cache.join("v1/keys");
    give(&keys, (BOB, BOB), 0o755);
    let repaired = ada.run(0o022, ["fsck", "--repair"]);
    assert_eq!(repaired.code, Some(16), "{}", repaired.story());
    assert!(
        repaired.stdout.contains("user 4002"),
        "{}",
        repaired.story()
    );
}

#[test]
fn pins_history_and_evictions_of_an_intruder_count_for_nothing() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "1");
    let v1 = lab.store().join("v1");
    let mut intruder = lab.stranger(INTRUDER);
    intruder.write("evil", "evil\n");
    intruder.set("SRC", "evil");
    for point in ["1", "2", "3"] {
        let ran = intruder.run(0o022, words(point));
        assert_eq!(ran.stdout, "evil\n", "{}", ran.story());
        let pinned = intruder.run(0o022, ["pin", &key_of(&intruder, point)]);
        assert_eq!(pinned.code, Some(0), "{}", pinned.story());
    }
    let evil = intruder.env.cache().join("v1");
    // The whole store of the intruder, and what it evicted as well.
    let evicted = evil.join("trash/keys");
    fs::create_dir_all(&evicted).expect("root makes folders");
    for file in key_files(&evil) {
        let shard = file.parent().and_then(Path::file_name).expect("a shard");
        fs::create_dir_all(evicted.join(shard)).expect("root makes folders");
        let name = file.file_name().expect("a name");
        fs::copy(&file, evicted.join(shard).join(name)).expect("root copies");
    }
    plant(&evil, &v1);
    let told = bob.run(0o022, ["fsck"]);
    assert_eq!(told.code, Some(16), "{}", told.story());
    let pins = bob.run(0o022, ["pins"]);
    assert_eq!(pins.stdout, "", "{}", pins.story());
    for point in ["1", "2", "3"] {
        for user in [&ada, &bob] {
            exec(user, 0o022, point);
        }
        hits(&ada, point);
    }
    let log = bob.run(0o022, ["log"]);
    assert!(!log.stdout.contains("evil"), "{}", log.story());
    make_older(&lab);
    let pruned = bob.run(0o022, ["prune", "--max-age", "1d"]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.story());
    assert!(
        pruned.stdout.contains("3 results evicted"),
        "{}",
        pruned.story()
    );
}
