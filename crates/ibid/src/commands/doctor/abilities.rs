//! What the file systems of cache and root can do, tried out with files that are gone afterwards.

use std::fs::File;
use std::path::{Path, PathBuf};

use ibid_core::fs::{self, MountPoint, NameTrial, PathError, Trial};

use super::finding::Finding;
use super::standing;
use crate::context::{Session, wall_clock};

/// Clocks that differ by less than this are one clock.
const SKEW_NANOS: i128 = 2_000_000_000;

/// Steps of stamps that are longer than this let rewrites go unseen for a while.
const COARSE_NANOS: u64 = 20_000_000;

/// Whether a probe may have a name for a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Allowed,
    None,
}

/// Tries out the cache, then the root, then both together.
pub(super) fn all(session: &Session) -> Vec<Finding> {
    let store = &session.dirs.cache().path;
    let staging = store.join("v1").join("tmp");
    let mut findings = Vec::new();
    if let Some(dir) = writable(store) {
        // A folder of the store may get names, everything else only files without one.
        let dir = if staging.is_dir() { &staging } else { &dir };
        let names = if dir == &staging {
            Names::Allowed
        } else {
            Names::None
        };
        findings.extend(of_files("cache", dir, names));
        if names == Names::Allowed {
            findings.push(of_names(dir));
        }
    } else {
        findings.push(
            Finding::note("trials", "none: it may only be read, or not looked at")
                .of("cache")
                .meaning("results are brought back without a write there"),
        );
    }
    match writable(&session.root) {
        Some(dir) => findings.extend(of_files("root", &dir, Names::None)),
        None => findings.push(
            Finding::warning("trials", "none: it cannot be written")
                .of("root")
                .meaning("outputs can be found up to date, and neither be made nor restored"),
        ),
    }
    findings.push(sharing(session));
    findings
}

/// Returns the folder, or what stands above it, if files can be made there.
fn writable(path: &Path) -> Option<PathBuf> {
    let (real, above) = standing(path);
    let read_only = MountPoint::of(&real).is_some_and(|mount| mount.read_only);
    above.filter(|above| !read_only && fs::may_write_in(above))
}

/// Clock, steps of stamps and dirty pages.
fn of_files(name: &'static str, dir: &Path, names: Names) -> Vec<Finding> {
    let before = wall_clock().as_nanos();
    let trial = match fs::nameless_file(dir) {
        Ok(file) => fs::try_file(&file, dir),
        Err(error) if error.is_full() || names == Names::None => Err(error),
        // Network file systems know no files without a name, and their clocks matter most.
        Err(_) => fs::Staged::create(dir).and_then(|file| fs::try_file(file.file(), file.path())),
    };
    let trial = match trial {
        Ok(trial) => trial,
        Err(error) => return vec![untried(&error).of(name)],
    };
    let after = wall_clock().as_nanos();
    let stamp = trial.stamp.as_nanos();
    // What lies between both looks at the clock is no skew.
    let skew = (stamp - stamp.clamp(before, after)).abs();
    let clock = if skew < SKEW_NANOS {
        Finding::ok("clock", "agrees with this host's")
    } else {
        let seconds = skew / 1_000_000_000;
        let side = if stamp > after { "ahead of" } else { "behind" };
        Finding::warning("clock", format!("{seconds} s {side} this host's"))
            .meaning(
                "files with stamps in the future are read at each look; ages are wrong by this",
            )
            .set("let both machines follow one time server")
    };
    let findings = [clock, step(&trial), pages(&trial)];
    findings.into_iter().map(|it| it.of(name)).collect()
}

fn untried(error: &PathError) -> Finding {
    if error.is_full() {
        return Finding::note("time stamps", "not tried: no space is left");
    }
    Finding::note("time stamps", "not tried")
        .meaning("only files without a name are used as probes, and there are none here")
}

fn step(trial: &Trial) -> Finding {
    let text = |nanos: u64| match nanos {
        // Less than this is the time that two writes take.
        0..100_000 => "less than 0.1 ms".to_owned(),
        100_000..10_000_000 => format!("{} us", nanos / 1000),
        _ => format!("{} ms", nanos / 1_000_000),
    };
    match trial.step {
        Some(step) if step <= COARSE_NANOS => {
            Finding::ok("time stamps", format!("in steps of {}", text(step)))
        }
        Some(step) => Finding::note("time stamps", format!("in steps of {}", text(step)))
            .meaning("files changed within a step are read again until they are older"),
        None => Finding::note("time stamps", "in steps of more than 30 ms")
            .meaning("files changed within 2 s are read again until they are older"),
    }
}

fn pages(trial: &Trial) -> Finding {
    let unsure = "a file changed within two minutes is read again at each look";
    match trial.tells_dirty_pages {
        Some(true) => Finding::ok("late writes", "noticed: the kernel tells of them"),
        Some(false) => {
            Finding::note("late writes", "not told of on this file system").meaning(unsure)
        }
        None => Finding::note("late writes", "not told of by this kernel, Linux 6.5 does")
            .meaning(unsure),
    }
}

fn of_names(dir: &Path) -> Finding {
    let NameTrial {
        exclusive,
        rename_new,
        hard_links,
    } = match fs::try_names(dir) {
        Ok(trial) => trial,
        Err(error) if error.is_full() => {
            return Finding::warning("names", "not tried: no space or no inode is left");
        }
        Err(error) => return Finding::warning("names", ibid_core::engine::chain(&error)),
    };
    let can = |can: bool, what| format!("{what} {}", if can { "works" } else { "does not" });
    let found = [
        can(exclusive, "creating once"),
        can(rename_new, "renaming without replacing"),
        can(hard_links, "linking"),
    ];
    let found = found.join(", ");
    if !exclusive {
        return Finding::warning("names", found)
            .meaning("two processes may compute one result: right, and twice the work")
            .set("`leases = false` saves trying");
    }
    if !rename_new && !hard_links {
        return Finding::warning("names", found)
            .meaning("results cannot be recorded without the risk of replacing another's")
            .set("a `cache_dir` on another file system");
    }
    if hard_links {
        Finding::ok(
            "names",
            "created once, never replaced, and linked as they should be",
        )
    } else {
        Finding::note("names", found).meaning("`link = \"hardlink\"` copies instead")
    }
}

/// Whether a restore shares content with the store.
fn sharing(session: &Session) -> Finding {
    let store = writable(&session.dirs.cache().path);
    let root = writable(&session.root);
    let (Some(store), Some(root)) = (store, root) else {
        return Finding::note("reflink", "not tried: a place cannot be written");
    };
    let probe = |dir: &Path| fs::nameless_file(dir);
    let both = |from: &Path, to: &Path| -> Result<bool, PathError> {
        let (source, target): (File, File) = (probe(from)?, probe(to)?);
        fs::can_share(&source, &target, from)
    };
    match (both(&store, &root), both(&store, &store)) {
        (Ok(true), _) => Finding::ok(
            "reflink",
            "restored outputs share their bytes with the cache",
        ),
        (Ok(false), Ok(true)) => {
            Finding::note("reflink", "works in the cache, not between cache and root")
                .meaning("outputs are copied: they are on different file systems")
                .set("a `cache_dir` on the file system of the root makes restores instant")
        }
        (Ok(false), _) => Finding::ok("reflink", "no: outputs are copied")
            .meaning("XFS and btrfs can share bytes between cache and outputs"),
        (Err(error), _) if error.is_full() => {
            Finding::note("reflink", "not tried: no space is left")
        }
        (Err(_), _) => Finding::note("reflink", "not tried: outputs are copied where it fails"),
    }
}
