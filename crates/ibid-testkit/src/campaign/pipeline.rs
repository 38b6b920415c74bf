//! `Project`: a random pipeline, and what its outputs have to be by a calculation of our own.

use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::random::Random;
use super::snapshot::{Item, Snapshot, remove};
use crate::TestEnv;

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
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Source(usize),
    Step(usize),
}

#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    inputs: Vec<Input>,
    param: usize,
    /// How many comments its script has: they change no output.
    comments: usize,
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
            let kind = match random.below(6) {
                0 | 1 => Kind::Count,
                2 => Kind::Folder,
                _ => Kind::Join,
            };
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
            }
        };
        Self {
            steps: (0..steps).map(|at| step(at, random)).collect(),
            sources,
        }
    }

    /// Returns the names of the steps.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.steps.len()).map(|at| format!("s{at}"))
    }

    /// Writes everything but outputs.
    pub(super) fn write(&self, env: &TestEnv) {
        for (at, version) in self.sources.iter().enumerate() {
            env.write(format!("src/{at}.txt"), source(at, *version));
        }
        let mut file = "[pipeline]\nname = \"random\"\n".to_owned();
        for (at, step) in self.steps.iter().enumerate() {
            let comments = "# a comment\n".repeat(step.comments);
            let script = format!("{comments}{}", script(step.kind));
            env.write(format!("code/{at}.sh"), script);
            let places: Vec<_> = step
                .inputs
                .iter()
                .map(|input| self.read_at(*input))
                .collect();
            let declared = step.inputs.iter().map(|input| match input {
                // Some read the whole folder of which they only name a file.
                Input::Step(from) if at % 2 == 0 => self.output(*from),
                input => self.read_at(*input),
            });
            let declared: Vec<_> = declared.map(|path| format!("\"{path}\"")).collect();
            let _ = writeln!(
                file,
                "[steps.s{at}]\nrun = [\"sh\", \"code/{at}.sh\", \"{}\", \"{}\", {}]\n\
                 inputs = [{}]\noutputs = [\"{}\"]",
                self.output(at).trim_end_matches('/'),
                step.param,
                places
                    .iter()
                    .map(|path| format!("\"{path}\""))
                    .collect::<Vec<_>>()
                    .join(", "),
                declared.join(", "),
                self.output(at),
            );
        }
        env.write("ibid.toml", file);
    }

    /// Names what stands wrong in the outputs.
    pub(super) fn mistakes(&self, env: &TestEnv) -> Vec<String> {
        let mut contents: Vec<Vec<u8>> = Vec::new();
        let mut wrong = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let read = |input: &Input| match input {
                Input::Source(from) => source(*from, self.sources[*from]).into_bytes(),
                Input::Step(from) => contents[*from].clone(),
            };
            let inputs: Vec<u8> = step.inputs.iter().flat_map(read).collect();
            let content = match step.kind {
                Kind::Count => format!("{}\n{}\n", step.param, inputs.len() / 50).into_bytes(),
                Kind::Join | Kind::Folder => {
                    let cut = &inputs[..inputs.len().min(CUT)];
                    [format!("{}\n", step.param).as_bytes(), cut].concat()
                }
            };
            let standing = Snapshot::of(&env.work(self.output(at)));
            if !is_right(step.kind, &content, &standing) {
                wrong.push(format!("the output of s{at} is not what its inputs make"));
            }
            contents.push(content);
        }
        wrong
    }

    /// Where an output lies; of a folder with a slash behind it.
    fn output(&self, step: usize) -> String {
        match self.steps[step].kind {
            Kind::Folder => format!("out/{step}/"),
            Kind::Join | Kind::Count => format!("out/{step}.txt"),
        }
    }

    /// The file that a step which has this input reads.
    fn read_at(&self, input: Input) -> String {
        match input {
            Input::Source(at) => format!("src/{at}.txt"),
            Input::Step(at) if self.steps[at].kind == Kind::Folder => format!("out/{at}/all"),
            Input::Step(at) => self.output(at),
        }
    }
}

fn source(at: usize, version: usize) -> String {
    format!(
        "source {at} in version {version}\n{}",
        "x\n".repeat(version % 3)
    )
}

fn script(kind: Kind) -> String {
    match kind {
        Kind::Join => {
            format!(
                "out=$1 p=$2\nshift 2\n{{ echo \"$p\"; cat \"$@\" | head -c {CUT}; }} > \"$out\"\n"
            )
        }
        Kind::Count => "out=$1 p=$2\nshift 2\nbytes=$(cat \"$@\" | wc -c)\n\
                        { echo \"$p\"; echo $((bytes / 50)); } > \"$out\"\n"
            .to_owned(),
        Kind::Folder => format!(
            "out=$1 p=$2\nshift 2\nmkdir -p \"$out/empty\"\n\
             {{ echo \"$p\"; cat \"$@\" | head -c {CUT}; }} > \"$out/all\"\n\
             ln -s all \"$out/link\"\n"
        ),
    }
}

