//! `ibid usage`: what takes how much of the disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ibid_testkit::TestEnv;
use serde_json::json;

use crate::{json, ok, test_env};

/// Runs a step that writes `lines` lines.
fn step(env: &TestEnv, label: &str, lines: usize) {
    let script = format!("yes {label} | head -n {lines} >{label}.out; yes | head -n 9999 >same");
    let out = format!("{label}.out");
    let flags = [
        "exec",
        "--no-input",
        "--label",
        label,
        "-o",
        &out,
        "-o",
        "same",
    ];
    let seed = format!("lines={lines}");
    let words = ["--param", &seed, "--", "sh", "-c", &script];
    ok(env, &[&flags[..], &words].concat());
}

/// Sums up what lies below a folder, itself included, as `du` does.
fn du(path: &Path) -> u64 {
    let facts = std::fs::symlink_metadata(path).expect("nobody changes the store");
    let below = match std::fs::read_dir(path) {
        Ok(listed) => listed.filter_map(Result::ok).collect(),
        Err(_) => Vec::new(),
    };
    facts.blocks() * 512 + below.iter().map(|it| du(&it.path())).sum::<u64>()
}

#[test]
fn usage_tells_what_each_step_takes_and_what_sharing_saves() {
    let env = test_env();
    step(&env, "small", 10_000);
    step(&env, "large", 200_000);
    step(&env, "large", 300_000);
    let usage = json(&env, &["usage"]);
    let store = du(&env.cache().join("v1"));
    let disk = usage["disk"].as_u64().unwrap();
    assert!(disk >= store, "{disk} {store}");
    assert_eq!(usage["results"], 3);
    let labels: Vec<_> = usage["labels"].as_array().unwrap().iter().collect();
    let told: Vec<_> = labels
        .iter()
        .map(|it| (&it["label"], &it["results"]))
        .collect();
    assert_eq!(
        told,
        [(&json!("large"), &json!(2)), (&json!("small"), &json!(1))]
    );
    // `large`, once as often as the other time and half as much again: 6 bytes a line.
    assert!(
        labels[0]["exclusive"].as_u64() >= Some(3_000_000),
        "{usage}"
    );
    assert!(labels[1]["exclusive"].as_u64() < Some(1_000_000), "{usage}");
    let bytes = |name: &str| usage[name].as_u64().unwrap();
    // The same 9,999 lines in three results, kept once.
    assert!(
        bytes("logical") - bytes("distinct") >= 2 * 2 * 9_999,
        "{usage}"
    );
    assert_eq!((bytes("unreachable"), bytes("trash")), (0, 0));
    assert_eq!(usage["ages"][0]["results"], 3);
    assert_eq!(usage["unknown"], json!([]));

    let text = ok(&env, &["usage"]).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("on disk "), "{text}");
    assert!(lines[0].contains("  3 results in "), "{text}");
    let large = lines.iter().find(|line| line.ends_with("  large")).unwrap();
    assert!(large.contains("        2  "), "{text}");
    assert!(
        lines.last().unwrap().ends_with("        3  within 1 day"),
        "{text}"
    );
}

#[test]
fn what_there_is_not_yet_is_said_and_not_made() {
    let env = test_env();
    for verb in ["usage", "gc", "prune", "fsck"] {
        let ran = ok(&env, &[verb]);
        assert_eq!(ran.stdout, "", "{}", ran.story());
        assert!(
            ran.stderr.starts_with("ibid: there is no cache at "),
            "{}",
            ran.story()
        );
    }
    assert!(!env.cache().exists());
}

#[test]
fn what_a_killed_commit_left_is_unreachable_and_damage_is_told() {
    let env = test_env();
    step(&env, "small", 10);
    let v1 = env.cache().join("v1");
    let hex = "ab".repeat(32);
    std::fs::create_dir_all(v1.join("blobs/ab")).unwrap();
    std::fs::write(v1.join("blobs/ab").join(&hex), vec![1; 5000]).unwrap();
    std::fs::create_dir_all(v1.join("keys/ab")).unwrap();
    std::fs::write(v1.join("keys/ab").join(&hex), b"").unwrap();
    let usage = json(&env, &["usage"]);
    assert!(usage["unreachable"].as_u64() >= Some(5000), "{usage}");
    let ran = ok(&env, &["usage"]);
    assert!(ran.stdout.contains("  not needed "), "{}", ran.story());
    assert!(
        ran.stderr.contains("1 part of the cache"),
        "{}",
        ran.story()
    );
    assert!(v1.join("keys/ab").join(&hex).exists(), "it changes nothing");
}
