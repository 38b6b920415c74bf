//! Which paths may not be outputs.
//!
//! What stands at an output is moved away before a run and at a restore, so an output may not be
//! or contain what the run reads, nor touch what belongs to version control, to ibid or to the
//! store; and every path has one writer. Paths are compared as declared and as they lie on disk,
//! because the user's links may make one place of two names.

use std::path::{Path, PathBuf};

use super::aside::MadeLinks;
use super::pattern::{Pattern, PatternError};
use crate::action::{OutputKind, OutputSpec};
use crate::fs::{FileKind, RealPaths, Signature};
use crate::tree::{Escaped, Place, RelPath};

/// What a path that may not be an output is to the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A declared input.
    Input,
    /// A file that a word of the command names.
    Implied,
    /// A file that is keyed as code.
    Code,
}

/// What outputs have to keep away from.
#[derive(Clone, Copy, Debug)]
pub struct Reserved<'a> {
    /// The root, absolute and clean.
    pub root: &'a Path,
    /// Everything that the step reads, with patterns expanded.
    pub reads: &'a [(Role, Place)],
    /// The directory of the store, if there is one.
    pub store: Option<&'a Path>,
    /// Links that earlier runs made as outputs: they are replaced, and lead nowhere.
    pub made: &'a MadeLinks,
}

/// A declared output that would endanger something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The output is or contains the root.
    #[error("output `{output}` is or contains the root `{}`", Escaped::path(.root))]
    Root {
        /// The output.
        output: Place,
        /// The root.
        root: PathBuf,
    },
    /// The output is or contains something that the step reads.
    #[error("output `{output}` is or contains the {} `{input}`", .role.word())]
    Reads {
        /// The output.
        output: String,
        /// What the other path is to the step.
        role: Role,
        /// The other path.
        input: Place,
    },
    /// The output touches a folder of version control or of ibid itself.
    #[error("output `{output}` is or lies in `{folder}`")]
    Folder {
        /// The output.
        output: String,
        /// The folder's name.
        folder: &'static str,
    },
    /// The output contains the store or lies in it.
    #[error("output `{output}` contains the store `{}` or lies in it", Escaped::path(.store))]
    Store {
        /// The output.
        output: Place,
        /// The directory of the store.
        store: PathBuf,
    },
    /// One output contains another.
    #[error("output `{outer}` contains the output `{inner}`")]
    Nested {
        /// The containing output.
        outer: String,
        /// The contained one.
        inner: String,
    },
    /// A pattern matches what lies in a folder that the step reads, and that no run is known to
    /// have made: it would be moved away as a leftover.
    #[error("output `{output}` matches `{file}` in the input `{input}`")]
    Sweeps {
        /// The pattern.
        output: String,
        /// What it matches.
        file: RelPath,
        /// The folder.
        input: Place,
    },
    /// A pattern that cannot be read.
    #[error("cannot use an output")]
    Pattern(#[source] PatternError),
    /// Two outputs are one place.
    #[error("outputs `{first}` and `{second}` are the same place")]
    Twice {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
}

impl OutputError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Root { .. } => "declare the files or the subfolder that the command writes",
            Self::Reads { .. } => {
                "write to another path than the one that is read, or declare single files \
                 instead of the folder that holds both"
            }
            Self::Folder { .. } => "write the output outside that folder",
            Self::Store { .. } => "write the output elsewhere, or move the cache",
            Self::Nested { .. } => "declare only the outer one, or only paths inside it",
            Self::Pattern(_) => {
                "`*`, `**`, `?`, `[a-z]` and `{a,b}` are known; patterns start at the root"
            }
            Self::Sweeps { .. } => {
                "start the pattern with the folder that the command writes to, or remove what \
                 is left of an earlier run"
            }
            Self::Twice { .. } => "declare the output once",
        }
    }
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Implied => "file that the command names,",
            Self::Code => "code",
        }
    }
}

/// Checks all declared outputs of a step. Looks at links on disk, changes nothing.
pub fn validate(outputs: &[OutputSpec], reserved: &Reserved<'_>) -> Result<(), OutputError> {
    if outputs.is_empty() {
        return Ok(());
    }
    let mut disk = Disk::default();
    let mut places = Vec::new();
    let mut patterns = Vec::new();
    for output in outputs {
        match &output.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                let path = place.on_disk(reserved.root);
                let made = made_at(reserved.made, place, &path);
                places.push((place, disk.real(&path, made)));
            }
            OutputKind::Glob(pattern) => patterns.push(pattern.as_str()),
        }
    }
    for (output, real) in &places {
        against_surroundings(output, real, reserved, &mut disk)?;
    }
    for (index, one) in places.iter().enumerate() {
        for other in &places[index + 1..] {
            against_each_other(one, other)?;
        }
    }
    for (role, input) in reserved.reads {
        let real_input = disk.real(&input.on_disk(reserved.root), false);
        for (output, real) in &places {
            if input.is_within(output) || real_input.starts_with(real) {
                return Err(OutputError::Reads {
                    output: output.to_string(),
                    role: *role,
                    input: input.clone(),
                });
            }
        }
    }
    for (index, pattern) in patterns.iter().enumerate() {
        if patterns[..index].contains(pattern) {
            return Err(OutputError::Twice {
                first: (*pattern).to_owned(),
                second: (*pattern).to_owned(),
            });
        }
        let places = places.iter().map(|(place, _)| *place);
        against_pattern(pattern, places, reserved)?;
    }
    Ok(())
}

