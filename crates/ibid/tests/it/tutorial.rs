//! A chain as tutorials show it (prepare, featurize into a folder with a link, train, evaluate),
//! and all that happens to such a folder in a week: what ran each time, and nothing else.

use std::collections::BTreeMap;
use std::fs;

use ibid_testkit::TestEnv;
use serde_json::Value;

use crate::test_env;

const PIPELINE: &str = r#"
[pipeline]
name = "chain"

[params]
keep = 3
rate = 0.5

[steps.prepare]
run = "sh prepare.sh {params.keep}"
inputs = ["data/raw.txt"]
outputs = ["build/prepared.txt"]

[steps.featurize]
run = ["sh", "featurize.sh"]
inputs = ["build/prepared.txt"]
outputs = ["build/features/"]

[steps.train]
run = "sh train.sh {params.rate}"
inputs = ["build/features/"]
outputs = ["build/model.txt"]

[steps.evaluate]
run = "sh evaluate.sh"
inputs = ["build/model.txt"]
outputs = ["build/score.txt"]
"#;

const FEATURIZE: &str = "mkdir -p build/features/empty
sed 's/$/0/' build/prepared.txt >build/features/a.txt
sed 's/./&&/' build/prepared.txt >build/features/b.txt
ln -s a.txt build/features/latest
";

