//! Budgets: what goes and what stays, at the end of runs and by hand.
#![expect(
    clippy::disallowed_methods,
    reason = "tests make the files of a store older than they are"
)]

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ibid_testkit::{Ran, TestEnv};
use serde_json::Value;

use crate::{json, ok, test_env};

const DAY: u64 = 24 * 3600;

/// So much of a small store's disk may be new directories of the trash.
const DIRECTORIES: u64 = 300 << 10;

/// Says `verb` of a command that leaves 512 KiB, each number its own.
fn large(env: &TestEnv, verb: &str, (number, more): (u64, &str)) -> Ran {
    let script = format!("{more} {{ echo {number}; head -c 524288 /dev/zero; }} > out.txt");
    let words = [
        verb,
        "--no-input",
        "-o",
        "out.txt",
        "--",
        "sh",
        "-c",
        &script,
    ];
    ok(env, &words)
}

/// Runs a command that leaves 512 KiB, each number its own.
fn compute(env: &TestEnv, number: u64, more: &str) -> Ran {
    large(env, "exec", (number, more))
}

/// Makes everything in the store so old that nobody can be using it. History is left out: it holds
/// the true times.
fn make_older(env: &TestEnv, days: u64) {
    let v1 = env.cache().join("v1");
    let _ = fs::remove_dir_all(v1.join("runs"));
    for place in ["keys", "blobs"] {
        each_file(&v1.join(place), &mut |path| {
            let file = File::open(path).expect("a file of the store");
            let modified = file.metadata().and_then(|facts| facts.modified());
            let age = modified.expect("it has a stamp").elapsed();
            if age.unwrap_or_default() < Duration::from_secs(DAY) {
                let time = SystemTime::now() - Duration::from_secs(days * DAY);
                let times = FileTimes::new().set_modified(time);
                file.set_times(times).expect("it is ours");
            }
        });
    }
}

fn each_file(dir: &Path, act: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("it is listed").path();
        if path.is_dir() {
            each_file(&path, act);
        } else {
            act(&path);
        }
    }
}

/// Fills a store with this many results of 512 KiB, the first used longest ago.
fn filled(count: u64) -> TestEnv {
    let env = test_env();
    for number in 0..count {
        compute(&env, number, "");
        make_older(&env, 10 + count - number);
    }
    env
}

fn names_in(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    each_file(dir, &mut |path| {
        names.insert(path.to_string_lossy().into_owned());
    });
    names
}

fn evicted(answer: &Value) -> Vec<String> {
    let evicted = answer["evicted"].as_array().expect("a list").iter();
    let keys = evicted.map(|entry| entry["key"].as_str().expect("a key").to_owned());
    keys.collect()
}

fn key_of(env: &TestEnv, number: u64, more: &str) -> String {
    let stdout = large(env, "key", (number, more)).stdout;
    stdout.lines().next().expect("it prints the key").to_owned()
}

