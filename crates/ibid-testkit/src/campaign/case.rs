//! `Step`: a command with everything that a user sees of it, run by the binary under test.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::snapshot::{Snapshot, remove};
use crate::TestEnv;

/// A command that is to be cached. It appends its name to the file `$RUNS` when it runs.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) options: &'static [&'static str],
    pub(super) script: &'static str,
    /// Where its outputs stand.
    pub(super) places: &'static [&'static str],
}

/// What a user got.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Got {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    outputs: BTreeMap<&'static str, Snapshot>,
}

/// A run of a step through the binary.
pub(super) struct Run {
    pub(super) got: Got,
    /// Whether the command itself ran.
    pub(super) executed: bool,
    pub(super) warnings: Vec<String>,
    /// What the binary said of how it went.
    pub(super) said: Vec<String>,
}

impl Step {
    /// Runs it.
    pub(super) fn run(&self, env: &TestEnv) -> Run {
        self.finish(env, &mut self.command(env, &[]))
    }

    /// Runs it through a command that [`Self::command`] made.
    pub(super) fn finish(&self, env: &TestEnv, command: &mut Command) -> Run {
        let before = runs(env).len();
        let ran = env.finish(command);
        let executed = runs(env).len() > before;
        Run {
            executed,
            ..self.told(env, ran.code, &ran.raw.0, &ran.raw.1)
        }
    }

    /// Prepares a run with further options.
    pub(super) fn command(&self, env: &TestEnv, more: &[&str]) -> Command {
        let mut command = env.command();
        command.env("RUNS", env.home("runs")).args(self.words(more));
        command
    }

    /// Returns the arguments of the binary.
    pub(super) fn words(&self, more: &[&str]) -> Vec<String> {
        let script = format!("echo {} >> \"$RUNS\"; {}", self.name, self.script);
        let head = ["exec", "--pass-env", "RUNS", "--pass-env", "MORE"].iter();
        let all = head
            .chain(self.options)
            .chain(more)
            .chain(&["--", "sh", "-c"]);
        all.map(ToString::to_string).chain([script]).collect()
    }

    /// Reads what a run of it gave; whether its command ran is not looked at.
    pub(super) fn told(
        &self,
        env: &TestEnv,
        code: Option<i32>,
        stdout: &[u8],
        stderr: &[u8],
    ) -> Run {
        let (mut others, mut warnings, mut said) = (Vec::new(), Vec::new(), Vec::new());
        for line in stderr.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line).trim_end().to_owned();
            if text.starts_with("warning: ") {
                warnings.push(text);
            } else if text.starts_with("ibid: ") {
                said.push(text);
            } else {
                others.extend_from_slice(line);
            }
        }
        let stands = |place: &&'static str| (*place, Snapshot::of(&env.work(place)));
        Run {
            got: Got {
                code,
                stdout: stdout.to_vec(),
                stderr: others,
                outputs: self.places.iter().map(stands).collect(),
            },
            executed: false,
            warnings,
            said,
        }
    }

    /// Removes its outputs.
    pub(super) fn remove_outputs(&self, env: &TestEnv) {
        for place in self.places {
            remove(&env.work(place));
        }
    }
}

impl Got {
    /// Says in what it differs from what was expected.
    pub(super) fn difference(&self, expected: &Self) -> Option<String> {
        if self.code != expected.code {
            return Some(format!(
                "exit code {:?}, not {:?}",
                self.code, expected.code
            ));
        }
        for (name, got, expected) in [
            ("stdout", &self.stdout, &expected.stdout),
            ("stderr", &self.stderr, &expected.stderr),
        ] {
            if got != expected {
                let shown = String::from_utf8_lossy(&got[..got.len().min(200)]).into_owned();
                return Some(format!("{name} differs: {shown:?}"));
            }
        }
        let differs = |(place, expected): (&&str, &Snapshot)| {
            let difference = self.outputs.get(*place)?.difference(expected)?;
            Some(format!("output `{place}`: {difference}"))
        };
        expected.outputs.iter().find_map(differs)
    }

    /// The same with other streams.
    pub(super) fn with_streams(self, stdout: &[u8], stderr: &[u8]) -> Self {
        let (stdout, stderr) = (stdout.to_vec(), stderr.to_vec());
        Self {
            stdout,
            stderr,
            ..self
        }
    }

    /// Forgets the streams, where they are not the command's own.
    pub(super) fn forget_streams(&mut self) {
        self.stdout.clear();
        self.stderr.clear();
    }

    /// Returns the exit code.
    pub(super) fn code(&self) -> Option<i32> {
        self.code
    }

    /// Returns standard error, but for the words of the binary.
    pub(super) fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Returns what stands at each place.
    pub(super) fn outputs(&self) -> &BTreeMap<&'static str, Snapshot> {
        &self.outputs
    }

    /// Says in what an output differs from one that stands elsewhere.
    pub(super) fn output_differs(&self, place: &str, other: &Snapshot) -> Option<String> {
        self.outputs.get(place)?.difference(other)
    }
}

/// Returns which commands ran so far.
pub(super) fn runs(env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(env.home("runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
