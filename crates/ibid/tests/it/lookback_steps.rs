//! Looking back by the names of steps: chains through a file of steps, matrices, what hangs on a
//! step, edited outputs.

use ibid_testkit::TestEnv;

use crate::{json, ok, test_env};

const PIPELINE: &str = r#"
[pipeline]
name = "lab"

[steps.clean]
run = ["sh", "clean.sh", "raw.csv", "build/clean.csv"]
inputs = ["raw.csv"]
outputs = ["build/clean.csv"]

[steps.fit]
matrix = { species = ["Adelie", "Gentoo"] }
run = ["sh", "fit.sh", "{matrix.species}", "build/clean.csv", "build/fit-{matrix.species}.txt"]
inputs = ["build/clean.csv"]
outputs = ["build/fit-{matrix.species}.txt"]

[steps.report]
run = "cat {inputs} >report.txt"
inputs = ["build/fit-*.txt"]
outputs = ["report.txt"]
"#;

fn project() -> TestEnv {
    let env = test_env();
    env.write("ibid.toml", PIPELINE);
    env.write("raw.csv", "Adelie 1\nGentoo 2\nbad 3\n");
    env.write("clean.sh", "grep -v bad \"$1\" >\"$2\"\n");
    env.write("fit.sh", "grep -c \"$1\" \"$2\" >\"$3\" || true\n");
    ok(&env, &["run"]);
    env
}

#[test]
fn why_follows_a_point_of_a_matrix_to_the_script_that_changed() {
    let env = project();
    env.write(
        "clean.sh",
        "# keeps what counts\ngrep -v bad \"$1\" >\"$2\"\necho Adelie 4 >>\"$2\"\n",
    );
    ok(&env, &["run"]);
    let text = ok(&env, &["why", "fit@Adelie"]).stdout;
    let expected = "\
`fit@Adelie` re-ran because `build/clean.csv` changed: +1 line
  because `clean` re-ran because `clean.sh` changed: +2 lines
";
    assert!(text.contains(expected), "{text}");
    let text = ok(&env, &["why", "report"]).stdout;
    let start = "`report` re-ran because `build/fit-Adelie.txt` changed: +1 −1 lines\n  because `fit@Adelie`";
    assert!(text.contains(start), "{text}");
    // Only what changed is followed: the other point gave the same.
    let chain = text.split("command:").next().unwrap_or_default();
    assert!(!chain.contains("Gentoo"), "{text}");
}

#[test]
fn a_matrix_means_all_its_points_where_many_are_meant_and_else_lists_them() {
    let env = project();
    let runs = json(&env, &["log", "fit"])["runs"].as_array().map(Vec::len);
    assert_eq!(runs, Some(2));
    for verb in ["show", "why", "output"] {
        let ran = env.run([verb, "fit"]);
        assert_eq!(ran.code, Some(2), "{}", ran.story());
        let told = "error: `fit` stands for 2 steps: fit@Adelie, fit@Gentoo\n";
        assert!(ran.stderr.starts_with(told), "{}", ran.story());
    }
    let shown = json(&env, &["show", "fit@Gentoo"]);
    assert_eq!(shown["label"], "lab/fit@Gentoo");
    let shown = json(&env, &["show", "fit@Gentoo@-0"]);
    assert_eq!(shown["label"], "lab/fit@Gentoo");
    let runs = json(&env, &["log", "fit@G*"])["runs"]
        .as_array()
        .map(Vec::len);
    assert_eq!(runs, Some(1), "a pattern that matches one");
    let ran = env.run(["show", "claen"]);
    let hint = "hint: did you mean the step `clean`?";
    assert!(ran.stderr.contains(hint), "{}", ran.story());
    let ran = env.run(["show", "fit@-0"]);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
}

