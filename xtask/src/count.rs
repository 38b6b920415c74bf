//! `cargo xtask count`: instructions of short commands, which unlike times are the same on a busy
//! machine.
//!
//! Counts the release binary under `valgrind --tool=callgrind`, which starts it in a folder and
//! with a cache of its own. The test `cost` keeps the budget, on the binary that it was built with.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, release, run, target, which};

const STEP: &[&str] = &[
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
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
    let dir = target().join("count").join(std::process::id().to_string());
    std::fs::create_dir_all(dir.join("work")).map_err(|error| error.to_string())?;
    let counter = Counter { binary, dir };
    counter.write("in.txt", &[b'x'; 1000])?;
    counter.plain(STEP)?;
    for (name, words) in [
        ("ibid --version", ["--version"].as_slice()),
        ("ibid exec, up to date", STEP),
        ("ibid hash, one small file", &["hash", "in.txt"]),
    ] {
        println!("{:>12}  {name}", counter.count(words)?);
    }
    let output = counter.dir.join("work/out.txt");
    std::fs::rename(output, counter.dir.join("away")).map_err(|error| error.to_string())?;
    println!("{:>12}  ibid exec, output restored", counter.count(STEP)?);
    std::fs::remove_dir_all(&counter.dir).map_err(|error| error.to_string())
}

struct Counter {
    binary: PathBuf,
    dir: PathBuf,
}

impl Counter {
    fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        let path = self.dir.join("work").join(name);
        std::fs::write(path, bytes).map_err(|error| error.to_string())
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

    fn plain(&self, words: &[&str]) -> Outcome {
        run(self.command(&self.binary).args(words))
    }

    /// Returns the smaller count of two runs: the first may hash again what it found too young.
    fn count(&self, words: &[&str]) -> Outcome<u64> {
        let twice = words != STEP || self.dir.join("work/out.txt").exists();
        let first = self.once(words)?;
        if twice {
            Ok(first.min(self.once(words)?))
        } else {
            Ok(first)
        }
    }

    fn once(&self, words: &[&str]) -> Outcome<u64> {
        let out = self.dir.join("callgrind.out");
        let output = self
            .command(Path::new("valgrind"))
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(&self.binary)
            .args(words)
            .output()
            .map_err(|error| format!("valgrind could not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        line.and_then(|(_, count)| count.trim().parse().ok())
            .ok_or_else(|| format!("valgrind counted nothing:\n{text}"))
    }
}
