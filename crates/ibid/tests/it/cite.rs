//! `ibid cite`: whose work a stray file is.

use crate::test_env;

#[test]
fn a_renamed_copy_outside_any_project_names_its_run() {
    let env = test_env();
    env.write("p/in.csv", "1,2\n");
    let step = [
        "-i",
        "in.csv",
        "-o",
        "fit.json",
        "--label",
        "fit",
        "-p",
        "alpha=0.5",
        "--",
        "cp",
        "in.csv",
        "fit.json",
    ];
    let made = env.run([&["-C", "p", "exec"], step.as_slice()].concat());
    assert_eq!(made.code, Some(0), "{}", made.story());
    let key = env
        .run([&["-C", "p", "key"], step.as_slice()].concat())
        .stdout;
    let key = key.lines().next().unwrap_or_default();

    let content = env.read("p/fit.json");
    env.write("../elsewhere/final (2).json", &content);
    let cite = |format: &str, file: &str| {
        env.finish(
            env.command()
                .current_dir(env.work("../elsewhere"))
                .args(["cite", "--format", format, file]),
        )
    };
    let ran = cite("text", "final (2).json");
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ran.story()
    );
    for part in [
        "final (2).json is fit.json\n",
        "  label    fit\n",
        "  command  cp in.csv fit.json\n",
        "  ran      [TIME] on ",
        &format!("  key      {key}\n"),
        "  input/in.csv  file ",
        "  param/alpha  0.5\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.story());
    }
    let json: serde_json::Value =
        serde_json::from_str(&cite("json", "final (2).json").stdout).expect("it is JSON");
    assert_eq!(json["made_by"]["key"], key);
    assert!(
        cite("bibtex", "final (2).json")
            .stdout
            .starts_with("@misc{ibid-")
    );
}

#[test]
fn a_file_out_of_an_output_folder_is_named_by_its_place_there() {
    let env = test_env();
    let script = "mkdir -p out/maps; echo left > out/maps/l.nii; echo right > out/maps/r.nii";
    let words = ["exec", "--no-input", "-o", "out", "--", "sh", "-c", script];
    assert_eq!(env.run(words).code, Some(0));
    env.write("../stray", "right\n");
    let ran = env.run(["cite", "../stray"]);
    assert!(
        ran.stdout.starts_with("../stray is out/maps/r.nii\n"),
        "{}",
        ran.story()
    );
}

#[test]
fn an_edited_copy_is_nobodys() {
    let env = test_env();
    let words = [
        "exec",
        "--no-input",
        "-o",
        "out",
        "--",
        "sh",
        "-c",
        "echo made > out",
    ];
    assert_eq!(env.run(words).code, Some(0));
    env.write("../edited", "made by hand\n");
    let ran = env.run(["cite", "../edited"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(1), ""),
        "{}",
        ran.story()
    );
}
