//! `cargo xtask count`: instructions and system calls of the hot paths, which unlike times are the
//! same on a busy machine; and which functions they enter, for `cargo xtask dist`.
//!
//! Looks at a binary under `valgrind --tool=callgrind` and `strace`, which start it in a folder and
//! with a cache of its own. Nothing is judged here: the test `cost` keeps the budgets, on the binary
//! that it was built with. Files are synced first, so that their status is believed as on a quiet
//! desk.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, command, release, target, which};

const STEP: &[&str] = &[
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
];

/// A folder of `FILES` files, made by a copy.
const MANY: &[&str] = &[
    "exec", "-i", "in/", "-o", "many/", "--", "cp", "-r", "in", "many",
];

const FILES: usize = 100;

/// Runs before one is counted: the first may read again what it finds too young.
const SETTLING: usize = 3;

/// What is counted: how it is called, its words, and an output that is taken away before.
type Counted = (&'static str, &'static [&'static str], Option<&'static str>);

/// Those of one small step, the hottest first.
const SHORT: [Counted; 4] = [
    ("ibid exec, up to date", STEP, None),
    ("ibid exec, output restored", STEP, Some("out.txt")),
    ("ibid --version", &["--version"], None),
    (
        "ibid hash, one small file, known",
        &["hash", "in.txt"],
        None,
    ),
];

/// Those of more than one file.
const LONG: [Counted; 6] = [
    (
        "ibid hash, one small file, read",
        &["hash", "--no-stat-cache", "in.txt"],
        None,
    ),
    ("ibid exec, 100 files up to date", MANY, None),
    ("ibid exec, 100 files restored", MANY, Some("many")),
    (
        "ibid hash, 100 files, known",
        &["hash", "--tree", "in"],
        None,
    ),
    (
        "ibid run, 100 steps, nothing to do",
        &["run", "--quiet", "-j2"],
        None,
    ),
    (
        "ibid plan, 100 steps, nothing to do",
        &["plan", "--quiet"],
        None,
    ),
];

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
    for (name, words, taken) in SHORT.into_iter().chain(LONG) {
        counter.settle(words)?;
        let (instructions, _) = counter.callgrind(words, taken)?;
        let calls = if has_strace {
            counter.calls(words, taken)?.to_string()
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
    for (_, words, taken) in SHORT {
        counter.settle(words)?;
        let entered = counter.entered(words, taken)?;
        let new = entered.iter().filter(|name| !known.contains(*name));
        ordered.extend(new.cloned());
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
    fn new(binary: PathBuf) -> Outcome<Self> {
        let dir = target().join("count").join(std::process::id().to_string());
        let counter = Self { binary, dir };
        counter.files()?;
        counter.settle(STEP)?;
        Ok(counter)
    }

    fn remove(&self) -> Outcome {
        std::fs::remove_dir_all(&self.dir).map_err(|error| error.to_string())
    }

    /// Makes an input, a folder of them, and a file of steps.
    fn files(&self) -> Outcome {
        for dir in ["work/in", "steps/in"] {
            std::fs::create_dir_all(self.dir.join(dir)).map_err(|error| error.to_string())?;
        }
        self.write("work/in.txt", &[b'x'; 1000])?;
        let mut steps = String::new();
        for number in 0..FILES {
            for dir in ["work/in", "steps/in"] {
                self.write(&format!("{dir}/{number}"), format!("{number}\n").as_bytes())?;
            }
            let _ = writeln!(
                steps,
                "[steps.s{number}]\nrun = \"cp in/{number} {number}.out\"\n\
                 inputs = [\"in/{number}\"]\noutputs = [\"{number}.out\"]"
            );
        }
        self.write("steps/ibid.toml", steps.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        let path = self.dir.join(name);
        std::fs::write(path, bytes).map_err(|error| error.to_string())
    }

    /// A program in the folder that `words` belong to: commands of steps have one of their own, so
    /// that others do not read their file.
    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let steps = matches!(words[0], "run" | "plan");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.dir)
            .current_dir(self.dir.join(if steps { "steps" } else { "work" }));
        command
    }

    /// Runs the words until all that they look at is known.
    fn settle(&self, words: &[&str]) -> Outcome {
        for _ in 0..SETTLING {
            let output = self.command(&self.binary, words).args(words).output();
            let output = output.map_err(|error| error.to_string())?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("`ibid {}` failed: {said}", words.join(" ")));
            }
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&self) -> Outcome {
        let done = command("sync", &["-f"]).arg(&self.dir).status();
        done.map(drop).map_err(|error| format!("sync: {error}"))
    }

    /// Runs the words under a tool, and returns what was said on standard error.
    fn under(&self, tool: &[&str], words: &[&str], taken: Option<&str>) -> Outcome<String> {
        if let Some(name) = taken {
            let away = self.dir.join(format!("{name}.away-{}", tool[0]));
            let moved = std::fs::rename(self.dir.join("work").join(name), away);
            moved.map_err(|error| error.to_string())?;
        }
        let done = self
            .command(Path::new(tool[0]), words)
            .args(&tool[1..])
            .arg(&self.binary)
            .args(words)
            .output()
            .map_err(|error| format!("`{}` could not run: {error}", tool[0]))?;
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Counts the instructions of all threads; returns where the profile lies, too.
    fn callgrind(&self, words: &[&str], taken: Option<&str>) -> Outcome<(u64, PathBuf)> {
        let out = self.dir.join("callgrind.out");
        let file = format!("--callgrind-out-file={}", out.display());
        let tool = ["valgrind", "--tool=callgrind", "--demangle=no", &file];
        let said = self.under(&tool, words, taken)?;
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = line.and_then(|(_, count)| count.trim().parse().ok());
        let count = count.ok_or_else(|| format!("valgrind counted nothing:\n{said}"))?;
        Ok((count, out))
    }

    /// Returns the functions that the words enter, sorted.
    fn entered(&self, words: &[&str], taken: Option<&str>) -> Outcome<BTreeSet<String>> {
        let (_, out) = self.callgrind(words, taken)?;
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
    fn calls(&self, words: &[&str], taken: Option<&str>) -> Outcome<usize> {
        let out = self.dir.join("calls");
        let tool = ["strace", "-f", "-qq", "-o", &out.to_string_lossy()];
        self.under(&tool, words, taken)?;
        let text = std::fs::read_to_string(out).map_err(|error| error.to_string())?;
        Ok(text
            .lines()
            .filter(|line| !line.contains(" resumed>"))
            .count())
    }
}