/// The steps in their order, each with what was done about it: `u`p to date, `r`estored, or the
/// reasons for which it ran.
type Story = [&'static str; 4];

const IDLE: Story = ["u", "u", "u", "u"];

fn project() -> TestEnv {
    let env = test_env();
    env.write("ibid.toml", PIPELINE);
    env.write("data/raw.txt", numbers(20));
    env.write(
        "prepare.sh",
        "awk -v keep=\"$1\" '$1 % keep == 0' data/raw.txt >build/prepared.txt\n",
    );
    env.write("featurize.sh", FEATURIZE);
    env.write(
        "train.sh",
        "echo \"$(awk '{ sum += $1 } END { print sum }' build/features/latest) $1\" >build/model.txt\n",
    );
    // As many lines give the same score, whatever they are.
    env.write("evaluate.sh", "wc -l <build/model.txt >build/score.txt\n");
    expect(&env, "first", ["new", "new", "new", "new"]);
    env
}

fn numbers(to: u32) -> String {
    let lines: Vec<_> = (1..=to).map(|number| number.to_string()).collect();
    lines.join("\n") + "\n"
}

fn expect(env: &TestEnv, what: &str, story: Story) {
    let ran = env.run(["run", "--json"]);
    assert_eq!(ran.code, Some(0), "{what}: {}", ran.story());
    let events = ran.stdout.lines();
    let events = events.map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
    let finished = events.filter(|event| event["event"] == "finished");
    let did: BTreeMap<String, String> = finished
        .map(|event| (text(&event["step"]), done(&event)))
        .collect();
    let told = ["prepare", "featurize", "train", "evaluate"].map(|step| did[step].as_str());
    assert_eq!(told, story, "{what}: {}", ran.story());
    let settled = env.run(["status"]);
    assert_eq!(settled.stdout, "4 steps: all up to date\n", "{what}");
}

fn done(event: &Value) -> String {
    match event["decision"].as_str() {
        Some("up-to-date") => "u".to_owned(),
        Some("restored") => "r".to_owned(),
        Some("ran") => {
            let triggers = event["rerun"]["triggers"].as_array();
            let triggers = triggers.expect("a rerun has triggers").iter();
            triggers.map(text).collect::<Vec<_>>().join(" ")
        }
        other => panic!("{other:?}: {event}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn touching_files_or_moving_the_folder_runs_nothing() {
    let env = project();
    expect(&env, "again", IDLE);
    for path in ["data/raw.txt", "train.sh", "build/features/a.txt"] {
        env.write(path, env.read(path));
    }
    expect(&env, "rewritten with equal bytes", IDLE);

    // The same folder under another name, with another beside it under its own.
    let moved = env.work("../moved");
    fs::rename(env.work(""), &moved).expect("the folder is ours");
    fs::create_dir(env.work("")).expect("the folder is ours");
    let ran = env.finish(env.command().args(["run"]).current_dir(&moved));
    assert!(ran.stderr.contains(": all up to date"), "{}", ran.story());
}

#[test]
fn deleted_outputs_come_back_from_the_store_as_they_were() {
    let env = project();
    fs::remove_dir_all(env.work("build")).expect("it was made");
    expect(&env, "all outputs deleted", ["r", "r", "r", "r"]);
    let link = fs::read_link(env.work("build/features/latest"));
    assert_eq!(link.expect("it is a link").as_os_str(), "a.txt");
    assert!(env.work("build/features/empty").is_dir());
    fs::remove_file(env.work("build/features/b.txt")).expect("it was made");
    expect(&env, "one file of a folder deleted", ["u", "r", "u", "u"]);
    assert!(env.work("build/features/b.txt").exists());
}

#[test]
fn a_changed_value_runs_what_names_it_and_changing_it_back_restores() {
    let env = project();
    env.write("ibid.toml", PIPELINE.replace("rate = 0.5", "rate = 0.7"));
    expect(&env, "value changed", ["u", "u", "params code", "inputs"]);
    env.write("ibid.toml", PIPELINE);
    expect(&env, "value changed back", ["u", "u", "r", "u"]);
}

#[test]
fn a_changed_script_with_the_same_output_runs_alone() {
    let env = project();
    env.write("featurize.sh", format!("# tidied\n{FEATURIZE}"));
    expect(&env, "script edited", ["u", "code", "u", "u"]);
}

#[test]
fn changed_data_runs_everything_and_the_old_data_runs_nothing() {
    let env = project();
    env.write("data/raw.txt", numbers(30));
    let inputs = "inputs";
    expect(&env, "data changed", [inputs; 4]);
    env.write("data/raw.txt", numbers(20));
    expect(&env, "data changed back", ["r", "r", "r", "u"]);
}

#[test]
fn edits_of_outputs_are_put_right_and_kept() {
    let env = project();
    let model = env.read("build/model.txt");
    env.write("build/model.txt", "edited\n");
    expect(&env, "an output edited", ["u", "u", "r", "u"]);
    assert_eq!(env.read("build/model.txt"), model);
    env.write("build/features/stray", "not made by the step\n");
    expect(&env, "a stray file", ["u", "r", "u", "u"]);
    assert!(!env.work("build/features/stray").exists());

    let kept = fs::read_dir(env.work(".ibid/replaced")).expect("something was replaced");
    let kept: Vec<_> = kept
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    let holds = |below: &str, text: &str| {
        let mut files = kept.iter().map(|dir| fs::read_to_string(dir.join(below)));
        files.any(|file| file.is_ok_and(|file| file == text))
    };
    assert!(holds("build/model.txt", "edited\n"), "{kept:?}");
    let stray = "not made by the step\n";
    assert!(holds("build/features/stray", stray), "{kept:?}");
}

#[test]
fn without_a_store_outputs_that_stand_are_enough() {
    let env = project();
    fs::remove_dir_all(env.cache()).expect("it was made");
    expect(&env, "the store wiped", IDLE);
    fs::remove_file(env.work("build/score.txt")).expect("it was made");
    expect(&env, "and one output deleted", ["u", "u", "u", "new"]);
}

#[test]
fn why_follows_five_steps_to_the_lines_of_the_script_that_changed() {
    let env = project();
    let more = "[steps.report]\nrun = \"cat {inputs} > {outputs}\"\ninputs = [\"build/model.txt\"]\n\
                outputs = [\"build/report.txt\"]\n";
    env.write("ibid.toml", format!("{PIPELINE}\n{more}"));
    let run = || assert_eq!(env.run(["run"]).code, Some(0));
    run();
    env.write(
        "prepare.sh",
        "# what divides,\n# and more\nawk -v keep=\"$1\" '$1 % keep < 2' data/raw.txt \
         >build/prepared.txt\n",
    );
    run();
    let why = env.run(["why", "report"]).stdout;
    let chain = "\
`report` re-ran because `build/model.txt` changed: +1 −1 lines
  because `train` re-ran because `build/features` changed: 2 files differ
    because `featurize` re-ran because `build/prepared.txt` changed: +7 lines
      because `prepare` re-ran because `prepare.sh` changed: +3 −1 lines
";
    assert!(why.contains(chain), "{why}");
}
