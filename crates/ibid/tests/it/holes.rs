//! A terabyte of holes at a name of the store: it costs nothing to plant, what it damages is told at
//! once, and nobody reads it (hazard G5).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ibid_testkit::{Ran, TestEnv};

use crate::by_shell;
use crate::fsck::{pipeline, report, stored, told};

const TERABYTE: u64 = 1 << 40;

/// Where results know how long it is, they are wrong, and the file is `unread`; else it is the one.
const EITHER: &str = "blob-content or unread";

/// Puts a file of holes in the place of another, if there is one, with its mode.
fn hole(path: &Path) {
    let mode = fs::symlink_metadata(path).ok().map(|it| it.permissions());
    let _ = fs::remove_file(path);
    let file = File::create(path).expect("the store is ours");
    file.set_len(TERABYTE).expect("the file system has holes");
    if let Some(mode) = mode {
        file.set_permissions(mode).expect("the file is ours");
    }
}

/// Runs a command that has to end long before anybody could have read all of it.
fn soon(env: &TestEnv, words: &[&str]) -> Ran {
    by_shell(env, "exec timeout 60 \"$@\"", words)
}

/// Every file of the store that something reads, one of each kind, with what is told of holes there.
fn names(env: &TestEnv) -> Vec<(&'static str, PathBuf)> {
    let cache = env.cache();
    let [folder, file] = &stored(env)[..] else {
        panic!("there are two results");
    };
    let blobs = fs::read_dir(cache.join("v1/blobs")).expect("the store is ours");
    let blobs = blobs.flat_map(|shard| {
        let shard = shard.expect("it is listed").path();
        fs::read_dir(shard).expect("the store is ours")
    });
    let known = [&folder.result, &folder.output, &file.result, &file.output];
    let mut names: Vec<_> = blobs
        .map(|blob| blob.expect("it is listed").path())
        .filter(|blob| !known.contains(&blob))
        // Records and listings, or logs and files of outputs.
        .map(|blob| (EITHER, blob))
        .collect();
    names.extend([
        ("unread", folder.output.clone()),
        ("unread", file.output.clone()),
        ("blob-content", folder.result.clone()),
        ("blob-content", file.result.clone()),
        ("key-file", folder.key_file.clone()),
        ("small-file", folder.run.clone()),
        ("small-file", cache.join("v1/generation")),
        ("small-file", cache.join("store.json")),
        ("small-file", cache.join("CACHEDIR.TAG")),
    ]);
    names
}

#[test]
fn a_terabyte_of_holes_at_any_name_is_told_as_damage_and_nobody_reads_it() {
    let count = names(&pipeline(1)).len();
    assert!(count >= 14, "{count}");
    for at in 0..count {
        let env = pipeline(1);
        let (kind, path) = names(&env).swap_remove(at);
        hole(&path);
        let what = path.display();
        for words in [
            &["usage"][..],
            &["gc", "--dry-run"],
            &["prune", "--dry-run", "--max-size", "1K"],
            &["verify", "folder@p0"],
            &["plan"],
        ] {
            let ran = soon(&env, words);
            let is_told = words[0] == "verify" && ran.code == Some(8);
            assert!(ran.code == Some(0) || is_told, "{what}: {}", ran.story());
        }
        let ran = soon(&env, &["fsck", "--json"]);
        assert_eq!(ran.code, Some(8), "{what}: {}", ran.story());
        let all = told(&env, &report(&ran));
        let here: Vec<_> = all.iter().filter(|(_, at)| *at == path).collect();
        let [(found, _)] = here[..] else {
            panic!("{what}: {all:?}");
        };
        assert!(kind.contains(&**found), "{what}: {all:?}");
        let has_result = all.iter().any(|(kind, _)| kind == "result");
        assert_eq!(has_result, found == "unread", "{what}: {all:?}");
        for words in [
            &["fsck", "--repair"][..],
            &["fsck"],
            &["gc"],
            &["run"],
            &["fsck"],
        ] {
            let ran = soon(&env, words);
            assert_eq!(ran.code, Some(0), "{what}: {}", ran.story());
        }
        // What was in the build folder was right all the time.
        fs::remove_dir_all(env.work("build")).expect("the outputs are ours");
        for words in [&["run"], &["fsck"]] {
            let ran = soon(&env, words);
            assert_eq!(ran.code, Some(0), "{what}: {}", ran.story());
        }
        assert_eq!(env.read("build/folder-p0/a"), b"folder p0\n");
        assert_eq!(env.read("build/file-p0.txt"), b"input\nfile p0\n");
        let is_hole = fs::symlink_metadata(&path).is_ok_and(|it| it.len() == TERABYTE);
        assert!(!is_hole, "{what}: neither moved nor replaced");
    }
}

#[test]
fn a_hit_on_a_terabyte_of_holes_is_a_miss_at_once() {
    let count = names(&pipeline(1)).len();
    for at in 0..count {
        let env = pipeline(1);
        let (_, path) = names(&env).swap_remove(at);
        hole(&path);
        fs::remove_dir_all(env.work("build")).expect("the outputs are ours");
        for words in [&["run"][..], &["run"], &["gc"], &["fsck", "--repair"]] {
            let ran = soon(&env, words);
            assert_eq!(ran.code, Some(0), "{}: {}", path.display(), ran.story());
        }
        assert_eq!(env.read("build/folder-p0/a"), b"folder p0\n");
        assert_eq!(env.read("build/file-p0.txt"), b"input\nfile p0\n");
    }
}
