//! `Project`: a random pipeline, and what its outputs have to be by a calculation of our own.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::random::Random;
use super::snapshot::{Item, Snapshot};
use crate::TestEnv;

mod edit;

pub(super) use edit::Edit;

/// As many bytes of its inputs go into an output.
const CUT: usize = 100;

/// What a step makes of its inputs. The script prints its param first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The start of all inputs.
    Join,
    /// How many bytes the inputs have: seldom another output for another input.
    Count,
    /// A folder with the start of all inputs, an empty folder and a link.
    Folder,
    /// The start of all inputs, executable where the param is odd.
    Program,
    /// A link to a file with the start of all inputs: two outputs.
    Link,
    /// As many files as the param says and one, declared as a pattern.
    Pattern,
}

impl Kind {
    fn random(random: &mut Random) -> Self {
        match random.below(12) {
            0..3 => Self::Count,
            3 | 4 => Self::Folder,
            5 => Self::Program,
            6 => Self::Link,
            7 => Self::Pattern,
            _ => Self::Join,
        }
    }
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Source(usize),
    Step(usize),
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch that edits turn on its own"
)]
struct Step {
    kind: Kind,
    inputs: Vec<Input>,
    param: usize,
    /// How many comments its script has: they change no output.
    comments: usize,
    /// How often it was renamed: its name counts for nothing.
    renamed: usize,
    /// How often its outputs were declared anew; those of before lie about.
    moved: usize,
    /// Whether its outputs are kept out of the store.
    by_digest: bool,
    /// Whether its command runs each time.
    always: bool,
    /// Whether its command fails once it has written something.
    fails: bool,
    /// Whether it is not declared at all; nobody reads it then.
    absent: bool,
}

/// A pipeline with its sources.
#[derive(Clone, Debug)]
pub(super) struct Project {
    sources: Vec<usize>,
    steps: Vec<Step>,
}

impl Project {
    /// Makes a pipeline of so many steps, each of which reads sources and earlier steps.
    pub(super) fn random(steps: usize, random: &mut Random) -> Self {
        let sources = vec![0; steps / 5];
        let step = |at: usize, random: &mut Random| {
            let kind = Kind::random(random);
            let mut inputs = Vec::new();
            for _ in 0..=random.below(3) {
                let input = match random.below(4) {
                    0 => Input::Source(random.below(sources.len())),
                    _ if at == 0 => Input::Source(random.below(sources.len())),
                    _ => Input::Step(at - 1 - random.below(at.min(8))),
                };
                if !inputs.contains(&input) {
                    inputs.push(input);
                }
            }
            Step {
                kind,
                inputs,
                param: 0,
                comments: 0,
                renamed: 0,
                moved: 0,
                by_digest: random.below(10) == 0,
                always: false,
                fails: false,
                absent: random.below(10) == 0,
            }
        };
        Self {
            steps: (0..steps).map(|at| step(at, random)).collect(),
            sources,
        }
    }