#[test]
fn prune_keeps_the_budget_the_pins_and_what_is_worth_most_as_the_dry_run_says() {
    let env = test_env();
    // Used longest ago, and the only one that took long.
    compute(&env, 100, "sleep 2;");
    make_older(&env, 60);
    for number in 0..24 {
        compute(&env, number, "");
        make_older(&env, 40 - number);
    }
    let pinned = key_of(&env, 0, "");
    ok(&env, &["pin", &pinned, "--because", "figure 3"]);
    let outside = names_in(&env.work(".."));

    let dry = json(&env, &["prune", "--max-size", "8M", "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    assert_eq!(dry["spared"], 0);
    let inside = names_in(&env.cache());
    let real = json(&env, &["prune", "--max-size", "8M"]);
    for field in [
        "evicted",
        "labels",
        "blobs_discarded",
        "freed_bytes",
        "unknown",
    ] {
        assert_eq!(dry[field], real[field], "{field}");
    }
    assert_ne!(inside, names_in(&env.cache()));
    let gone = evicted(&real);
    assert!(gone.len() > 8 && gone.len() < 20, "{real}");
    assert!(!gone.contains(&pinned), "it is pinned");
    assert!(
        !gone.contains(&key_of(&env, 100, "sleep 2;")),
        "it took long"
    );
    assert!(
        gone.contains(&key_of(&env, 1, "")),
        "it was not used for long"
    );
    assert!(!gone.contains(&key_of(&env, 23, "")), "it was used last");
    assert!(real["after_bytes"].as_u64() <= Some(8 << 20), "{real}");

    let of_store = |name: &String| name.contains("/cache/ibid/");
    let left: BTreeSet<String> = names_in(&env.work("..")).into_iter().collect();
    let outside_of = |names: &BTreeSet<String>| -> Vec<String> {
        names
            .iter()
            .filter(|name| !of_store(name))
            .cloned()
            .collect()
    };
    assert_eq!(
        outside_of(&outside),
        outside_of(&left),
        "nothing else is touched"
    );

    let kept = compute(&env, 23, "").stderr;
    assert!(!kept.contains("ran"), "the newest is still a hit: {kept}");
    let again = json(&env, &["prune", "--max-size", "8M"]);
    assert!(evicted(&again).is_empty(), "{again}");
}

#[test]
fn a_run_that_stores_past_the_budget_collects_in_one_line() {
    let env = filled(12);
    let small = |number: u64| {
        let script = format!("{{ echo {number}; head -c 524288 /dev/zero; }} > out.txt");
        let mut command = env.command();
        let command = command.env("IBID_MAX_SIZE", "4M");
        env.finish(command.args([
            "exec",
            "--no-input",
            "-o",
            "out.txt",
            "--",
            "sh",
            "-c",
            &script,
        ]))
    };
    let ran = small(50);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let lines: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("collected"))
        .collect();
    assert_eq!(lines.len(), 1, "{}", ran.story());
    assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    let left = json(&env, &["prune", "--max-size", "4M", "-n"]);
    assert!(
        left["before_bytes"].as_u64() <= Some((4 << 20) + DIRECTORIES),
        "{left}"
    );
    // A hit stores nothing and collects nothing, and what was just made is still there.
    let hit = small(50);
    assert!(!hit.stderr.contains("collected"), "{}", hit.story());
}

#[test]
fn gc_evicts_nothing_and_takes_what_nothing_names() {
    let env = filled(2);
    let stray = env.cache().join("v1/blobs/af");
    fs::create_dir_all(&stray).unwrap();
    // What it holds does not count: nothing names it.
    let name = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    fs::write(stray.join(name), "").unwrap();
    make_older(&env, 3);
    let told = ok(&env, &["gc", "--dry-run"]);
    assert!(
        told.stdout
            .starts_with("1 file would be moved to the trash\nthe cache would take "),
        "{}",
        told.story()
    );
    assert!(stray.join(name).exists());
    let done = json(&env, &["gc"]);
    assert_eq!(done["blobs_discarded"], 1, "{done}");
    assert!(evicted(&done).is_empty());
    assert!(!stray.join(name).exists());
    assert!(env.cache().join("v1/trash/blobs/af").join(name).exists());
}

#[test]
fn a_folder_that_is_no_store_is_refused_and_one_that_is_not_there_is_empty() {
    let env = test_env();
    for verb in ["gc", "prune"] {
        let done = json(&env, &[verb]);
        assert_eq!(done["freed_bytes"], 0);
        assert!(!env.cache().exists(), "nothing is made to be collected");
    }
    fs::create_dir_all(env.cache()).unwrap();
    fs::write(env.cache().join("thesis.tex"), "text").unwrap();
    for words in [
        ["gc", "--quiet"],
        ["prune", "-n"],
        ["gc", "-n"],
        ["pin", "0123456789"],
    ] {
        let ran = env.run(words);
        assert_eq!(ran.code, Some(125), "{words:?}: {}", ran.story());
        assert!(ran.stderr.contains("thesis.tex"), "{}", ran.story());
    }
    assert_eq!(names_in(&env.cache()).len(), 1);
}

#[test]
fn what_there_is_none_of_is_not_counted_and_a_limit_that_is_not_kept_is_told() {
    let env = filled(1);
    let ran = ok(&env, &["prune", "--max-size", "1G"]);
    assert!(
        ran.stdout
            .starts_with("nothing to evict or to delete\nthe cache takes "),
        "{}",
        ran.story()
    );
    assert!(
        ran.stdout.ends_with("; the limit is 1.1 GB\n"),
        "{}",
        ran.story()
    );
    assert_eq!(ran.stderr, "");
    ok(&env, &["pin", &key_of(&env, 0, "")]);
    let told = ok(&env, &["prune", "--max-size", "1K"]).stderr;
    assert!(told.contains("it stays larger than that"), "{told}");
}

#[test]
fn a_store_that_may_only_be_read_is_refused_with_a_hint() {
    let env = filled(1);
    let before = names_in(&env.cache());
    let read_only = |words: &[&str]| {
        let mut command = env.command();
        env.finish(command.env("IBID_MODE", "read-only").args(words))
    };
    let key = key_of(&env, 0, "");
    for words in [["gc"].as_slice(), &["prune"], &["pin", &key]] {
        let ran = read_only(words);
        assert_eq!(ran.code, Some(125), "{}", ran.story());
        assert!(ran.stderr.contains("hint:"), "{}", ran.story());
    }
    assert_eq!(read_only(&["prune", "--dry-run"]).code, Some(0));
    assert_eq!(read_only(&["pins"]).code, Some(0));
    assert_eq!(before, names_in(&env.cache()));
}

#[test]
fn a_step_is_pinned_by_its_name_and_a_matrix_with_all_its_points() {
    let env = test_env();
    env.write(
        "ibid.toml",
        "[steps.fit]\nmatrix = { n = [\"a\", \"b\"] }\nrun = \"echo {matrix.n} > fit-{matrix.n}\"\n\
         outputs = [\"fit-{matrix.n}\"]\n[steps.other]\nrun = \"echo x > x\"\noutputs = [\"x\"]\n",
    );
    let refused = env.run(["pin", "fit"]);
    assert_eq!(refused.code, Some(1), "{}", refused.story());
    ok(&env, &["run"]);
    let pinned = json(&env, &["pin", "fit", "--because", "for the record"]);
    assert_eq!(pinned["pinned"].as_array().unwrap().len(), 2, "{pinned}");
    ok(&env, &["pin", "other"]);
    let listed = ok(&env, &["pins"]).stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains("(for the record)"), "{listed}");
    ok(&env, &["pin", "fit@a"]);
    let again = ok(&env, &["pins"]).stdout;
    let reasons = again.matches("(for the record)").count();
    assert_eq!(reasons, 2, "a reason stays: {again}");
    make_older(&env, 300);
    let pruned = json(&env, &["prune", "--max-age", "1d", "--keep-last", "0"]);
    assert!(evicted(&pruned).is_empty(), "{pruned}");
    ok(&env, &["unpin", "fit"]);
    let again = env.run(["unpin", "fit"]);
    assert_eq!(again.code, Some(1), "{}", again.story());
    let pruned = json(&env, &["prune", "--max-age", "1d"]);
    assert_eq!(evicted(&pruned).len(), 2, "{pruned}");
    let left = json(&env, &["pins"]);
    assert_eq!(left["pins"][0]["bytes"], 2, "{left}");
}

#[test]
fn a_result_that_takes_much_of_the_budget_says_so_once_it_is_stored() {
    let env = test_env();
    let run = |budget: &str, script: &str| {
        let mut command = env.command();
        let words = [
            "exec",
            "--no-input",
            "-o",
            "out.txt",
            "--",
            "sh",
            "-c",
            script,
        ];
        env.finish(command.env("IBID_MAX_SIZE", budget).args(words))
    };
    let script = "head -c 65536 /dev/zero > out.txt";
    let told = run("600K", script).stderr;
    assert!(told.contains("`store = \"digest\"`"), "{told}");
    assert!(
        !run("600K", script).stderr.contains("tenth"),
        "a hit stores nothing"
    );
    let told = run("700K", "head -c 65537 /dev/zero > out.txt").stderr;
    assert!(!told.contains("tenth"), "{told}");
}

#[test]
fn what_is_no_budget_is_named() {
    let env = test_env();
    let ran = env.run(["prune", "--max-size", "50GB"]);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert!(ran.stderr.contains("`50G`"), "{}", ran.story());
    let mut command = env.command();
    let ran = env.finish(command.env("IBID_GRACE", "none").args(["gc"]));
    assert_eq!(ran.code, Some(2), "{}", ran.story());
}
