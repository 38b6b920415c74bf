//! `cargo xtask count`: instructions and system calls of short commands, which unlike times are the
//! same on a busy machine; and which functions they enter, for `cargo xtask dist`.
//!
//! Looks at a binary under `valgrind --tool=callgrind` and `strace`, which start it in a folder and
//! with a cache of its own. The test `cost` keeps the budgets, on the binary that it was built with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, release, run, target, which};

const STEP: &[&str] = &[
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
];

/// What is counted.
const SHORT: [(&str, &[&str], Output); 4] = [
    ("ibid --version", &["--version"], Output::Stands),
    ("ibid exec, up to date", STEP, Output::Stands),
    (
        "ibid hash, one small file",
        &["hash", "in.txt"],
        Output::Stands,
    ),
    ("ibid exec, output restored", STEP, Output::IsAway),
];

/// What is there before a command is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Stands,
    IsAway,
}

/// Counts, of a binary that is given or of the release.
pub(crate) fn print(arguments: &[String]) -> Outcome {
    if which("valgrind").is_none() {
        return Err("valgrind is not installed".to_owned());
    }
    let binary = match arguments {
        [] => release()?,
        [path] => std::path::absolute(path).map_err(|error| error.to_string())?,
        _ => return Err("usage: cargo xtask count [BINARY]".to_owned()),
    };
    let counter = Counter::new(binary)?;
    let has_strace = which("strace").is_some();
    println!("instructions  system calls");
    for (name, words, output) in SHORT {
        // The first look may hash again what it found too young.
        let instructions = counter
            .instructions(words, output)?
            .min(counter.instructions(words, output)?);
        let calls = if has_strace {
            counter.calls(words, output)?.to_string()
        } else {
            "?".to_owned()
        };
        println!("{instructions:>12}  {calls:>12}  {name}");
    }
    counter.remove()
}

/// Returns the functions that short commands enter, by the names that the linker knows them by, in
/// an order that hangs on nothing but these names: those of a step that is up to date first.
/// Nothing where there is no valgrind.
pub(crate) fn functions(binary: &Path) -> Outcome<Option<Vec<String>>> {
    if which("valgrind").is_none() {
        return Ok(None);
    }
    let counter = Counter::new(binary.to_owned())?;
    let mut ordered = Vec::new();
    let mut known = BTreeSet::new();
    for (_, words, output) in [SHORT[1], SHORT[3], SHORT[0], SHORT[2]] {
        let entered = counter.entered(words, output)?;
        ordered.extend(
            entered
                .iter()
                .filter(|name| !known.contains(*name))
                .cloned(),
        );
        known.extend(entered);
    }
    counter.remove()?;
    Ok(Some(ordered))
}

struct Counter {
    binary: PathBuf,
    dir: PathBuf,
}

impl Counter {
    /// Makes a folder with a step that was done.
    fn new(binary: PathBuf) -> Outcome<Self> {
        let dir = target().join("count").join(std::process::id().to_string());
        std::fs::create_dir_all(dir.join("work")).map_err(|error| error.to_string())?;
        let counter = Self { binary, dir };
        let input = counter.dir.join("work/in.txt");
        std::fs::write(input, [b'x'; 1000]).map_err(|error| error.to_string())?;
        run(counter.command(&counter.binary).args(STEP))?;
        Ok(counter)
    }

    fn remove(&self) -> Outcome {
        std::fs::remove_dir_all(&self.dir).map_err(|error| error.to_string())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.dir)
            .current_dir(self.dir.join("work"));
        command
    }

    /// Runs the words under a tool, and returns what was said on standard error.
    fn under(&self, tool: &[&str], words: &[&str], output: Output) -> Outcome<String> {
        if output == Output::IsAway {
            let away = self.dir.join("away");
            std::fs::rename(self.dir.join("work/out.txt"), away).map_err(|e| e.to_string())?;
        }
        let done = self
            .command(Path::new(tool[0]))
            .args(&tool[1..])
            .arg(&self.binary)
            .args(words)
            .output()
            .map_err(|error| format!("`{}` could not run: {error}", tool[0]))?;
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    fn callgrind(&self, words: &[&str], output: Output) -> Outcome<(u64, PathBuf)> {
        let out = self.dir.join("callgrind.out");
        let file = format!("--callgrind-out-file={}", out.display());
        let tool = ["valgrind", "--tool=callgrind", "--demangle=no", &file];
        let said = self.under(&tool, words, output)?;
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = line.and_then(|(_, count)| count.trim().parse().ok());
        let count = count.ok_or_else(|| format!("valgrind counted nothing:\n{said}"))?;
        Ok((count, out))
    }

    fn instructions(&self, words: &[&str], output: Output) -> Outcome<u64> {
        self.callgrind(words, output).map(|(count, _)| count)
    }

    /// Returns the functions that the words enter, sorted.
    fn entered(&self, words: &[&str], output: Output) -> Outcome<BTreeSet<String>> {
        let (_, out) = self.callgrind(words, output)?;
        let text = std::fs::read_to_string(out).map_err(|error| error.to_string())?;
        // `fn=(12) name` where a function is met first, `fn=(12)` from then on; a recursion is
        // numbered behind its name.
        let named = text.lines().filter_map(|line| {
            let (_, name) = line.split_once("fn=(")?.1.split_once(") ")?;
            Some(name.split('\'').next().unwrap_or(name).to_owned())
        });
        Ok(named.collect())
    }

    /// Returns all system calls of the process, with those that start and end it.
    fn calls(&self, words: &[&str], output: Output) -> Outcome<usize> {
        let out = self.dir.join("calls");
        let tool = ["strace", "-f", "-qq", "-o", &out.to_string_lossy()];
        self.under(&tool, words, output)?;
        let text = std::fs::read_to_string(out).map_err(|error| error.to_string())?;
        Ok(text
            .lines()
            .filter(|line| !line.contains(" resumed>"))
            .count())
    }
}
