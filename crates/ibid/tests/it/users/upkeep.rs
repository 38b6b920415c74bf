//! Collections, checks and root in a store of several users.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use ibid_testkit::Ran;
use ibid_testkit::lab::{LAB_GROUP, LabUser, files, give};

use super::{ADA, BOB, closed_to_the_group, hits, honest, key_of, lab, make_older, members, runs};

#[test]
fn root_does_not_use_a_users_store_unless_told() {
    let Some(lab) = lab() else { return };
    let ada = honest(lab.stranger(ADA));
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
    let ada = honest(lab.stranger(ADA));
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
    let ada = honest(lab.stranger(ADA));
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
