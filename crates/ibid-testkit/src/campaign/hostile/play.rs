//! One case, from planting to the last look.

use std::path::Path;
use std::process::Command;

use super::super::case::Run;
use super::confined;
use super::limits::{self, Ended};
use super::printed::{control_in, has_raw};
use super::scene::{LABEL, STEP, Scene};
use super::watch::Watched;

/// Something hostile.
pub(super) struct Case {
    /// What it is done to.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Plants it; returns whether that was possible.
    pub(super) plant: Box<dyn Fn(&Scene) -> bool + Send + Sync>,
    pub(super) expect: Expect,
    pub(super) act: Act,
}

/// What the step gives where the thing is planted; always with the exit code of a fresh run.
#[derive(Clone)]
pub(super) enum Expect {
    /// What a fresh run gives, whether or not the command runs.
    Fresh,
    /// What a fresh run gives, out of the store: the case shows that what is planted is met.
    Served,
    /// What a fresh run gives, and the command has run: it must not have been served.
    Ran,
    /// These streams, as they were planted, and the outputs of a fresh run.
    Streams(&'static [u8], &'static [u8]),
    /// Something else, since the record says so and is trusted; nothing beside it is touched.
    Confined,
    /// What a fresh run gives, or ibid's own error: what is planted leaves it no place for what
    /// stood at the outputs, or was written by a later version.
    Refused,
}

/// What is done after planting.
#[derive(Clone)]
pub(super) enum Act {
    /// The step is run, with questions around it.
    Step,
    /// The file of steps is run, with questions around it; only these exit codes are decent.
    Pipeline(&'static [i32]),
    /// Commands that leave the outputs the same whether run or served: a file of that name and a
    /// folder with one in it.
    Named(Vec<u8>),
    /// A command that makes files of these modes.
    Modes(Vec<u32>),
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Served,
    Ran,
    NotHere,
}

impl Case {
    /// A thing in the store that is met by the step.
    pub(super) fn step(
        kind: &'static str,
        name: impl Into<String>,
        expect: Expect,
        plant: impl Fn(&Scene) + Send + Sync + 'static,
    ) -> Self {
        Self::possible(kind, name, expect, move |scene| {
            plant(scene);
            true
        })
    }

    /// A thing that not every machine lets one plant.
    pub(super) fn possible(
        kind: &'static str,
        name: impl Into<String>,
        expect: Expect,
        plant: impl Fn(&Scene) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            plant: Box::new(plant),
            expect,
            act: Act::Step,
        }
    }

    /// The same with something else to be done.
    pub(super) fn acting(mut self, act: Act) -> Self {
        self.act = act;
        self
    }
}

/// Plays one case; returns what must not have happened.
pub(super) fn play(case: &Case, scene: &Scene, strace: Option<&Path>) -> (Met, Vec<String>) {
    scene.reset();
    if !(case.plant)(scene) {
        return (Met::NotHere, Vec::new());
    }
    let look = || {
        let canary = Watched::of(&scene.canary(), &[]);
        (canary, Watched::of(&scene.env.work(""), Scene::theirs()))
    };
    let (canary, workspace) = look();
    let mut playing = Playing {
        case,
        scene,
        wrong: Vec::new(),
        compared: false,
    };
    let met = match &case.act {
        Act::Step => playing.step(strace),
        Act::Pipeline(codes) => super::pipelines::play(&mut playing, codes),
        Act::Named(name) => super::names::play(&mut playing, name),
        Act::Modes(modes) => super::modes::play(&mut playing, modes),
    };
    let (canary_now, workspace_now) = look();
    for (before, after) in [(&canary, &canary_now), (&workspace, &workspace_now)] {
        playing.wrong.extend(before.difference(after));
    }
    (met, playing.wrong)
}

/// A case while it is played.
pub(super) struct Playing<'a> {
    case: &'a Case,
    pub(super) scene: &'a Scene,
    pub(super) wrong: Vec<String>,
    /// Whether the step was run: what it met first was what is planted.
    compared: bool,
}

