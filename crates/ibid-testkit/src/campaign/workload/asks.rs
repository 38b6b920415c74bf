//! What a user asks for: single commands, and a pipeline of 20 steps.

use std::fmt::Write as _;
use std::process::Command;

use super::super::case::{Run, Step};
use crate::TestEnv;

/// A request that is repeated.
#[derive(Clone, Copy)]
pub(in crate::campaign) enum Ask {
    Exec(Step),
    /// `ibid run`; the step says what the outputs are.
    Run(Step),
}

pub(in crate::campaign) const SMALL: Step = Step {
    name: "small",
    options: &["-i", "in.txt", "-o", "out"],
    script: "mkdir out; echo a > out/a; echo b > out/b; for m in $MORE; do echo $m > out/m$m; done; \
             echo done; echo told >&2",
    places: &["out"],
};

pub(in crate::campaign) const TREE: Step = Step {
    name: "tree",
    options: &["-i", "in.txt", "-o", "out", "-o", "single"],
    script: "mkdir -p out/deep/er out/empty; cat in.txt > out/deep/er/a; echo 1 > out/deep/b; \
             ln -s deep/b out/link; ln -s nowhere out/dangling; echo '#!/bin/sh' > out/run; \
             chmod +x out/run; : > out/nothing; for m in $MORE; do echo $m > out/deep/$m; done; \
             echo one > single",
    places: &["out", "single"],
};

pub(in crate::campaign) const LARGE: Step = Step {
    name: "large",
    options: &["-i", "in.txt", "-o", "out"],
    script: "head -c 5000000 /dev/zero | tr '\\0' x > out",
    places: &["out"],
};

pub(in crate::campaign) const A: Step = Step {
    name: "a",
    options: &["-i", "in.txt", "-o", "a"],
    script: "mkdir a; echo shared > a/shared; head -c 9000 /dev/zero > a/zeros",
    places: &["a"],
};

pub(in crate::campaign) const B: Step = Step {
    name: "b",
    options: &["-i", "in.txt", "-o", "b"],
    script: "mkdir b; echo shared > b/shared; echo b > b/own; for m in $MORE; do echo $m > b/$m; done; \
             echo said",
    places: &["b"],
};

pub(in crate::campaign) const C: Step = Step {
    name: "c",
    options: &["-i", "in.txt", "-o", "c"],
    script: "cat in.txt in.txt > c",
    places: &["c"],
};

/// 20 steps, of which four in a row read each the one before; one at a time.
pub(in crate::campaign) const PIPELINE: Ask = Ask::Run(TWENTY);

/// The same, four at a time.
pub(in crate::campaign) const PIPELINE_FOUR: Ask = Ask::Run(Step {
    options: &["-j", "4"],
    ..TWENTY
});

const TWENTY: Step = Step {
    name: "pipeline",
    options: &["-j", "1"],
    script: "",
    places: &[
        "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
        "s14", "s15", "s16", "s17", "s18", "s19",
    ],
};

/// Writes the file of the pipeline.
pub(super) fn write_pipeline(env: &TestEnv) {
    let mut text = "[pipeline]\nname = \"twenty\"\n".to_owned();
    for at in 0..20 {
        // Every fourth reads the source, so that some can run at once.
        let from = match at {
            at if at % 4 == 0 => "in.txt".to_owned(),
            at => format!("s{}", at - 1),
        };
        let _ = writeln!(
            text,
            "[steps.t{at}]\nrun = \"while read -r l; do echo $l; done < {from} > s{at}; echo {at} >> s{at}; echo t{at} >> $RUNS\"\n\
             inputs = [\"{from}\"]\noutputs = [\"s{at}\"]\npass_env = [\"RUNS\"]"
        );
    }
    env.write("ibid.toml", text);
}

impl Ask {
    fn step(&self) -> &Step {
        match self {
            Self::Exec(step) | Self::Run(step) => step,
        }
    }

    /// Where its outputs stand.
    pub(in crate::campaign) fn places(&self) -> &'static [&'static str] {
        self.step().places
    }

    /// How many commands it stands for.
    pub(in crate::campaign) fn steps(&self) -> usize {
        match self {
            Self::Exec(_) => 1,
            Self::Run(step) => step.places.len(),
        }
    }

    /// Prepares it with further options.
    pub(in crate::campaign) fn command(&self, env: &TestEnv, more: &[&str]) -> Command {
        match self {
            Self::Exec(step) => step.command(env, more),
            Self::Run(step) => {
                let mut command = env.command();
                let words = ["run"].iter().chain(step.options).chain(more);
                command.env("RUNS", env.home("runs")).args(words);
                command
            }
        }
    }

    /// Runs it.
    pub(in crate::campaign) fn run(&self, env: &TestEnv) -> Run {
        let ran = env.finish(&mut self.command(env, &[]));
        self.told(env, ran.code, &ran.raw.0, &ran.raw.1)
    }

    /// Reads what a run of it gave; a pipeline's words are about itself.
    pub(in crate::campaign) fn told(
        &self,
        env: &TestEnv,
        code: Option<i32>,
        stdout: &[u8],
        stderr: &[u8],
    ) -> Run {
        let mut run = self.step().told(env, code, stdout, stderr);
        if matches!(self, Self::Run(_)) {
            run.got.forget_streams();
        }
        run
    }

    pub(in crate::campaign) fn remove_outputs(&self, env: &TestEnv) {
        self.step().remove_outputs(env);
    }
}
