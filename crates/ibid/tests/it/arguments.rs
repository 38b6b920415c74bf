//! Mistakes on the command line: one line that names the place, a hint, exit code 2, nothing run.

use crate::test_env;

/// Runs `exec` with these flags before a command that would leave a trace.
fn refused(flags: &[&str]) -> String {
    let env = test_env();
    let words = [&["exec"], flags, &["--", "touch", "ran"]].concat();
    let ran = env.run(words);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert_eq!(ran.stdout, "");
    assert!(!env.work("ran").exists(), "the command ran");
    ran.stderr
}

#[test]
fn nothing_declared_is_refused_with_what_to_add() {
    assert_eq!(
        refused(&[]),
        "error: nothing is declared that the result depends on\n\nhint: add `--input PATH` for each \
         file or folder that the command reads, `--stdin` if it reads standard input, `--no-input` \
         if it reads nothing, or `--ttl 1h` if its result may be that old\n"
    );
}

#[test]
fn unknown_flags_get_a_suggestion() {
    assert_eq!(
        refused(&["--inptu", "a"]),
        "error: unknown flag `--inptu` of `ibid exec`\n\nhint: did you mean `--input`?\n"
    );
    let env = test_env();
    assert_eq!(
        env.run(["exce"]).story(),
        "exit: 2\n-- stderr\nerror: unknown command `exce`\n\nhint: did you mean `ibid exec`?\n"
    );
    let near_three = env.run(["prun"]).stderr;
    assert!(
        near_three.ends_with("hint: did you mean `ibid prune`?\n"),
        "{near_three}"
    );
    assert_eq!(
        env.run(["python3"]).stderr,
        "error: unknown command `python3`\n\nhint: `ibid --help` lists the commands; to run a program, \
         type `ibid exec -- python3`\n"
    );
    assert_eq!(
        env.run(["--frobnicate", "exec"]).stderr,
        "error: unknown flag `--frobnicate`\n\nhint: flags of a command stand behind its name: \
         `ibid COMMAND --help`\n"
    );
}

#[test]
fn wrong_and_missing_values_name_the_flag() {
    assert_eq!(
        refused(&["--mode", "readonly"]),
        "error: `readonly` is no value of `--mode`\n\nhint: did you mean `read-only`?\n"
    );
    assert_eq!(
        refused(&["--link", "symbolic"]),
        "error: `symbolic` is no value of `--link`\n\nhint: one of `auto`, `copy`, `hardlink`\n"
    );
    let env = test_env();
    assert_eq!(
        env.run(["exec", "--input"]).stderr,
        "error: `--input` needs a value\n\nhint: `ibid exec --help` lists what it takes\n"
    );
    assert_eq!(
        env.run(["exec", "--no-input"]).stderr,
        "error: the command to run is missing\n\nhint: it stands behind `--`: `ibid exec -i data.csv -- wc data.csv`\n"
    );
    assert_eq!(
        refused(&["--ttl", "1h", "--ttl", "2h"]),
        "error: `--ttl` is given more than once\n\nhint: `ibid exec --help` lists what it takes\n"
    );
    assert_eq!(
        refused(&["-i", ""]),
        "error: `--input` names no file\n\nhint: an unset variable in a script gives an empty word\n"
    );
}

#[test]
fn bad_durations_say_what_is_wrong_and_what_is_right() {
    assert_eq!(
        refused(&["--ttl", "30"]),
        "error: `--ttl` takes a duration\ncaused by: `30` has no unit: write `30s` for seconds, or \
         use `ms`, `m`, `h`, `d` or `w`\n\nhint: `--ttl 90s`, `15m`, `12h`, `30d` or `1h30m`\n"
    );
    assert_eq!(
        refused(&["--no-input", "--timeout", "5 minutes"])
            .lines()
            .next(),
        Some("error: `--timeout` takes a duration")
    );
}

