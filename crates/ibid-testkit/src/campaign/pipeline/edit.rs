//! `Edit`: what people do to a project, its outputs and what ibid keeps, one change at a time.
//!
//! Made at random from a seed; a change that finds nothing to change does nothing.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::random::Random;
use super::super::snapshot::remove;
use super::{Input, Kind, Project, source};
use crate::TestEnv;

/// A change to a project.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Edit {
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
    /// A step is declared, or is not any more.
    Declare(usize),
    /// A step gets another name.
    Rename(usize),
    /// The outputs of a step are declared anew.
    Move(usize),
    /// Two inputs change places.
    Swap(usize),
    /// The executable bit of an output.
    Bit(usize),
    /// A command fails, or is mended.
    Fail(usize),
    /// A command runs each time, or not any more.
    Always(usize),
    /// The manifest of one step is copied over that of another one.
    Foreign(usize, usize),
    /// Nothing at all.
    Nothing,
}

impl Edit {
    /// Draws one.
    pub(in super::super) fn random(project: &Project, random: &mut Random) -> Self {
        let step = random.below(project.steps.len());
        let source = random.below(project.sources.len());
        match random.below(56) {
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
            39..42 => Self::Declare(step),
            42..44 => Self::Rename(step),
            44..46 => Self::Move(step),
            46..48 => Self::Swap(step),
            48 => Self::Bit(step),
            49..51 => project.mend().unwrap_or(Self::Fail(step)),
            51 => Self::Always(step),
            52 => Self::Foreign(step, random.below(project.steps.len())),
            _ => Self::Nothing,
        }
    }

    /// Makes the change.
    pub(in super::super) fn make(self, project: &mut Project, env: &TestEnv) {
        match self {
            Self::Source(at, version) => project.sources[at] = version,
            Self::Param(at, param) => project.steps[at].param = param,
            Self::Comment(at, comments) => project.steps[at].comments = comments,
            Self::Touch(at) => {
                env.write(format!("src/{at}.txt"), source(at, project.sources[at]));
            }
            Self::Declare(at) => project.steps[at].absent ^= true,
            Self::Rename(at) => project.steps[at].renamed = (project.steps[at].renamed + 1) % 3,
            Self::Move(at) => project.steps[at].moved = (project.steps[at].moved + 1) % 3,
            Self::Swap(at) => project.steps[at].inputs.reverse(),
            Self::Fail(at) => project.steps[at].fails ^= true,
            Self::Always(at) => project.steps[at].always ^= true,
            Self::Remove(at) => {
                for output in project.outputs(at) {
                    remove(&env.work(output.trim_end_matches('/')));
                }
            }
            Self::Scribble(at) => scribble(&env.work(project.read_at(Input::Step(at)))),
            Self::Stray(at) => stray(project, at, env),
            Self::Rewrite(at) => {
                let path = env.work(project.read_at(Input::Step(at)));
                if let Ok(content) = fs::read(&path) {
                    fs::write(&path, content).expect("the file is ours");
                }
            }
            Self::Bit(at) => flip(&env.work(project.read_at(Input::Step(at)))),
            Self::Foreign(from, to) => {
                let at = |step| env.work(format!(".ibid/manifests/{}.json", project.name(step)));
                if let Ok(manifest) = fs::read(at(from)) {
                    fs::write(at(to), manifest).expect("the folder stands");
                }
            }
            Self::RemoveAll => remove(&env.work("out")),
            Self::WipeStore => remove(&env.cache()),
            Self::WipeWorkspace => remove(&env.work(".ibid")),
            Self::Invalidate(at) => {
                let ran = env.run(["invalidate", &project.name(at)]);
                // Where the store was removed there may be nothing to disown, and what is not
                // declared has no such name.
                assert!(matches!(ran.code, Some(0..=2)), "{}", ran.story());
            }
            Self::Nothing => {}
        }
        if !matches!(self, Self::Touch(_)) {
            project.write(env);
        }
    }
}

/// Adds to a file, where it stands.
fn scribble(path: &Path) {
    if let Ok(mut content) = fs::read(path) {
        content.extend(b"scribbled");
        fs::write(path, content).expect("the file is ours");
    }
}

/// Removes the empty folder in a folder, or adds another one.
fn hollow(path: &Path) {
    if path.is_dir() && fs::remove_dir(path.join("empty")).is_err() {
        fs::create_dir_all(path.join("hollow")).expect("the folder is ours");
    }
}

fn flip(path: &Path) {
    if let Ok(metadata) = fs::metadata(path) {
        let mode = fs::Permissions::from_mode(metadata.permissions().mode() ^ 0o111);
        fs::set_permissions(path, mode).expect("the file is ours");
    }
}

fn stray(project: &Project, at: usize, env: &TestEnv) {
    let stem = project.stem(at);
    match project.steps[at].kind {
        Kind::Folder if at.is_multiple_of(2) => hollow(&env.work(&stem)),
        Kind::Folder => drop(env.write(format!("{stem}/stray"), "nobody's")),
        Kind::Pattern => drop(env.write(format!("{stem}-3.txt"), "nobody's")),
        _ => {
            remove(&env.work(format!("{stem}.txt")));
            env.write(format!("{stem}.txt/stray"), "nobody's");
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