    /// Returns the names of the steps that are declared.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let declared = (0..self.steps.len()).filter(|at| !self.steps[*at].absent);
        declared.map(|at| self.name(at))
    }

    fn name(&self, step: usize) -> String {
        format!("s{step}{}", "x".repeat(self.steps[step].renamed))
    }

    /// Returns the change that mends a command which fails.
    fn mend(&self) -> Option<Edit> {
        self.steps
            .iter()
            .position(|step| step.fails)
            .map(Edit::Fail)
    }

    /// Says whether some command fails.
    pub(super) fn fails(&self) -> bool {
        self.steps.iter().any(|step| step.fails && !step.absent)
    }

    /// Returns what a step reads: a source in the place of a step that is not declared.
    fn inputs(&self, step: usize) -> impl Iterator<Item = Input> {
        let standing = |input: &Input| match input {
            Input::Step(from) if self.steps[*from].absent => Input::Source(0),
            input => *input,
        };
        self.steps[step].inputs.iter().map(standing)
    }

    /// Writes everything but outputs.
    pub(super) fn write(&self, env: &TestEnv) {
        for (at, version) in self.sources.iter().enumerate() {
            env.write(format!("src/{at}.txt"), source(at, *version));
        }
        let mut file = "[pipeline]\nname = \"random\"\n".to_owned();
        for at in 0..self.steps.len() {
            if !self.steps[at].absent {
                self.declare(at, &mut file, env);
            }
        }
        env.write("ibid.toml", file);
    }

    /// Declares a step, and writes its script.
    fn declare(&self, at: usize, file: &mut String, env: &TestEnv) {
        let step = &self.steps[at];
        let comments = "# a comment\n".repeat(step.comments);
        let script = format!("{comments}{}", script(step.kind, step.fails));
        env.write(format!("code/{at}.sh"), script);
        let quoted = |path: String| format!("\"{path}\"");
        let places: Vec<_> = self
            .inputs(at)
            .map(|input| quoted(self.read_at(input)))
            .collect();
        let declared = self.inputs(at).flat_map(|input| match input {
            // Some read everything of which they only name a file.
            Input::Step(from) if at.is_multiple_of(2) => self.outputs(from),
            input => vec![self.read_at(input)],
        });
        let declared: Vec<_> = declared.map(quoted).collect();
        let outputs: Vec<_> = self.outputs(at).into_iter().map(quoted).collect();
        let _ = writeln!(
            file,
            "[steps.{}]\nrun = [\"sh\", \"code/{at}.sh\", \"{}\", \"{}\", {}]\n\
             inputs = [{}]\noutputs = [{}]",
            self.name(at),
            self.stem(at),
            step.param,
            places.join(", "),
            declared.join(", "),
            outputs.join(", "),
        );
        for (field, is_set) in [
            ("store = \"digest\"\n", step.by_digest),
            ("always = true\n", step.always),
        ] {
            file.push_str(if is_set { field } else { "" });
        }
    }

    /// Names what stands wrong in the outputs of steps whose commands did not fail.
    pub(super) fn mistakes(&self, env: &TestEnv) -> Vec<String> {
        let mut contents: Vec<Option<Vec<u8>>> = Vec::new();
        let mut wrong = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let read = |input: Input| match input {
                Input::Source(from) => Some(source(from, self.sources[from]).into_bytes()),
                Input::Step(from) => contents[from].clone(),
            };
            let inputs: Option<Vec<Vec<u8>>> = self.inputs(at).map(read).collect();
            let inputs = inputs.filter(|_| !step.fails && !step.absent);
            let content = inputs.map(|inputs| step.content(&inputs.concat()));
            if let Some(content) = &content
                && !step.is_right(content, &self.stem(at), env)
            {
                wrong.push(format!("the output of s{at} is not what its inputs make"));
            }
            contents.push(content);
        }
        wrong
    }

    /// What the paths of a step's outputs begin with.
    fn stem(&self, step: usize) -> String {
        format!("out/{step}{}", "m".repeat(self.steps[step].moved))
    }

    /// The outputs as they are declared: of a folder with a slash behind it.
    fn outputs(&self, at: usize) -> Vec<String> {
        let stem = self.stem(at);
        match self.steps[at].kind {
            Kind::Folder => vec![format!("{stem}/")],
            Kind::Join | Kind::Count | Kind::Program => vec![format!("{stem}.txt")],
            Kind::Link => vec![format!("{stem}.txt"), format!("{stem}.real")],
            Kind::Pattern => vec![format!("{stem}-*.txt")],
        }
    }

    /// The file that a step which has this input reads.
    fn read_at(&self, input: Input) -> String {
        let at = match input {
            Input::Source(at) => return format!("src/{at}.txt"),
            Input::Step(at) => at,
        };
        let stem = self.stem(at);
        match self.steps[at].kind {
            Kind::Folder => format!("{stem}/all"),
            Kind::Pattern => format!("{stem}-0.txt"),
            // The link is an output of its own, and what it leads to another one.
            Kind::Link => format!("{stem}.real"),
            Kind::Join | Kind::Count | Kind::Program => format!("{stem}.txt"),
        }
    }
}

