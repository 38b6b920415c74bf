//! Every file of a small store, damaged in every way: never served, told, healed by the next run.
//!
//! ```text
//! the store as it was ─▶ warmed up or not ─▶ harm ─▶ [outputs in place] ─▶ outputs gone ─▶ outputs gone
//!                                                     right                right            right, no run
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::case::{Got, Step};
use super::harm::Harm;
use super::random::Random;
use super::snapshot::{Snapshot, remove};
use super::{Plan, Report};
use crate::TestEnv;

const ON_INPUT: &[&str] = &["-i", "in.txt"];

/// Commands with every kind of output and stream; two share a path.
const STEPS: [Step; 9] = [
    Step {
        name: "file",
        options: &["-i", "in.txt", "-o", "file.txt"],
        script: "cat in.txt > file.txt; echo made a file",
        places: &["file.txt"],
    },
    Step {
        name: "large",
        options: &["-i", "in.txt", "-o", "large.txt"],
        script: "seq 1 60000 > large.txt; seq 1 50000",
        places: &["large.txt"],
    },
    Step {
        name: "folder",
        options: &["-i", "in.txt", "-o", "folder"],
        script: "mkdir -p folder/sub/empty; echo 1 > folder/a; echo 2 > folder/sub/b; : > folder/none; \
                 printf '#!/bin/sh\\n' > folder/run; chmod 755 folder/run; ln -s sub/b folder/link",
        places: &["folder"],
    },
    Step {
        name: "link",
        options: &["-i", "in.txt", "-o", "link"],
        script: "ln -s in.txt link; echo linked >&2",
        places: &["link"],
    },
    Step {
        name: "parts",
        options: &["-i", "in.txt", "-o", "parts/*.p"],
        script: "mkdir -p parts; for i in 1 2 3; do echo part $i > parts/$i.p; done",
        places: &["parts"],
    },
    Step {
        name: "failure",
        options: &["-i", "in.txt", "--cache-failures"],
        script: "echo bad input >&2; exit 3",
        places: &[],
    },
    Step {
        name: "streams",
        options: ON_INPUT,
        script: "printf 'out \\377\\000 no newline'; printf 'err \\376\\n' >&2",
        places: &[],
    },
    Step {
        name: "one",
        options: &["-i", "in.txt", "-o", "shared.txt", "-p", "n=1"],
        script: "echo one > shared.txt",
        places: &["shared.txt"],
    },
    Step {
        name: "two",
        options: &["-i", "in.txt", "-o", "shared.txt", "-p", "n=2"],
        script: "echo two > shared.txt",
        places: &["shared.txt"],
    },
];

/// A step whose blob is found damaged, so that the store has something in its trash.
const ASIDE: Step = Step {
    name: "aside",
    options: &["-i", "in.txt", "-o", "aside.txt"],
    script: "printf aside > aside.txt",
    places: &["aside.txt"],
};

/// One thing to do to one file.
#[derive(Clone)]
struct Case {
    file: PathBuf,
    neighbour: PathBuf,
    harm: Harm,
    /// Whether every blob was verified just before.
    warm: bool,
    /// Whether outputs stand when the damage is met.
    in_place: bool,
}

/// The store, its workspace and what is expected of it.
struct Scene {
    env: TestEnv,
    cache: Snapshot,
    expected: Vec<Got>,
}

/// What all steps together came to.
#[derive(Default)]
struct Round {
    executed: usize,
    warnings: Vec<String>,
    wrong: Vec<String>,
}

/// Damages files of a store and looks at what is served, `plan.times` cases out of all.
pub fn damage(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    let mut random = Random::new(plan.seed);
    let scene = Scene::new(plan, &mut report);
    let mut cases = scene.cases(&mut random);
    let all = cases.len();
    // So that a campaign that is out of time has seen some of everything.
    random.shuffle(&mut cases);
    cases.truncate(plan.times);
    let (mut met, mut healed, mut untouched) = (0, 0, 0);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        if report.is_over(plan) {
            break;
        }
        let Some(noticed) = scene.play(case, &mut random, &mut report) else {
            untouched += 1;
            continue;
        };
        met += 1;
        healed += usize::from(noticed);
        *kinds.entry(kind(&case.file)).or_default() += 1;
    }
    let files = scene.files().len();
    report.say(format!(
        "damaged the {files} files of a store of {} keys, in {met} of {all} ways \
         ({untouched} change nothing): {healed} were met and healed, the others are not read by a hit",
        STEPS.len()
    ));
    for (kind, count) in kinds {
        report.say(format!("  {kind:16} {count}"));
    }
    report
}

impl Scene {
    /// Makes the store and checks that it answers.
    fn new(plan: &Plan, report: &mut Report) -> Self {
        let env = TestEnv::new(&plan.binary);
        env.write("in.txt", "input\n");
        put_something_aside(&env);
        let mut expected = Vec::new();
        for step in &STEPS {
            step.remove_outputs(&env);
            let run = step.run(&env);
            if !run.executed {
                report.violation(format!("`{}` did not run: {:?}", step.name, run.said));
            }
            expected.push(run.got);
        }
        // Where the binary can do so: a store without pins is as good.
        env.run(["pin", "work/folder"]);
        let mut scene = Self {
            env,
            cache: Snapshot::default(),
            expected,
        };
        let round = scene.round(true);
        report.violations.extend(round.wrong);
        if round.executed > 0 || !round.warnings.is_empty() {
            report.violation("the store that was just made does not answer");
        }
        scene.cache = Snapshot::of(&scene.env.cache());
        scene
    }

