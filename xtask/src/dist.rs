//! `cargo xtask dist`: the binary that is given away.
//!
//! It is static: a start costs more than a hit, and a third of a start is the dynamic linker. A
//! plain `cargo build` stays dynamic, as distributions want it.

use std::path::PathBuf;

use crate::shell::{Outcome, cargo, command, read, run, target};

const MUSL: &str = "x86_64-unknown-linux-musl";

/// Builds the static binary, and prints where it lies and how large it is.
pub(crate) fn print() -> Outcome {
    let path = build()?;
    let size = std::fs::metadata(&path).map_err(|error| error.to_string())?;
    println!("{} ({} KiB)", path.display(), size.len() / 1024);
    Ok(())
}

/// Builds the static binary and returns where it lies.
///
/// With the musl target installed it depends on nothing at all; else glibc is linked in, which
/// serves as well unless user names come from a directory service.
pub(crate) fn build() -> Outcome<PathBuf> {
    let triple = triple()?;
    build_static("ibid", &triple)
}

/// Builds the floors of the benchmark in the same way.
pub(crate) fn floor() -> Outcome<PathBuf> {
    build_static("ibid-floor", &triple()?)
}

fn triple() -> Outcome<String> {
    let installed = read(&mut command("rustup", &["target", "list", "--installed"]));
    let has_musl = installed.is_ok_and(|list| list.lines().any(|line| line == MUSL));
    if has_musl {
        Ok(MUSL.to_owned())
    } else {
        host()
    }
}

fn build_static(package: &str, triple: &str) -> Outcome<PathBuf> {
    let mut build = cargo(&["build", "--release", "--locked", "-p", package]);
    // A named target keeps build scripts and procedural macros dynamic, and this build apart.
    build.args(["--target", triple]);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut build)?;
    Ok(target().join(triple).join("release").join(package))
}

fn host() -> Outcome<String> {
    let version = read(&mut command("rustc", &["--version", "--verbose"]))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "`rustc` does not say what it runs on".to_owned())
}
