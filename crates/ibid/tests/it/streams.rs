//! What a command printed and how it ended comes through unchanged, live and in a replay.

use std::fs::File;

use crate::test_env;

/// Bytes that are no text, on both streams in turn, and no newline at the end.
const NOISE: &str = "for i in 1 2 3 4 5 6 7 8; do printf 'out \\377\\376\\000 %s' $i; \
                     printf 'err \\200\\r%s' $i >&2; done; printf 'the end'";

fn noise(flags: &[&str]) -> Vec<String> {
    let words = [&["exec", "--quiet", "--no-input"], flags].concat();
    let words = [words.as_slice(), &["--", "sh", "-c", NOISE]].concat();
    words.into_iter().map(ToOwned::to_owned).collect()
}

#[test]
fn each_stream_is_replayed_byte_by_byte() {
    let env = test_env();
    let plain = std::process::Command::new("sh")
        .args(["-c", NOISE])
        .output()
        .expect("there is a shell");
    assert!(plain.stdout.ends_with(b"\xff\xfe\0 8the end"));
    for _ in 0..2 {
        let ran = env.run(noise(&[]));
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert_eq!(ran.raw.0, plain.stdout);
        assert_eq!(ran.raw.1, plain.stderr);
    }
}

#[test]
fn merged_streams_are_replayed_as_they_were_shown() {
    let env = test_env();
    let merged = |flags: &[&str], name: &str| {
        let file = File::create(env.work(name)).expect("the folder is writable");
        let again = file.try_clone().expect("a file can be had twice");
        let status = env
            .command()
            .args(noise(flags))
            .stdout(file)
            .stderr(again)
            .status();
        assert!(status.expect("the binary under test starts").success());
        env.read(name)
    };
    let live = merged(&[], "live");
    assert_eq!(live.len(), 8 * (9 + 7) + 7);
    assert_eq!(merged(&[], "replay"), live);
}

#[test]
fn every_exit_code_comes_through_from_a_run_and_from_the_store() {
    let env = test_env();
    let check = |code: i32| {
        let words = |flag: &str| {
            let script = format!("exit {code}");
            ["exec", "-q", "--no-input", flag, "--", "sh", "-c", &script].map(ToOwned::to_owned)
        };
        for flag in ["--cache-failures", "--cache-failures", "--no-input"] {
            let mut words = words(flag).to_vec();
            if flag == "--no-input" {
                words.remove(3);
            }
            assert_eq!(env.run(&words).code, Some(code), "{words:?}");
        }
    };
    std::thread::scope(|scope| {
        for start in 0..4 {
            scope.spawn(move || (start..256).step_by(4).for_each(check));
        }
    });
}

#[test]
fn death_by_signal_comes_through() {
    let env = test_env();
    for signal in [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31] {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let ran = env.run(["exec", "-q", "--no-input", "--", "sh", "-c", &script]);
        assert_eq!(
            (ran.code, ran.signal),
            (None, Some(signal)),
            "{}",
            ran.story()
        );
    }
}