#[test]
fn a_run_of_a_step_is_restored_beside_the_workspace() {
    let env = project();
    env.write("raw.csv", "Adelie 1\n");
    ok(&env, &["run"]);
    ok(&env, &["restore", "clean@-1", "--to", "old"]);
    assert_eq!(env.read("old/build/clean.csv"), b"Adelie 1\nGentoo 2\n");
    let diff = ok(&env, &["diff", "clean@-1", "clean"]).stdout;
    assert!(diff.starts_with("input/raw.csv: "), "{diff}");
}

#[test]
fn invalidating_downstream_reaches_what_hangs_on_the_step_and_nothing_else() {
    let env = project();
    let done = json(&env, &["invalidate", "fit@Adelie", "--downstream"]);
    let steps = done["keys"].as_array().expect("there are keys").iter();
    let steps: Vec<_> = steps.filter_map(|key| key["step"].as_str()).collect();
    assert_eq!(steps, ["fit@Adelie", "report"]);
    let done = json(&env, &["invalidate", "fit"]);
    let already = done["keys"].as_array().expect("there are keys").iter();
    let already: Vec<_> = already.map(|key| key["already"] == true).collect();
    assert_eq!(already, [true, false]);
    let ran = ok(&env, &["run"]);
    assert!(!ran.stderr.contains("clean  ran"), "{}", ran.story());
}

#[test]
fn an_edited_output_is_cited_as_such() {
    let env = project();
    let cited = ok(&env, &["cite", "build/clean.csv"]).stdout;
    assert!(
        cited.contains("\n  step     clean\n  label    lab/clean\n"),
        "{cited}"
    );
    env.write("build/clean.csv", "edited\n");
    let ran = env.run(["cite", "build/clean.csv"]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    let cause = "the step `clean` writes it, and none of its runs gave these bytes: it was edited";
    assert!(ran.stderr.contains(cause), "{}", ran.story());
    assert!(ran.stderr.contains("`ibid run clean`"), "{}", ran.story());
}

#[test]
fn a_broken_file_of_steps_leaves_labels_and_keys() {
    let env = project();
    env.write("ibid.toml", "[steps.clean]\nrum = \"x\"\n");
    let ran = ok(&env, &["show", "lab/clean"]);
    assert_eq!(ran.stderr, "", "{}", ran.story());
    let ran = ok(&env, &["log", "lab/clean"]);
    assert_eq!(ran.stderr, "", "{}", ran.story());
    let ran = env.run(["show", "clean"]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    let warning = "warning: steps are not known by their names: ";
    assert!(ran.stderr.contains(warning), "{}", ran.story());
}

#[test]
fn a_step_that_never_ran_is_told_so() {
    let env = test_env();
    env.write("ibid.toml", PIPELINE);
    for verb in ["show", "why", "log", "stats", "invalidate"] {
        let ran = env.run([verb, "clean"]);
        assert_eq!(ran.code, Some(1), "{}", ran.story());
        let told = "error: this cache knows of no run of the step `clean`\n";
        assert!(ran.stderr.starts_with(told), "{}", ran.story());
    }
}

#[test]
fn show_tells_the_shell_of_a_script_what_a_step_is_for_and_what_was_not_stored() {
    let env = test_env();
    env.write(
        "ibid.toml",
        "[steps.sum]\nrun = 'echo 3 >{outputs}'\noutputs = 'sum.txt'\nstore = 'digest'\n\
         description = 'Adds up.'\n",
    );
    ok(&env, &["run"]);
    let text = ok(&env, &["show", "sum"]).stdout;
    for part in [
        "about      Adds up.\n",
        "command    /bin/sh -eu -c 'echo 3 >sum.txt'\n",
        ", 2 B, its digest only\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let shown = json(&env, &["show", "sum"]);
    assert_eq!(shown["description"], "Adds up.");
    assert_eq!(shown["outputs"][0]["stored_as"], "digest");
    let plan = json(&env, &["plan"]);
    assert_eq!(plan["steps"][0]["description"], "Adds up.");
    let manifest = String::from_utf8(env.read(".ibid/manifests/sum.json")).unwrap();
    let command = "/bin/sh -eu -c 'echo 3 >sum.txt'";
    assert!(manifest.contains(command), "{manifest}");
}