#[test]
fn params_must_be_json_and_the_hint_shows_the_quotes() {
    let text = refused(&["--no-input", "-p", "name=adelie"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "error: the param `name` is not JSON: `adelie`");
    assert!(lines[1].starts_with("caused by: "), "{text}");
    assert_eq!(
        lines[3],
        "hint: text needs quotes of its own: --param 'name=\"adelie\"'"
    );
    assert_eq!(
        refused(&["--no-input", "-p", "name"]),
        "error: `name` of `--param` is not a name with a value\n\nhint: `--param alpha=0.5`\n"
    );
    assert_eq!(
        refused(&["--no-input", "-p", "a=1", "-p", "a=2"]),
        "error: the param `a` is given twice\n"
    );
}

#[test]
fn secrets_are_sent_to_their_own_flag() {
    assert_eq!(
        refused(&["--no-input", "-e", "API_TOKEN"]),
        "error: `API_TOKEN` looks like a secret, and `--env` is stored\n\nhint: `--secret-env \
         API_TOKEN` shows it to the command and to nobody else\n"
    );
    let text = refused(&["--no-input", "-e", "DB_PASSWORD=hunter2"]);
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(
        refused(&["--no-input", "--secret-env", "A=b"])
            .lines()
            .next(),
        Some("error: `A=b` of `--secret-env` is not the name of a variable")
    );
}

#[test]
fn exit_codes_are_bytes() {
    for bad in ["256", "-1", "one"] {
        assert_eq!(
            refused(&["--no-input", &format!("--ok-exit={bad}")]),
            format!(
                "error: `{bad}` of `--ok-exit` is not an exit code\n\nhint: exit codes are 0 to \
                 255; give the flag once for each\n"
            )
        );
    }
}

#[test]
fn specs_are_named_with_the_place_of_the_mistake() {
    assert_eq!(
        refused(&["--no-input", "--spec", "model.ini"]),
        "error: the format of the spec `model.ini` is not known\n\nhint: its name must end in \
         `.json`, `.toml`, `.yaml` or `.yml`\n"
    );
    let text = refused(&["--no-input", "--spec", "absent.json"]);
    assert!(
        text.starts_with("error: cannot read the spec `absent.json`\ncaused by: No such file"),
        "{text}"
    );
    let env = test_env();
    env.write("bad.json", "{\n  \"a\": ]\n}");
    let text = env
        .run(["exec", "--no-input", "--spec", "bad.json", "--", "true"])
        .stderr;
    assert!(
        text.starts_with("error: the spec `bad.json` cannot be used\ncaused by: ")
            && text.contains("line 2"),
        "{text}"
    );
}

#[test]
fn roots_and_folders_must_be_there() {
    assert_eq!(
        refused(&["--no-input", "--root", "elsewhere"])
            .lines()
            .next(),
        Some("error: cannot use the root `elsewhere`")
    );
    let env = test_env();
    env.write("sub/file", "");
    assert_eq!(
        env.run(["exec", "--no-input", "--root", "sub", "--", "true"])
            .stderr,
        "error: the current folder does not lie in the root `sub`\n\nhint: `--root` takes the \
         current folder or one above it\n"
    );
    assert_eq!(
        env.run(["-C", "nowhere", "dirs"]).story(),
        "exit: 2\n-- stderr\nerror: cannot work in `nowhere`\ncaused by: No such file or directory \
         (os error 2)\n\nhint: `-C` takes a folder that exists\n"
    );
}

#[test]
fn names_from_the_command_line_cannot_drive_the_terminal() {
    for words in [
        ["--no-input", "-p", "a\x1b[2J=x"],
        ["--no-input", "--root", "a\x1b[2J"],
        ["--no-input", "--spec", "a\x1b[2J"],
        ["--no-input", "--pass-env", "\x1b[2J="],
        ["--no-input", "--versions-from", "'\x1b[2J"],
        ["--no-input", "--mode", "\x1b[2J"],
    ] {
        let text = refused(&words);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
    let unknown = refused(&["--\x1b[2J"]);
    assert!(!unknown.contains('\x1b'), "{unknown:?}");
}

#[test]
fn failures_are_json_where_that_was_asked_for() {
    let text = refused(&["--json"]);
    assert!(
        text.starts_with("{\"event\":\"error\",\"message\":\"nothing is declared")
            && text.ends_with("\"exit_code\":2,\"v\":1}\n"),
        "{text}"
    );
}

#[test]
fn help_and_version_are_data() {
    let env = test_env();
    for words in [
        ["--help"].as_slice(),
        &["help"],
        &["exec", "--help"],
        &["help", "why"],
        &["--version"],
    ] {
        let ran = env.run(words);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert_eq!(ran.stderr, "");
        assert!(ran.stdout.contains("ibid"), "{}", ran.story());
    }
    assert_eq!(env.run(["--version"]).stdout, "ibid 0.1.0\n");
}

#[test]
fn no_command_at_all_is_a_mistake() {
    let ran = test_env().run::<&str>([]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.starts_with("error: a command is missing\n"),
        "{}",
        ran.story()
    );
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let env = test_env();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = env.run(["completions", shell]);
        assert!(ran.stdout.contains("input-by-content"), "{shell}");
    }
    let ran = env.run(["man", "--out", "pages"]);
    assert_eq!(ran.story(), "exit: 0\n");
    for page in ["ibid.1", "ibid-exec.1", "ibid-why.1", "ibid-man.1"] {
        assert!(env.work("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn flags_of_run_that_cannot_be_meant_are_named() {
    let env = test_env();
    for (words, told) in [
        (
            ["run", "--only", "--downstream"].as_slice(),
            "error: `--only` and `--downstream` exclude each other\n",
        ),
        (
            &["run", "--only", "--only"],
            "error: `--only` is given more than once\n",
        ),
        (
            &["run", "-j", "0"],
            "error: `0` is no value of `--parallel`\n",
        ),
        (
            &["run", "--show-output", "al"],
            "error: `al` is no value of `--show-output`\n",
        ),
        (&["plan", "-k"], "error: unknown flag `-k` of `ibid plan`\n"),
        (&["init", "x"], "error: `ibid init` takes no `x`\n"),
    ] {
        let ran = env.run(words);
        assert_eq!(ran.code, Some(2), "{}", ran.story());
        assert!(ran.stderr.starts_with(told), "{}", ran.story());
    }
}
