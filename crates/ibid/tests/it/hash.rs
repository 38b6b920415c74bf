//! `ibid hash`.

use crate::test_env;

/// The digest of `abc`, from the specification of BLAKE3.
const ABC: &str = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";

#[test]
fn files_are_hashed_as_b3sum_does() {
    let env = test_env();
    env.write("a b", "abc");
    env.write("c\x1b", "abc");
    assert_eq!(
        env.run(["hash", "a b", "c\x1b"]).story(),
        format!("exit: 0\n-- stdout\n{ABC}  a b\n{ABC}  c\\u{{1b}}\n")
    );
    assert_eq!(
        env.run(["hash", "--json", "--no-stat-cache", "a b"]).stdout,
        format!(
            "{{\"hashes\":[{{\"kind\":\"file\",\"executable\":false,\"digest\":\"blake3:{ABC}\",\
             \"path\":\"a b\"}}],\"v\":1}}\n"
        )
    );
}

#[test]
fn folders_need_to_be_asked_for() {
    let env = test_env();
    env.write("data/a", "abc");
    assert_eq!(
        env.run(["hash", "data"]).story(),
        "exit: 2\n-- stderr\nerror: `data` is a folder\n\nhint: `--tree` hashes folders with \
         everything below them\n"
    );
    let first = env.run(["hash", "--tree", "data"]);
    assert_eq!(first.code, Some(0), "{}", first.story());
    env.write("data/b", "");
    assert_ne!(env.run(["hash", "--tree", "data"]).stdout, first.stdout);
}

#[test]
fn what_cannot_be_hashed_is_named() {
    let env = test_env();
    let ran = env.run(["hash", "absent"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("error: `[DIR]/work/absent` does not exist\n"),
        "{}",
        ran.story()
    );
}
