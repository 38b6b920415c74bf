//! `cargo xtask count`: instructions of the hot paths, which unlike times are the same on a busy
//! machine.
//!
//! Counts the release under `valgrind --tool=callgrind`, which starts it in a folder and with a
//! cache of its own. Nothing is judged here: the test `cost` keeps the budgets, on the binary that
//! it was built with. Files are synced first, so that their status is believed as on a quiet desk.

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
    let dir = target().join("count").join(std::process::id().to_string());
    let counter = Counter { binary, dir };
    counter.files()?;
    let run_all = ["run", "--quiet", "-j2"];
    println!(
        "{:>12}  ibid --version",
        counter.count(&["--version"], None)?
    );
    for (name, words, taken) in [
        ("ibid exec, up to date", STEP, None),
        ("ibid exec, output restored", STEP, Some("out.txt")),
        ("ibid exec, 100 files up to date", MANY, None),
        ("ibid exec, 100 files restored", MANY, Some("many")),
        (
            "ibid hash, one small file, known",
            &["hash", "in.txt"],
            None,
        ),
        (
            "ibid hash, one small file, read",
            &["hash", "--no-stat-cache", "in.txt"],
            None,
        ),
        (
            "ibid hash, 100 files, known",
            &["hash", "--tree", "in"],
            None,
        ),
        ("ibid run, 100 steps, nothing to do", &run_all, None),
        (
            "ibid plan, 100 steps, nothing to do",
            &["plan", "--quiet"],
            None,
        ),
    ] {
        println!("{:>12}  {name}", counter.count(words, taken)?);
    }
    std::fs::remove_dir_all(&counter.dir).map_err(|error| error.to_string())
}

struct Counter {
    binary: PathBuf,
    dir: PathBuf,
}

impl Counter {
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

    /// Counts one run of a command that was run before, with an output of it taken away or not.
    fn count(&self, words: &[&str], taken: Option<&str>) -> Outcome<u64> {
        for _ in 0..SETTLING {
            let output = self.command(&self.binary, words).args(words).output();
            let output = output.map_err(|error| error.to_string())?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("`ibid {}` failed: {said}", words.join(" ")));
            }
            self.sync()?;
        }
        if let Some(name) = taken {
            let away = self.dir.join(format!("{name}.away"));
            let moved = std::fs::rename(self.dir.join("work").join(name), away);
            moved.map_err(|error| error.to_string())?;
        }
        self.once(words)
    }

    fn sync(&self) -> Outcome {
        let done = command("sync", &["-f"]).arg(&self.dir).status();
        done.map(drop).map_err(|error| format!("sync: {error}"))
    }

    fn once(&self, words: &[&str]) -> Outcome<u64> {
        let out = self.dir.join("callgrind.out");
        let output = self
            .command(Path::new("valgrind"), words)
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(&self.binary)
            .args(words)
            .output()
            .map_err(|error| format!("valgrind could not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        // Threads count together.
        let line = text
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        line.and_then(|(_, count)| count.trim().parse().ok())
            .ok_or_else(|| format!("valgrind counted nothing:\n{text}"))
    }
}
