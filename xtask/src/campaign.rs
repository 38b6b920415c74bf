//! `cargo xtask campaign`: the large forms of tests that look for lost trust.
//!
//! What is done lives in `ibid_testkit::campaign`, because `cargo test` does a little of it each
//! time. Here it is only said how much of it, on which binary.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ibid_testkit::campaign::{self, Plan, Report};

use crate::shell::{Outcome, release, which};

const USAGE: &str = "\
usage: cargo xtask campaign NAME... [OPTIONS]

  damage      every file of a store damaged in every way: never served, healed by the next run
  kill        kill -9 at random moments of a commit, a refresh and a restore of 200 files
  sweep       kill -9 before every file-changing system call of a commit of 2 files
  race        32 processes ask for 200 keys at once, with leases and without
  histories   2 to 64 processes in every way at once, stopped and killed, against a model
  promise     a pipeline of 60 steps edited at random: each run as planned, each output right
  read-only   strace of hits on a store that may only be read
  users       four users of one store under eight umasks, and an intruder: shared, none accepted
  all         one after the other

  --seed N      repeats the choices of an earlier run
  --times N     cases, kills, calls or keys
  --seconds N   no case begins after this time (1200)
  --ibid PATH   the binary under test (built with --release)
";

/// The campaigns, with how many times each runs by default.
const ALL: [(&str, usize); 8] = [
    ("damage", usize::MAX),
    ("kill", 1000),
    ("sweep", usize::MAX),
    ("race", 200),
    ("histories", 5000),
    ("promise", 200),
    ("read-only", 1),
    ("users", 100),
];

/// Runs the named campaigns; fails if one finds a violation.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut names: Vec<(&str, usize)> = Vec::new();
    let (mut seed, mut times, mut seconds, mut ibid) = (None, None, 1200, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--seed" => seed = Some(number(value()?)?),
            "--times" => times = Some(number(value()?)?),
            "--seconds" => seconds = number(value()?)?,
            "--ibid" => ibid = Some(PathBuf::from(value()?)),
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            "all" => names.extend(ALL),
            name => {
                let known = ALL.iter().find(|(known, _)| *known == name);
                names.push(*known.ok_or_else(|| format!("what is `{name}`?\n\n{USAGE}"))?);
            }
        }
    }
    if names.is_empty() {
        return Err(format!("which campaign?\n\n{USAGE}"));
    }
    let binary = match ibid {
        Some(path) => std::path::absolute(path).map_err(|error| error.to_string())?,
        None => release()?,
    };
    let mut bad = Vec::new();
    for (name, default) in names {
        let plan = Plan {
            binary: binary.clone(),
            seed: seed.unwrap_or_else(new_seed),
            times: times.map_or(default, |times| {
                usize::try_from(times).unwrap_or(usize::MAX)
            }),
            workers: 32,
            only: None,
            limit: Duration::from_secs(seconds),
        };
        println!("### {name}");
        let report = play(name, &plan)?;
        println!("{report}\n");
        if !report.violations().is_empty() {
            bad.push(name);
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(format!("violations in: {}", bad.join(", ")))
    }
}

fn play(name: &str, plan: &Plan) -> Outcome<Report> {
    let strace = || which("strace").ok_or_else(|| format!("`{name}` needs strace"));
    Ok(match name {
        "damage" => campaign::damage(plan),
        "kill" => campaign::kill(plan),
        "sweep" => campaign::sweep(plan, &strace()?),
        "race" => campaign::race(plan),
        "histories" => campaign::histories(plan),
        "promise" => campaign::promise(plan),
        "users" => campaign::users(plan),
        _ => campaign::read_only(plan, &strace()?),
    })
}

fn number(text: &str) -> Outcome<u64> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// A seed of its own for each run; it is printed.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
