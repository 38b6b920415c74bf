//! `cargo xtask fuzz`: every decoder under libFuzzer, guided by what it covers, on the stable
//! toolchain.
//!
//! The compiler's own coverage pass is switched on by stable flags; no sanitizer is needed, because
//! the code under test has no unsafe block. Inputs that were found interesting stay in
//! `target/fuzz/corpus`, so that a later run goes on where this one ended; one that breaks a law is
//! kept in `target/fuzz/found` and named.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::shell::{Outcome, announce, cargo, read, root, run, target};

const USAGE: &str = "\
usage: cargo xtask fuzz [TARGET...] [--seconds N]

Without targets each has its turn. `--seconds` is for each (10). Memory is limited to 256 MiB, a
single input to ten seconds and 64 KiB.
";

/// What switches the coverage pass on; `fuzzing` makes the targets visible.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Fuzzes the named targets, or all; fails if one breaks.
pub(crate) fn run_all(arguments: &[String]) -> Outcome {
    let mut names = Vec::new();
    let mut seconds = 10;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let value = words.next().and_then(|value| value.parse().ok());
                seconds = value.ok_or_else(|| format!("how many seconds?\n\n{USAGE}"))?;
            }
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            name => names.push(name.to_owned()),
        }
    }
    let binary = build()?;
    let known = targets(&binary)?;
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "no target `{unknown}`; there are {}",
            known.join(", ")
        ));
    }
    let chosen = if names.is_empty() { known } else { names };
    let mut total = 0;
    let mut broken = Vec::new();
    for name in chosen {
        match fuzz(&binary, &name, seconds)? {
            Some(inputs) => total += inputs,
            None => broken.push(name),
        }
    }
    println!("{total} inputs, {} targets broken", broken.len());
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "broken: {}; the inputs lie in {}",
            broken.join(", "),
            folder("found").display()
        ))
    }
}

/// Builds the fuzzer in a folder of its own, because its flags are nobody else's.
fn build() -> Outcome<PathBuf> {
    let host = host()?;
    let built = target().join("fuzz");
    let mut command = cargo(&["build", "--release", "--locked", "--target", &host]);
    command
        .current_dir(root().join("fuzz"))
        .env("CARGO_TARGET_DIR", &built)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    run(&mut command)?;
    Ok(built.join(host).join("release/ibid-fuzz"))
}

/// Returns the triple of this machine.
fn host() -> Outcome<String> {
    let told = read(&mut crate::shell::command("rustc", &["-vV"]))?;
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .ok_or_else(|| "rustc does not say what machine this is".to_owned())
}

fn targets(binary: &Path) -> Outcome<Vec<String>> {
    let mut command = crate::shell::command(&binary.to_string_lossy(), &["-runs=0"]);
    command.stderr(Stdio::null());
    let listed = command.output().map_err(|error| error.to_string())?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Fuzzes one target; returns how many inputs it took, or `None` where one broke it.
fn fuzz(binary: &Path, name: &str, seconds: u64) -> Outcome<Option<u64>> {
    let corpus = folder("corpus").join(name);
    let found = folder("found");
    for dir in [&corpus, &found] {
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let mut command = crate::shell::command(&binary.to_string_lossy(), &[]);
    command
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .args(["-max_len=65536", "-timeout=10", "-rss_limit_mb=256"])
        .args([
            "-malloc_limit_mb=256",
            "-print_final_stats=1",
            "-verbosity=0",
        ])
        .env("IBID_FUZZ_TARGET", name)
        .env("IBID_FUZZ_CORPUS", &corpus);
    announce(&command);
    let ended = command
        .output()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let told = String::from_utf8_lossy(&ended.stderr);
    if !ended.status.success() {
        println!("{name}: broken\n{told}");
        return Ok(None);
    }
    let stat = |what: &str| {
        let lines = told.lines();
        let mut values =
            lines.filter_map(|line| line.strip_prefix(what)?.split_whitespace().last());
        values.next().and_then(|value| value.parse::<u64>().ok())
    };
    let inputs = stat("stat::number_of_executed_units:").unwrap_or(0);
    let memory = stat("stat::peak_rss_mb:").unwrap_or(0);
    println!("{name}: {inputs} inputs, {memory} MiB at most, 0 violations");
    Ok(Some(inputs))
}

fn folder(name: &str) -> PathBuf {
    target().join("fuzz").join(name)
}