/// A pattern may match neither what the step reads nor another output. Two patterns may meet: a
/// path that both match is captured once.
fn against_pattern<'a>(
    text: &str,
    places: impl Iterator<Item = &'a Place>,
    reserved: &Reserved<'_>,
) -> Result<(), OutputError> {
    let pattern = Pattern::new(text).map_err(OutputError::Pattern)?;
    for folder in [".git", ".ibid"] {
        if pattern
            .prefix()
            .components()
            .any(|name| name == folder.as_bytes())
        {
            return Err(OutputError::Folder {
                output: text.to_owned(),
                folder,
            });
        }
    }
    let prefix = Place::Inside(pattern.prefix().clone());
    for place in places {
        let matched = place.inside().is_some_and(|path| pattern.matches(path));
        if matched || prefix.is_within(place) {
            return Err(OutputError::Nested {
                outer: if matched {
                    text.to_owned()
                } else {
                    place.to_string()
                },
                inner: if matched {
                    place.to_string()
                } else {
                    text.to_owned()
                },
            });
        }
    }
    let is_read =
        |(_, place): &&(Role, Place)| place.inside().is_some_and(|path| pattern.matches(path));
    match reserved.reads.iter().find(is_read) {
        None => Ok(()),
        Some((role, input)) => Err(OutputError::Reads {
            output: text.to_owned(),
            role: *role,
            input: input.clone(),
        }),
    }
}

/// Refuses patterns that reach over a folder that the step reads and match what stands in it,
/// unless `is_leftover` says of the pattern and the path that an earlier run made it there. A
/// pattern that starts in the folder, or above all folders that are read, says where it writes.
pub fn against_sweeping(
    outputs: &[OutputSpec],
    reserved: &Reserved<'_>,
    is_leftover: &dyn Fn(&str, &RelPath) -> bool,
) -> Result<(), OutputError> {
    // What the command updates is not moved.
    for output in outputs.iter().filter(|output| !output.keep) {
        let OutputKind::Glob(text) = &output.kind else {
            continue;
        };
        let pattern = Pattern::new(text).map_err(OutputError::Pattern)?;
        let is_below = |path: &RelPath| {
            let below = path.strip_prefix(pattern.prefix());
            below.is_some_and(|below| !below.is_root())
        };
        let inputs: Vec<_> = reserved
            .reads
            .iter()
            .filter_map(|(_, place)| Some((place, place.inside().filter(|path| is_below(path))?)))
            .filter(|(_, path)| Signature::of(&path.below(reserved.root)).is_ok_and(is_dir))
            .collect();
        if inputs.is_empty() {
            continue;
        }
        // What cannot be listed cannot be moved away either.
        for file in pattern.find(reserved.root).unwrap_or_default() {
            let holds = |(_, dir): &&(&Place, &RelPath)| file.strip_prefix(dir).is_some();
            if let Some((input, _)) = inputs.iter().find(holds)
                && !is_leftover(text, &file)
            {
                return Err(OutputError::Sweeps {
                    output: text.clone(),
                    file,
                    input: (*input).clone(),
                });
            }
        }
    }
    Ok(())
}

fn is_dir(signature: Signature) -> bool {
    signature.kind() == FileKind::Dir
}

fn against_surroundings(
    output: &Place,
    real: &Path,
    reserved: &Reserved<'_>,
    disk: &mut Disk,
) -> Result<(), OutputError> {
    let real_root = disk.paths.future(reserved.root);
    if real_root.starts_with(real) || output.key_name().is_empty() {
        return Err(OutputError::Root {
            output: output.clone(),
            root: reserved.root.to_owned(),
        });
    }
    // The root itself may lie in such a folder; only what is below it is looked at.
    let below_root = real.strip_prefix(&real_root).unwrap_or(real);
    let declared = output.inside().map_or(Path::new(""), RelPath::as_path);
    for folder in [".git", ".ibid"] {
        let touches = |path: &Path| path.iter().any(|name| name == folder);
        if touches(declared) || touches(below_root) {
            return Err(OutputError::Folder {
                output: output.to_string(),
                folder,
            });
        }
    }
    if let Some(store) = reserved.store {
        let real_store = disk.paths.future(store);
        if real_store.starts_with(real) || real.starts_with(&real_store) {
            return Err(OutputError::Store {
                output: output.clone(),
                store: store.to_owned(),
            });
        }
    }
    Ok(())
}

