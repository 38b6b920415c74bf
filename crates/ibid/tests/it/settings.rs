//! `ibid config` and `ibid dirs`: every layer, and where each value comes from.

use crate::test_env;

#[test]
fn folders_are_told_with_their_reason_and_not_made() {
    let env = test_env();
    let ran = env.run(["dirs", "--cache-dir", "mine"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(
        ran.stdout.starts_with("cache  [DIR]/work/mine  ("),
        "{}",
        ran.story()
    );
    assert!(!env.work("mine").exists());
    let ran = env.run(["dirs"]);
    assert!(
        ran.stdout.starts_with("cache  [DIR]/cache/ibid  ("),
        "{}",
        ran.story()
    );
    assert!(!env.cache().exists());
    let json = env.run(["dirs", "--json"]).stdout;
    assert!(json.contains("\"root\":\"[DIR]/work\""), "{json}");
}

#[test]
fn settings_show_their_origin() {
    let env = test_env();
    env.write("ibid.toml", "[config]\nmode = \"read-only\"\n");
    let ran = env.finish(
        env.command()
            .env("IBID_LINK", "copy")
            .args(["config", "--show-origin"]),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let has = |part: &str| assert!(ran.stdout.contains(part), "{part}\n{}", ran.story());
    has("mode         read-only  ([DIR]/work/ibid.toml:2)\n");
    has("link         copy  (environment, IBID_LINK)\n");
    has("strict       false  (default)\n");
}

#[test]
fn a_mistake_in_a_file_shows_the_line_and_what_was_meant() {
    let env = test_env();
    env.write("ibid.toml", "[config]\nmoed = \"off\"\n");
    assert_eq!(
        env.run(["config"]).story(),
        "exit: 2\n-- stderr\nerror: [DIR]/work/ibid.toml:2:1: unknown setting `moed`\n  2 | moed = \
         \"off\"\n    | ^^^^\n\nhint: did you mean `mode`?\n"
    );
    let ran = env.finish(
        env.command()
            .current_dir(env.work(".."))
            .env("IBID_LINK", "weak")
            .arg("config"),
    );
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("error: `IBID_LINK` cannot be `weak`: expected ")
    );
}