impl Step {
    /// Returns what the file that others read has to be.
    fn content(&self, inputs: &[u8]) -> Vec<u8> {
        if self.kind == Kind::Count {
            return format!("{}\n{}\n", self.param, inputs.len() / 50).into_bytes();
        }
        let cut = &inputs[..inputs.len().min(CUT)];
        [format!("{}\n", self.param).as_bytes(), cut].concat()
    }

    /// Says whether the outputs that begin with `stem` are right.
    fn is_right(&self, content: &[u8], stem: &str, env: &TestEnv) -> bool {
        let at = |end: &str| Snapshot::of(&env.work(format!("{stem}{end}")));
        let is_program = self.kind == Kind::Program && self.param % 2 == 1;
        let is_file = |item: Option<&Item>, executable: bool| {
            matches!(item, Some(Item::File { content: found, mode })
                if found == content && (mode & 0o111 != 0) == executable)
        };
        let is_link = |item: Option<&Item>, to: &str| matches!(item, Some(Item::Link(text)) if text.as_os_str() == to);
        match self.kind {
            Kind::Join | Kind::Count | Kind::Program => {
                let found = at(".txt");
                found.0.len() == 1 && is_file(item(&found, ""), is_program)
            }
            Kind::Folder => {
                let found = at("");
                found.0.len() == 4
                    && is_file(item(&found, "all"), false)
                    && matches!(item(&found, "empty"), Some(Item::Dir))
                    && is_link(item(&found, "link"), "all")
            }
            Kind::Link => {
                let name = stem.trim_start_matches("out/");
                is_file(item(&at(".real"), ""), false)
                    && is_link(item(&at(".txt"), ""), &format!("{name}.real"))
            }
            Kind::Pattern => (0..4).all(|number| {
                let found = at(&format!("-{number}.txt"));
                if number > self.param {
                    return found.0.is_empty();
                }
                is_file(item(&found, ""), false)
            }),
        }
    }
}

fn item<'s>(snapshot: &'s Snapshot, below: &str) -> Option<&'s Item> {
    snapshot.0.get(&PathBuf::from(below))
}

fn source(at: usize, version: usize) -> String {
    format!(
        "source {at} in version {version}\n{}",
        "x\n".repeat(version % 3)
    )
}

/// The script of a step: it gets the start of its outputs' names, its param, and what to read.
fn script(kind: Kind, fails: bool) -> String {
    let start = "out=$1 p=$2\nshift 2\n";
    let fail = if fails {
        "echo half > \"$out.txt\"\nexit 3\n"
    } else {
        ""
    };
    let text = format!("{{ echo \"$p\"; cat \"$@\" | head -c {CUT}; }}");
    let body = match kind {
        Kind::Join => format!("{text} > \"$out.txt\"\n"),
        Kind::Count => "bytes=$(cat \"$@\" | wc -c)\n\
                        { echo \"$p\"; echo $((bytes / 50)); } > \"$out.txt\"\n"
            .to_owned(),
        Kind::Folder => {
            format!("mkdir -p \"$out/empty\"\n{text} > \"$out/all\"\nln -s all \"$out/link\"\n")
        }
        Kind::Program => format!(
            "{text} > \"$out.txt\"\nif [ $((p % 2)) = 1 ]; then chmod +x \"$out.txt\"; fi\n"
        ),
        Kind::Link => {
            format!("{text} > \"$out.real\"\nln -s \"${{out#out/}}.real\" \"$out.txt\"\n")
        }
        Kind::Pattern => {
            format!("for number in $(seq 0 \"$p\"); do {text} > \"$out-$number.txt\"; done\n")
        }
    };
    [start, fail, &body].concat()
}
