//! What a gate came to: a table for the terminal, and GATE.md for whoever asks later.

use std::fmt::Write as _;
use std::fs;

use super::Played;
use crate::shell::{Outcome, command, read, root};

/// Begins the file.
const HEAD: &str = "\
# The gate

What the campaigns of `cargo xtask gate` did and found, newest first. CONTRIBUTING.md says what
each campaign is. A seed and a commit repeat a run.
";

/// Shows each campaign in a line.
pub(super) fn table(all: &[Played]) -> String {
    let mut table =
        "| campaign | done | seconds | violations |\n| --- | --- | ---: | ---: |\n".to_owned();
    for played in all {
        let counts = played.report.counts().iter();
        let mut counts: Vec<_> = counts
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if counts.is_empty() {
            counts.push("see above".to_owned());
        }
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} | {} |",
            played.name,
            counts.join(", "),
            played.seconds,
            played.report.violations().len()
        );
    }
    table
}

/// Puts a gate at the head of GATE.md.
pub(super) fn write(all: &[Played], budget: &str, seed: u64) -> Outcome {
    let path = root().join("GATE.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    let (head, earlier) = match old.find("\n## ") {
        Some(at) => old.split_at(at),
        None => (old.as_str(), ""),
    };
    let commit = read(&mut command("git", &["rev-parse", "--short=12", "HEAD"]))?;
    let changed = read(&mut command("git", &["status", "--porcelain", "-uno"]))?;
    let date = read(&mut command("date", &["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let entry = format!(
        "\n## {}, {budget}\n\nCommit {}{}, seed {seed}, {}.\n\n{}",
        date.trim(),
        commit.trim(),
        if changed.trim().is_empty() {
            ""
        } else {
            " with changes"
        },
        machine()?,
        table(all),
    );
    fs::write(&path, format!("{}\n{entry}{earlier}", head.trim_end()))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

/// Names processor, memory and kernel.
fn machine() -> Outcome<String> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field(&text("/proc/cpuinfo"), "model name").unwrap_or_default();
    let memory = field(&text("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kernel = read(&mut command("uname", &["-sr"]))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(format!(
        "{cores} × {processor}, {memory} of memory, {}",
        kernel.trim()
    ))
}