    fn files(&self) -> Vec<PathBuf> {
        self.cache.files().cloned().collect()
    }

    /// Lists every file with every harm; whether blobs were verified just before, and whether
    /// outputs are in place, is drawn.
    fn cases(&self, random: &mut Random) -> Vec<Case> {
        let files = self.files();
        let mut cases = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let alike = |other: &&PathBuf| kind(other) == kind(file);
            let after = files[at + 1..].iter().find(alike);
            let neighbour = after.or_else(|| files[..at].iter().find(alike));
            let neighbour = neighbour.unwrap_or(&files[(at + 1) % files.len()]);
            for harm in Harm::ALL {
                let in_place = random.below(3) == 0;
                cases.push(Case {
                    file: file.clone(),
                    neighbour: neighbour.clone(),
                    harm,
                    // What is remembered of files that are gone is never asked for.
                    warm: in_place || kind(file) == "local" || random.below(2) == 0,
                    in_place,
                });
            }
        }
        cases
    }

    /// Plays one case; returns whether a command had to run again, or `None` where the harm
    /// changes nothing.
    fn play(&self, case: &Case, random: &mut Random, report: &mut Report) -> Option<bool> {
        let cache = self.env.cache();
        remove(&cache);
        self.cache.put(&cache);
        let mut rounds: Vec<(&str, Round)> = Vec::new();
        if case.warm {
            rounds.push(("before the damage", self.round(true)));
        }
        let (file, neighbour) = (cache.join(&case.file), cache.join(&case.neighbour));
        if !case.harm.inflict(&file, &neighbour, random) {
            return None;
        }
        let first = rounds.len();
        if case.in_place {
            rounds.push(("with outputs in place", self.round(false)));
        }
        rounds.push(("with outputs gone", self.round(true)));
        self.explain(case, report);
        rounds.push(("in the next run", self.round(true)));
        for (when, round) in &rounds {
            for wrong in &round.wrong {
                report.violation(format!("{case}, {when}: {wrong}"));
            }
        }
        let (_, last) = &rounds[rounds.len() - 1];
        if last.executed > 0 || !last.warnings.is_empty() {
            let told = last.warnings.join("; ");
            report.violation(format!(
                "{case}: not healed: {} commands ran again in the next run; {told}",
                last.executed
            ));
        }
        let told: usize = rounds.iter().map(|(_, round)| round.warnings.len()).sum();
        // A swap damages two files.
        let most = if case.harm == Harm::Swap { 2 } else { 1 };
        if told > most {
            let all = rounds.iter().flat_map(|(_, round)| round.warnings.clone());
            let all: Vec<_> = all.collect();
            report.violation(format!("{case}: told {told} times: {}", all.join("; ")));
        }
        Some(rounds[first..].iter().any(|(_, round)| round.executed > 0))
    }

    /// Runs every step and compares.
    fn round(&self, outputs_gone: bool) -> Round {
        let mut round = Round::default();
        for (step, expected) in STEPS.iter().zip(&self.expected) {
            if outputs_gone {
                step.remove_outputs(&self.env);
            }
            let run = step.run(&self.env);
            if let Some(difference) = run.got.difference(expected) {
                round.wrong.push(format!("`{}`: {difference}", step.name));
            }
            let has_reason = run.said.iter().any(|line| line.contains(" — "));
            if run.executed && !has_reason {
                round
                    .wrong
                    .push(format!("`{}` ran without a reason", step.name));
            }
            round.executed += usize::from(run.executed);
            round.warnings.extend(run.warnings);
        }
        round
    }

    /// Asks about the store: whatever is damaged, the answer is an answer or an error.
    fn explain(&self, case: &Case, report: &mut Report) {
        for words in [["log"].as_slice(), &["why"], &["cite", "in.txt"]] {
            let ran = self.env.run(words);
            if !matches!(ran.code, Some(0 | 1 | 125)) || ran.stderr.contains("panicked") {
                report.violation(format!("{case}: `{}`: {}", words.join(" "), ran.story()));
            }
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let warm = if self.warm { "warm" } else { "cold" };
        write!(f, "{:?} of `{}` ({warm})", self.harm, self.file.display())
    }
}

/// Leaves something in the trash of the store, and nothing else.
fn put_something_aside(env: &TestEnv) {
    ASIDE.run(env);
    ASIDE.remove_outputs(env);
    let hex = blake3::hash(b"aside").to_hex();
    let blob = env.cache().join(format!("v1/blobs/{}/{hex}", &hex[..2]));
    // Another file under its name: a blob is read-only.
    remove(&blob);
    std::fs::write(&blob, "wrong").expect("the store is ours");
    ASIDE.run(env);
    ASIDE.remove_outputs(env);
}

/// Names what a file is, by the folders that it lies in.
fn kind(file: &Path) -> String {
    let names = file.iter().map(|name| name.to_string_lossy());
    let is_plain = |name: &std::borrow::Cow<'_, str>| name.len() > 2 && name != "v1";
    names
        .into_iter()
        .find(is_plain)
        .unwrap_or_default()
        .into_owned()
}
