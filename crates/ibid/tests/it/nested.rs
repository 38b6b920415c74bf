//! Commands that use ibid themselves.

use std::process::Command;

use crate::test_env;

#[test]
fn nobody_waits_for_the_run_that_it_is_part_of() {
    let env = test_env();
    env.write("in.txt", "content");
    let ibid = env!("CARGO_BIN_EXE_ibid");
    let inner = [
        ibid, "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
    ];
    let mut command = env.command();
    let envs: Vec<_> = command
        .args([
            "-i",
            "in.txt",
            "-o",
            "out.txt",
            "--pass-env",
            "XDG_CACHE_HOME",
            "--",
        ])
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    // A wait for ever must not stop the tests.
    let ran = env.finish(
        Command::new("timeout")
            .args(["60", ibid, "exec"])
            .args(command.get_args())
            .args(inner)
            .current_dir(env.work(""))
            .env_clear()
            .envs(envs),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert_eq!(env.read("out.txt"), b"content");
    assert!(!ran.stderr.contains("waiting"), "{}", ran.story());
}
