//! `cargo xtask lint`: everything about the sources that needs no test to run.

use crate::shell::{Outcome, cargo, command, read, run, which};

/// What would turn the library into something that most users should not have to compile.
const NOT_IN_CORE: &[&str] = &[
    "async-std",
    "clap",
    "hyper",
    "native-tls",
    "openssl",
    "reqwest",
    "rustls",
    "tokio",
];

/// Checkers that are used where they are installed.
const CHECKERS: &[(&str, &[&str])] = &[("typos", &[]), ("cargo-deny", &["check"])];

/// Runs the chore.
pub(crate) fn check() -> Outcome {
    run_all(&[
        ("format", &|| run(&mut cargo(&["fmt", "--all", "--check"]))),
        ("clippy", &clippy),
        ("docs", &docs),
        ("reference", &crate::docs::check),
        ("what core links", &core_is_lean),
        ("duplicates", &no_duplicates),
        ("checkers", &checkers),
    ])
}

/// Runs every check, also after one has failed, and names those that failed.
fn run_all(checks: &[(&str, &dyn Fn() -> Outcome)]) -> Outcome {
    let mut failed = Vec::new();
    for (name, check) in checks {
        if let Err(message) = check() {
            eprintln!("error: {message}");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        println!("lint: all {} checks passed", checks.len());
        Ok(())
    } else {
        Err(format!("lint: failed: {}", failed.join(", ")))
    }
}

fn checkers() -> Outcome {
    for (program, arguments) in CHECKERS {
        if which(program).is_some() {
            run(&mut command(program, arguments))?;
        } else {
            println!("skipped: {program} (not installed)");
        }
    }
    Ok(())
}

fn clippy() -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked"];
    let mut clippy = cargo(&arguments);
    run(clippy.args(["--", "-D", "warnings"]))
}

fn docs() -> Outcome {
    let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    run(docs.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Proves that the library needs no async runtime, no TLS and no parser of arguments.
fn core_is_lean() -> Outcome {
    let tree = tree(&["-p", "ibid-core", "-e", "normal"])?;
    let found: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|package| NOT_IN_CORE.contains(package))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("`ibid-core` links {}", found.join(", ")))
}

/// Two versions of a package are compiled and shipped twice.
fn no_duplicates() -> Outcome {
    let tree = tree(&["--workspace", "--duplicates", "-e", "normal"])?;
    if tree.trim().is_empty() {
        return Ok(());
    }
    Err(format!("packages in more than one version:\n{tree}"))
}

fn tree(arguments: &[&str]) -> Outcome<String> {
    let mut tree = cargo(&["tree", "--quiet", "--locked", "--prefix", "none"]);
    read(tree.args(arguments))
}