impl Playing<'_> {
    /// Asks, runs, repairs, and runs again.
    fn step(&mut self, strace: Option<&Path>) -> Met {
        let key = self.scene.key_hex();
        let questions: [&[&str]; 11] = [
            &["log"],
            &["log", "--json"],
            &["why", LABEL],
            &["show", &key],
            &["show", &key, "--json"],
            &["output", LABEL],
            &["cite", "copy"],
            &["usage"],
            &["pins"],
            &["gc", "--dry-run"],
            &["fsck"],
        ];
        for words in questions {
            self.question(words);
        }
        let ran = self.run(strace);
        for words in [&["gc"][..], &["verify", &key], &["fsck", "--repair"]] {
            self.question(words);
        }
        STEP.remove_outputs(&self.scene.env);
        self.run(None);
        if ran { Met::Ran } else { Met::Served }
    }

    fn question(&mut self, words: &[&str]) {
        // Whoever reads everything reads a tebibyte of holes, too.
        let reads_all = matches!(words[0], "fsck" | "verify");
        if reads_all && self.case.kind == "holes" && self.case.name.starts_with("1 TiB") {
            return;
        }
        // What the command printed is its own, whatever is in it.
        let is_own = words[0] != "output";
        let mut command = self.scene.env.command();
        let ended = limits::run(&self.scene.env, command.args(words));
        let asked = format!("`ibid {}`", words.join(" "));
        let is_known = matches!(
            ended.code,
            Some(0 | 1 | 2 | 8 | 16 | 24 | 32 | 40 | 48 | 56 | 125)
        );
        if !is_known && ended.fault.is_none() {
            self.wrong
                .push(format!("{asked}: exit code {:?}", ended.code));
        }
        self.decent(&asked, &ended, is_own);
    }

    /// Runs a command whose words and exit codes are given.
    pub(super) fn ask(&mut self, command: &mut Command, codes: &[i32]) -> Ended {
        let ended = limits::run(&self.scene.env, command);
        let asked: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        let asked = format!("`ibid {}`", asked.join(" ").escape_debug());
        if ended.fault.is_none() && !ended.code.is_some_and(|code| codes.contains(&code)) {
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            self.wrong
                .push(format!("{asked}: exit code {:?}: {said}", ended.code));
        }
        self.decent(&asked, &ended, true);
        ended
    }

    /// Notes what no command may do, whatever it meets.
    fn decent(&mut self, asked: &str, ended: &Ended, is_own: bool) {
        if let Some(fault) = &ended.fault {
            self.wrong.push(format!("{asked}: {fault}"));
        }
        // Data is read by programs: there, only what is no JSON counts.
        let is_data = asked.contains(" --json`");
        let own = [&ended.stdout, &ended.stderr].map(|said| Some(said).filter(|_| is_own));
        for said in own.into_iter().flatten() {
            if let Some(line) = control_in(said).filter(|_| !is_data || has_raw(said)) {
                self.wrong.push(format!("{asked} prints {line}"));
            }
        }
    }

    /// Runs the step and compares; returns whether its command ran.
    fn run(&mut self, strace: Option<&Path>) -> bool {
        let env = &self.scene.env;
        let plain = STEP.command(env, &[]);
        let trace = env.home("trace");
        let mut command = match strace {
            Some(strace) => confined::traced(strace, &trace, &plain),
            None => plain,
        };
        let (run, ended) = self.scene.run_step(&mut command);
        let asked = if strace.is_some() {
            "a traced run"
        } else {
            "a run"
        };
        if let Some(fault) = &ended.fault {
            self.wrong.push(format!("{asked}: {fault}"));
        }
        if strace.is_some() {
            let strays = confined::strays(&trace, env);
            self.wrong.extend(strays.into_iter().take(3));
        }
        for line in run.said.iter().chain(&run.warnings) {
            if let Some(line) = control_in(line.as_bytes()) {
                self.wrong.push(format!("{asked} prints {line}"));
            }
        }
        self.compare(asked, &run);
        run.executed
    }

    fn compare(&mut self, asked: &str, run: &Run) {
        let expected = &self.scene.expected;
        let difference = match &self.case.expect {
            Expect::Confined => None,
            Expect::Streams(stdout, stderr) => {
                let fresh = run.got.difference(expected);
                let planted = expected.clone().with_streams(stdout, stderr);
                fresh.and_then(|_| run.got.difference(&planted))
            }
            Expect::Refused if run.got.code() == Some(125) => None,
            _ => run.got.difference(expected),
        };
        let told = || [&run.said[..], &run.warnings].concat().join("; ");
        if let Some(difference) = difference {
            self.wrong
                .push(format!("{asked}: {difference}; {}", told()));
        }
        let ran = run.executed;
        let first = !std::mem::replace(&mut self.compared, true);
        match self.case.expect {
            Expect::Ran if first && !ran => self.wrong.push(format!("was served: {}", told())),
            Expect::Served if ran => self.wrong.push(format!("was not served: {}", told())),
            _ => {}
        }
    }
}
