//! Commands that read the store: a small one is made by hand, with two runs of one step.

use ibid_core::action::{Component, ComponentKind, ComponentName, KeyRecord, Trigger};
use ibid_core::digest::Key;
use ibid_core::digest::encoding::Value;
use ibid_core::exec::{Stream, StreamLog};
use ibid_core::store::{
    LocalStore, Outcome, OutputContent, Replace, RunEntry, RunInfo, RunOutcome, StoreOptions,
    StoredOutput, StoredResult, StreamLogRef,
};
use ibid_testkit::TestEnv;

use crate::test_env;

const LABEL: &str = "work/out.txt";
const SECOND: u64 = 1_000_000_000;
/// 2026-01-02 03:04:05 UTC.
const START: u64 = 1_767_323_045 * SECOND;

fn record(greeting: &str) -> KeyRecord {
    let component = |kind, name, value| Component { kind, name, value };
    let words = ["sh", "hello it's"].map(|word| Value::from(word.as_bytes()));
    KeyRecord::new(vec![
        component(
            ComponentKind::Command,
            ComponentName::from("argv"),
            Value::Array(words.into()),
        ),
        component(
            ComponentKind::Param,
            ComponentName::from("greeting"),
            Value::from(greeting),
        ),
    ])
}

/// Stores a run that printed something and wrote `content`.
fn store_run(store: &LocalStore, greeting: &str, content: &[u8], after: Option<Key>) -> Key {
    let record = record(greeting);
    let key = record.key();
    let record_blob = store.put_bytes(&record.encode()).unwrap().blob;
    let mut log = StreamLog::new(std::env::temp_dir());
    log.append(Stream::Stdout, b"out \xff").unwrap();
    log.append(Stream::Stderr, b"err").unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut log.finish().unwrap().open(), &mut bytes).unwrap();
    let log = store.put_bytes(&bytes).unwrap();
    let output = store.put_bytes(content).unwrap();
    let started = START + after.map_or(0, |_| 60 * SECOND);
    let result = StoredResult {
        key,
        outcome: Outcome {
            exit_code: 0,
            outputs: vec![StoredOutput {
                name: b"out.txt".to_vec(),
                at: None,
                content: OutputContent::File {
                    executable: false,
                    size: output.size,
                    blob: output.blob,
                },
            }],
        },
        run: RunInfo {
            record: record_blob,
            log: Some(StreamLogRef {
                blob: log.blob,
                size: log.size,
            }),
            started,
            duration: 3 * SECOND,
            host: "node7".to_owned(),
            user: None,
            version: "0.1.0".to_owned(),
            label: LABEL.to_owned(),
        },
    };
    store.record(&result, &[], Replace::No).unwrap();
    let entry = RunEntry {
        time: started + 3 * SECOND,
        label: LABEL.to_owned(),
        key,
        record: record_blob,
        result: None,
        outcome: RunOutcome::Ran,
        triggers: vec![after.map_or(Trigger::New, |_| Trigger::Params)],
        changed: after
            .map(|_| "param/greeting".to_owned())
            .into_iter()
            .collect(),
        compared_to: after,
        exit_code: Some(0),
        signal: None,
        duration: 3 * SECOND,
        saved: 0,
        root: "work".to_owned(),
        host: "node7".to_owned(),
    };
    store.append(&entry).unwrap();
    key
}

/// Makes an environment whose cache holds two runs; returns their keys.
fn filled() -> (TestEnv, Key, Key) {
    let env = test_env();
    let store = LocalStore::open(&env.cache(), StoreOptions::default()).unwrap();
    let old = store_run(&store, "hi", b"first", None);
    let new = store_run(&store, "ho", b"second", Some(old));
    (env, old, new)
}

#[test]
fn diff_names_the_component_and_both_values() {
    let (env, old, new) = filled();
    let start = &old.hex()[..8];
    assert_eq!(
        env.run(["diff", start, &new.to_string()]).story(),
        "exit: 0\n-- stdout\nparam/greeting: \"hi\" → \"ho\"\n"
    );
    assert_eq!(
        env.run(["diff", start, start]).story(),
        "exit: 0\n-- stderr\nibid: the keys are equal\n"
    );
    let json = env.run(["diff", "--json", start, LABEL]).stdout;
    assert!(
        json.ends_with(
            "\"changes\":[{\"component\":\"param/greeting\",\"trigger\":\"params\",\"old\":\"hi\",\
             \"new\":\"ho\"}]}\n"
        ),
        "{json}"
    );
}

