//! One command of a contest: how it is started, prepared, and known to have done its work.
//!
//! A command whose program is missing, that fails, or that did something else than it was to be
//! timed for, drops out with a reason; it is never timed as if it had worked.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::options::Options;
use super::peers;
use crate::shell::Outcome;

/// Prepares one run; it is never timed.
pub(super) type SetUp = Box<dyn FnMut() -> Outcome>;

/// A user without rights of any kind: `nobody` on most systems.
pub(super) const ORDINARY: u32 = 65_534;

/// Returns the folders of programs without those of this user.
fn system_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::home_dir().filter(|home| home.parent().is_some());
    let is_own = |folder: &PathBuf| home.as_ref().is_some_and(|home| folder.starts_with(home));
    let systems = std::env::split_paths(&path).filter(|folder| !is_own(folder));
    std::env::join_paths(systems).unwrap_or(path)
}

/// One command of a contest.
pub(super) struct Contestant {
    name: String,
    command: Command,
    set_up: Option<SetUp>,
    /// The program that it is a peer by; floors and ibid itself have none.
    peer: Option<String>,
    missing: Option<String>,
    /// What it says on standard error when it does what it is timed for.
    says: Option<&'static str>,
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant")
            .field("name", &self.name)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Contestant {
    /// Takes a program and its arguments, to run in `dir` with nothing on any stream.
    pub(super) fn new(name: &str, dir: &Path, argv: &[&str]) -> Self {
        let program = Path::new(argv[0]);
        let found = if program.is_absolute() {
            Some(program.to_owned())
        } else {
            peers::find(argv[0])
        };
        // A path, so that no search is timed.
        let mut command = Command::new(found.as_deref().unwrap_or(program));
        command
            .args(&argv[1..])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Settings of whoever measures must not take part, nor folders that programs are looked for
        // in before those of the system.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IBID_") {
                command.env_remove(name);
            }
        }
        command.env("PATH", system_path());
        Self {
            name: name.to_owned(),
            command,
            set_up: None,
            peer: None,
            missing: found.is_none().then(|| peers::why_missing(argv[0])),
            says: None,
        }
    }

    /// A contestant that `--peers` may leave out, by the name of the program that it starts.
    pub(super) fn peer(name: &str, program: &str, dir: &Path, argv: &[&str]) -> Self {
        let mut contestant = Self::new(name, dir, argv);
        if peers::find(program).is_none() {
            contestant.missing = Some(peers::why_missing(program));
        }
        contestant.peer = Some(program.to_owned());
        contestant
    }

    pub(super) fn env(mut self, name: &str, value: impl Into<PathBuf>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Prepares each run by `set_up`, which may fail.
    pub(super) fn prepared_by(mut self, set_up: impl FnMut() -> Outcome + 'static) -> Self {
        self.set_up = Some(Box::new(set_up));
        self
    }

    /// Lets it run only if it says this on standard error, as it does when it works as meant.
    pub(super) fn saying(mut self, text: &'static str) -> Self {
        self.says = Some(text);
        self
    }

    /// Runs it without any rights, where this process has those of root.
    pub(super) fn ordinary(mut self, as_root: bool) -> Self {
        if as_root {
            self.command.uid(ORDINARY).gid(ORDINARY);
        }
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn missing(&self) -> Option<String> {
        self.missing.clone()
    }

    pub(super) fn is_wanted(&self, options: &Options) -> bool {
        let peer = self.peer.as_deref();
        peer.is_none_or(|program| options.wants_peer(program))
    }

    pub(super) fn prepare(&mut self) -> Outcome {
        self.set_up.as_mut().map_or(Ok(()), |set_up| set_up())
    }

    pub(super) fn run(&mut self) -> Outcome<ExitStatus> {
        self.command.status().map_err(|error| error.to_string())
    }

    pub(super) fn accept(&mut self, status: ExitStatus) -> Outcome {
        if status.success() {
            return Ok(());
        }
        let said = self.said().1;
        let line = said.lines().next().unwrap_or_default().replace('|', "/");
        Err(format!("it failed ({status}): {line}"))
    }

    /// Runs it once, untimed, and listens.
    pub(super) fn hear(&mut self) -> Outcome {
        let Some(wanted) = self.says else {
            return Ok(());
        };
        self.prepare()?;
        let (good, said) = self.said();
        if good && said.contains(wanted) {
            return Ok(());
        }
        let said = said.replace('|', "/");
        let said = said.lines().next().unwrap_or_default();
        Err(format!("it was to say «{wanted}» and said «{said}»"))
    }

    /// Runs it once, before any round: what is measured later has to be there first.
    pub(super) fn once(&mut self) -> Outcome {
        if self.missing.is_some() {
            return Ok(());
        }
        self.prepare()?;
        let (good, said) = self.said();
        if good {
            Ok(())
        } else {
            Err(format!("{}: {}", self.name, said.trim()))
        }
    }

    /// Returns whether it succeeded, and what it says on standard error.
    fn said(&mut self) -> (bool, String) {
        let output = self.command.stderr(Stdio::piped()).output();
        self.command.stderr(Stdio::null());
        match output {
            Ok(output) => (
                output.status.success(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ),
            Err(error) => (false, error.to_string()),
        }
    }

    /// The command under another one, as `strace -f`; it has no streams of its own.
    pub(super) fn under(&self, tool: &[&str]) -> Command {
        let mut command = Command::new(tool[0]);
        command.args(&tool[1..]).arg(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        command.stdin(Stdio::null());
        command
    }
}
