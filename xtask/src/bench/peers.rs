//! Programs that ibid is measured beside: where they lie, and how they are installed.
//!
//! What is missing is installed once, by the system's package manager where this process may use
//! it, or by cargo below the folder of builds. What cannot be installed is named, and left out.

use std::path::PathBuf;

use crate::shell::{cargo, command, run, target, which};

/// How a program is installed.
enum Source {
    /// The package of Debian and its kin.
    Apt(&'static str),
    Cargo,
}

const PROGRAMS: &[(&str, Source)] = &[
    ("ninja", Source::Apt("ninja-build")),
    ("samu", Source::Apt("samurai")),
    ("make", Source::Apt("make")),
    ("gcc", Source::Apt("gcc")),
    ("ccache", Source::Apt("ccache")),
    ("git", Source::Apt("git")),
    ("mkfs.xfs", Source::Apt("xfsprogs")),
    ("strace", Source::Apt("strace")),
    ("b3sum", Source::Cargo),
    ("bkt", Source::Cargo),
];

/// Peers that `--peers` knows.
pub(super) const NAMES: &[&str] = &["ninja", "samu", "make", "bkt", "ccache", "b3sum", "git"];

/// Where cargo puts peers, beside the search path.
fn own() -> PathBuf {
    target().join("peers")
}

/// Returns where `program` lies.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let own = own().join("bin").join(program);
    which(program).or_else(|| own.is_file().then_some(own))
}

pub(super) fn why_missing(program: &str) -> String {
    format!("{program} is not installed")
}

/// Installs what is missing of `programs`, as far as it can be.
pub(super) fn install(programs: &[&str]) {
    let missing = |name: &str| programs.contains(&name) && find(name).is_none();
    let mut packages = Vec::new();
    for (name, source) in PROGRAMS.iter().filter(|(name, _)| missing(name)) {
        match source {
            Source::Apt(package) => packages.push(*package),
            Source::Cargo => {
                let root = own().to_string_lossy().into_owned();
                let mut install = cargo(&["install", "--locked", "--quiet", "--root", &root, name]);
                told(run(&mut install));
            }
        }
    }
    if packages.is_empty() {
        return;
    }
    if !super::is_root() || which("apt-get").is_none() {
        let list = packages.join(", ");
        eprintln!("not installed, and this is not root with apt-get: {list}");
        return;
    }
    for package in packages {
        // One by one: a single unknown name would keep all others away.
        let mut install = command(
            "apt-get",
            &["install", "-qq", "-y", "--no-install-recommends"],
        );
        install
            .arg(package)
            .env("DEBIAN_FRONTEND", "noninteractive");
        told(run(&mut install));
    }
}

/// A peer that cannot be installed is left out; the table says so.
fn told(outcome: crate::shell::Outcome) {
    if let Err(message) = outcome {
        eprintln!("{message}");
    }
}
