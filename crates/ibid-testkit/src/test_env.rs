//! An environment of one test: nothing of the machine's own home, settings or cache is seen.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::TempDir;

/// A home, settings, a cache and a working folder of their own, and the binary under test.
#[derive(Debug)]
pub struct TestEnv {
    dir: TempDir,
    binary: PathBuf,
    more: Vec<(&'static str, String)>,
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code, or `None` where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, with the paths of the environment replaced.
    pub stdout: String,
    /// Standard error, with the paths of the environment replaced.
    pub stderr: String,
    /// What came, byte by byte: standard output and standard error.
    pub raw: (Vec<u8>, Vec<u8>),
}

impl TestEnv {
    /// Makes the folders; `binary` is `env!("CARGO_BIN_EXE_ibid")`.
    ///
    /// # Panics
    /// Where the temporary directory cannot be written.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let dir = TempDir::new();
        for name in ["home", "config", "cache", "work", "tmp"] {
            std::fs::create_dir(dir.join(name)).expect("a fresh directory is writable");
        }
        Self {
            dir,
            binary: binary.into(),
            more: Vec::new(),
        }
    }

    /// Sets a variable for every run of the binary.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Returns a path in the working folder.
    pub fn work(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.join("work").join(below)
    }

    /// Returns a path in the home folder.
    pub fn home(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.join("home").join(below)
    }

    /// Returns where the cache lies.
    pub fn cache(&self) -> PathBuf {
        self.dir.join("cache/ibid")
    }

    /// Writes a file in the working folder, with the folders above it.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, below: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work(below);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("the working folder is writable");
        std::fs::write(&path, content).expect("the working folder is writable");
        path
    }

    /// Reads a file in the working folder.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn read(&self, below: impl AsRef<Path>) -> Vec<u8> {
        let path = self.work(below);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the binary under test with the environment set, to be changed before it is run.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.join("home"))
            .env("XDG_CONFIG_HOME", self.dir.join("config"))
            .env("XDG_CACHE_HOME", self.dir.join("cache"))
            .env("TZ", "UTC")
            .env("TMPDIR", self.dir.join("tmp"))
            .envs(self.more.iter().map(|(name, value)| (name, value)))
            .current_dir(self.work(""))
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the binary with these arguments.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Ran {
        self.finish(self.command().args(words))
    }

    /// Runs a command that [`Self::command`] made.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn finish(&self, command: &mut Command) -> Ran {
        self.filter(command.output().expect("the binary under test starts"))
    }

    fn filter(&self, output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt as _;
        Ran {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: self.filtered(&output.stdout),
            stderr: self.filtered(&output.stderr),
            raw: (output.stdout, output.stderr),
        }
    }

    /// Replaces what differs from run to run.
    fn filtered(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let text = text.replace(&*self.dir.path().to_string_lossy(), "[DIR]");
        without_moments(&text)
    }
}

/// Replaces points in time by `[TIME]` and spans by `[SPAN]`.
pub fn without_moments(text: &str) -> String {
    without_spans(&without_times(text))
}

/// Replaces points in time such as `2026-01-02 03:04:05`.
fn without_times(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00 00:00:00";
    let is_time = |window: &[u8]| {
        window.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte == shape,
        })
    };
    let times = text.as_bytes().windows(SHAPE.len()).filter(|w| is_time(w));
    let times: Vec<String> = times
        .map(|window| String::from_utf8_lossy(window).into_owned())
        .collect();
    times
        .iter()
        .fold(text.to_owned(), |text, time| text.replace(time, "[TIME]"))
}

/// Replaces spans such as `3 ms`, `1.2 s` and `< 1 ms`.
fn without_spans(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut pieces = text
        .split_inclusive([' ', '\n', '(', ')', ',', ':'])
        .peekable();
    while let Some(piece) = pieces.next() {
        let unit = pieces
            .peek()
            .map(|next| next.trim_end_matches([' ', '\n', ')', ',', ':']));
        let is_number = piece
            .strip_suffix(' ')
            .is_some_and(|number| number.parse::<f64>().is_ok());
        if is_number && matches!(unit, Some("ms" | "s")) {
            if kept.last() == Some(&"< ") {
                kept.pop();
            }
            kept.push("[SPAN]");
            let unit = unit.unwrap_or_default().len();
            kept.push(&pieces.next().unwrap_or_default()[unit..]);
        } else {
            kept.push(piece);
        }
    }
    kept.concat()
}

impl Ran {
    /// Returns code and streams as one text, for comparison.
    pub fn story(&self) -> String {
        let mut story = String::new();
        match (self.code, self.signal) {
            (Some(code), _) => writeln!(story, "exit: {code}"),
            (None, signal) => writeln!(story, "signal: {signal:?}"),
        }
        .expect("a string takes text");
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(story, "-- {name}\n{text}").expect("a string takes text");
            }
        }
        story
    }
}