fn is_right(kind: Kind, content: &[u8], standing: &Snapshot) -> bool {
    let is_file = |below: &str| {
        matches!(standing.0.get(&PathBuf::from(below)),
            Some(Item::File { content: found, .. }) if found == content)
    };
    if kind != Kind::Folder {
        return standing.0.len() == 1 && is_file("");
    }
    let item = |below: &str| standing.0.get(&PathBuf::from(below));
    standing.0.len() == 4
        && is_file("all")
        && matches!(item("empty"), Some(Item::Dir))
        && matches!(item("link"), Some(Item::Link(text)) if text.as_os_str() == "all")
}

/// A change to a project.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Another version of a source, perhaps an earlier one.
    Source(usize, usize),
    /// A source is touched.
    Touch(usize),
    /// Another param, perhaps an earlier one.
    Param(usize, usize),
    /// Another comment in a script.
    Comment(usize, usize),
    /// An output is removed.
    Remove(usize),
    /// An output is edited by hand.
    Scribble(usize),
    /// A stray stands in an output that is a folder, or a folder in the place of a file.
    Stray(usize),
    /// An output is written again, with equal bytes.
    Rewrite(usize),
    /// All outputs are removed.
    RemoveAll,
    /// The cache is removed.
    WipeStore,
    /// What ibid keeps in the workspace is removed.
    WipeWorkspace,
    /// A result is disowned.
    Invalidate(usize),
    /// Nothing at all.
    Nothing,
}

impl Edit {
    /// Draws one.
    pub(super) fn random(project: &Project, random: &mut Random) -> Self {
        let step = random.below(project.steps.len());
        let source = random.below(project.sources.len());
        match random.below(40) {
            0..8 => Self::Source(source, random.below(4)),
            8..10 => Self::Touch(source),
            10..15 => Self::Param(step, random.below(3)),
            15..19 => Self::Comment(step, random.below(3)),
            19..23 => Self::Remove(step),
            23..27 => Self::Scribble(step),
            27..30 => Self::Stray(step),
            30..32 => Self::Rewrite(step),
            32..34 => Self::RemoveAll,
            34 => Self::WipeStore,
            35 => Self::WipeWorkspace,
            36..39 => Self::Invalidate(step),
            _ => Self::Nothing,
        }
    }

    /// Makes the change.
    pub(super) fn make(self, project: &mut Project, env: &TestEnv) {
        match self {
            Self::Source(at, version) => project.sources[at] = version,
            Self::Param(at, param) => project.steps[at].param = param,
            Self::Comment(at, comments) => project.steps[at].comments = comments,
            Self::Touch(at) => {
                env.write(format!("src/{at}.txt"), source(at, project.sources[at]));
            }
            Self::Remove(at) => remove(&env.work(project.output(at))),
            Self::Scribble(at) => scribble(&env.work(project.read_at(Input::Step(at)))),
            Self::Stray(at) => stray(project, at, env),
            Self::Rewrite(at) => {
                let path = env.work(project.read_at(Input::Step(at)));
                let content = fs::read(&path).expect("the output stands");
                fs::write(&path, content).expect("the file is ours");
            }
            Self::RemoveAll => remove(&env.work("out")),
            Self::WipeStore => remove(&env.cache()),
            Self::WipeWorkspace => remove(&env.work(".ibid")),
            Self::Invalidate(at) => {
                let ran = env.run(["invalidate", &format!("s{at}")]);
                // Where the store was removed there may be nothing to disown.
                assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.story());
            }
            Self::Nothing => {}
        }
        if matches!(self, Self::Source(..) | Self::Param(..) | Self::Comment(..)) {
            project.write(env);
        }
    }
}

fn scribble(path: &std::path::Path) {
    let mut content = fs::read(path).expect("the output stands");
    content.extend(b"scribbled");
    fs::write(path, content).expect("the file is ours");
}

fn stray(project: &Project, at: usize, env: &TestEnv) {
    if project.steps[at].kind == Kind::Folder {
        env.write(format!("out/{at}/stray"), "nobody's");
        return;
    }
    remove(&env.work(project.output(at)));
    env.write(format!("out/{at}.txt/stray"), "nobody's");
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
