//! The command line as a user meets it: the built binary, in an environment of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make the files and pipes that they hand to the binary"
)]

mod arguments;
mod bad_input;
mod campaigns;
mod cite;
mod collection;
mod compile;
mod cost;
mod disks;
mod doors;
mod exec;
mod explain;
mod fsck;
mod hash;
mod holes;
mod hostile;
mod lookback;
mod lookback_steps;
mod nested;
mod pipeline;
mod readme;
mod replaced;
mod run_events;
mod run_limits;
mod settings;
mod signals;
mod snapshot;
mod stored;
mod streams;
mod tutorial;
mod usage;
mod users;

use std::process::Command;

use ibid_testkit::{Ran, TestEnv};
use serde_json::Value;

/// Makes an environment around the binary under test.
fn test_env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_ibid"))
}

/// Runs the binary, which has to succeed.
fn ok(env: &TestEnv, words: &[&str]) -> Ran {
    let ran = env.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ran
}

/// Runs the binary, which has to succeed, and reads the one document that it prints.
fn json(env: &TestEnv, words: &[&str]) -> Value {
    let ran = ok(env, &[words, &["--json"]].concat());
    serde_json::from_str(&ran.stdout).expect("it is JSON")
}

/// Runs the binary by a shell that sets something up first: `script` finds it in `"$@"`.
fn by_shell(env: &TestEnv, script: &str, words: &[&str]) -> Ran {
    let inner = env.command();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        .arg(inner.get_program())
        .args(words)
        .current_dir(env.work(""))
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    env.finish(&mut shell)
}