#[test]
fn why_names_what_changed_against_the_closest_earlier_run() {
    let (env, old, _) = filled();
    for words in [["why"].as_slice(), &["why", LABEL]] {
        assert_eq!(
            env.run(words).story(),
            format!(
                "exit: 0\n-- stdout\nwork/out.txt ran at 2026-01-02 03:05:08 because of: params\n\
                 against the run with the key {}:\n  param/greeting: \"hi\" → \"ho\"\n",
                old.short()
            )
        );
    }
}

#[test]
fn show_prints_command_outputs_and_components() {
    let (env, _, new) = filled();
    let shown = env.run(["show", LABEL]);
    let text = shown.stdout.as_str();
    for part in [
        &format!("key        {new}\n"),
        "command    sh 'hello it'\\''s'\n",
        "ran        2026-01-02 03:05:05 on node7, in 3.0 s\n",
        "  out.txt  file ",
        ", 6 B\n",
        "  param/greeting  \"ho\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = env.run(["show", "--json", LABEL]).stdout;
    assert!(json.contains("\"duration_ns\":3000000000,"), "{json}");
}

#[test]
fn log_lists_the_latest_first() {
    let (env, old, new) = filled();
    let ran = env.run(["log"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.story());
    assert!(lines[0].contains(&new.short()), "{}", ran.story());
    assert!(
        lines[0].ends_with("work/out.txt — params: param/greeting"),
        "{}",
        ran.story()
    );
    assert!(lines[1].contains(&old.short()), "{}", ran.story());
    assert_eq!(env.run(["log", "no/such"]).code, Some(1));
}

#[test]
fn output_replays_each_stream_exactly() {
    let (env, ..) = filled();
    let ran = env.run(["output", LABEL]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.raw, (b"out \xff".to_vec(), b"err".to_vec()));
}

#[test]
fn cite_knows_a_renamed_copy_outside_any_project() {
    let (env, old, _) = filled();
    let copy = env.write("elsewhere/final (3).txt", "first");
    let ran = env.run(["cite".as_ref(), copy.as_os_str()]);
    assert!(
        ran.stdout
            .starts_with("[DIR]/work/elsewhere/final (3).txt is out.txt\n")
            && ran.stdout.contains("  command  sh 'hello it'\\''s'\n")
            && ran.stdout.contains(&format!("  key      {old}\n")),
        "{}",
        ran.story()
    );
    let bibtex = env.run(["cite", "--format", "bibtex", "elsewhere/final (3).txt"]);
    assert!(
        bibtex.stdout.contains("year = {2026}"),
        "{}",
        bibtex.story()
    );
    env.write("strange", "nobody made this");
    let ran = env.run(["cite", "strange"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr
            .starts_with("error: no run that this cache knows made `strange`\n")
    );
}

#[test]
fn an_invalidated_result_is_gone_and_says_why() {
    let (env, _, new) = filled();
    let ran = env.run(["invalidate", LABEL, "--because", "wrong\x1bdata"]);
    assert_eq!(
        ran.story(),
        format!(
            "exit: 0\n-- stderr\nibid: the result of the key {} counts no longer\n",
            new.short()
        )
    );
    let ran = env.run(["show", &new.hex()]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr
            .contains("caused by: it was invalidated: wrong\\u{1b}data\n"),
        "{}",
        ran.story()
    );
}

#[test]
fn unknown_and_ambiguous_names_are_told() {
    let (env, ..) = filled();
    let ran = env.run(["show", "feedfacefeed"]);
    assert_eq!(
        ran.story(),
        "exit: 1\n-- stderr\nerror: nothing is known of `feedfacefeed` in this cache\n\nhint: `ibid \
         log` lists keys and labels\n"
    );
    assert_eq!(test_env().run(["why"]).code, Some(1));
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let env = test_env();
    std::fs::create_dir_all(env.cache()).unwrap();
    std::fs::write(env.cache().join("store.json"), "{\"format\": 7}").unwrap();
    let ran = env.run(["log"]);
    assert_eq!(ran.code, Some(125), "{}", ran.story());
    assert!(
        ran.stderr
            .contains("has format 7, this ibid knows format 1"),
        "{}",
        ran.story()
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (env, ..) = filled();
    let mut child = env
        .command()
        .args(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
