//! `cargo xtask dist`: the binary that is given away.
//!
//! It is static: a start costs more than a hit, and a third of a start is the dynamic linker. A
//! plain `cargo build` stays dynamic, as distributions want it.

use std::path::PathBuf;

use crate::shell::{Outcome, cargo, command, read, run, target};

const MUSL: &str = "x86_64-unknown-linux-musl";

/// Builds the static binary and returns where it lies.
///
/// With the musl target installed it depends on nothing at all; else glibc is linked in, which
/// serves as well unless user names come from a directory service.
pub(crate) fn build() -> Outcome<PathBuf> {
    let host = host()?;
    let installed = read(&mut command("rustup", &["target", "list", "--installed"]));
    let has_musl = installed.is_ok_and(|list| list.lines().any(|line| line == MUSL));
    let triple = if has_musl { MUSL } else { host.as_str() };
    let mut build = cargo(&["build", "--release", "--locked", "-p", "ibid"]);
    // A named target keeps build scripts and procedural macros dynamic, and this build apart.
    build.args(["--target", triple]);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut build)?;
    Ok(target().join(triple).join("release").join("ibid"))
}

fn host() -> Outcome<String> {
    let version = read(&mut command("rustc", &["--version", "--verbose"]))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "`rustc` does not say what it runs on".to_owned())
}
