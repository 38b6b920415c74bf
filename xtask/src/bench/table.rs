//! Results as Markdown, as BENCHMARKS.md holds them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::Bench;
use super::goals::{Verdict, millis, ratios, spread};
use super::measure::{Row, Sample};
use super::workloads::Workload;
use crate::shell::Outcome;

/// Under this heading of the page lies what a run writes; it is the last one.
const RESULTS: &str = "\n## Results\n";

/// Describes the machine, the binary and the run, without which the figures mean nothing.
pub(super) fn header(bench: &Bench, origin: &str) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let cpu = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().unwrap_or_default();
    let memory = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    let told = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let dir = bench.dir.to_string_lossy();
    let disk = told("stat", &["-f", "-c", "%T", &dir]).unwrap_or_default();
    let day = told("date", &["+%Y-%m-%d %H:%M"]).unwrap_or_default();
    let ibid = bench.ibid.to_string_lossy();
    let version = told(&ibid, &["--version"]).unwrap_or_default();
    let size = std::fs::metadata(&bench.ibid).map_or(0, |found| found.len()) / 1024;
    let (options, gibibytes) = (&bench.options, memory.unwrap_or(0) >> 20);
    let divided = if options.divisor == 1 {
        String::new()
    } else {
        format!(
            "\n* **All sizes are divided by {}: no figures for anybody.**",
            options.divisor
        )
    };
    format!(
        "\n### The machine and the run\n\n\
         * {day}: {cpu}, {cores} cores, {gibibytes} GiB, Linux {}, {disk}, load {}\n\
         * {version} of {origin}, {size} KiB\n\
         * {} rounds after {} warm-ups (heavy workloads: 3 at most), short commands {} times a \
         round{divided}\n",
        kernel.trim(),
        load(),
        options.rounds,
        options.warm_ups,
        options.repeats
    )
}

/// The load of the last minute.
pub(super) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Prints a workload: one line per command, then one per goal.
pub(super) fn workload(
    workload: &Workload,
    rows: &[Row],
    verdicts: &[Verdict],
    load: &str,
) -> String {
    let mut text = format!("\n### {}: {}\n\n{load}\n", workload.name, workload.about);
    if !rows.is_empty() {
        text.push_str(
            "\n| command | wall ms, min / median / max | cpu ms, median | ratio, median (min-max) |\n\
             | --- | ---: | ---: | ---: |\n",
        );
    }
    let reference = rows.iter().find_map(|row| row.outcome.as_deref().ok());
    for Row { name, outcome } in rows {
        let cells = match (outcome, reference) {
            (Ok(samples), Some(reference)) => cells(samples, reference),
            (Err(message), _) => format!("left out: {message} | | "),
            (Ok(_), None) => String::new(),
        };
        let _ = writeln!(text, "| {name} | {cells} |");
    }
    text.push('\n');
    for verdict in verdicts {
        let Verdict { goal, reached, .. } = verdict;
        let _ = writeln!(text, "* {goal}: {reached}, {}", verdict.word());
    }
    text
}

/// Prints all goals of a run.
pub(super) fn goals(verdicts: &[Verdict]) -> String {
    let count = |met: Option<bool>| verdicts.iter().filter(|one| one.met == met).count();
    let mut text = format!(
        "\n### Goals\n\n{} met, {} not met, {} not measured\n\n\
         | workload | goal | reached, median (min-max) | |\n| --- | --- | --- | --- |\n",
        count(Some(true)),
        count(Some(false)),
        count(None)
    );
    for verdict in verdicts {
        let Verdict {
            workload,
            goal,
            reached,
            ..
        } = verdict;
        let _ = writeln!(
            text,
            "| `{workload}` | {goal} | {reached} | {} |",
            verdict.word()
        );
    }
    text
}

/// Writes a report as the last part of a page.
pub(super) fn record(page: &Path, report: &str) -> Outcome {
    let told = |error| format!("{}: {error}", page.display());
    let text = std::fs::read_to_string(page).map_err(told)?;
    std::fs::write(page, with_results(&text, report)?).map_err(told)
}

fn with_results(page: &str, report: &str) -> Outcome<String> {
    let (kept, _) = page
        .split_once(RESULTS)
        .ok_or("the page has no part `## Results`")?;
    Ok(format!("{kept}{RESULTS}{report}"))
}

fn cells(samples: &[Sample], reference: &[Sample]) -> String {
    let [low, middle, high] = spread(samples.iter().map(millis).collect());
    let cpu = samples.iter().map(|sample| sample.cpu.as_secs_f64() * 1e3);
    let [_, cpu, _] = spread(cpu.collect());
    let [least, ratio, most] = spread(ratios(samples, reference));
    format!("{low:.2} / {middle:.2} / {high:.2} | {cpu:.2} | {ratio:.2} ({least:.2}-{most:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_replaces_the_results_and_nothing_else() {
        let page = "# Page\n\ntext\n\n## Results\n\nold\n";
        let page = with_results(page, "\nnew\n").unwrap();
        assert_eq!(page, "# Page\n\ntext\n\n## Results\n\nnew\n");
        assert_eq!(with_results(&page, "\nnew\n").unwrap(), page);
        assert!(with_results("# Page\n", "new").is_err());
    }
}