fn against_each_other(
    (first, first_real): &(&Place, PathBuf),
    (second, second_real): &(&Place, PathBuf),
) -> Result<(), OutputError> {
    if first == second || first_real == second_real {
        return Err(OutputError::Twice {
            first: first.to_string(),
            second: second.to_string(),
        });
    }
    let nested = |inner: &Place, outer: &Place, inner_real: &Path, outer_real: &Path| {
        (inner.is_within(outer) || inner_real.starts_with(outer_real)).then(|| {
            OutputError::Nested {
                outer: outer.to_string(),
                inner: inner.to_string(),
            }
        })
    };
    nested(first, second, first_real, second_real)
        .or_else(|| nested(second, first, second_real, first_real))
        .map_or(Ok(()), Err)
}

/// Says whether the link at an output's path is one that an earlier run made.
fn made_at(made: &MadeLinks, place: &Place, path: &Path) -> bool {
    let text = made.get(place.key_name());
    text.is_some_and(|text| crate::fs::read_link(path).is_ok_and(|now| now == *text))
}

/// Remembers where directories really lie, so that many inputs of one directory cost one look
/// each.
#[derive(Default)]
struct Disk {
    paths: RealPaths,
}

impl Disk {
    /// Returns where `path` lies; a link there is followed unless it is `itself` meant.
    fn real(&mut self, path: &Path, itself: bool) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.paths.future(path);
        };
        if !itself && Signature::of_link(path).is_ok_and(|found| found.kind() == FileKind::Link) {
            return self.paths.future(path);
        }
        self.paths.future(parent).join(name)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests build trees by plain calls"
)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    fn output(text: &str, root: &Path) -> OutputSpec {
        let place = || Place::resolve(text.as_bytes(), &RelPath::ROOT, root);
        OutputSpec {
            kind: if text.contains('*') {
                OutputKind::Glob(text.to_owned())
            } else if text.ends_with('/') {
                OutputKind::Dir(place())
            } else {
                OutputKind::Path(place())
            },
            optional: false,
            keep: false,
        }
    }

    fn check(root: &Path, outputs: &[&str]) -> Result<(), String> {
        let outputs: Vec<_> = outputs.iter().map(|text| output(text, root)).collect();
        let place = |text: &str| Place::resolve(text.as_bytes(), &RelPath::ROOT, root);
        let reads = [
            (Role::Input, place("data/raw.csv")),
            (Role::Implied, place("conf.toml")),
            (Role::Code, place("src/fit.py")),
        ];
        let store = root.join("cache");
        let reserved = Reserved {
            root,
            reads: &reads,
            store: Some(&store),
            made: &MadeLinks::new(),
        };
        validate(&outputs, &reserved).map_err(|error| {
            assert!(!error.hint().is_empty());
            error.to_string()
        })
    }

    #[test]
    fn outputs_that_endanger_something_are_refused_and_named() {
        let temp = TempDir::new();
        let root = temp.join("root");
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::os::unix::fs::symlink("data", root.join("linked")).unwrap();
        std::os::unix::fs::symlink(".", root.join("self")).unwrap();
        for (outputs, words) in [
            (&["."][..], ["`.`", "the root"]),
            (&[".."], ["`..`", "the root"]),
            (&["self"], ["`self`", "the root"]),
            (&["data"], ["`data`", "`data/raw.csv`"]),
            (&["data/raw.csv"], ["`data/raw.csv`", "input"]),
            (&["linked/"], ["`linked`", "`data/raw.csv`"]),
            (&["conf.toml"], ["`conf.toml`", "command names"]),
            (&["src/"], ["`src`", "code `src/fit.py`"]),
            (&["data/*.csv"], ["`data/*.csv`", "`data/raw.csv`"]),
            (&[".git/x"], ["`.git/x`", "`.git`"]),
            (&["sub/.git"], ["`sub/.git`", "`.git`"]),
            (&[".ibid"], ["`.ibid`", "lies in"]),
            (&[".ibid/*"], ["`.ibid/*`", "`.ibid`"]),
            (&["cache/v1"], ["`cache/v1`", "store"]),
            (&["cache"], ["`cache`", "store"]),
            (&["a", "a/b"], ["`a`", "`a/b`"]),
            (&["a/b", "a/"], ["`a`", "`a/b`"]),
            (&["a", "./a/"], ["`a`", "same place"]),
            (&["out/", "out/*.csv"], ["`out`", "`out/*.csv`"]),
            (&["out/a.csv", "out/*.csv"], ["`out/*.csv`", "`out/a.csv`"]),
            (&["*.csv", "*.csv"], ["`*.csv`", "same place"]),
        ] {
            let message = check(&root, outputs).expect_err(outputs[0]);
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
    }

    #[test]
    fn ordinary_outputs_pass() {
        let temp = TempDir::new();
        let outputs = [
            "data/out.csv",
            "ab",
            "a/",
            "abc/x",
            "../elsewhere",
            "/tmp/x",
            "fig/*.png",
        ];
        check(temp.path(), &outputs).unwrap();
    }

    #[test]
    fn a_root_inside_a_folder_of_version_control_is_no_obstacle() {
        let temp = TempDir::new();
        let root = temp.join(".git/worktree");
        std::fs::create_dir_all(&root).unwrap();
        check(&root, &["out"]).unwrap();
    }
}
