//! Commands that read the store, after two runs of one step.

use ibid_testkit::TestEnv;

use crate::test_env;

const LABEL: &str = "work/out.txt";
const SCRIPT: &str = r#"cat in.txt > out.txt; printf "out \\377"; printf err >&2"#;

/// Makes an environment in which a step ran twice, with another param; returns the keys.
fn filled() -> (TestEnv, String, String) {
    let env = test_env();
    let run = |param: &str, content: &str| {
        env.write("in.txt", content);
        let step = [
            "-i", "in.txt", "-o", "out.txt", "-p", param, "--", "sh", "-c", SCRIPT,
        ];
        let ran = env.run([&["exec"], step.as_slice()].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        let key = env.run([&["key"], step.as_slice()].concat()).stdout;
        key.lines().next().unwrap_or_default().to_owned()
    };
    let old = run("greeting=\"hi\"", "content");
    let new = run("greeting=\"ho\"", "content");
    (env, old, new)
}

/// The digits that messages show of a key.
fn short(key: &str) -> &str {
    &key["blake3:".len()..][..12]
}

#[test]
fn diff_names_the_component_and_both_values() {
    let (env, old, new) = filled();
    let start = short(&old);
    assert_eq!(
        env.run(["diff", start, &new]).story(),
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
             \"new\":\"ho\"}],\"v\":1}\n"
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
                "exit: 0\n-- stdout\nwork/out.txt ran at [TIME]: params changed\n  \
                 param/greeting: \"hi\" → \"ho\"\ncommand: sh -c '{SCRIPT}'\ncompared with the \
                 closest earlier run at [TIME], key {}\n",
                short(&old)
            )
        );
    }
}

#[test]
fn of_a_folder_that_changed_the_files_are_named() {
    let env = test_env();
    let run = || env.run(["exec", "-i", "data", "--", "true"]);
    for name in ["same", "edited", "removed"] {
        env.write(format!("data/{name}"), name);
    }
    run();
    env.write("data/edited", "otherwise");
    env.write("data/sub/added", "");
    std::fs::remove_file(env.work("data/removed")).expect("just written");
    run();
    let ran = env.run(["why"]);
    let text = ran.stdout;
    let below = "    edited: changed\n    removed: gone\n    sub: new\n    sub/added: new\n";
    assert!(
        text.contains("  input/data: folder ") && text.contains(below),
        "{text}"
    );
}

#[test]
fn show_prints_command_outputs_and_components() {
    let (env, _, new) = filled();
    let shown = env.run(["show", LABEL]);
    let text = shown.stdout.as_str();
    for part in [
        &format!("key        {new}\n"),
        "command    sh -c 'cat in.txt > out.txt; ",
        "ran        [TIME] on ",
        "  out.txt  file ",
        ", 7 B\n",
        "  param/greeting  \"ho\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = env.run(["show", "--json", LABEL]).stdout;
    assert!(json.contains("\"duration_ns\":"), "{json}");
}

#[test]
fn log_lists_the_latest_first() {
    let (env, old, new) = filled();
    let ran = env.run(["log"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.story());
    assert!(lines[0].contains(short(&new)), "{}", ran.story());
    assert!(
        lines[0].ends_with("work/out.txt — params: param/greeting"),
        "{}",
        ran.story()
    );
    assert!(lines[1].contains(short(&old)), "{}", ran.story());
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
    let (env, _, new) = filled();
    let copy = env.write("elsewhere/final (3).txt", "content");
    let ran = env.run(["cite".as_ref(), copy.as_os_str()]);
    assert!(
        ran.stdout
            .starts_with("[DIR]/work/elsewhere/final (3).txt is out.txt\n")
            && ran.stdout.contains("  command  sh -c ")
            && ran.stdout.contains(&format!("  key      {new}\n")),
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
            short(&new)
        )
    );
    let ran = env.run(["show", &new]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr
            .contains("caused by: it was invalidated: wrong\\u{1b}data\n"),
        "{}",
        ran.story()
    );
    let step = [
        "exec",
        "-i",
        "in.txt",
        "-o",
        "out.txt",
        "-p",
        "greeting=\"ho\"",
    ];
    env.run([step.as_slice(), &["--", "sh", "-c", SCRIPT]].concat());
    let why = env.run(["why"]).stdout;
    assert_eq!(
        why.lines().next(),
        Some(
            "work/out.txt ran at [TIME]: forced (the result was invalidated [SPAN] \
             ago: wrong\\u{1b}data)"
        ),
        "{why}"
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
    let ran = env.run(["invalidate", "out.txt"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr
            .ends_with("\nhint: did you mean the label `work/out.txt`?\n"),
        "{}",
        ran.story()
    );
    assert_eq!(test_env().run(["why"]).code, Some(1));
}

#[test]
fn restore_fills_an_empty_folder_and_no_other() {
    let (env, ..) = filled();
    env.write("out.txt", "edited");
    let ran = env.run(["restore", LABEL, "--to", "back/here"]);
    assert_eq!(
        ran.story(),
        "exit: 0\n-- stderr\nibid: restored 1 file, 7 B, into `back/here`\n"
    );
    assert_eq!(env.read("back/here/out.txt"), b"content");
    assert_eq!(env.read("out.txt"), b"edited");
    let ran = env.run(["restore", LABEL, "--to", "back/here"]);
    assert_eq!(
        ran.story(),
        "exit: 2\n-- stderr\nerror: `[DIR]/work/back/here` is not empty\n\nhint: `--to` takes a \
         new or an empty folder\n"
    );
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let env = test_env();
    env.write("store/store.json", "{\"format\": 7}");
    let ran = env.run(["log", "--cache-dir", "store"]);
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
        .expect("the binary under test starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("a child can be waited for");
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
